// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

struct Ping {
  int number = 0;
};
struct Pong {
  int number = 0;
};

Task<> quit(Context& context, ExitReason reason) {
  context.exit(reason);
  co_return;
}

Task<> send_exit(Context& context, Pid to, ExitReason reason) {
  context.exit(to, reason);
  co_return;
}

Task<> throw_error(Context&, std::string what) {
  throw std::runtime_error(what);
  co_return;
}

Task<> wait_for_ever(Context& context) {
  for (;;) co_await context.receive_any();
}

Task<> trap_and_report(Context& context, Pid report_to) {
  context.trap_exit(true);
  for (;;) {
    const Exit exit = co_await context.receive<Exit>();
    context.send(report_to, Exit{exit});
  }
}

class Echo final : public Handler {
 public:
  void handle(Context& context, Envelope& envelope) override {
    if (const Ping* ping = envelope.message.get<Ping>()) {
      context.send(envelope.from, Pong{ping->number});
    }
  }
};

ExitReason monitored_end(LocalWorld& world, auto&& start) {
  return world.run([&start](Context& context) -> Task<ExitReason> {
    const Pid child = start(context);
    const Ref ref = context.monitor(child);
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, ref);
    EXPECT_EQ(down.pid, child);
    co_return down.reason;
  });
}

TEST(Process, HandlerAndCoroutineTalk) {
  LocalWorld world;
  const int sum = world.run([](Context& context) -> Task<int> {
    const Pid echo = context.spawn<Echo>();
    int total = 0;
    for (int i = 1; i <= 100; ++i) {
      context.send(echo, Ping{i});
      const Pong pong = co_await context.receive<Pong>();
      total += pong.number;
    }
    co_return total;
  });
  EXPECT_EQ(sum, 5050);
}

TEST(Process, MessagesToANewPidAreQueuedBeforeItRuns) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid echo = context.spawn<Echo>();
    for (int i = 0; i < 3; ++i) context.send(echo, Ping{i});
    for (int i = 0; i < 3; ++i) {
      const Pong pong = co_await context.receive<Pong>();
      EXPECT_EQ(pong.number, i);
    }
  });
}

TEST(Process, AMessageIsMovedAndNeedsNoCopy) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    auto sent = std::make_unique<int>(7);
    const int* where = sent.get();
    context.send(context.self(), std::move(sent));
    const auto got = co_await context.receive<std::unique_ptr<int>>();
    EXPECT_EQ(got.get(), where);
  });
}

TEST(Receive, TakesTheOldestMatchAndKeepsTheOthersInOrder) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    for (int i = 1; i <= 5; ++i) context.send(context.self(), Ping{i});
    const auto is_even = [](const Ping& ping) { return ping.number % 2 == 0; };
    const Ping second = co_await context.receive<Ping>(is_even);
    EXPECT_EQ(second.number, 2);
    for (const int expected : {1, 3, 4, 5}) {
      const Ping next = co_await context.receive<Ping>();
      EXPECT_EQ(next.number, expected);
    }
  });
}

TEST(Receive, TimesOutInVirtualTime) {
  LocalWorld world;
  world.run([&world](Context& context) -> Task<> {
    const auto before = world.clock().now();
    const auto none = co_await context.receive_for<Ping>(250ms);
    EXPECT_FALSE(none.has_value());
    EXPECT_EQ(world.clock().now() - before, 250ms);
  });
}

// A shorter wait in between used to leave the longer one's alarm behind, one more each time.
TEST(Receive, TimedWaitsDoNotPileUpAlarms) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid self = context.self();
    for (int i = 0; i < 100; ++i) {
      context.send_after(20ms, self, Ping{i});
      EXPECT_TRUE(co_await context.receive_for<Ping>(30s));
      co_await context.sleep_for(1ms);
    }
  });
  EXPECT_LE(world.clock().pending(), 1U);
}

