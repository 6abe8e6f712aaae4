// SPDX-License-Identifier: Apache-2.0
//
// Deaths: which processes and lives of nodes a history has seen the end of.
#pragma once

#include "grove/testkit/history.hpp"

#include <set>
#include <variant>

namespace grove::testkit {

class Deaths {
 public:
  void note(const Event& event) {
    if (const auto* process = std::get_if<Ended>(&event)) {
      processes_.insert(process->pid);
    } else if (const auto* node = std::get_if<NodeEnded>(&event)) {
      nodes_.insert(node->node);
    }
  }
  [[nodiscard]] bool over(NodeId node) const { return nodes_.contains(node); }
  /// It ended, or its node did.
  [[nodiscard]] bool over(const Pid& pid) const {
    return processes_.contains(pid) || over(pid.node);
  }

 private:
  std::set<Pid> processes_;
  std::set<NodeId> nodes_;
};

}  // namespace grove::testkit
