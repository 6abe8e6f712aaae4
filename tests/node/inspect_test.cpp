// SPDX-License-Identifier: Apache-2.0
#include "grove/node/inspect.hpp"

#include "grove/node/table.hpp"
#include "grove/testkit/local_world.hpp"

#include "support/real_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <latch>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;
using testkit::RealWorld;

struct Ping {
  int number = 0;
};
struct Ask {
  using Reply = int;
};

Task<> sleeper(Context& context) { co_await context.sleep_for(24h); }

class Ignoring final : public Handler {
  void handle(Context&, Envelope&) override {}
};

/// Answers only after an hour of waiting.
class Slow : public GenServer {
 public:
  using Handles = grove::Handles<Ask>;
  Task<int> handle_call(Ask) {
    co_await context().sleep_for(1h);
    co_return 1;
  }
};

ProcessInfo info_of(LocalWorld& world, Pid pid) {
  auto info = world.run([pid](Context& context) -> Task<std::optional<ProcessInfo>> {
    co_return co_await process_info(context, pid);
  });
  EXPECT_TRUE(info.has_value());
  return info.value_or(ProcessInfo());
}

TEST(Inspect, AProcessOfThePastIsNothing) {
  LocalWorld world;
  const Pid pid = world.node().spawn([](Context&) -> Task<> { co_return; });
  world.settle();
  const Pid never{world.node().id(), 123456, 1};
  const bool nothing = world.run([&](Context& context) -> Task<bool> {
    const auto dead = co_await process_info(context, pid);
    const auto unknown = co_await process_info(context, never);
    const auto nobody = co_await process_info(context, Pid());
    const bool alive = co_await is_alive(context, pid);
    co_return !dead && !unknown && !nobody && !alive;
  });
  EXPECT_TRUE(nothing);
}

TEST(Inspect, APidOfANodeThatCannotBeReachedSaysSo) {
  LocalWorld world;
  const Pid elsewhere{intern_node("other", Life{7}), 1, 1};
  const ExitReason reason = world.run([&](Context& context) -> Task<ExitReason> {
    try {
      (void)co_await is_alive(context, elsewhere);
    } catch (const ProcessExit& failed) {
      co_return failed.reason();
    }
    co_return ExitReason::normal();
  });
  EXPECT_EQ(to_string(reason), "{nodedown,other}");
}

TEST(Inspect, WhoWasJustKilledIsNotAlive) {
  LocalWorld world;
  const Pid pid = world.node().spawn(sleeper);
  world.settle();
  const auto alive = world.run([pid](Context& context) -> Task<std::pair<bool, bool>> {
    const bool before = co_await is_alive(context, pid);
    context.exit(pid, ExitReason::kill());
    const bool after = co_await is_alive(context, pid);
    co_return std::pair(before, after);
  });
  EXPECT_EQ(alive, std::pair(true, false));
}

TEST(Inspect, TheAnswerComesAfterWhatTheCallerSent) {
  LocalWorld world;
  const Pid pid = world.node().spawn(sleeper);
  world.settle();
  const auto mailbox = world.run([pid](Context& context) -> Task<std::uint64_t> {
    for (int i = 0; i < 5; ++i) context.send<Ping>(pid, i);
    context.send<Ping>(context.self(), 1);  // its own mailbox is not in the way
    const auto info = co_await process_info(context, pid);
    co_return info->mailbox;
  });
  EXPECT_EQ(mailbox, 5U);
}

