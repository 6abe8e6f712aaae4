// SPDX-License-Identifier: Apache-2.0
//
// Operations completed by hand, and blocking(): who hears what and when, and when frames go.
#include "grove/node/operation.hpp"

#include "grove/node/blocking.hpp"
#include "grove/node/gen_server.hpp"
#include "grove/node/node.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace grove {
namespace {

using testkit::LocalWorld;

/// What happens outside, in the test's hands.
struct Outside {
  std::optional<detail::Completion> completion;
  int started = 0;
  int cancelled = 0;
  int frames = 0;  // that exist
  bool completes_at_once = false;
  bool throws = false;
  std::vector<std::string> log;
};

class FakeOperation final : public detail::Operation {
 public:
  explicit FakeOperation(Outside& outside) : Operation{Context::current()}, outside_{outside} {}
  void await_resume() {}

 private:
  void start(detail::Completion completion) override {
    ++outside_.started;
    if (outside_.throws) throw std::runtime_error{"not begun"};
    if (outside_.completes_at_once) {
      completion.complete();
    } else {
      outside_.completion = std::move(completion);
    }
  }
  void cancel() noexcept override { ++outside_.cancelled; }
  Outside& outside_;
};

struct Ask {
  using Reply = int;
  int number = 0;
};

/// Stands for what a frame owns.
class FrameGuard {
 public:
  explicit FrameGuard(Outside& outside) : outside_{outside} { ++outside_.frames; }
  ~FrameGuard() { --outside_.frames; }
  FrameGuard(const FrameGuard&) = delete;
  FrameGuard& operator=(const FrameGuard&) = delete;

