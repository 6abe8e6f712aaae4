// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/checkers.hpp"

#include <algorithm>
#include <set>

namespace grove::testkit {

Violations check_members(const History& history) {
  Violations wrong;
  std::set<NodeId> running;
  std::map<NodeId, MembersSeen> views;
  for (const auto& [at, event] : history) {
    if (const auto* started = std::get_if<NodeStarted>(&event)) {
      running.insert(started->node);
    } else if (const auto* ended = std::get_if<NodeEnded>(&event)) {
      running.erase(ended->node);
      views.erase(ended->node);
    } else if (const auto* seen = std::get_if<MembersSeen>(&event)) {
      views[seen->by] = *seen;
    }
  }
  for (const auto& [node, view] : views) {
    for (const NodeId other : running) {
      if (std::find(view.up.begin(), view.up.end(), other) == view.up.end()) {
        wrong.push_back(node_name(other) + " is no member for " + node_name(node));
      }
    }
    for (const NodeId other : view.up) {
      if (!running.contains(other)) {
        wrong.push_back(node_name(other) + ", in a life that is over, is a member for " +
                        node_name(node));
      }
    }
  }
  return wrong;
}

}  // namespace grove::testkit
