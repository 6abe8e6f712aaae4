// SPDX-License-Identifier: Apache-2.0
//
// What it is to await a Task, once and again; and plain functions where coroutines may stand: an
// empty Task, `return {};`, has nothing to wait for.
#include "grove/node/async.hpp"
#include "grove/node/parent.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <stdexcept>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

Task<int> one(Context& context, bool waits) {
  if (waits) co_await context.sleep_for(1ms);
  co_return 1;
}

TEST(AwaitedTasks, LeaveNothingOnTheStackHoweverManyDoNotWait) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    constexpr int k_awaits = 1'000'000;
    int sum = 0;
    for (int i = 0; i < k_awaits; ++i) sum += co_await one(context, i % 100'000 == 0);
    EXPECT_EQ(sum, k_awaits);
  });
}

TEST(AwaitedTasks, HaveNothingToWaitForTheSecondTime) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    int runs = 0;
    const auto pause = [](Context& own, int* count) -> Task<> {
      co_await own.sleep_for(1s);
      ++*count;
    };
    Task<> once = pause(context, &runs);
    co_await once;
    co_await once;
    EXPECT_EQ(runs, 1);

    const auto number = [](Context& own) -> Task<int> {
      co_await own.sleep_for(1s);
      co_return 7;
    };
    Task<int> seven = number(context);
    const int value = co_await seven;
    EXPECT_EQ(value, 7);
    try {
      (void)co_await seven;
      ADD_FAILURE() << "it was awaited before";
    } catch (const std::logic_error&) {
    }
  });
}

Task<> nothing_to_do(Context&) { return {}; }

TEST(EmptyTask, IsOverWhenItIsAwaited) {
  LocalWorld world;
  world.run([](Context&) -> Task<> {
    Task<> nothing;
    co_await nothing;
    Task<int> no_value;
    EXPECT_THROW((void)co_await no_value, std::logic_error);
  });
}

TEST(EmptyTask, IsAProcessThatEndsAtOnce) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const int captured = 1;
    const auto not_plain = [captured](Context&) -> Task<> {
      EXPECT_EQ(captured, 1);
      return {};
    };
    for (const Spawned& child :
         {context.spawn_monitor(nothing_to_do), context.spawn_monitor(not_plain)}) {
      const auto its = [child](const Down& down) { return down.ref == child.ref; };
      const auto down = co_await context.receive_for<Down>(1s, its);
      EXPECT_TRUE(down && down->reason.is_normal());
    }
  });
}

TEST(EmptyTask, MayBeATasks) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const AsyncTask<void> task = async(context, nothing_to_do);
    co_await task.await();
  });
}

struct Nothing {};
struct Number {
  using Reply = int;
};

class Plain : public ParentServer {
 public:
  using Handles = grove::Handles<Nothing, Number>;
  explicit Plain(Pid watcher) : watcher_{watcher} {}
  Task<> init() { return {}; }
  Task<> handle_call(Nothing) { return {}; }
  Task<int> handle_call(Number) { return {}; }
  Task<> handle_cast(Nothing) {
    continue_with(Nothing{});
    return {};
  }
  Task<> handle_continue(Nothing) {
    start_child(job("job", nothing_to_do));
    return {};
  }
  Task<> handle_child_terminated(Value, Value, Pid, ExitReason reason) {
    context().send(watcher_, reason);
    return {};
  }
  Task<> terminate(const ExitReason&) { return {}; }

 private:
  Pid watcher_;
};

TEST(EmptyTask, MayBeWhatAServersFunctionsReturn) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const StartResult plain = co_await start_link<Plain>(context, context.self());
    EXPECT_TRUE(plain.ok()) << to_string(plain);
    co_await context.call<Nothing>(plain.pid);
    context.cast(plain.pid, Nothing{});
    const auto job_ended = co_await context.receive_for<ExitReason>(1s);
    EXPECT_TRUE(job_ended && job_ended->is_normal());
    try {
      (void)co_await context.call<Number>(plain.pid);
      ADD_FAILURE() << "an answer of nobody's";
    } catch (const ProcessExit& failed) {
      const ExitReason no_value =
          ExitReason::error("std::logic_error", "an empty Task has no value");
      EXPECT_EQ(failed.reason(), no_value);
    }
  });
}

}  // namespace
}  // namespace grove
