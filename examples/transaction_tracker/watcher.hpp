// SPDX-License-Identifier: Apache-2.0
//
// A watcher monitors the trackers of all other nodes, and logs each DOWN.
#pragma once

#include "grove/grove.hpp"

#include <chrono>
#include <map>
#include <string>

namespace tracker {

struct LookAround {};

class Watcher : public grove::GenServer {
 public:
  using Handles = grove::Handles<LookAround>;
  Watcher() { handle_info(LookAround{}); }

  void handle_info(LookAround) {
    for (const auto& [name, pid] : node().global_names()) {
      if (!name.starts_with("txn-") || pid.node == node().id() || watched_.contains(pid)) continue;
      watched_[pid] = name;
      context().monitor(pid);
      node().log().info("watcher: MONITOR " + name + ' ' + to_string(pid));
    }
    context().send_after(std::chrono::milliseconds{100}, self(), LookAround{});
  }

  void handle_info(const grove::Down& down) {
    node().log().info("watcher: DOWN " + watched_[down.pid] + ' ' + to_string(down.pid) + ' ' +
                      to_string(down.reason));
    watched_.erase(down.pid);
  }

 private:
  std::map<grove::Pid, std::string> watched_;  // by tracker
};

}  // namespace tracker