 private:
  Outside& outside_;
};

Task<> wait_outside(Context&, Outside* outside) {
  const FrameGuard guard{*outside};
  co_await FakeOperation{*outside};  // co_await-ok: no aggregate
  outside->log.emplace_back("resumed");
}

Task<> watch(Context& context, Pid pid, Outside* outside) {
  context.monitor(pid);
  const Down down = co_await context.receive<Down>();
  outside->log.push_back(to_string(down.reason));
}

struct Operations : testing::Test {
  Outside outside;
  LocalWorld world;  // ends before what it refers to
  [[nodiscard]] Pid start() {
    const Pid pid = world.node().spawn(wait_outside, &outside);
    world.node().spawn(watch, pid, &outside);
    world.settle();
    return pid;
  }
  void kill(const Pid& pid) { world.node().exit(pid, ExitReason::kill()); }
  using Log = std::vector<std::string>;
};

TEST_F(Operations, TheCoroutineGoesOnWhenItHasCompleted) {
  (void)start();
  EXPECT_EQ(outside.log, Log{});
  outside.completion->complete();
  EXPECT_EQ(outside.log, Log{});
  world.settle();
  EXPECT_EQ(outside.log, (Log{"resumed", "normal"}));
  EXPECT_EQ(outside.cancelled, 0);
  EXPECT_EQ(world.node().process_count(), 0U);
}

TEST_F(Operations, ItMayCompleteBeforeItsStartReturns) {
  outside.completes_at_once = true;
  (void)start();
  ASSERT_FALSE(outside.log.empty());
  EXPECT_EQ(outside.log.front(), "resumed");
  EXPECT_EQ(world.node().process_count(), 0U);
}

TEST_F(Operations, ACompletionThatIsDroppedCompletes) {
  (void)start();
  outside.completion.reset();
  world.settle();
  EXPECT_EQ(outside.log, (Log{"resumed", "normal"}));
}

TEST_F(Operations, OneThatCannotStartThrowsInItsCoroutine) {
  outside.throws = true;
  const std::string said = world.run([&](Context&) -> Task<std::string> {
    std::string what;
    try {
      co_await FakeOperation{outside};  // co_await-ok: no aggregate
    } catch (const std::runtime_error& error) {
      what = error.what();
    }
    outside.throws = false;
    outside.completes_at_once = true;
    co_await FakeOperation{outside};  // co_await-ok: no aggregate
    co_return what;
  });
  EXPECT_EQ(said, "not begun");
  EXPECT_EQ(outside.started, 2);
}

TEST_F(Operations, AKilledProcessIsDeadAtOnceAndItsFramesGoWhenItHasCompleted) {
  const Pid pid = start();
  ASSERT_TRUE(world.node().register_name("waiter", pid));
  kill(pid);
  world.settle();
  EXPECT_EQ(outside.log, Log{"killed"});
  EXPECT_FALSE(world.node().is_alive(pid));
  EXPECT_EQ(world.node().whereis("waiter"), std::nullopt);
  EXPECT_EQ(outside.cancelled, 1);
  EXPECT_EQ(outside.frames, 1);
  EXPECT_EQ(world.node().process_count(), 1U);
  outside.completion->complete();
  world.settle();
  EXPECT_EQ(outside.log, Log{"killed"}) << "a dead process went on";
  EXPECT_EQ(outside.frames, 0);
  EXPECT_EQ(world.node().process_count(), 0U);
}

TEST_F(Operations, AKillBehindTheCompletionLeavesNothingToWaitFor) {
  const Pid pid = start();
  outside.completion->complete();
  kill(pid);
  world.settle();
  EXPECT_EQ(outside.log, Log{"killed"});
  EXPECT_EQ(outside.cancelled, 0);
  EXPECT_EQ(outside.frames, 0);
  EXPECT_EQ(world.node().process_count(), 0U);
}

TEST_F(Operations, AKillBeforeTheCompletionInTheSameTurnWaitsForIt) {
  const Pid pid = start();
  kill(pid);
  outside.completion->complete();
  world.settle();
  EXPECT_EQ(outside.log, Log{"killed"});
  EXPECT_EQ(outside.frames, 0);
  EXPECT_EQ(world.node().process_count(), 0U);
}

TEST_F(Operations, AProcessThatIsKilledBeforeItsFirstTurnStartsNone) {
  const Pid pid = world.node().spawn(wait_outside, &outside);
  kill(pid);
  world.settle();
  EXPECT_EQ(outside.started, 0);
  EXPECT_EQ(world.node().process_count(), 0U);
}

TEST_F(Operations, AProcessThatHasBeenToldToStopStartsNone) {
  world.node().spawn([this](Context& context) -> Task<> {
    context.stop(ExitReason::shutdown());
    co_await FakeOperation{outside};  // co_await-ok: no aggregate
    outside.log.emplace_back("resumed");
  });
  world.settle();
  EXPECT_EQ(outside.started, 0);
  EXPECT_EQ(outside.log, Log{});
  EXPECT_EQ(world.node().process_count(), 0U);
}

TEST_F(Operations, MessagesWaitWhileItsProcessDoes) {
  const std::string got = world.run([&](Context& context) -> Task<std::string> {
    context.send(context.self(), std::string{"early"});
    outside.completes_at_once = true;
    co_await FakeOperation{outside};  // co_await-ok: no aggregate
    co_return co_await context.receive<std::string>();
  });
  EXPECT_EQ(got, "early");
}

TEST_F(Operations, ACallOfOneThatIsKilledInTheMiddleFailsAtOnce) {
  const Pid pid = start();
  auto failed = world.node().async([pid](Context& context) -> Task<std::string> {
    try {
      co_await context.call<Ask>(pid, 1);
    } catch (const ProcessExit& exit) {
      co_return to_string(exit.reason());
    }
    co_return "answered";
  });
  world.settle();
  kill(pid);
  world.settle();
  EXPECT_EQ(failed.get(), "killed");
  outside.completion->complete();
}

/// A server whose handler waits outside.
class Asker : public GenServer {
 public:
  using Handles = grove::Handles<Ask>;
  explicit Asker(Outside* outside) : outside_{outside}, guard_{*outside} {}
  Task<int> handle_call(Ask ask) {
    co_await FakeOperation{*outside_};  // co_await-ok: no aggregate
    co_return ask.number * 2;
  }

