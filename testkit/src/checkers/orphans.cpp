// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/checkers.hpp"

#include <set>

namespace grove::testkit {

Violations check_orphans(const History& history) {
  Violations wrong;
  std::map<Pid, Pid> tied_to;
  std::set<Pid> ended;
  std::set<NodeId> ended_nodes;
  std::map<NodeId, Census> living;
  for (const auto& [at, event] : history) {
    if (const auto* start = std::get_if<Started>(&event)) {
      tied_to[start->pid] = start->tied_to;
    } else if (const auto* process = std::get_if<Ended>(&event)) {
      ended.insert(process->pid);
    } else if (const auto* node = std::get_if<NodeEnded>(&event)) {
      ended_nodes.insert(node->node);
    } else if (const auto* census = std::get_if<Census>(&event)) {
      living[census->node] = *census;
    }
  }
  for (const auto& [node, census] : living) {
    if (ended_nodes.contains(node)) continue;
    for (const Pid& pid : census.living) {
      const auto place = tied_to.find(pid);
      if (place == tied_to.end() || !place->second) continue;
      if (ended.contains(place->second) || ended_nodes.contains(place->second.node)) {
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
