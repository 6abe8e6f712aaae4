// SPDX-License-Identifier: Apache-2.0
//
// Process groups under real threads: nothing of a process stays, whatever its end races with, and a
// watcher hears of each change once and in order.
#include "grove/node/pg.hpp"

#include "support/real_world.hpp"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace grove {
namespace {

class PgStress : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Workers, PgStress, testing::Values(1U, 2U, 4U),
                         testing::PrintToStringParamName());

/// Has `pid` join and leave, whether it lives or not.
Task<> meddler(Context& context, std::vector<Pid> pids) {
  for (int round = 0; round < 50; ++round) {
    for (const Pid& pid : pids) {
      (void)pg::join(context, round % 3, pid);
      if (round % 2 == 1) (void)pg::leave(context, round % 3, pid);
    }
    co_await context.sleep_for(Clock::Duration::zero());
  }
}

Task<> short_lived(Context& context) {
  for (int round = 0; round < 20; ++round) {
    (void)pg::join(context, round % 3, context.self());
    if (round % 4 == 3) co_await context.sleep_for(Clock::Duration::zero());
  }
}

TEST_P(PgStress, NothingStaysOfProcessesThatEndWhileTheyJoinAndLeave) {
  testkit::RealWorld world{GetParam()};
  const auto told = world.run([](Context& context) -> Task<std::map<Pid, int>> {
    const Ref watch = pg::monitor_scope(context).ref;
    std::vector<Ref> ends;
    for (int batch = 0; batch < 10; ++batch) {
      std::vector<Pid> pids;
      for (int i = 0; i < 20; ++i) {
        const Spawned one = context.spawn_monitor(short_lived);
        pids.push_back(one.pid);
        ends.push_back(one.ref);
      }
      for (int i = 0; i < 2; ++i) ends.push_back(context.spawn_monitor(meddler, pids).ref);
    }
    for (const Ref& ref : ends) {
      const auto is_it = [&ref](const Down& down) { return down.ref == ref; };
      co_await context.receive<Down>(is_it);
    }
    std::map<Pid, int> members;
    EXPECT_TRUE(pg::which_groups(context).empty());
    for (;;) {
      const EnvelopePtr next = co_await context.receive_any(Clock::Duration::zero());
      if (next == nullptr) break;
      if (const auto* join = next->message.get<PgJoin>()) {
        for (const Pid& pid : join->pids) ++members[pid];
      }
      if (const auto* leave = next->message.get<PgLeave>()) {
        for (const Pid& pid : leave->pids) EXPECT_GE(--members[pid], 0);
      }
    }
    EXPECT_TRUE(pg::demonitor(context, watch));
    co_return members;
  });
  EXPECT_FALSE(told.empty());
  for (const auto& [pid, times] : told) EXPECT_EQ(times, 0);
}

}  // namespace
}  // namespace grove
