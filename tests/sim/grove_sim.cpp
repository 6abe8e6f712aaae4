// SPDX-License-Identifier: Apache-2.0
//
// grove-sim: runs a scenario on a simulated cluster.
//
//   grove-sim --scenario monitors --seed 7 --nodes 5
//   grove-sim --sweep 1000 --nodes 3,5,7      all scenarios, seeds 1 to 1000, with so many nodes
//   grove-sim --report docs --nodes 10,30     how clusters grow, as a page
#include "grove/core/clock.hpp"
#include "grove/core/mark.hpp"

#include "scale.hpp"
#include "scenarios.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <iostream>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace {

using grove::sim::Outcome;
using grove::sim::RunOptions;
using grove::sim::Scenario;

void print_faults(const Scenario& scenario, const RunOptions& options) {
  const auto schedule =
      grove::testkit::make_schedule(options.seed, options.nodes, options.steps, scenario.plan);
  for (std::size_t at = 0; at < schedule.size(); ++at) {
    const auto& kept = options.kept;
    if (kept && std::find(kept->begin(), kept->end(), at) == kept->end()) continue;
    std::cout << "  " << at << ": " << to_string(schedule[at]) << '\n';
  }
}

/// Returns: whether all invariants held.
bool judge(const Scenario& scenario, RunOptions options, const Outcome& outcome) {
  for (const std::string& violation : outcome.violations) {
    std::cout << "VIOLATION: " << violation << '\n';
  }
  if (outcome.violations.empty()) return true;
  std::cout << "replay: " << replay_line(scenario, options) << '\n';
  if (!options.kept) {
    options.kept = shrink(scenario, options);
    std::cout << "the least that fails: " << replay_line(scenario, options) << '\n';
  }
  print_faults(scenario, options);
  return false;
}

int run_one(const Scenario& scenario, const RunOptions& options) {
  const Outcome outcome = run(scenario, options);
  std::cout << "trace " << std::hex << outcome.trace_hash << std::dec << '\n';
  for (const auto& [what, count] : outcome.counts) std::cout << what << ' ' << count << '\n';
  if (!judge(scenario, options, outcome)) return 1;
  std::cout << "I1 to I6 and I8 to I13 hold\n";
  return 0;
}

int sweep(const std::vector<const Scenario*>& scenarios, std::uint64_t first, std::uint64_t seeds,
          const std::vector<unsigned>& nodes, RunOptions options) {
  const auto clock = grove::make_system_clock();
  int failed = 0;
  for (const Scenario* scenario : scenarios) {
    for (const unsigned count : nodes) {
      const auto began = clock->now();
      grove::Clock::Duration simulated{};
      int broken = 0;
      for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
        options.seed = seed;
        options.nodes = count;
        const Outcome outcome = run(*scenario, options);
        simulated += outcome.simulated;
        if (!judge(*scenario, options, outcome)) ++broken;
      }
      const std::chrono::duration<double> took = clock->now() - began;
      std::cout << scenario->name << ", " << count << " nodes: " << seeds << " seeds, " << broken
                << " with violations, " << static_cast<int>(took.count()) << " s, "
                << static_cast<int>(std::chrono::duration<double>{simulated} / took)
                << " simulated seconds a second\n"
                << std::flush;
      failed += broken;
    }
  }
  for (const grove::Mark* mark : grove::marks()) {
    if (mark->reached == 0) std::cout << "never reached: " << mark->name << '\n';
  }
  return failed == 0 ? 0 : 1;
}

/// Returns: the steps that were named; nothing when one of them is no step.
std::optional<std::vector<std::size_t>> steps_of(const std::vector<std::string>& texts,
                                                 std::size_t steps) {
  std::vector<std::size_t> named;
  for (const std::string& text : texts) {
    if (text == "none") continue;
    std::size_t step = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
    if (error != std::errc{} || end != text.data() + text.size() || step >= steps) return {};
    named.push_back(step);
  }
  return named;
}

int usage(const std::string& what) {
  std::cerr << "grove-sim: " << what << '\n';
  return 64;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Whole clusters on virtual time, from one seed."};
  std::string name;
  std::uint64_t seed = 1;
  std::uint64_t seeds = 0;
  std::vector<unsigned> nodes{5};
  std::vector<std::string> only;
  std::string report;
  RunOptions options;
  std::string help = "one of:";
  std::vector<const Scenario*> chosen;
  for (const Scenario& scenario : grove::sim::scenarios()) {
    help += std::string{" "} + scenario.name + " (" + scenario.help + ")";
    chosen.push_back(&scenario);
  }
  app.add_option("--scenario", name, help);
  app.add_option("--seed", seed, "what decides everything in the run")->capture_default_str();
  app.add_option("--nodes", nodes, "how many; a sweep goes through a list")
      ->delimiter(',')
      ->capture_default_str()
      ->check(CLI::Range(2, 1000));
  app.add_option("--steps", options.steps, "faults")->capture_default_str();
  app.add_option("--only", only, "of them only these, by number, or none")->delimiter(',');
  app.add_option("--sweep", seeds, "run all scenarios, or the one given, for N seeds")
      ->check(CLI::PositiveNumber);
  app.add_option("--report", report, "write scale.md and its plots into that folder");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 64;
  }

  if (!report.empty()) {
    if (*std::min_element(nodes.begin(), nodes.end()) < grove::sim::k_scale_nodes_min) {
      return usage("a report wants at least " + std::to_string(grove::sim::k_scale_nodes_min) +
                   " nodes");
    }
    try {
      grove::sim::report_scale(report, nodes);
      return 0;
    } catch (const std::runtime_error& failed) {
      std::cerr << "grove-sim: " << failed.what() << '\n';
      return 70;
    }
  }
  if (!name.empty()) {
    chosen = {grove::sim::find_scenario(name)};
    if (chosen.front() == nullptr) {
      return usage("no scenario is called " + name + "; " + help);
    }
  }
  if (seeds > 0) return sweep(chosen, seed, seeds, nodes, options);
  options.seed = seed;
  options.nodes = nodes.front();
  if (!only.empty()) {
    options.kept = steps_of(only, options.steps);
    if (!options.kept) return usage("--only wants numbers below that of --steps, or none");
  }
  return run_one(*chosen.front(), options);
}
