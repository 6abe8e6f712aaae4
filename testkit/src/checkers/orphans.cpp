// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/checkers.hpp"

#include "deaths.hpp"

namespace grove::testkit {

Violations check_orphans(const History& history) {
  Violations wrong;
  std::map<Pid, Pid> tied_to;
  Deaths deaths;
  std::map<NodeId, Census> living;
  for (const auto& [at, event] : history) {
    deaths.note(event);
    if (const auto* start = std::get_if<Started>(&event)) {
      tied_to[start->pid] = start->tied_to;
    } else if (const auto* census = std::get_if<Census>(&event)) {
      living[census->node] = *census;
    }
  }
  for (const auto& [node, census] : living) {
    if (deaths.over(node)) continue;
    for (const Pid& pid : census.living) {
      const auto place = tied_to.find(pid);
      if (place == tied_to.end() || !place->second) continue;
      if (deaths.over(place->second)) {
        wrong.push_back(to_string(pid) + " outlives " + to_string(place->second));
      }
    }
    if (census.baseline && census.living.size() != *census.baseline) {
      wrong.push_back(std::to_string(census.living.size()) + " processes on " + node_name(node) +
                      " where there should be " + std::to_string(*census.baseline));
    }
  }
  return wrong;
}

}  // namespace grove::testkit