TEST(Receive, ZeroTimeoutTakesWhatIsQueuedAlready) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.send(context.self(), Ping{7});
    const auto queued = co_await context.receive_for<Ping>(0ms);
    EXPECT_TRUE(queued && queued->number == 7);
    const auto none = co_await context.receive_for<Ping>(0ms);
    EXPECT_FALSE(none.has_value());
  });
}

TEST(Receive, ThatIsAwaitedAgainGivesTheNextAndKeepsNoRoom) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto echo = [](Context& own, Pid to) -> Task<> {
      auto next = own.receive<Ping>();
      for (;;) {
        const Ping ping = co_await next;
        own.send(to, Pong{ping.number});
      }
    };
    const SpawnOptions two{.mailbox = {2, MailboxPolicy::drop_newest}};
    const Pid target = context.spawn_opt(two, echo, context.self()).pid;
    for (int i = 0; i < 5; ++i) {
      context.send(target, Ping{i});
      const auto pong = co_await context.receive_for<Pong>(1s);
      EXPECT_TRUE(pong && pong->number == i);
    }
  });
}

TEST(Receive, AnExitSignalInATimedWaitEndsItsProcess) {
  LocalWorld world;
  bool went_on = false;
  const ExitReason reason = monitored_end(world, [&went_on](Context& context) {
    const Pid child = context.spawn([&went_on](Context& self) -> Task<> {
      co_await self.receive_for<Ping>(10ms);
      went_on = true;
    });
    context.spawn(send_exit, child, ExitReason::symbol("boom"));
    return child;
  });
  world.run_for(1s);
  EXPECT_EQ(reason, ExitReason::symbol("boom"));
  EXPECT_FALSE(went_on);
}

TEST(Receive, APredicateThatThrowsEndsItsProcess) {
  LocalWorld world;
  const ExitReason reason = monitored_end(world, [](Context& context) {
    const Pid child = context.spawn([](Context& self) -> Task<> {
      const auto throws = [](const Ping&) -> bool { throw std::runtime_error("picky"); };
      co_await self.receive<Ping>(throws);
    });
    context.send(child, Ping{});
    return child;
  });
  EXPECT_EQ(to_string(reason), "{error,\"std::runtime_error\",\"picky\"}");
}

TEST(Monitor, SeesEveryKindOfEnd) {
  LocalWorld world;
  const auto reason = [&world](auto&& start) { return to_string(monitored_end(world, start)); };
  EXPECT_EQ(reason([](Context& c) { return c.spawn(quit, ExitReason::normal()); }), "normal");
  EXPECT_EQ(reason([](Context& c) { return c.spawn(quit, ExitReason::symbol("boom")); }), "boom");
  EXPECT_EQ(reason([](Context& c) { return c.spawn(throw_error, std::string{"oops"}); }),
            "{error,\"std::runtime_error\",\"oops\"}");
  EXPECT_EQ(reason([](Context& c) {
              const Pid pid = c.spawn(wait_for_ever);
              c.spawn(send_exit, pid, ExitReason::kill());
              return pid;
            }),
            "killed");
}

TEST(Monitor, OfADeadProcessIsNoproc) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Spawned child = context.spawn_monitor(quit, ExitReason::symbol("boom"));
    const Down first = co_await context.receive<Down>();
    EXPECT_EQ(first.reason, ExitReason::symbol("boom"));
    const Ref ref = context.monitor(child.pid);
    const Down second = co_await context.receive<Down>();
    EXPECT_EQ(second.ref, ref);
    EXPECT_EQ(second.reason, ExitReason::noproc());
  });
}

TEST(Monitor, OfAnUnregisteredNameIsNoproc) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.monitor("nobody_here");
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.name, "nobody_here");
    EXPECT_EQ(down.reason, ExitReason::noproc());
  });
}

