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

namespace grove::cli {

class AdminServer {
 public:
  struct Hooks {
    std::function<bool()> app_started;     // the tree is up
    std::function<Pid()> root;             // its top process
    std::function<void(bool leave)> stop;  // ends the node, soon, from another thread
  };

  /// Both outlive the server.
  AdminServer(Node& node, Cluster& cluster, Hooks hooks);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  /// Binds the socket, mode 0600. Errors: already_started (a living node answers there), io.
  Result<void> start(const std::string& path);
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace grove::cli
