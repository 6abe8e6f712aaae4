// SPDX-License-Identifier: Apache-2.0
//
// Pools under real threads: no worker is ever two clients', and none is lost.
#include "grove/node/pool.hpp"

#include "support/real_world.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::RealWorld;

struct Enter {
  using Reply = bool;  // whether nobody else who lives is in
};
struct Leave {};

class Room : public GenServer {
 public:
  using Handles = grove::Handles<Enter, Leave>;
  bool handle_call(Enter) {
    const bool free = !guest_ || !node().is_alive(guest_);
    guest_ = from().pid;
    return free;
  }
  void handle_call(Leave) { guest_ = Pid{}; }

 private:
  Pid guest_;
};

struct Tally {
  std::atomic<int> visits = 0;
  std::atomic<int> collisions = 0;
};

/// Comes and goes. Now and then it takes the worker along, or ends with it.
Task<> visit(Context& context, Tally* tally, std::uint64_t seed) {
  Random chance{seed};
  for (int round = 0; round < 50; ++round) {
    const Timeout patience = std::chrono::milliseconds{chance.below(3)};
    const Result<Pid> room = co_await checkout(context, "rooms", patience);
    if (!room) continue;
    try {
      const bool alone = co_await context.call<Enter>(*room);
      if (!alone) ++tally->collisions;
      ++tally->visits;
      if (chance.percent(2)) context.exit(*room, ExitReason::kill());
      if (chance.percent(2)) co_return;
      co_await context.call<Leave>(*room);
    } catch (const ProcessExit&) {  // somebody has killed the worker
    }
    checkin(context, "rooms", *room);
  }
}

class PoolStress : public testing::TestWithParam<unsigned> {};

INSTANTIATE_TEST_SUITE_P(Workers, PoolStress, testing::Values(1U, 2U, 4U),
                         testing::PrintToStringParamName());

TEST_P(PoolStress, AWorkerIsOneClientsAtATimeAndNoneIsLost) {
  Tally tally;
  RealWorld world{GetParam()};
  const bool all_idle = world.run([&tally](Context& context) -> Task<bool> {
    const PoolSpec spec{"rooms", child<Room>("room"), 4, 4, 1ms};
    SupervisorSpec app;
    app.children.push_back(pool(spec));
    co_await start_supervisor(context, app);
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
      context.spawn_monitor(visit, &tally, seed);
      if (seed % 10 == 0) {  // in whatever it is at
        const Pid victim = context.spawn(visit, &tally, seed);
        co_await context.sleep_for(1ms);
        context.exit(victim, ExitReason::kill());
      }
    }
    for (int ended = 0; ended < 200; ++ended) co_await context.receive<Down>();
    for (int tries = 0; tries < 10'000; ++tries) {  // what came last may still be on its way
      const PoolStatus status = co_await pool_status(context, "rooms");
      if (status == PoolStatus{4, 0, 0, 0}) co_return true;
      co_await context.sleep_for(1ms);
    }
    co_return false;
  });
  EXPECT_TRUE(all_idle);
  EXPECT_EQ(tally.collisions, 0);
  EXPECT_GT(tally.visits, 200);
}

}  // namespace
}  // namespace grove
