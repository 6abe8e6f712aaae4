// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/checkers.hpp"

namespace grove::testkit {

Violations check_liveness(const History& history) {
  Violations wrong;
  std::map<std::string, Clock::TimePoint> wanted;
  for (const auto& [at, event] : history) {
    if (const auto* wish = std::get_if<Wanted>(&event)) {
      wanted[wish->what] = wish->deadline;
    } else if (const auto* done = std::get_if<Done>(&event)) {
      const auto place = wanted.find(done->what);
      if (place == wanted.end()) continue;
      if (at > place->second) wrong.push_back("too late: " + done->what);
      wanted.erase(place);
    }
  }
  for (const auto& [what, deadline] : wanted) {
    if (deadline < history.back().at) wrong.push_back("never: " + what);
  }
  return wrong;
}

}  // namespace grove::testkit
