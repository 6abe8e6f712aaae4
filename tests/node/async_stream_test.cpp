// SPDX-License-Identifier: Apache-2.0
#include "grove/node/async_stream.hpp"

#include "grove/testkit/local_world.hpp"

#include "support/tasks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::failure_of;
using testkit::has_nothing;
using testkit::LocalWorld;

std::vector<int> numbers(int count) {
  std::vector<int> list;
  for (int number = 1; number <= count; ++number) list.push_back(number);
  return list;
}

/// Sleeps longer for smaller numbers.
Task<int> backwards(Context& context, int number) {
  co_await context.sleep_for(10ms * (10 - number));
  co_return number;
}

template <class Outcomes>
std::string text_of(const Outcomes& outcomes) {
  std::string text;
  for (const auto& outcome : outcomes) {
    text += text.empty() ? "" : " ";
    text += outcome.ok() ? std::to_string(outcome.value()) : to_string(outcome.reason());
  }
  return text;
}

TEST(AsyncStream, GivesOutcomesInTheOrderOfTheItems) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    // [snippet async_stream]
    auto squares = async_stream(context, numbers(5), [](int n) { return n * n; });
    int sum = 0;
    while (auto square = co_await squares.next()) sum += square->value();
    // [/snippet async_stream]
    EXPECT_EQ(sum, 55);
    for (const std::size_t concurrency : {1U, 2U, 4U, 8U}) {
      auto ordered = async_stream(context, numbers(9), backwards, {.max_concurrency = concurrency});
      EXPECT_EQ(text_of(co_await ordered.collect()), "1 2 3 4 5 6 7 8 9");
    }
    auto none = async_stream(context, numbers(0), backwards);
    EXPECT_EQ((co_await none.collect()).size(), 0U);
    EXPECT_TRUE(co_await has_nothing(context));
  });
}

TEST(AsyncStream, GivesOutcomesInTheOrderOfTheirEndsWhenAskedTo) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StreamOptions options{.max_concurrency = 4, .ordered = false};
    auto stream = async_stream(context, numbers(4), backwards, options);
    EXPECT_EQ(text_of(co_await stream.collect()), "4 3 2 1");
  });
}

TEST(AsyncStream, RunsAtMostSoManyTasksAtOnce) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    struct Count {
      int running = 0;
      int most = 0;
    };
    auto count = std::make_shared<Count>();
    const auto counted = [count](Context& own, int number) -> Task<int> {
      count->most = std::max(count->most, ++count->running);
      co_await own.sleep_for(10ms * (number % 3));
      --count->running;
      co_return number;
    };
    auto stream = async_stream(context, numbers(50), counted, {.max_concurrency = 3});
    EXPECT_EQ((co_await stream.collect()).size(), 50U);
    EXPECT_EQ(count->most, 3);
  });
}

Task<int> hangs_on_two(Context& context, int number) {
  if (number == 2) co_await context.sleep_for(1h);
  co_return number;
}

TEST(AsyncStream, AnItemThatTakesTooLongEndsTheStreamOrOnlyItself) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    StreamOptions options{.max_concurrency = 2, .timeout = 20ms};
    {
      auto stream = async_stream(context, numbers(4), hangs_on_two, options);
      EXPECT_EQ(co_await failure_of([&] { return stream.collect(); }), "timeout");
      co_await context.sleep_for(1ms);
      EXPECT_EQ(context.node().processes().size(), 1U);
    }
    options.on_timeout = OnTimeout::kill_task;
    auto stream = async_stream(context, numbers(4), hangs_on_two, options);
    EXPECT_EQ(text_of(co_await stream.collect()), "1 timeout 3 4");
    co_await context.sleep_for(1ms);
    EXPECT_EQ(context.node().processes().size(), 1U);
    EXPECT_TRUE(co_await has_nothing(context));
  });
}

Task<int> crashes_on_two(Context& context, int number) {
  co_await context.sleep_for(1ms);
  if (number == 2) throw ProcessExit{ExitReason::symbol("boom")};
  co_return number;
}

TEST(AsyncStream, ACrashIsTheCallersOwnUnlessItTrapsExits) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.spawn_monitor([](Context& owner) -> Task<> {
      auto stream = async_stream(owner, numbers(4), crashes_on_two);
      co_await stream.collect();
    });
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::symbol("boom"));
    co_await context.sleep_for(10ms);
    EXPECT_EQ(context.node().processes().size(), 1U);
    context.trap_exit(true);
    for (const bool ordered : {true, false}) {
      auto stream = async_stream(context, numbers(4), crashes_on_two,
                                 {.max_concurrency = 1, .ordered = ordered});
      EXPECT_EQ(text_of(co_await stream.collect()), "1 boom 3 4");
      EXPECT_TRUE(co_await has_nothing(context));
    }
  });
}

TEST(AsyncStream, WithoutLinksACrashIsTheOutcomeOfItsItem) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult sup = co_await start_dynamic_supervisor(context);
    auto stream = async_stream_nolink(context, sup.pid, numbers(4), crashes_on_two);
    EXPECT_EQ(text_of(co_await stream.collect()), "1 boom 3 4");
    EXPECT_TRUE(co_await has_nothing(context));
  });
}

TEST(AsyncStream, LeftEarlyItKillsItsTasksAndLeavesNothing) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    for (const bool trap : {false, true}) {
      context.trap_exit(trap);
      {
        auto stream =
            async_stream(context, numbers(9), backwards, {.max_concurrency = 4, .ordered = false});
        const auto first = co_await stream.next();
        EXPECT_EQ(first->value(), 4);
      }
      co_await context.sleep_for(1ms);
      EXPECT_EQ(context.node().processes().size(), 1U);
      co_await context.sleep_for(1s);
      EXPECT_TRUE(co_await has_nothing(context));
    }
  });
}

TEST(AsyncStream, GoesWithAnOwnerThatIsKilled) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid owner = context.spawn([](Context& own) -> Task<> {
      auto stream = async_stream(own, numbers(9), backwards, {.max_concurrency = 4});
      co_await stream.collect();
    });
    co_await context.sleep_for(1ms);
    EXPECT_EQ(context.node().processes().size(), 6U);
    context.exit(owner, ExitReason::kill());
    co_await context.sleep_for(1ms);
    EXPECT_EQ(context.node().processes().size(), 1U);
  });
}

/// 1, 2, 3 and so on, without an end.
struct Naturals {
  struct Iterator {
    using difference_type = std::ptrdiff_t;
    using value_type = int;
    int operator*() const { return number; }
    Iterator& operator++() {
      ++number;
      return *this;
    }
    void operator++(int) { ++number; }
    int number = 1;
  };
  static Iterator begin() { return {}; }
  static std::unreachable_sentinel_t end() { return {}; }
};

TEST(AsyncStream, TakesItemsOnlyWhenThereIsRoom) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    auto stream =
        async_stream(context, Naturals{}, [](int n) { return n; }, {.max_concurrency = 2});
    for (int number = 1; number < 100; ++number) {
      const auto outcome = co_await stream.next();
      EXPECT_EQ(outcome->value(), number);
    }
  });
}

}  // namespace
}  // namespace grove
