// SPDX-License-Identifier: Apache-2.0
//
// A node's timers as its processes see them, in virtual time. The numbers are those of the
// contract.
#include "grove/node/node.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

struct Ping {
  int number = 0;
};
struct Token {  // its use count tells whether its message is still in memory
  std::shared_ptr<int> held;
};

Task<> wait_for_ever(Context& context) {
  for (;;) co_await context.receive_any();
}

// -- TMR-1 ----------------------------------------------------------------------------------

TEST(Timers, OneFiresOnceAtItsTime) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto start = context.node().clock().now();
    context.send_after(100ms, context.self(), Ping{1});
    const auto early = co_await context.receive_for<Ping>(100ms - 1ns);
    EXPECT_FALSE(early);
    const Ping ping = co_await context.receive<Ping>();
    EXPECT_EQ(ping.number, 1);
    EXPECT_EQ(context.node().clock().now() - start, 100ms);
    const auto second = co_await context.receive_for<Ping>(1min);
    EXPECT_FALSE(second);
  });
}

TEST(Timers, AStartedTimerNamesItself) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const TimerId second = context.start_timer(20ms, context.self(), "later");
    const TimerId first = context.start_timer(10ms, context.self());
    EXPECT_NE(first, second);
    const TimerExpired one = co_await context.receive<TimerExpired>();
    EXPECT_EQ(one.timer, first);
    EXPECT_EQ(one.value, Value{});
    const TimerExpired two = co_await context.receive<TimerExpired>();
    EXPECT_EQ(two.timer, second);
    EXPECT_EQ(two.value, Value{"later"});
  });
}

// -- TMR-2, TMR-3, TMR-5 --------------------------------------------------------------------

TEST(Timers, ACancelledOneNeverFires) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const TimerId timer = context.send_after(100ms, context.self(), Ping{1});
    co_await context.sleep_for(40ms);
    EXPECT_EQ(context.cancel_timer(timer), 60ms);
    EXPECT_EQ(context.cancel_timer(timer), std::nullopt);
    const TimerId other = context.send_after(100ms, context.self(), Ping{2});
    EXPECT_TRUE(context.drop_timer(other));
    EXPECT_FALSE(context.drop_timer(other));
    const auto none = co_await context.receive_for<Ping>(1min);
    EXPECT_FALSE(none);
  });
}

TEST(Timers, AnUnknownOneIsNotCancelled) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    EXPECT_EQ(context.cancel_timer(TimerId{}), std::nullopt);
    EXPECT_EQ(context.cancel_timer(TimerId{~std::uint64_t{0}}), std::nullopt);
    EXPECT_EQ(context.read_timer(TimerId{12'345}), std::nullopt);
    co_return;
  });
}

TEST(Timers, AStaleIdDoesNotCancelTheNextTimerOfItsPlace) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const TimerId old = context.send_after(1ms, context.self(), Ping{1});
    co_await context.receive<Ping>();
    const TimerId timer = context.send_after(1ms, context.self(), Ping{2});
    EXPECT_NE(old, timer);
    EXPECT_EQ(context.cancel_timer(old), std::nullopt);
    EXPECT_TRUE(co_await context.receive_for<Ping>(1ms));
  });
}

TEST(Timers, WhatCannotBeCancelledIsQueuedAlready) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const TimerId timer = context.send_after(10ms, context.self(), Ping{1});
    co_await context.sleep_for(10ms);
    EXPECT_EQ(context.cancel_timer(timer), std::nullopt);
    EXPECT_TRUE(co_await context.receive_for<Ping>(0ms));
  });
}

TEST(Timers, AnyProcessMayReadAndCancelAny) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid self = context.self();
    const TimerId timer = context.send_after(100ms, self, Ping{1});
    co_await context.sleep_for(30ms);
    EXPECT_EQ(context.read_timer(timer), 70ms);
    context.spawn([self, timer](Context& other) -> Task<> {
      EXPECT_EQ(other.cancel_timer(timer), 70ms);
      other.send(self, Ping{2});
      co_return;
    });
    const Ping ping = co_await context.receive<Ping>();
    EXPECT_EQ(ping.number, 2);
    EXPECT_EQ(context.read_timer(timer), std::nullopt);
  });
}

