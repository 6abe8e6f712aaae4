// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/checkers.hpp"

#include <set>
#include <utility>

namespace grove::testkit {

Violations check_names(const History& history) {
  Violations wrong;
  std::map<std::pair<std::string, Pid>, int> told;  // how often more than it had it and kept it
  std::set<std::pair<std::string, Pid>> held;
  std::map<NodeId, NamesSeen> views;
  std::set<Pid> ended;
  for (const auto& [at, event] : history) {
    if (const auto* taken = std::get_if<NameHeld>(&event)) {
      held.emplace(taken->name, taken->pid);
      --told[{taken->name, taken->pid}];
    } else if (const auto* given = std::get_if<NameGivenUp>(&event)) {
      held.erase({given->name, given->pid});
      ++told[{given->name, given->pid}];
    } else if (const auto* lost = std::get_if<NameLost>(&event)) {
      held.erase({lost->name, lost->pid});
      if (++told[{lost->name, lost->pid}] > 0) {
        wrong.push_back(to_string(lost->pid) + " was told twice that it has lost " + lost->name);
      }
    } else if (const auto* seen = std::get_if<NamesSeen>(&event)) {
      views[seen->by] = *seen;
    } else if (const auto* process = std::get_if<Ended>(&event)) {
      ended.insert(process->pid);
    } else if (const auto* node = std::get_if<NodeEnded>(&event)) {
      views.erase(node->node);
      std::erase_if(held, [&](const auto& one) { return one.second.node == node->node; });
    }
  }
  if (views.empty()) return wrong;
  const NamesSeen& first = views.begin()->second;
  for (const auto& [node, view] : views) {
    if (view.names != first.names) {
      wrong.push_back(node_name(first.by) + " and " + node_name(node) + " disagree on the names");
    }
  }
  for (const auto& [name, pid] : first.names) {
    if (ended.contains(pid)) wrong.push_back(name + " means " + to_string(pid) + ", which is dead");
  }
  for (const auto& [name, pid] : held) {
    const auto place = first.names.find(name);
    if (!ended.contains(pid) && (place == first.names.end() || place->second != pid)) {
      wrong.push_back(to_string(pid) + " has lost " + name + " and was not told");
    }
  }
  return wrong;
}

}  // namespace grove::testkit
