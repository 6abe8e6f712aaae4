// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/checkers.hpp"

#include <set>

namespace grove::testkit {
namespace {

/// Since when a node of that name has been disturbed by nothing.
class Calm {
 public:
  void see(Clock::TimePoint at, const Event& event) {
    if (const auto* started = std::get_if<NodeStarted>(&event)) {
      since_[node_name(started->node)] = at;
      running_.insert(started->node);
    } else if (const auto* ended = std::get_if<NodeEnded>(&event)) {
      running_.erase(ended->node);
    } else if (const auto* paused = std::get_if<NodePaused>(&event)) {
      paused_.insert(paused->name);
    } else if (const auto* resumed = std::get_if<NodeResumed>(&event)) {
      paused_.erase(resumed->name);
      since_[resumed->name] = at;
    } else if (std::holds_alternative<LinkCut>(event) ||
               std::holds_alternative<NetworkBad>(event)) {
      network_ = false;
    } else if (std::holds_alternative<Healed>(event)) {
      if (!network_) healed_ = at;
      network_ = true;
    }
  }
  [[nodiscard]] bool calm(NodeId node, Clock::TimePoint at, Clock::Duration grace) const {
    const std::string& name = node_name(node);
    const auto since = since_.find(name);
    return running_.contains(node) && !paused_.contains(name) && network_ &&
           at - healed_ >= grace && since != since_.end() && at - since->second >= grace;
  }

 private:
  std::map<std::string, Clock::TimePoint> since_;
  std::set<NodeId> running_;
  std::set<std::string> paused_;
  bool network_ = true;
  Clock::TimePoint healed_ = Clock::TimePoint{} - std::chrono::hours{1};
};

}  // namespace

Violations check_removals(const History& history, Clock::Duration grace) {
  Violations wrong;
  Calm calm;
  for (const auto& [at, event] : history) {
    calm.see(at, event);
    const auto* seen = std::get_if<MembersSeen>(&event);
    if (seen == nullptr) continue;
    for (const NodeId node : seen->down) {
      if (calm.calm(node, at, grace)) {
        wrong.push_back(node_name(node) + ", which runs, is dead to " + node_name(seen->by));
      }
    }
  }
  return wrong;
}

}  // namespace grove::testkit