// -- TMR-4 ----------------------------------------------------------------------------------

TEST(Timers, AnAsyncCancelTellsWhatWasLeft) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const TimerId timer = context.send_after(100ms, context.self(), Ping{1});
    co_await context.sleep_for(40ms);
    context.cancel_timer_async(timer);
    EXPECT_EQ(context.read_timer(timer), std::nullopt);
    const TimerCancelled first = co_await context.receive<TimerCancelled>();
    EXPECT_EQ(first.timer, timer);
    EXPECT_EQ(first.left, 60ms);
    for (const TimerId gone : {timer, TimerId{}, TimerId{12'345}}) {
      context.cancel_timer_async(gone);
      const TimerCancelled again = co_await context.receive<TimerCancelled>();
      EXPECT_EQ(again.timer, gone);
      EXPECT_EQ(again.left, std::nullopt);
    }
    const auto none = co_await context.receive_for<Ping>(1min);
    EXPECT_FALSE(none);
  });
}

TEST(Timers, AnAsyncCancelWithoutInfoTellsNothing) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const TimerId timer = context.send_after(100ms, context.self(), Ping{1});
    context.cancel_timer_async(timer, CancelInfo::no);
    context.cancel_timer_async(timer, CancelInfo::no);
    const EnvelopePtr any = co_await context.receive_any(1min);
    EXPECT_EQ(any, nullptr);
  });
}

TEST(Timers, WhatAnAsyncCancelFindsGoneIsQueuedBeforeItsAnswer) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const TimerId timer = context.send_after(10ms, context.self(), Ping{1});
    co_await context.sleep_for(10ms);
    context.cancel_timer_async(timer);
    const EnvelopePtr first = co_await context.receive_any();
    EXPECT_TRUE(first->message.is<Ping>());
    const EnvelopePtr second = co_await context.receive_any();
    EXPECT_TRUE(second->message.is<TimerCancelled>());
  });
}

TEST(Timers, AnyProcessMayCancelAnyAsync) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid self = context.self();
    const TimerId timer = context.send_after(100ms, self, Ping{1});
    context.spawn([self, timer](Context& other) -> Task<> {
      other.cancel_timer_async(timer);
      const TimerCancelled answer = co_await other.receive<TimerCancelled>();
      other.send(self, answer);
    });
    const TimerCancelled answer = co_await context.receive<TimerCancelled>();
    EXPECT_EQ(answer.left, 100ms);
    const auto none = co_await context.receive_for<Ping>(1min);
    EXPECT_FALSE(none);
  });
}

TEST(Timers, TheAnswerOfAnAsyncCancelNeedsNoRoom) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid self = context.self();
    const auto cancels = [self](Context& own) -> Task<> {
      own.send(own.self(), Ping{1});  // its mailbox is full from now on
      own.cancel_timer_async(own.send_after(1s, own.self(), Ping{2}));
      const TimerCancelled answer = co_await own.receive<TimerCancelled>();
      own.send(self, answer);
    };
    context.spawn_opt({.mailbox = {.messages = 1, .policy = MailboxPolicy::drop_newest}}, cancels);
    const auto answer = co_await context.receive_for<TimerCancelled>(1min);
    EXPECT_TRUE(answer);
  });
}

/// Its copies are made while the node's timers fire.
struct Copied {
  explicit Copied(std::function<void()>* call) : on_copy{call} {}
  Copied(Copied&&) noexcept = default;
  Copied& operator=(Copied&&) noexcept = default;
  Copied(const Copied& other) : on_copy{other.on_copy} { (*on_copy)(); }
  std::function<void()>* on_copy;
};
struct Cancel {};

