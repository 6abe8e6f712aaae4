// SPDX-License-Identifier: Apache-2.0
#include "grove/node/supervisor.hpp"

#include "grove/node/dynamic_supervisor.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

struct Work {};

class Worker : public GenServer {
 public:
  using Handles = grove::Handles<Work>;
  explicit Worker(std::string name) {
    if (name == "bad") throw std::runtime_error("cannot start");
    EXPECT_TRUE(context().register_name(name, self()));
  }
  void handle_cast(Work) {}
};

/// Ignores the shutdown signal: only a kill ends it.
class Stubborn : public GenServer {
 public:
  Stubborn() { context().trap_exit(true); }
  Task<> terminate(ExitReason) { co_await context().sleep_for(1h); }
};

Task<Pid> wait_for_name(Context& context, std::string name, Pid other_than) {
  for (;;) {
    const auto pid = context.whereis(name);
    if (pid && *pid != other_than) co_return *pid;
    co_await context.sleep_for(1ms);
  }
}

SupervisorSpec three_workers(Restart kind) {
  SupervisorSpec spec;
  for (const char* name : {"one", "two", "three"}) {
    spec.children.push_back(child<Worker>(name, std::string{name}).with(kind));
  }
  return spec;
}

TEST(OneForOne, RestartsOnlyTheChildThatDied) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult sup = co_await start_supervisor(context, three_workers(permanent));
    EXPECT_TRUE(sup.ok());
    const Pid one = *context.whereis("one");
    const Pid two = *context.whereis("two");
    const Pid three = *context.whereis("three");
    context.exit(two, ExitReason::symbol("boom"));
    const Pid again = co_await wait_for_name(context, "two", two);
    EXPECT_NE(again, two);
    EXPECT_EQ(context.whereis("one"), one);
    EXPECT_EQ(context.whereis("three"), three);
  });
}

TEST(OneForOne, EndsChildrenInReverseOrder) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const StartResult sup = co_await start_supervisor(context, three_workers(permanent));
    for (const char* name : {"one", "two", "three"}) context.monitor(name);
    context.exit(sup.pid, ExitReason::shutdown());
    for (const char* expected : {"three", "two", "one"}) {
      const Down down = co_await context.receive<Down>();
      EXPECT_EQ(down.name, expected);
      EXPECT_EQ(down.reason, ExitReason::shutdown());
    }
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, sup.pid);
  });
}

TEST(OneForOne, AChildThatCannotStartRollsTheOthersBack) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    SupervisorSpec spec;
    spec.children.push_back(child<Worker>("one", std::string{"one"}));
    spec.children.push_back(child<Worker>("bad", std::string{"bad"}));
    spec.children.push_back(child<Worker>("three", std::string{"three"}));
    const StartResult sup = co_await start_supervisor(context, spec);
    EXPECT_EQ(to_string(sup),
              "failed: {shutdown,{failed_to_start_child,\"bad\",{error,\"std::runtime_error\","
              "\"cannot start\"}}}");
    EXPECT_EQ(context.whereis("one"), std::nullopt);
    EXPECT_EQ(context.whereis("three"), std::nullopt);
  });
}

TEST(OneForOne, GivesUpAfterTooManyRestarts) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const StartResult sup = co_await start_supervisor(context, three_workers(permanent));
    Pid victim = *context.whereis("two");
    for (int crash = 0; crash < 3; ++crash) {
      context.exit(victim, ExitReason::symbol("boom"));
      victim = co_await wait_for_name(context, "two", victim);
    }
    context.exit(victim, ExitReason::symbol("boom"));
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, sup.pid);
    EXPECT_EQ(exit.reason, ExitReason::shutdown());
    EXPECT_EQ(context.whereis("one"), std::nullopt);
  });
}

TEST(OneForOne, TransientAndTemporaryFollowTheirKind) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    SupervisorSpec spec;
    spec.children.push_back(child<Worker>("t", std::string{"transient"}).with(transient));
    spec.children.push_back(child<Worker>("x", std::string{"temporary"}).with(temporary));
    const StartResult sup = co_await start_supervisor(context, spec);
    co_await stop_server(context, *context.whereis("transient"));
    context.exit(*context.whereis("temporary"), ExitReason::symbol("boom"));
    co_await context.sleep_for(1s);
    const std::vector<ChildInfo> children = co_await which_children(context, sup.pid);
    EXPECT_EQ(children.size(), 1U);
    EXPECT_EQ(children[0].id, "t");
    EXPECT_FALSE(children[0].pid);
  });
}

TEST(OneForOne, KillsAChildThatDoesNotShutDownInTime) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    SupervisorSpec spec;
    spec.children.push_back(child<Stubborn>("s").with(Shutdown::within(100ms)));
    const StartResult sup = co_await start_supervisor(context, spec);
    const std::vector<ChildInfo> children = co_await which_children(context, sup.pid);
    context.monitor(children[0].pid);
    context.exit(sup.pid, ExitReason::shutdown());
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::killed());
  });
}

TEST(OneForOne, ADuplicateIdStartsNobody) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    SupervisorSpec spec;
    for (const char* id : {"x", "y", "x"}) {
      spec.children.push_back(child<Worker>(id, std::string{"named-"} + id));
    }
    const StartResult sup = co_await start_supervisor(context, spec);
    EXPECT_NE(to_string(sup).find("duplicate_child_name"), std::string::npos);
    EXPECT_EQ(context.whereis("named-x"), std::nullopt);
  });
  EXPECT_EQ(world.node().process_count(), 0U);
}