TEST(Monitor, EachFiresOnce) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid child = context.spawn(wait_for_ever);
    for (int i = 0; i < 40; ++i) context.monitor(child);
    context.exit(child, ExitReason::symbol("boom"));
    for (int i = 0; i < 40; ++i) {
      const Down down = co_await context.receive<Down>();
      EXPECT_EQ(down.pid, child);
    }
    EXPECT_FALSE(co_await context.receive_for<Down>(1s));
  });
}

TEST(Monitor, MessagesSentBeforeDyingComeBeforeTheDown) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid parent = context.self();
    context.spawn_monitor([parent](Context& child) -> Task<> {
      child.send(parent, Ping{1});
      child.send(parent, Ping{2});
      co_return;
    });
    for (int expected = 1; expected <= 2; ++expected) {
      const EnvelopePtr next = co_await context.receive_any();
      const Ping* ping = next->message.get<Ping>();
      EXPECT_TRUE(ping != nullptr && ping->number == expected);
    }
    const Down down = co_await context.receive<Down>();
    EXPECT_TRUE(down.reason.is_normal());
  });
}

TEST(Demonitor, StopsTheDownAndFlushesAQueuedOne) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid child = context.spawn(wait_for_ever);
    const Ref kept = context.monitor(child);
    const Ref dropped = context.monitor(child);
    EXPECT_TRUE(context.demonitor(dropped));
    context.exit(child, ExitReason::symbol("boom"));
    co_await context.sleep_for(1ms);  // both would have arrived now
    EXPECT_FALSE(context.demonitor(kept, Flush::yes));
    EXPECT_FALSE(co_await context.receive_for<Down>(1s));
    EXPECT_FALSE(context.demonitor(kept));
  });
}

TEST(Demonitor, BelongsToWhoMonitors) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn(wait_for_ever);
    const Ref ref = context.monitor(target);
    const auto meddle = [ref](Context& other) -> Task<> {
      EXPECT_FALSE(other.demonitor(ref, Flush::yes));
      co_return;
    };
    context.spawn_monitor(meddle);
    co_await context.receive<Down>();
    context.exit(target, ExitReason::kill());
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, ref);
  });
}

TEST(Monitor, EndsWithWhoMonitors) {
  LocalWorld world;
  const Pid target = world.node().spawn(wait_for_ever);
  world.run([target](Context& context) -> Task<> {
    for (int i = 0; i < 3; ++i) context.monitor(target);
    co_return;
  });
  std::vector<Pid> watchers{target};
  world.node().inspect(
      {target}, [&watchers](std::vector<ProcessInfo> rows) { watchers = rows.at(0).monitored_by; });
  world.settle();
  EXPECT_TRUE(watchers.empty());
}

TEST(Link, CarriesTheReasonThroughProcessesThatDoNotTrap) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const Pid middle = context.spawn_link([](Context& inner) -> Task<> {
      inner.spawn_link(quit, ExitReason::symbol("boom"));
      co_await inner.receive_any();
    });
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, middle);
    EXPECT_EQ(exit.reason, ExitReason::symbol("boom"));
  });
}

TEST(Link, NormalExitOfAPeerLeavesTheOtherAlive) {
  LocalWorld world;
  world.run([&world](Context& context) -> Task<> {
    const Pid other = context.spawn([](Context& inner) -> Task<> {
      inner.spawn_link(quit, ExitReason::normal());
      co_await inner.receive_any();
    });
    co_await context.sleep_for(1ms);
    EXPECT_TRUE(world.node().is_alive(other));
  });
}

TEST(Link, ToADeadProcessGivesNoproc) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Spawned child = context.spawn_monitor(quit, ExitReason::normal());
    co_await context.receive<Down>();
    EXPECT_THROW(context.link(child.pid), ProcessExit);
    context.trap_exit(true);
    context.link(child.pid);
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.reason, ExitReason::noproc());
  });
}