 private:
  Outside* outside_;
  FrameGuard guard_;
};

TEST_F(Operations, AServersHandlerWaitsAndTheNextRequestAfterIt) {
  auto answers = world.node().async([this](Context& context) -> Task<int> {
    const StartResult server = co_await start_server<Asker>(context, {}, &outside);
    outside.completes_at_once = true;
    const int first = co_await context.call<Ask>(server.pid, 1);
    const int second = co_await context.call<Ask>(server.pid, 20);
    co_return first + second;
  });
  world.settle();
  EXPECT_EQ(answers.get(), 42);
  EXPECT_EQ(outside.started, 2);
}

TEST_F(Operations, AServerThatIsKilledInItsHandlerStaysUntilThatHasCompleted) {
  Pid server;
  auto failed = world.node().async([this, &server](Context& context) -> Task<std::string> {
    context.trap_exit(true);
    server = (co_await start_server<Asker>(context, {}, &outside)).pid;
    try {
      co_await context.call<Ask>(server, 1);
    } catch (const ProcessExit& exit) {
      co_return to_string(exit.reason());
    }
    co_return "answered";
  });
  world.settle();
  kill(server);
  world.settle();
  EXPECT_EQ(failed.get(), "killed");
  EXPECT_EQ(outside.frames, 1);
  outside.completion->complete();
  world.settle();
  EXPECT_EQ(outside.frames, 0);
  EXPECT_EQ(world.node().process_count(), 0U);
}

TEST_F(Operations, ANodeWithoutItsSchedulerEndsWhenTheyHaveCompleted) {
  testkit::VirtualClock clock;
  SeededScheduler scheduler{nullptr};
  {
    Node node{{.clock = &clock, .scheduler = &scheduler}};
    node.spawn(wait_outside, &outside);
    scheduler.run_until_idle();
    scheduler.stop();
    outside.completion->complete();  // nobody is left to act on it
    EXPECT_EQ(outside.frames, 1);
  }
  EXPECT_EQ(outside.frames, 0);
}

// -- blocking -------------------------------------------------------------------------------

struct Blocking : Operations {};

TEST_F(Blocking, ItsResultMayBeMoveOnly) {
  const int value = world.run([](Context&) -> Task<int> {
    const int base = 40;
    const std::unique_ptr<int> made =
        co_await blocking([&] { return std::make_unique<int>(base + 2); });
    co_return *made;
  });
  EXPECT_EQ(value, 42);
}

TEST_F(Blocking, ItMayHaveNoResult) {
  const bool called = world.run([](Context&) -> Task<bool> {
    bool done = false;
    co_await blocking([&] { done = true; });
    co_return done;
  });
  EXPECT_TRUE(called);
}

TEST_F(Blocking, ItsExceptionIsTheProcesss) {
  const std::string said = world.run([](Context&) -> Task<std::string> {
    try {
      co_await blocking([] { throw std::runtime_error{"no such file"}; });
    } catch (const std::runtime_error& error) {
      co_return error.what();
    }
    co_return "";
  });
  EXPECT_EQ(said, "no such file");
}

TEST_F(Blocking, ThereIsNoProcessInsideIt) {
  const bool outside_of_all = world.run([](Context&) -> Task<bool> {
    co_return co_await blocking([] { return Context::running() == nullptr; });
  });
  EXPECT_TRUE(outside_of_all);
}

/// Kills its own process while it runs, as a turn of its own on the seeded scheduler.
Task<> block_and_be_killed(Context& context, Outside* outside) {
  const FrameGuard guard{*outside};
  const Pid self = context.self();
  Node& node = context.node();
  co_await blocking([&] {
    node.exit(self, ExitReason::kill());
    outside->log.push_back("frames " + std::to_string(outside->frames));
  });
  outside->log.emplace_back("resumed");
}

TEST_F(Blocking, AProcessThatIsKilledMeanwhileEndsAfterIt) {
  const Pid pid = world.node().spawn(block_and_be_killed, &outside);
  world.node().spawn(watch, pid, &outside);
  world.settle();
  ASSERT_EQ(outside.log.size(), 2U);
  EXPECT_EQ(outside.log.front(), "frames 1");
  EXPECT_NE(outside.log.back(), "resumed");
  EXPECT_EQ(outside.frames, 0);
  EXPECT_EQ(world.node().process_count(), 0U);
}

TEST_F(Blocking, AKilledProcessIsDownBeforeItsFunctionReturns) {
  SeededScheduler scheduler{nullptr};
  testkit::VirtualClock clock;
  Node node{{.clock = &clock, .scheduler = &scheduler}};
  const Pid pid = node.spawn([this, &scheduler, &node](Context& context) -> Task<> {
    const FrameGuard guard{outside};
    const Pid self = context.self();
    co_await blocking([&] {
      node.exit(self, ExitReason::kill());
      scheduler.run_until_idle();  // the others go on while this has not returned
      outside.log.push_back("frames " + std::to_string(outside.frames));
    });
  });
  node.spawn(watch, pid, &outside);
  scheduler.run_until_idle();
  EXPECT_EQ(outside.log, (Log{"killed", "frames 1"}));
  EXPECT_EQ(outside.frames, 0);
  EXPECT_EQ(node.process_count(), 0U);
}

}  // namespace
}  // namespace grove