TEST(OneForOne, AStartThatThrowsIsAFailedStart) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult sup = co_await start_supervisor(context, three_workers(permanent));
    const ChildSpec throwing{"t", [](Context&, ServerOptions) -> Task<StartResult> {
                               throw std::runtime_error("no such thing");
                             }};
    const StartResult result = co_await start_child(context, sup.pid, throwing);
    EXPECT_EQ(to_string(result), "failed: {error,\"std::runtime_error\",\"no such thing\"}");
    EXPECT_TRUE(context.node().is_alive(sup.pid));
  });
}

TEST(SupervisorApi, AddsAndEndsChildren) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult sup = co_await start_supervisor(context, {});
    const ChildSpec spec = child<Worker>("w", std::string{"w"});
    const StartResult added = co_await start_child(context, sup.pid, spec);
    EXPECT_TRUE(added.ok());
    const StartResult twice = co_await start_child(context, sup.pid, spec);
    EXPECT_EQ(twice.status, StartResult::Status::already_started);
    EXPECT_EQ(twice.pid, added.pid);
    const auto ended = co_await terminate_child(context, sup.pid, "w");
    EXPECT_TRUE(ended.has_value());
    EXPECT_EQ(context.whereis("w"), std::nullopt);
    const auto unknown = co_await terminate_child(context, sup.pid, "nope");
    EXPECT_EQ(unknown.error().code, Errc::not_found);
    const ChildSpec bad = child<Worker>("bad", std::string{"bad"});
    const StartResult failed = co_await start_child(context, sup.pid, bad);
    EXPECT_EQ(failed.status, StartResult::Status::failed);
    const std::vector<ChildInfo> children = co_await which_children(context, sup.pid);
    EXPECT_EQ(children.size(), 1U);  // w, ended; nothing of bad
  });
}

TEST(SupervisorApi, AStrangersExitSignalDoesNothing) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult sup = co_await start_supervisor(context, three_workers(permanent));
    context.spawn([pid = sup.pid](Context& stranger) -> Task<> {
      stranger.exit(pid, ExitReason::shutdown());
      co_return;
    });
    co_await context.sleep_for(1s);
    EXPECT_TRUE(context.node().is_alive(sup.pid));
    EXPECT_TRUE(context.whereis("one").has_value());
  });
}

TEST(RestartWindow, AllowsTheIntensityAndSlides) {
  RestartWindow window{{.restarts = 2, .period = 5s}};
  const Clock::TimePoint start{};
  EXPECT_TRUE(window.allow(start));
  EXPECT_TRUE(window.allow(start + 1s));
  EXPECT_FALSE(window.allow(start + 2s));
  RestartWindow sliding{{.restarts = 1, .period = 1s}};
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(sliding.allow(start + i * 2100ms));
  RestartWindow none{{.restarts = 0, .period = 1s}};
  EXPECT_FALSE(none.allow(start));
}

TEST(RestartWindow, APeriodBeyondAllClocksIsForEver) {
  for (const std::chrono::seconds period :
       {std::chrono::seconds{std::chrono::years{300}}, std::chrono::seconds::max()}) {
    RestartWindow window{{.restarts = 2, .period = period}};
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(window.allow(Clock::TimePoint{} + i * 1h));
    EXPECT_FALSE(window.allow(Clock::TimePoint{} + 24h));
  }
}

struct Noise {};
struct Crash {};

/// Its second start fails, slowly enough for its supervisor's mailbox to fill.
class Slow : public GenServer {
 public:
  using Handles = grove::Handles<Crash>;
  explicit Slow(std::shared_ptr<int> starts) : starts_{std::move(starts)} {}
  Task<Init> init() {
    if (++*starts_ != 2) co_return Init::ok();
    co_await context().sleep_for(1s);
    co_return Init::stop(ExitReason::symbol("not_yet"));
  }
  void handle_info(Crash) { throw std::runtime_error{"crash"}; }

 private:
  std::shared_ptr<int> starts_;
};

TEST(Retries, OfARestartAreNotLostInAFullMailbox) {
  for (const MailboxPolicy policy : {MailboxPolicy::suspend_sender, MailboxPolicy::drop_newest,
                                     MailboxPolicy::drop_oldest, MailboxPolicy::fail}) {
    for (const bool dynamic : {false, true}) {
      SCOPED_TRACE(static_cast<int>(policy));
      LocalWorld world;
      world.run([policy, dynamic](Context& context) -> Task<> {
        const auto starts = std::make_shared<int>(0);
        const ChildSpec slow = child<Slow>("slow", starts);
        ServerOptions options;
        options.mailbox = {.messages = 2, .policy = policy};
        StartResult sup;
        if (dynamic) {
          sup = co_await start_dynamic_supervisor(context, {}, options);
          const StartResult started = co_await start_child(context, sup.pid, slow);
          EXPECT_TRUE(started.ok());
        } else {
          const SupervisorSpec spec{.children = {slow}};
          sup = co_await start_supervisor(context, spec, options);
        }
        std::vector<ChildInfo> rows = co_await which_children(context, sup.pid);
        context.send(rows.at(0).pid, Crash{});
        co_await context.sleep_for(500ms);
        for (int i = 0; i < 3; ++i) context.node().send(sup.pid, Noise{});
        co_await context.sleep_for(1min);
        rows = co_await which_children(context, sup.pid);
        EXPECT_EQ(rows.size(), 1U);
        EXPECT_FALSE(rows.at(0).restarting);
        EXPECT_EQ(*starts, 3);
      });
    }
  }
}

}  // namespace
}  // namespace grove
