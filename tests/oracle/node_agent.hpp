// SPDX-License-Identifier: Apache-2.0
//
// NodeAgent: does at a node of a cluster's script what the controller asks for.
//
// Threads: one at a time, which is no worker of the node.
#pragma once

#include "grove/cluster/cluster.hpp"

#include "requests.hpp"
#include "world.hpp"

#include <functional>
#include <string>
#include <vector>

namespace grove::oracle {

class NodeAgent {
 public:
  /// Waits, or has things happen, until `done`. Returns: false when it never comes to that.
  using WaitUntil = std::function<bool(const std::function<bool()>& done)>;

  /// All outlive it.
  NodeAgent(World& world, Cluster& cluster, WaitUntil wait_until)
      : world_{world}, cluster_{cluster}, wait_until_{std::move(wait_until)} {}

  /// Throws std::logic_error for what is no request. Blocks.
  [[nodiscard]] Message answer(const Message& request);

 private:
  [[nodiscard]] bool connect(const std::string& address);
  [[nodiscard]] bool disconnect(const std::string& node);
  [[nodiscard]] Nodes nodes();
  [[nodiscard]] Happened take();

  World& world_;
  Cluster& cluster_;
  const WaitUntil wait_until_;
};

}  // namespace grove::oracle
