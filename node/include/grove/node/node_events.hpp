// SPDX-License-Identifier: Apache-2.0
//
// What Context::monitor_nodes() and monitor_node() bring.
//
// Source: OTP, net_kernel:monitor_nodes/2, erlang:monitor_node/2; docs/nodes.md.
#pragma once

#include "grove/core/exit_reason.hpp"
#include "grove/core/ids.hpp"

#include <string>

namespace grove {

/// A session with a life of another node has begun. Nothing of that session came before.
struct NodeUp {
  std::string node;
  Life life;
};

/// It has ended; whatever it brought, and each Down and Exit of its end, came before.
struct NodeDown {
  std::string node;
  Life life;  // 0: there was no session when monitor_node() was called
  /// disconnect: by this node; net_tick_timeout: the other one was silent for too long;
  /// connection_closed: all else; noconnection: there was none.
  ExitReason reason;
};

}  // namespace grove