TEST(Timers, AnAsyncCancelDoesNotWaitForWhatIsJustFiring) {
  LocalWorld world;
  std::function<void()> on_copy;
  std::vector<std::string> got;
  TimerId interval;
  TimerId timer;
  const Pid target = world.node().spawn([&](Context& context) -> Task<> {
    interval = context.send_interval(10ms, context.self(), Copied{&on_copy});
    timer = context.send_after(10ms, context.self(), Ping{1});
    co_await context.receive<Cancel>();
    context.cancel_timer_async(interval);
    context.cancel_timer_async(timer);
    got.emplace_back("returned");
    for (;;) {
      const EnvelopePtr next = co_await context.receive_any();
      if (next->message.is<Ping>()) got.emplace_back("ping");
      if (const auto* answer = next->message.get<TimerCancelled>()) {
        got.emplace_back(answer->timer == timer ? "timer" : "interval");
        EXPECT_EQ(answer->left.has_value(), answer->timer == interval);
      }
    }
  });
  on_copy = [&] {  // within the batch of both; a cancel that waited for it would never return
    world.node().send(target, Cancel{});
    world.settle();
    EXPECT_EQ(got, std::vector<std::string>{"returned"});
  };
  world.run_for(1min);
  const std::vector<std::string> wanted{"returned", "ping", "interval", "timer"};
  EXPECT_EQ(got, wanted);
  EXPECT_EQ(world.node().timer_count(), 0U);
}

// -- TMR-6 ----------------------------------------------------------------------------------

TEST(Timers, ManyFireInTheOrderOfTheirTimes) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    for (int i = 0; i < 1000; ++i) {
      const int number = (i * 37) % 1000;
      context.send_after(1ms * number, context.self(), Ping{number});
    }
    for (int i = 0; i < 1000; ++i) {
      const Ping ping = co_await context.receive<Ping>();
      EXPECT_EQ(ping.number, i);
    }
  });
}

TEST(Timers, ThoseOfOneInstantFireAsTheyWereSet) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto when = context.node().clock().now() + 1s;
    for (int i = 0; i < 1000; ++i) context.send_at(when, context.self(), Ping{i});
    for (int i = 0; i < 1000; ++i) {
      const Ping ping = co_await context.receive<Ping>();
      EXPECT_EQ(ping.number, i);
    }
    EXPECT_EQ(context.node().clock().now(), when);
  });
}

// -- TMR-7 ----------------------------------------------------------------------------------

TEST(Timers, ADeathDropsAllThatAreAimedAtItAtOnce) {
  LocalWorld world;
  world.run([&world](Context& context) -> Task<> {
    const auto held = std::make_shared<int>();
    const Spawned target = context.spawn_monitor(wait_for_ever);
    std::vector<TimerId> timers;
    for (int i = 0; i < 5000; ++i) {
      timers.push_back(context.send_after(1h, target.pid, Token{held}));
    }
    timers.push_back(context.send_interval(1h, target.pid, Token{held}));
    const TimerId other = context.send_after(2h, context.self(), Token{held});
    EXPECT_EQ(context.node().timer_count(), 5002U);
    context.exit(target.pid, ExitReason::kill());
    co_await context.receive<Down>();
    EXPECT_EQ(context.node().timer_count(), 1U);
    EXPECT_EQ(held.use_count(), 2);
    for (const TimerId timer : timers) EXPECT_EQ(context.cancel_timer(timer), std::nullopt);
    EXPECT_EQ(context.cancel_timer(other), 2h);
  });
}

TEST(Timers, OneAimedAtADeadPidNeverFires) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto held = std::make_shared<int>();
    const Spawned target = context.spawn_monitor(wait_for_ever);
    context.exit(target.pid, ExitReason::kill());
    co_await context.receive<Down>();
    const Pid never{context.node().id(), 1'000'000, 1};
    for (const Pid& pid : {target.pid, never}) {
      const TimerId timer = context.send_after(1ms, pid, Token{held});
      EXPECT_EQ(context.read_timer(timer), std::nullopt);
    }
    EXPECT_EQ(context.node().timer_count(), 0U);
    EXPECT_EQ(held.use_count(), 1);
    const Pid next = context.spawn(wait_for_ever);
    EXPECT_EQ(next.index, target.pid.index);  // the place lives again, and still gets nothing
    const TimerId timer = context.send_after(1ms, target.pid, Token{held});
    EXPECT_FALSE(context.drop_timer(timer));
  });
}

