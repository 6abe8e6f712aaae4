// SPDX-License-Identifier: Apache-2.0
//
// Scenarios: whole runs of a simulated cluster, by name and seed, and what they found.
#pragma once

#include "grove/cluster/cluster.hpp"
#include "grove/testkit/checkers.hpp"
#include "grove/testkit/faults.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace grove::sim {

struct Workload;

struct RunOptions {
  std::uint64_t seed = 1;
  unsigned nodes = 5;
  unsigned steps = 20;                                // faults before the healing
  std::optional<std::vector<std::size_t>> kept = {};  // only those of them, by number
};

struct Outcome {
  std::uint64_t trace_hash = 0;
  testkit::Violations violations;               // empty: all invariants held
  std::map<std::string, std::uint64_t> counts;  // of rare and of wanted events
  Clock::Duration simulated{};
};

struct Scenario {
  const char* name;
  const char* help;
  testkit::FaultPlan plan;
  void (*populate)(Workload& workload, const std::string& node);   // each life of each node
  void (*finish)(Workload& workload, Outcome& outcome) = nullptr;  // in the end, adds what it finds
  void (*configure)(ClusterConfig& config) = nullptr;              // of each node
  void (*last_act)(Workload& workload) = nullptr;                  // once all are well
};
[[nodiscard]] const std::vector<Scenario>& scenarios();
[[nodiscard]] const Scenario* find_scenario(const std::string& name);

/// Faults, then a part that has healed and must work, then all of it; then the checkers.
[[nodiscard]] Outcome run(const Scenario& scenario, const RunOptions& options);

/// The faults of a failing run that it takes to fail.
[[nodiscard]] std::vector<std::size_t> shrink(const Scenario& scenario, const RunOptions& options);
/// How to see a run again.
[[nodiscard]] std::string replay_line(const Scenario& scenario, const RunOptions& options);

}  // namespace grove::sim
