// SPDX-License-Identifier: Apache-2.0
//
// grove-sim: runs a scenario on a simulated cluster.
//
//   grove-sim --scenario monitors --seed 7 --nodes 5
//   grove-sim --sweep 1000                    all scenarios, seeds 1 to 1000
#include "scenarios.hpp"

#include <CLI/CLI.hpp>

#include <iostream>
#include <string>

namespace {

using grove::sim::Outcome;
using grove::sim::Scenario;

int report(const Scenario& scenario, std::uint64_t seed, unsigned nodes, bool quiet) {
  const Outcome outcome = scenario.run(seed, nodes);
  if (!quiet) {
    std::cout << "trace " << std::hex << outcome.trace_hash << std::dec << '\n';
    for (const std::string& invariant : outcome.invariants) std::cout << invariant << '\n';
    for (const auto& [what, count] : outcome.counts) std::cout << what << ' ' << count << '\n';
  }
  for (const std::string& violation : outcome.violations) {
    std::cout << "VIOLATION: " << violation << '\n';
  }
  if (outcome.violations.empty()) return 0;
  std::cout << "replay: grove-sim --scenario " << scenario.name << " --seed " << seed << " --nodes "
            << nodes << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Whole clusters on virtual time, from one seed."};
  std::string name = "monitors";
  std::uint64_t seed = 1;
  std::uint64_t sweep = 0;
  unsigned nodes = 5;
  std::string help = "one of:";
  for (const Scenario& scenario : grove::sim::scenarios()) {
    help += std::string{" "} + scenario.name + " (" + scenario.help + ")";
  }
  app.add_option("--scenario", name, help)->capture_default_str();
  app.add_option("--seed", seed, "what decides everything in the run")->capture_default_str();
  app.add_option("--nodes", nodes, "how many")->capture_default_str()->check(CLI::Range(2, 30));
  app.add_option("--sweep", sweep, "run all scenarios for the seeds 1 to N");
  CLI11_PARSE(app, argc, argv);

  int failed = 0;
  if (sweep > 0) {
    for (const Scenario& scenario : grove::sim::scenarios()) {
      int broken = 0;
      for (std::uint64_t one = 1; one <= sweep; ++one) broken += report(scenario, one, nodes, true);
      std::cout << scenario.name << ": " << sweep << " seeds, " << broken << " with violations\n";
      failed += broken;
    }
    return failed == 0 ? 0 : 1;
  }
  for (const Scenario& scenario : grove::sim::scenarios()) {
    if (name == scenario.name) return report(scenario, seed, nodes, false);
  }
  std::cerr << "grove-sim: no scenario is called " << name << "; " << help << '\n';
  return 64;
}