TEST(Inspect, AFloodedProcessTellsItsLengthAgeAndMemory) {
  LocalWorld world;
  const Pid pid = world.node().spawn(sleeper);
  world.settle();
  EXPECT_EQ(info_of(world, pid).oldest_message_age, std::nullopt);
  for (int i = 0; i < 100'000; ++i) world.node().send(pid, Ping{i});
  world.settle();
  world.run_for(3s);
  world.node().send(pid, Ping{});
  const ProcessInfo info = info_of(world, pid);
  EXPECT_EQ(info.mailbox, 100'001U);
  EXPECT_EQ(info.oldest_message_age, 3s);
  EXPECT_GE(info.memory_bytes, 100'000U * 64);
  EXPECT_EQ(info.status, "waiting");
}

TEST(Inspect, AProcessSeesItselfRunning) {
  LocalWorld world;
  const auto info = world.run([](Context& context) -> Task<std::optional<ProcessInfo>> {
    context.trap_exit(true);
    context.priority(Priority::high);
    (void)context.new_table<int, int>("mine");
    (void)context.register_name("me", context.self());
    context.set_label("a label");
    co_return co_await process_info(context, context.self());
  });
  ASSERT_TRUE(info);
  EXPECT_EQ(info->status, "running");
  EXPECT_EQ(info->priority, Priority::high);
  EXPECT_EQ(info->tables, std::vector<std::string>{"mine"});
  EXPECT_EQ(info->name, "me");
  EXPECT_EQ(info->label, "a label");
  EXPECT_TRUE(info->trap_exit);
}

TEST(Inspect, AncestorsGoUpToTheFirstThatHasEnded) {
  LocalWorld world;
  std::vector<Pid> line;  // youngest last
  const auto child = [](Context& context, std::vector<Pid>* pids, int more, auto again) -> Task<> {
    pids->push_back(context.self());
    if (more > 0) context.spawn(again, pids, more - 1, again);
    co_await context.sleep_for(24h);
  };
  world.node().spawn(child, &line, 3, child);
  world.settle();
  ASSERT_EQ(line.size(), 4U);
  EXPECT_EQ(info_of(world, line[3]).ancestors, (std::vector<Pid>{line[2], line[1], line[0]}));
  world.node().exit(line[1], ExitReason::kill());
  world.settle();
  EXPECT_EQ(info_of(world, line[3]).ancestors, std::vector<Pid>{line[2]});
  EXPECT_EQ(info_of(world, line[3]).parent, line[2]);
}

TEST(Inspect, AServersCoroutineTellsWhatItHandlesAndSinceWhen) {
  LocalWorld world;
  const Pid server = world.run([](Context& context) -> Task<Pid> {
    ServerOptions options;
    options.link = false;
    co_return (co_await start_server<Slow>(context, options)).pid;
  });
  EXPECT_EQ(info_of(world, server).handling, "");
  world.node().spawn([server](Context& context) -> Task<> {
    (void)co_await context.call_for<Ask>(std::nullopt, server);
  });
  world.settle();
  world.run_for(10s);
  ProcessInfo info = info_of(world, server);
  EXPECT_EQ(info.handling, k_message_type<Ask>.name);
  EXPECT_EQ(info.handling_since, 10s);
  world.run_for(2h);
  info = info_of(world, server);
  EXPECT_EQ(info.handling, "");
  EXPECT_EQ(info.handling_since, std::nullopt);
}

/// Ends when it is told to.
class Never final : public detail::Operation {
 public:
  Never(Context& context, detail::Completion& out) : Operation{context}, out_{out} {}
  void await_resume() noexcept {}

 private:
  void start(detail::Completion completion) override { out_ = std::move(completion); }
  void cancel() noexcept override { out_.complete(); }
  detail::Completion& out_;
};

TEST(Inspect, WhoWaitsForTheWorldOutsideIsBlocked) {
  LocalWorld world;
  detail::Completion completion;
  const Pid pid = world.node().spawn([&completion](Context& context) -> Task<> {
    Never never{context, completion};
    co_await never;
    co_await context.sleep_for(1h);
  });
  world.settle();
  EXPECT_EQ(info_of(world, pid).status, "blocked");
  completion.complete();
  world.settle();
  EXPECT_EQ(info_of(world, pid).status, "waiting");
}

TEST(Inspect, WhoWaitsForRoomIsBlocked) {
  LocalWorld world;
  const Pid full = world.node().spawn_opt(
      SpawnOptions{.mailbox = {.messages = 1, .policy = MailboxPolicy::suspend_sender}}, sleeper);
  const Pid sender = world.node().spawn([full](Context& context) -> Task<> {
    for (int i = 0; i < 3; ++i) context.send<Ping>(full, i);
    co_await context.sleep_for(1h);
  });
  world.settle();
  EXPECT_EQ(info_of(world, sender).status, "blocked");
}

TEST(Inspect, NothingStaysBehindWhenTheCallerIsKilledMeanwhile) {
  LocalWorld world;
  const Pid target = world.node().spawn(sleeper);
  world.settle();
  const Pid caller = world.node().spawn([target](Context& context) -> Task<> {
    for (;;) (void)co_await process_info(context, target);
  });
  world.node().exit(caller, ExitReason::kill());
  world.settle();
  EXPECT_TRUE(info_of(world, target).monitored_by.empty());
}

TEST(Inspect, AnEndlessAskerMeetsManyDeaths) {
  LocalWorld world;
  const int answered = world.run([](Context& context) -> Task<int> {
    int sum = 0;
    for (int i = 0; i < 1000; ++i) {
      const Pid pid =
          context.spawn([](Context& own) -> Task<> { (void)co_await own.receive_for<Ping>(0s); });
      if (i % 2 == 0) context.exit(pid, ExitReason::kill());
      const auto info = co_await process_info(context, pid);
      sum += i % 2 == 0 && info ? 1000 : 1;
    }
    co_return sum;
  });
  EXPECT_EQ(answered, 1000);
}

/// Holds its thread until somebody lets go.
class Holding final : public Handler {
 public:
  Holding(std::latch* inside, std::latch* release) : inside_{inside}, release_{release} {}
  void handle(Context&, Envelope&) override {
    inside_->count_down();
    release_->wait();
  }

 private:
  std::latch* inside_;
  std::latch* release_;
};

TEST(InspectStuck, TheWatchdogAnswersForAHandlerThatDoesNotReturn) {
  std::latch inside{1};
  std::latch release{1};
  RealWorld world{2};
  Node& node = world.node();
  const Pid holder = node.spawn<Holding>(&inside, &release);
  node.send(holder, Ping{});
  inside.wait();
  node.send(holder, Ping{});
  const auto info = world.run([holder](Context& context) -> Task<std::optional<ProcessInfo>> {
    co_return co_await process_info(context, holder);
  });
  const bool alive_after_kill = world.run([holder](Context& context) -> Task<bool> {
    context.exit(holder, ExitReason::kill());
    co_return co_await is_alive(context, holder);
  });
  release.count_down();
  ASSERT_TRUE(info);
  EXPECT_EQ(info->status, "running");
  EXPECT_EQ(info->handling, k_message_type<Ping>.name);
  EXPECT_TRUE(info->handling_since.has_value());
  EXPECT_EQ(info->mailbox, 1U);
  EXPECT_TRUE(info->oldest_message_age.has_value());
  EXPECT_GT(info->memory_bytes, 128U);
  EXPECT_FALSE(alive_after_kill);
}

}  // namespace
}  // namespace grove
