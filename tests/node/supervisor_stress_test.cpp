// SPDX-License-Identifier: Apache-2.0
//
// Supervisors with very many children, and on real workers.
#include "grove/node/supervisor.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

TEST(SupervisorStress, AHundredThousandChildrenComeAndGo) {
  class Idle : public GenServer {};
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    constexpr int k_children = 100'000;
    const StartResult top = co_await start_supervisor(context, {});
    for (int at = 0; at < k_children; ++at) {
      const StartResult added =
          co_await start_child(context, top.pid, child<Idle>(std::to_string(at)));
      EXPECT_TRUE(added.ok());
    }
    ChildCounts counts = co_await count_children(context, top.pid);
    EXPECT_EQ(counts.active, std::size_t{k_children});
    for (int at = 0; at < k_children; ++at) {  // the oldest first
      const auto ended = co_await terminate_child(context, top.pid, std::to_string(at));
      EXPECT_TRUE(ended.has_value());
      const auto forgotten = co_await delete_child(context, top.pid, std::to_string(at));
      EXPECT_TRUE(forgotten.has_value());
    }
    counts = co_await count_children(context, top.pid);
    EXPECT_EQ(counts.specs, 0U);
  });
}

/// Tells its observer that it runs.
class Victim : public GenServer {
 public:
  explicit Victim(Pid observer) { context().send(observer, self()); }
};

void kill_children_at_random(unsigned workers, Strategy strategy) {
  const auto clock = make_system_clock();
  const auto scheduler = make_thread_scheduler(workers);
  Node node{{.name = "stress", .clock = clock.get(), .scheduler = scheduler.get()}};
  auto done = node.async([strategy](Context& context) -> Task<> {
    constexpr std::size_t k_children = 20;
    SupervisorSpec spec{.strategy = strategy, .intensity = {.restarts = 1'000'000}};
    for (std::size_t at = 0; at < k_children; ++at) {
      spec.children.push_back(child<Victim>(std::to_string(at), context.self()));
    }
    const StartResult top = co_await start_supervisor(context, spec);
    for (int kill = 0; kill < 500; ++kill) {
      const Pid victim = co_await context.receive<Pid>();
      context.exit(victim, ExitReason::kill());
    }
    // The supervisor hears of the last one in time.
    ChildCounts counts = co_await count_children(context, top.pid);
    for (int left = 60'000; counts.active != k_children && left > 0; --left) {
      co_await context.sleep_for(1ms);
      counts = co_await count_children(context, top.pid);
    }
    EXPECT_EQ(counts.specs, k_children);
    EXPECT_EQ(counts.active, k_children);
  });
  done.get();
  node.kill_all();
  scheduler->stop();
}

TEST(SupervisorStress, ChildrenKilledAtRandomAreAllBackInTheEnd) {
  for (const unsigned workers : {1U, 2U, 4U}) {
    for (const Strategy strategy : {one_for_one, rest_for_one, one_for_all}) {
      kill_children_at_random(workers, strategy);
    }
  }
}

}  // namespace
}  // namespace grove
