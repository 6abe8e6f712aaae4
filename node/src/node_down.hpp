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

/// Whether it is what failure_of_call() makes of noconnection.
inline bool is_node_down(const ExitReason& reason) {
  const Value::Items* items = reason.term().as_tuple();
  const std::string* kind =
      items != nullptr && items->size() == 2 ? items->front().as_symbol() : nullptr;
  return kind != nullptr && *kind == "nodedown";
}

}  // namespace grove::detail
