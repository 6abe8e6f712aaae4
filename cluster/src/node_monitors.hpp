// SPDX-License-Identifier: Apache-2.0
//
// NodeMonitors: which processes want to hear of sessions, how often each, and the telling.
//
// Thread-safety: all members. Who tells does so on one thread, in order with all else of a session.
#pragma once

#include "grove/node/node.hpp"
#include "grove/transport/sessions.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace grove::cluster {

class NodeMonitors {
 public:
  explicit NodeMonitors(Node& node) : node_{node} {}

  /// See Context::monitor_nodes() and monitor_node().
  void subscribe(const Pid& subscriber, bool on);
  void watch(const Pid& watcher, const std::string& node, bool on);
  void forget(const Pid& process);

  /// Before anything that the session brings.
  void tell_up(NodeId peer);
  /// After all that it has brought and broken.
  void tell_down(NodeId peer, transport::Sessions::Ending ending);
  /// Tells those who watch `node` that there is no session.
  void tell_out_of_reach(const std::string& node);

 private:
  using Counts = std::map<Pid, std::size_t>;
  static std::vector<Pid> listed(const Counts& counts);
  [[nodiscard]] std::vector<Pid> subscribers() const;
  /// They watch no more.
  [[nodiscard]] std::vector<Pid> take_watchers(const std::string& node);

  Node& node_;
  std::atomic<bool> used_{false};  // somebody has ever asked; seen by who asked, wherever it ends
  mutable std::mutex mutex_;       // guards the next; not held while somebody is told
  Counts subscribers_;
  std::map<std::string, Counts> watchers_;  // by node
};

}  // namespace grove::cluster
