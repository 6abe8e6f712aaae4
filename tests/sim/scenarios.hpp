// SPDX-License-Identifier: Apache-2.0
//
// Scenarios: whole runs of a simulated cluster, by name and seed, and what they found.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace grove::sim {

struct Outcome {
  std::uint64_t trace_hash = 0;
  std::vector<std::string> invariants;          // what was checked, with how often
  std::vector<std::string> violations;          // empty: all held
  std::map<std::string, std::uint64_t> counts;  // of rare and of wanted events
};

/// Nodes that partition, die and restart, while processes on all of them monitor each other.
Outcome run_monitors(std::uint64_t seed, unsigned nodes);
/// The same, while processes register, lose and take over cluster-wide names.
Outcome run_names(std::uint64_t seed, unsigned nodes);
/// The same, while processes join and leave process groups.
Outcome run_groups(std::uint64_t seed, unsigned nodes);

struct Scenario {
  const char* name;
  const char* help;
  Outcome (*run)(std::uint64_t seed, unsigned nodes);
};
[[nodiscard]] const std::vector<Scenario>& scenarios();

}  // namespace grove::sim
