// SPDX-License-Identifier: Apache-2.0
#include "grove/core/mark.hpp"

#include "scenarios.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

namespace grove::sim {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t k_seeds = 20;  // ten times slower each
#else
constexpr std::uint64_t k_seeds = 200;
#endif

/// Runs the seeds with 3, 5 and 7 nodes in turn, demands that nothing is violated, and adds up the
/// counts.
std::map<std::string, std::uint64_t> sweep(const char* name) {
  const Scenario& scenario = *find_scenario(name);
  std::map<std::string, std::uint64_t> counts;
  for (std::uint64_t seed = 1; seed <= k_seeds; ++seed) {
    const RunOptions options{.seed = seed, .nodes = 3 + 2 * static_cast<unsigned>(seed % 3)};
    const Outcome outcome = run(scenario, options);
    for (const std::string& violation : outcome.violations) {
      ADD_FAILURE() << violation << "\nreplay: " << replay_line(scenario, options);
    }
    for (const auto& [what, count] : outcome.counts) counts[what] += count;
  }
  return counts;
}

void expect_happened(const std::map<std::string, std::uint64_t>& counts,
                     std::initializer_list<const char*> what) {
  for (const char* one : what) {
    const auto place = counts.find(one);
    EXPECT_TRUE(place != counts.end() && place->second > 0)
        << one << " never happened: the sweep proves less than it says";
  }
}

TEST(Sweep, EachMonitorFiresExactlyOnceUnderPartitionsAndRestarts) {
  expect_happened(sweep("monitors"),
                  {R"(downs_total{reason="normal"})", R"(downs_total{reason="noproc"})",
                   R"(downs_total{reason="noconnection"})", "stale_frames_total", "exits_of_links",
                   "unlinks", "demonitors"});
}

TEST(Sweep, NamesConvergeAndNeverStayForked) {
  expect_happened(sweep("names"), {"name_conflicts_total", "losers_told"});
}

TEST(Sweep, WatchersAreToldOfAllNamesAndTheNewestStands) {
  expect_happened(sweep("names_newest"),
                  {"name_conflicts_total", "losers_told", "name_events", "registrations_given",
                   "registrations_timeout", "registrations_name_taken"});
  const std::vector<const Mark*> all = marks();
  EXPECT_TRUE(std::any_of(all.begin(), all.end(), [](const Mark* mark) {
    return std::string_view{mark->name} == "names.news_forgotten" && mark->reached > 0;
  }));
}

TEST(Sweep, ANameThatIsMovedAboutIsLeftWithSomebody) {
  expect_happened(sweep("names_moved"), {"names_moved", "names_taken", "bearers_told"});
}

TEST(Sweep, OnlyAMinorityIsRefusedNamesAndWhatTheProgramChoosesStands) {
  expect_happened(sweep("majority"),
                  {"name_conflicts_total", "losers_told", "minorities_total", "name_events",
                   "registrations_refused", "children_with_names"});
}

TEST(Sweep, GroupsConvergeAndWatchersAreToldOfEachChangeOnce) {
  expect_happened(sweep("groups"), {"group_changes_told", "memberships_in_the_end"});
}

TEST(Sweep, MessagesKeepTheirOrderAndCallsEnd) {
  expect_happened(sweep("traffic"), {"items_received", "calls", "stale_frames_total"});
}

TEST(Sweep, WhatIsKeptForAPeerIsBounded) { expect_happened(sweep("flood"), {"budgets_used_up"}); }

TEST(Sweep, SupervisorsKeepToTheirIntensity) {
  expect_happened(sweep("supervisors"), {"children_started", "supervisors_gave_up"});
}

TEST(Sweep, SickNodesRemoveNobodyAndAreBackUnaided) { expect_happened(sweep("sick"), {"pauses"}); }

TEST(Sweep, ADeathIsHeardOfInTime) {
  expect_happened(sweep("deaths"), {R"(downs_total{reason="noconnection"})", "silent_deaths"});
}

TEST(Determinism, TheSameSeedTwiceGivesTheSameTrace) {
  for (const Scenario& scenario : scenarios()) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      EXPECT_EQ(run(scenario, {.seed = seed}).trace_hash, run(scenario, {.seed = seed}).trace_hash)
          << scenario.name << " seed " << seed;
    }
    EXPECT_NE(run(scenario, {.seed = 1}).trace_hash, run(scenario, {.seed = 2}).trace_hash);
  }
}

}  // namespace
}  // namespace grove::sim
