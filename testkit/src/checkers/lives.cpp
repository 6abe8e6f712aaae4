// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/checkers.hpp"

#include <set>
#include <utility>

namespace grove::testkit {

Violations check_lives(const History& history) {
  Violations wrong;
  std::map<std::pair<Pid, std::string>, Life>
      newest;  // that a process has heard from a node's name
  std::set<NodeId> ended;
  std::map<NodeId, NamesSeen> names;
  for (const auto& [at, event] : history) {
    if (const auto* received = std::get_if<Received>(&event)) {
      if (received->to != received->by) {
        wrong.push_back("what was for " + to_string(received->to) + " reached " +
                        to_string(received->by));
      }
      Life& life = newest[{received->by, node_name(received->from.node)}];
      if (node_life(received->from.node) < life) {
        wrong.push_back("something of " + to_string(received->from) +
                        " came after its node's next life had been heard");
      }
      life = std::max(life, node_life(received->from.node));
    } else if (const auto* node = std::get_if<NodeEnded>(&event)) {
      ended.insert(node->node);
    } else if (const auto* seen = std::get_if<NamesSeen>(&event)) {
      names[seen->by] = *seen;
    }
  }
  for (const auto& [node, seen] : names) {
    for (const auto& [name, pid] : seen.names) {
      if (!ended.contains(node) && ended.contains(pid.node)) {
        wrong.push_back("on " + node_name(node) + ' ' + name + " means " + to_string(pid) +
                        ", of a life that is over");
      }
    }
  }
  return wrong;
}

}  // namespace grove::testkit
