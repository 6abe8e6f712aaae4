// SPDX-License-Identifier: Apache-2.0
//
// One of the programs that are Grove with one line changed: must find the violations of the
// invariants whose matter that line is.
//
//   mutant_nobody_refutes sick "is no member" "I11: "
#include "scenarios.hpp"

#include <iostream>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  constexpr std::uint64_t k_seeds = 100;
  const auto* scenario = argc > 2 ? grove::sim::find_scenario(argv[1]) : nullptr;
  if (scenario == nullptr) {
    std::cerr << "usage: " << argv[0] << " SCENARIO VIOLATION...\n";
    return 64;
  }
  std::vector<std::string> missing{argv + 2, argv + argc};
  for (std::uint64_t seed = 1; seed <= k_seeds && !missing.empty(); ++seed) {
    const grove::sim::RunOptions options{.seed = seed,
                                         .nodes = 3 + 2 * static_cast<unsigned>(seed % 2)};
    for (const std::string& violation : grove::sim::run(*scenario, options).violations) {
      const bool wanted = std::erase_if(missing, [&](const std::string& text) {
                            return violation.find(text) != std::string::npos;
                          }) > 0;
      if (wanted) std::cout << violation << "\n  " << replay_line(*scenario, options) << '\n';
    }
  }
  for (const std::string& text : missing) {
    std::cout << "no \"" << text << "\" in " << k_seeds << " runs\n";
  }
  return missing.empty() ? 0 : 1;
}
