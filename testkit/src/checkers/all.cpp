// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/checkers.hpp"

#include <utility>

namespace grove::testkit {

Violations check_all(const History& history) {
  using Check = Violations (*)(const History&);
  static constexpr std::pair<const char*, Check> k_checks[] = {
      {"I1: ", check_monitors},
      {"I2: ", check_links},
      {"I3: ", check_order},
      {"I4: ", check_lives},
      {"I5: ", check_calls},
      {"I6: ", check_names},
      {"I6: ", check_members},
      {"I8: ", check_restarts},
      {"I9: ", check_orphans},
      {"I11: ", [](const History& all) { return check_removals(all); }},
      {"I12: ", [](const History& all) { return check_detection(all); }},
      {"I13: ", check_liveness},
  };
  Violations wrong;
  for (const auto& [number, check] : k_checks) {
    for (const std::string& violation : check(history)) wrong.push_back(number + violation);
  }
  return wrong;
}

}  // namespace grove::testkit