TEST(Link, DeathAfterUnlinkDeliversNoExit) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const Pid child = context.spawn_link(wait_for_ever);
    context.unlink(child);
    context.exit(child, ExitReason::symbol("boom"));
    EXPECT_FALSE(co_await context.receive_for<Exit>(1s));
  });
}

TEST(Spawn, AChildThatIsToTrapTrapsBeforeItHasRun) {
  LocalWorld world;
  const bool alive = world.run([](Context& context) -> Task<bool> {
    const Spawned child = context.spawn_opt({.monitor = true, .trap_exit = true}, wait_for_ever);
    context.exit(child.pid, ExitReason::shutdown());
    const auto down = co_await context.receive_for<Down>(1ms);
    co_return !down && context.node().is_alive(child.pid);
  });
  EXPECT_TRUE(alive);
}

TEST(ExitSignal, KillCannotBeTrappedAndIsSeenAsKilled) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid trapper = context.spawn(trap_and_report, context.self());
    co_await context.sleep_for(1ms);
    context.monitor(trapper);
    context.exit(trapper, ExitReason::symbol("boom"));
    const Exit trapped = co_await context.receive<Exit>();
    EXPECT_EQ(trapped.reason, ExitReason::symbol("boom"));
    context.exit(trapper, ExitReason::kill());
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::killed());
  });
}

TEST(ExitSignal, NormalFromAnotherIsIgnored) {
  LocalWorld world;
  world.run([&world](Context& context) -> Task<> {
    const Pid other = context.spawn(wait_for_ever);
    context.exit(other, ExitReason::normal());
    co_await context.sleep_for(1ms);
    EXPECT_TRUE(world.node().is_alive(other));
  });
}

TEST(ExitSignal, OrdersWithMessagesOfTheSameSender) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid parent = context.self();
    const Pid receiver = context.spawn([parent](Context& inner) -> Task<> {
      for (;;) {
        const Ping ping = co_await inner.receive<Ping>();
        inner.send(parent, Pong{ping.number});
      }
    });
    context.monitor(receiver);
    for (int i = 0; i < 3; ++i) context.send(receiver, Ping{i});
    context.exit(receiver, ExitReason::symbol("good"));
    for (int i = 3; i < 6; ++i) context.send(receiver, Ping{i});
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::symbol("good"));
    while (const auto pong = co_await context.receive_for<Pong>(0ms)) EXPECT_LT(pong->number, 3);
  });
}

TEST(ExitSignal, WhatItsSenderSendsAfterADeadlyOneReachesTheDead) {
  LocalWorld world;
  const Down down = world.run([](Context& context) -> Task<Down> {
    const Pid child = context.spawn(wait_for_ever);
    context.exit(child, ExitReason::shutdown());
    context.monitor(child);
    co_return co_await context.receive<Down>();
  });
  EXPECT_EQ(down.reason, ExitReason::noproc());
}

TEST(Kill, DestroysTheFrameWithoutRunningCatch) {
  LocalWorld world;
  bool destroyed = false;
  bool caught = false;
  world.run([&](Context& context) -> Task<> {
    struct Guard {
      bool* flag;
      explicit Guard(bool* f) : flag{f} {}
      ~Guard() { *flag = true; }
    };
    const Pid child = context.spawn([&](Context& inner) -> Task<> {
      const Guard guard{&destroyed};
      try {
        co_await inner.receive_any();
      } catch (...) {
        caught = true;
      }
    });
    co_await context.sleep_for(1ms);
    context.monitor(child);
    context.exit(child, ExitReason::kill());
    co_await context.receive<Down>();
    EXPECT_TRUE(destroyed);  // before the others hear
  });
  EXPECT_FALSE(caught);
}

TEST(Names, AreFreeWhenTheDownArrives) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    for (int round = 0; round < 10; ++round) {
      const Pid child = context.spawn(wait_for_ever);
      EXPECT_TRUE(context.register_name("worker", child));
      EXPECT_EQ(context.whereis("worker"), child);
      context.monitor("worker");
      context.exit(child, ExitReason::symbol("boom"));
      const Down down = co_await context.receive<Down>();
      EXPECT_EQ(down.name, "worker");
      EXPECT_EQ(context.whereis("worker"), std::nullopt);
    }
  });
}

