// SPDX-License-Identifier: Apache-2.0
//
// AdminServer: answers the command line over a Unix socket, one JSON line each way.
//
//   {"verb":"whereis","args":["txn-1"]}  ->  {"ok":true,"result":{...}}
//                                            {"ok":false,"code":69,"error":"..."}
#pragma once

#include "grove/cluster/cluster.hpp"
#include "grove/core/result.hpp"
#include "grove/node/node.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace grove::cli {

class AdminServer {
 public:
  struct Hooks {
    std::function<bool()> app_started;  // the tree is up
    std::function<Pid()> root;          // its top process; nobody: not there yet
    std::function<void()> stop;         // ends the node, soon, from another thread
    std::vector<std::string> to_join;   // what `ready` waits for
  };

  /// Both outlive the server.
  AdminServer(Node& node, Cluster& cluster, Hooks hooks);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  /// Binds the socket, mode 0600. Errors: already_started (a living node answers there), io.
  Result<void> start(const std::string& path);
  /// Gives the answers that are due, and answers nobody afterwards. Who asked for the node's end is
  /// told by ~AdminServer.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace grove::cli
