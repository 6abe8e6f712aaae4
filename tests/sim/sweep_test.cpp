// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/monitor_checker.hpp"

#include "scenarios.hpp"

#include <gtest/gtest.h>

namespace grove::sim {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t k_seeds = 20;  // ten times slower each
#else
constexpr std::uint64_t k_seeds = 200;
#endif

/// Runs the seeds, demands that nothing is violated, and adds up the counts.
std::map<std::string, std::uint64_t> sweep(const char* name,
                                           Outcome (*run)(std::uint64_t, unsigned)) {
  std::map<std::string, std::uint64_t> counts;
  for (std::uint64_t seed = 1; seed <= k_seeds; ++seed) {
    const Outcome outcome = run(seed, 5);
    for (const std::string& violation : outcome.violations) {
      ADD_FAILURE() << violation << "\nreplay: grove-sim --scenario " << name << " --seed " << seed
                    << " --nodes 5";
    }
    for (const auto& [what, count] : outcome.counts) counts[what] += count;
  }
  for (const auto& [what, count] : counts) {
    testing::Test::RecordProperty(what, std::to_string(count));
  }
  return counts;
}

TEST(Sweep, EachMonitorFiresExactlyOnceUnderPartitionsAndRestarts) {
  const auto counts = sweep("monitors", run_monitors);
  for (const char* what : {"downs_normal", "downs_noproc", "downs_noconnection", "frames_stale"}) {
    EXPECT_GT(counts.at(what), 0U) << what << " never happened: the sweep proves less than it says";
  }
}

TEST(Sweep, NamesConvergeAndNeverStayForked) {
  const auto counts = sweep("names", run_names);
  EXPECT_GT(counts.at("name_conflicts"), 0U);
  EXPECT_GT(counts.at("losers_told"), 0U);
}

TEST(MonitorChecker, CatchesAMissingASecondAndAStrayDown) {
  const NodeId node = intern_node("checked", Life{1});
  const Ref first{node, 1, 1};
  const Ref second{node, 1, 2};
  testkit::MonitorChecker checker;
  checker.on_monitor(first);
  checker.on_monitor(second);
  checker.on_down(first);
  EXPECT_EQ(checker.finish().size(), 1U);  // second has none
  checker.on_down(second);
  EXPECT_TRUE(checker.finish().empty());
  checker.on_down(second);
  EXPECT_EQ(checker.finish().size(), 1U);
  checker.on_down(Ref{node, 1, 3});
  EXPECT_EQ(checker.finish().size(), 2U);
}

TEST(Determinism, TheSameSeedTwiceGivesTheSameTrace) {
  for (const Scenario& scenario : scenarios()) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      EXPECT_EQ(scenario.run(seed, 5).trace_hash, scenario.run(seed, 5).trace_hash)
          << scenario.name << " seed " << seed;
    }
    EXPECT_NE(scenario.run(1, 5).trace_hash, scenario.run(2, 5).trace_hash);
  }
}

}  // namespace
}  // namespace grove::sim
