// SPDX-License-Identifier: Apache-2.0
//
// What a caller is told when a monitor would say `noconnection`: which node is out of reach.
#pragma once

#include "grove/core/exit_reason.hpp"
#include "grove/core/ids.hpp"

namespace grove::detail {

/// `{nodedown, Node}` instead of noconnection for a server of the other node `there`, which may be
/// unknown; all other reasons as they are. A server at home may end with noconnection, too.
/// Source: OTP, gen:call/4.
inline ExitReason failure_of_call(NodeId here, NodeId there, const ExitReason& reason) {
  if (there == here || there == NodeId{} || reason != ExitReason::noconnection()) return reason;
  return ExitReason{Value::tuple({Value::symbol("nodedown"), Value::symbol(node_name(there))})};
}

}  // namespace grove::detail
