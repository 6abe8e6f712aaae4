// SPDX-License-Identifier: Apache-2.0
//
// A process that takes and gives back a name of the cluster through its node, as a thread outside
// could, while it is inside its code for so long that the watchdog acts in its place.
#include "grove/node/cluster_names.hpp"

#include "real_node.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

namespace grove {
namespace {

using namespace std::chrono_literals;

constexpr int k_watchers = 30;

struct Begun {};

/// Counts what it is told of names.
Task<> watch(Context& context, Pid tell, std::atomic<int>* told) {
  (void)global::watch_names(context);
  context.send(tell, Begun{});
  for (;;) {
    co_await context.receive_any();
    ++*told;
  }
}

/// Takes the name and gives it back until it is killed, and waits a little each time: most of the
/// watchers are idle then.
Task<> take_and_give(Context& context, Pid tell, std::atomic<int>* told) {
  context.send(tell, Begun{});
  while (!context.doomed()) {
    const int before = *told;
    (void)context.node().register_name("name", context.self(), Scope::cluster);
    (void)context.node().unregister_name("name", Scope::cluster);
    for (int i = 0; i < 20'000 && *told - before < 2 * k_watchers && !context.doomed(); ++i) {
    }
  }
  co_return;
}

TEST(WatchedNames, AreTakenAndGivenBackByAProcessThatIsKilledMeanwhile) {
  std::atomic<int> told{0};
  testkit::RealNode node{"a", {.stuck_after = 2ms}};
  ASSERT_TRUE(node.start());
  auto all_killed = node.node().async([&told](Context& context) -> Task<bool> {
    for (int i = 0; i < k_watchers; ++i) context.spawn(watch, context.self(), &told);
    for (int i = 0; i < k_watchers; ++i) co_await context.receive<Begun>();
    for (int round = 0; round < 40; ++round) {
      const Spawned taker = context.spawn_monitor(take_and_give, context.self(), &told);
      co_await context.receive<Begun>();
      context.exit(taker.pid, ExitReason::kill());
      const Down down = co_await context.receive<Down>();
      EXPECT_EQ(down.reason, ExitReason::killed());
    }
    co_return !context.whereis("name", Scope::cluster);
  });
  EXPECT_TRUE(all_killed.get());
}

}  // namespace
}  // namespace grove
