// SPDX-License-Identifier: Apache-2.0
//
// Timers that fire while they are cancelled and their targets die, on real threads. Nothing here
// looks at the clock: whatever the timing, the same promises hold.
#include "grove/node/node.hpp"

#include "support/real_world.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::RealWorld;

class TimersStress : public testing::TestWithParam<unsigned> {};

INSTANTIATE_TEST_SUITE_P(Workers, TimersStress, testing::Values(1U, 2U, 4U),
                         testing::PrintToStringParamName());

struct Ping {
  int number = 0;
};
struct Pong {
  int number = 0;
};
struct Done {};

/// Takes what comes until it is killed, and counts what it must never see.
class Sink final : public Handler {
 public:
  explicit Sink(std::atomic<int>* wrong) : wrong_{wrong} {}
  void handle(Context&, Envelope& envelope) override {
    if (envelope.message.is<Pong>()) wrong_->fetch_add(1);
  }

 private:
  std::atomic<int>* wrong_;
};

/// Aims timers of all kinds at victims that are killed meanwhile; what it cancels in time is a Pong
/// that nobody may see.
Task<> aim_and_kill(Context& context, Pid boss, std::uint64_t seed, std::atomic<int>* wrong) {
  Random random{seed};
  const auto soon = [&random] { return std::chrono::microseconds{random.below(300)}; };
  for (int round = 0; round < 20; ++round) {
    const Spawned victim = context.spawn_monitor<Sink>(wrong);
    std::vector<TimerId> timers;
    for (int i = 0; i < 20; ++i) {
      timers.push_back(context.send_after(soon(), victim.pid, Ping{i}));
      const TimerId never = context.send_after(1min, victim.pid, Pong{i});
      EXPECT_TRUE(context.cancel_timer(never));
    }
    for (int i = 0; i < 2; ++i) {  // no more than the clock's thread can bear under a sanitizer
      timers.push_back(context.send_interval(500us + soon(), victim.pid, Ping{i}));
    }
    if (random.percent(50)) co_await context.sleep_for(soon());
    for (const TimerId timer : timers) {
      if (random.percent(50)) context.drop_timer(timer);
    }
    context.exit(victim.pid, ExitReason::kill());
    for (int i = 0; i < 10; ++i) context.send_after(soon(), victim.pid, Ping{i});
    co_await context.receive<Down>();
    for (const TimerId timer : timers) EXPECT_FALSE(context.cancel_timer(timer));
  }
  context.send(boss, Done{});
}

TEST_P(TimersStress, ADeathTakesAllTimersAimedAtItWhileTheyFire) {
  std::atomic<int> wrong{0};
  RealWorld world{GetParam()};
  world.run([&wrong](Context& context) -> Task<> {
    for (std::uint64_t i = 0; i < 8; ++i) {
      context.spawn(aim_and_kill, context.self(), i, &wrong);
    }
    for (int i = 0; i < 8; ++i) co_await context.receive<Done>();
  });
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_TRUE(world.node().wait_until_empty(1min));
  EXPECT_EQ(world.node().timer_count(), 0U) << "a timer outlived its target";
}

/// Cancels what is just firing: after a refusal its message is in the mailbox already.
Task<> cancel_then_flush(Context& context, Pid boss, std::uint64_t seed) {
  Random random{seed};
  for (int i = 0; i < 300; ++i) {
    const TimerId timer =
        context.send_after(std::chrono::microseconds{random.below(100)}, context.self(), Ping{i});
    if (random.percent(80)) {
      co_await context.sleep_for(std::chrono::microseconds{random.below(150)});
    }
    const bool cancelled = context.cancel_timer(timer).has_value();
    const auto flushed = co_await context.receive_for<Ping>(0ms);
    EXPECT_EQ(flushed.has_value(), !cancelled);
  }
  context.send(boss, Done{});
}

TEST_P(TimersStress, CancelThenFlushLeavesNoTimerMessage) {
  RealWorld world{GetParam()};
  world.run([](Context& context) -> Task<> {
    for (std::uint64_t i = 0; i < 10; ++i) context.spawn(cancel_then_flush, context.self(), i);
    for (int i = 0; i < 10; ++i) co_await context.receive<Done>();
  });
}

/// The same without waiting: once the answer is there, so is the message, or it never comes.
Task<> cancel_async(Context& context, Pid boss, std::uint64_t seed) {
  Random random{seed};
  for (int i = 0; i < 300; ++i) {
    const TimerId timer =
        context.send_after(std::chrono::microseconds{random.below(100)}, context.self(), Ping{i});
    if (random.percent(80)) {
      co_await context.sleep_for(std::chrono::microseconds{random.below(150)});
    }
    context.cancel_timer_async(timer);
    const TimerCancelled answer = co_await context.receive<TimerCancelled>();
    EXPECT_EQ(answer.timer, timer);
    const auto flushed = co_await context.receive_for<Ping>(0ms);
    EXPECT_EQ(flushed.has_value(), !answer.left);
  }
  context.send(boss, Done{});
}

TEST_P(TimersStress, AnAsyncCancelsAnswerComesAfterTheTimersMessage) {
  RealWorld world{GetParam()};
  world.run([](Context& context) -> Task<> {
    for (std::uint64_t i = 0; i < 10; ++i) context.spawn(cancel_async, context.self(), i);
    for (int i = 0; i < 10; ++i) co_await context.receive<Done>();
  });
}

TEST(TimersStressStop, ANodeGoesWhileItsTimersFire) {
  const auto clock = make_system_clock();
  const auto scheduler = make_thread_scheduler(2);
  for (int round = 0; round < 30; ++round) {
    std::atomic<int> wrong{0};
    Node node{{.name = "short", .clock = clock.get(), .scheduler = scheduler.get()}};
    const Pid sink = node.spawn<Sink>(&wrong);
    node.register_name("sink", sink).value();
    for (int i = 0; i < 500; ++i) node.send_after(std::chrono::microseconds{i}, sink, Ping{i});
    for (int i = 0; i < 500; ++i) node.send_after(std::chrono::microseconds{i}, "sink", Ping{i});
    node.kill_all();
    EXPECT_TRUE(node.wait_until_empty(1min));
  }
}

}  // namespace
}  // namespace grove