TEST(Names, RefuseWhatOtpRefuses) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid other = context.spawn(wait_for_ever);
    EXPECT_TRUE(context.register_name("one", context.self()));
    EXPECT_EQ(context.register_name("one", other).error().code, Errc::name_taken);
    EXPECT_EQ(context.register_name("two", context.self()).error().code, Errc::already_started);
    const Spawned dead = context.spawn_monitor(quit, ExitReason::normal());
    co_await context.receive<Down>();
    EXPECT_EQ(context.register_name("three", dead.pid).error().code, Errc::noproc);
    EXPECT_EQ(context.register_name("", other).error().code, Errc::bad_argument);
    EXPECT_FALSE(context.unregister_name("three"));
  });
}

TEST(Process, SendToADeadPidIsACountedDeadLetter) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Spawned dead = context.spawn_monitor(quit, ExitReason::normal());
    co_await context.receive<Down>();
    context.send(dead.pid, Ping{1});
    context.send(Pid{}, Ping{1});
    context.send("no_such_name", Ping{1});
  });
  world.settle();
  EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_no_process), 2U);
  EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_no_name), 1U);
}

TEST(Process, ACrashIsReportedAndAKillIsNot) {
  LocalWorld world;
  world.node().spawn(throw_error, std::string{"oops"});
  const Pid victim = world.node().spawn(wait_for_ever);
  world.settle();
  EXPECT_EQ(world.log().count(LogLevel::error), 1U);
  world.node().exit(victim, ExitReason::kill());
  world.settle();
  EXPECT_EQ(world.log().count(LogLevel::error), 1U);
  EXPECT_EQ(world.node().process_count(), 0U);
}

TEST(Pid, OfAReusedPlaceIsAnotherPid) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Spawned first = context.spawn_monitor(quit, ExitReason::normal());
    co_await context.receive<Down>();
    const Pid second = context.spawn(wait_for_ever);
    EXPECT_EQ(first.pid.index, second.index);  // the place is warm and comes back first
    EXPECT_NE(first.pid, second);
    context.exit(first.pid, ExitReason::kill());
    co_await context.sleep_for(1ms);
    EXPECT_TRUE(context.node().is_alive(second));
  });
}

TEST(Inspect, AnswersForAFloodedProcessAndForgetsADeadOne) {
  LocalWorld world;
  const Pid busy = world.node().spawn([](Context& context) -> Task<> {
    context.set_label("flooded");
    co_await context.receive<Pong>();
  });
  const Pid gone = world.node().spawn(quit, ExitReason::normal());
  world.settle();
  for (int i = 0; i < 1000; ++i) world.node().send(busy, Ping{i});
  std::vector<ProcessInfo> rows;
  world.node().inspect({busy, gone},
                       [&rows](std::vector<ProcessInfo> answered) { rows = std::move(answered); });
  world.settle();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].pid, busy);
  EXPECT_EQ(rows[0].label, "flooded");
  EXPECT_EQ(rows[0].mailbox, 1000U);
}

TEST(Inspect, TellsByWhatNameAMonitorWasMade) {
  LocalWorld world;
  std::vector<std::string> names;
  world.run([&](Context& context) -> Task<> {
    const Pid child = context.spawn(wait_for_ever);
    EXPECT_TRUE(context.register_name("service", child));
    context.monitor(child);
    context.monitor("service");
    context.node().inspect(
        {context.self()}, [&](std::vector<ProcessInfo> rows) { names = rows.at(0).monitor_names; });
    co_await context.sleep_for(1ms);
  });
  EXPECT_EQ(names, (std::vector<std::string>{"", "service"}));
}

}  // namespace
}  // namespace grove
