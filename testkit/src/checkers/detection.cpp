// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/checkers.hpp"

#include <optional>
#include <set>
#include <utility>

namespace grove::testkit {
namespace {

/// A monitor across nodes that is open.
struct Watch {
  Pid by;
  Pid of;
  std::optional<Clock::TimePoint> due;  // the node has ended
};

}  // namespace

Violations check_detection(const History& history, const DetectionBounds& bounds) {
  Violations wrong;
  std::map<Ref, Watch> open;
  std::set<std::string> paused;
  std::set<std::pair<std::string, std::string>> cuts;
  bool bad_network = false;
  const auto excuse = [&](auto applies) {
    for (auto& [ref, watch] : open) {
      if (watch.due && applies(watch)) watch.due = Clock::TimePoint::max();
    }
  };
  const auto due = [&](const Watch& watch, const NodeEnded& ended, Clock::TimePoint at) {
    const std::string& by = node_name(watch.by.node);
    const std::string& of = node_name(watch.of.node);
    if (bad_network || paused.contains(by)) return Clock::TimePoint::max();
    const bool silent = ended.silently || cuts.contains({by, of}) || cuts.contains({of, by});
    return at + (silent ? bounds.silent : bounds.killed);
  };
  for (const auto& [at, event] : history) {
    if (const auto* made = std::get_if<Monitored>(&event)) {
      open[made->ref] = {made->by, made->of, std::nullopt};
    } else if (const auto* undone = std::get_if<Demonitored>(&event)) {
      open.erase(undone->ref);
    } else if (const auto* process = std::get_if<Ended>(&event)) {
      std::erase_if(open, [&](const auto& one) { return one.second.by == process->pid; });
    } else if (const auto* down = std::get_if<GotDown>(&event)) {
      const auto place = open.find(down->ref);
      if (place == open.end()) continue;
      if (place->second.due && at > *place->second.due) {
        wrong.push_back(to_string(down->by) + " heard late of the end of " +
                        node_name(place->second.of.node));
      }
      open.erase(place);
    } else if (const auto* ended = std::get_if<NodeEnded>(&event)) {
      std::erase_if(open, [&](const auto& one) { return one.second.by.node == ended->node; });
      for (auto& [ref, watch] : open) {
        if (watch.of.node == ended->node) watch.due = due(watch, *ended, at);
      }
    } else if (const auto* pause = std::get_if<NodePaused>(&event)) {
      paused.insert(pause->name);
      excuse([&](const Watch& watch) { return node_name(watch.by.node) == pause->name; });
    } else if (const auto* resumed = std::get_if<NodeResumed>(&event)) {
      paused.erase(resumed->name);
    } else if (const auto* cut = std::get_if<LinkCut>(&event)) {
      cuts.emplace(cut->from, cut->to);
    } else if (std::holds_alternative<NetworkBad>(event)) {
      bad_network = true;
      excuse([](const Watch&) { return true; });
    } else if (std::holds_alternative<Healed>(event)) {
      cuts.clear();
      bad_network = false;
    }
  }
  for (const auto& [ref, watch] : open) {
    if (watch.due && *watch.due < history.back().at) {
      wrong.push_back(to_string(watch.by) + " never heard of the end of " +
                      node_name(watch.of.node));
    }
  }
  return wrong;
}

}  // namespace grove::testkit