TEST(Timers, AMillionAreArmedAndTheirMemoryServesTheNext) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto held = std::make_shared<int>();
    std::vector<TimerId> timers;
    for (int round = 0; round < 2; ++round) {
      timers.clear();
      for (int i = 0; i < 1'000'000; ++i) {
        timers.push_back(context.send_after(1s + 1us * (i % 77'777), context.self(), Token{held}));
      }
      EXPECT_EQ(context.node().timer_count(), 1'000'000U);
      for (const TimerId timer : timers) EXPECT_TRUE(context.drop_timer(timer));
      EXPECT_EQ(context.node().timer_count(), 0U);
      EXPECT_EQ(held.use_count(), 1);
    }
    co_return;
  });
}

// -- TMR-8, TMR-9 ---------------------------------------------------------------------------

TEST(Timers, ANameIsLookedUpWhenTheTimerIsDue) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.send_after(10ms, "late", Ping{1});
    context.send_after(20ms, std::string{"late"}, Ping{2});
    co_await context.sleep_for(15ms);
    const auto registered = context.register_name("late", context.self());
    EXPECT_TRUE(registered);
    const Ping ping = co_await context.receive<Ping>();
    EXPECT_EQ(ping.number, 2);  // the first found nobody
  });
}

TEST(Timers, OneOutlivesTheProcessThatSetIt) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid self = context.self();
    const Spawned setter = context.spawn_monitor([self](Context& other) -> Task<> {
      other.send_after(1s, self, Ping{7});
      co_return;
    });
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.pid, setter.pid);
    const Ping ping = co_await context.receive<Ping>();
    EXPECT_EQ(ping.number, 7);
  });
}

// -- TMR-10 ---------------------------------------------------------------------------------

TEST(Timers, ZeroIsAtOnceYetNotWithinTheCall) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto start = context.node().clock().now();
    context.send_after(0ms, context.self(), Ping{1});
    context.send_at(start - 1h, context.self(), Ping{2});
    context.send_at(Clock::TimePoint::min(), context.self(), Ping{3});
    EXPECT_EQ(context.node().timer_count(), 3U);
    for (int i = 0; i < 3; ++i) co_await context.receive<Ping>();
    EXPECT_EQ(context.node().clock().now(), start);
  });
}

TEST(Timers, LongSpansWork) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto span = std::chrono::milliseconds{std::int64_t{1} << 33};
    const TimerId timer = context.send_after(span, context.self(), Ping{1});
    EXPECT_EQ(context.cancel_timer(timer), span);
    const TimerId longest = context.send_after(Clock::Duration::max(), context.self(), Ping{1});
    co_await context.sleep_for(30min);
    EXPECT_GT(context.cancel_timer(longest), 250 * 365 * 24h);
  });
}

TEST(Timers, ALongOneFiresAtItsTime) {
  LocalWorld world;
  const auto start = world.clock().now();
  const auto span = std::chrono::milliseconds{(std::int64_t{1} << 33) + 1};
  Clock::TimePoint fired;
  world.node().spawn([&fired, span](Context& context) -> Task<> {
    context.send_after(span, context.self(), Ping{1});
    co_await context.receive<Ping>();
    fired = context.node().clock().now();
  });
  world.run_for(span + 1s);
  EXPECT_EQ(fired - start, span);
}

bool is_badarg(const std::function<void()>& call) {
  try {
    call();
    return false;
  } catch (const ProcessExit& exit) {
    return exit.reason() == ExitReason::symbol("badarg");
  }
}

