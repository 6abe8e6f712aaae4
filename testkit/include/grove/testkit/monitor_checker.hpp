// SPDX-License-Identifier: Apache-2.0
//
// MonitorChecker: every monitor gets exactly one DOWN. Knows the rule, not the code.
//
// A monitor that ended with its owner's node owes nothing.
#pragma once

#include "grove/core/ids.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace grove::testkit {

class MonitorChecker {
 public:
  void on_monitor(const Ref& ref) { open_.emplace(ref, 0); }
  void on_down(const Ref& ref) {
    const auto place = open_.find(ref);
    if (place == open_.end()) {
      violations_.push_back("a DOWN for a monitor nobody made, or made on a dead node: " +
                            to_string(ref));
    } else if (++place->second == 2) {
      violations_.push_back("two DOWNs for one monitor: " + to_string(ref));
    }
  }
  /// The node of these monitors' owners was killed.
  void on_node_killed(NodeId node) {
    std::erase_if(open_, [&](const auto& entry) { return entry.first.node == node; });
  }
  /// To be called when everything monitored has ended. Returns: what went wrong, empty if nothing.
  [[nodiscard]] std::vector<std::string> finish() const {
    std::vector<std::string> all = violations_;
    for (const auto& [ref, downs] : open_) {
      if (downs == 0) all.push_back("no DOWN for the monitor " + to_string(ref));
    }
    return all;
  }
  [[nodiscard]] std::size_t monitors() const noexcept { return open_.size(); }

 private:
  std::map<Ref, int> open_;
  std::vector<std::string> violations_;
};

}  // namespace grove::testkit