TEST(Timers, NegativeTimesAndRemoteTargetsAreErrors) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid self = context.self();
    const Pid remote{intern_node("elsewhere", Life{1}), 1, 1};
    EXPECT_TRUE(is_badarg([&] { context.send_after(-1ms, self, Ping{}); }));
    EXPECT_TRUE(is_badarg([&] { context.start_timer(-1ns, self); }));
    EXPECT_TRUE(is_badarg([&] { context.send_after(1ms, remote, Ping{}); }));
    EXPECT_TRUE(is_badarg([&] { context.send_at({}, remote, Ping{}); }));
    EXPECT_TRUE(is_badarg([&] { context.start_timer(1ms, Pid{}); }));
    EXPECT_TRUE(is_badarg([&] { context.send_after(1ms, "", Ping{}); }));
    EXPECT_TRUE(is_badarg([&] { context.send_interval(0ms, self, Ping{}); }));
    EXPECT_TRUE(is_badarg([&] { context.send_interval(-1ms, self, Ping{}); }));
    EXPECT_EQ(context.node().timer_count(), 0U);
    co_return;
  });
}

// -- intervals ------------------------------------------------------------------------------

TEST(Interval, KeepsItsPaceUntilItIsCancelled) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto start = context.node().clock().now();
    const TimerId timer = context.send_interval(10ms, context.self(), Ping{5});
    for (int i = 1; i <= 100; ++i) {
      const Ping ping = co_await context.receive<Ping>();
      EXPECT_EQ(ping.number, 5);
      EXPECT_EQ(context.node().clock().now() - start, i * 10ms);
    }
    co_await context.sleep_for(3ms);
    EXPECT_EQ(context.cancel_timer(timer), 7ms);
    const auto more = co_await context.receive_for<Ping>(1min);
    EXPECT_FALSE(more);
    EXPECT_EQ(context.cancel_timer(timer), std::nullopt);
  });
}

TEST(Interval, ToANameGoesToWhoeverHasIt) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const TimerId timer = context.send_interval(10ms, "beat", Ping{1});
    co_await context.sleep_for(55ms);  // nobody has the name: five are lost
    const auto registered = context.register_name("beat", context.self());
    EXPECT_TRUE(registered);
    for (int i = 0; i < 3; ++i) co_await context.receive<Ping>();
    EXPECT_EQ(context.cancel_timer(timer), 10ms);
  });
}

struct Brittle {
  Brittle() = default;
  Brittle(Brittle&&) noexcept = default;
  Brittle& operator=(Brittle&&) noexcept = default;
  Brittle(const Brittle& other) : left{other.left} {
    if (--*left < 0) throw std::runtime_error{"worn out"};
  }
  std::shared_ptr<int> left = std::make_shared<int>(2);
};

TEST(Interval, EndsWhenItsMessageCannotBeCopied) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const TimerId timer = context.send_interval(10ms, context.self(), Brittle{});
    int received = 0;
    while (co_await context.receive_for<Brittle>(1min)) ++received;
    EXPECT_EQ(received, 2);
    EXPECT_EQ(context.read_timer(timer), std::nullopt);
  });
  EXPECT_EQ(world.log().count(LogLevel::error), 1U);
}

// -- the node -------------------------------------------------------------------------------

TEST(Timers, ThreadsOutsideMaySetAndCancelThem) {
  LocalWorld world;
  int received = 0;
  const Pid target = world.node().spawn([&received](Context& context) -> Task<> {
    for (;; ++received) co_await context.receive<Ping>();
  });
  world.node().send_after(10ms, target, Ping{1});
  const TimerId timer = world.node().send_after(10ms, target, Ping{2});
  EXPECT_EQ(world.node().read_timer(timer), 10ms);
  EXPECT_EQ(world.node().cancel_timer(timer), 10ms);
  world.run_for(1s);
  EXPECT_EQ(received, 1);
}

TEST(Timers, ACancelledOneLeavesNoMoreThanOneAlarm) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(context.drop_timer(context.send_after(1h - i * 1s, context.self(), Ping{i})));
    }
    co_return;
  });
  EXPECT_LE(world.clock().pending(), 1U);
}

}  // namespace
}  // namespace grove
