// SPDX-License-Identifier: Apache-2.0
//
// Trackers of the whole cluster, started while it runs: any node starts one, on itself, and all
// nodes find it by its id. The dynamic supervisor of its node restarts one that fails.
#pragma once

#include "tracker.hpp"

#include <string>

namespace tracker::shared {

inline constexpr const char* k_supervisor = "shared_trackers";

/// Each node's own.
inline grove::ChildSpec supervisor() {
  return grove::dynamic_supervisor(k_supervisor).as(k_supervisor);
}

/// Starts the tracker of a transaction, on this node. Returns: already_started when any node has
/// one.
inline grove::Task<grove::StartResult> start(grove::Context& context, std::string transaction_id) {
  return grove::start_child(context, k_supervisor, tracker_of(transaction_id));
}

inline grove::Result<grove::Pid> lookup(grove::Context& context,
                                        const std::string& transaction_id) {
  const auto pid = context.whereis(transaction_id, grove::Scope::cluster);
  if (!pid) return grove::Error{grove::Errc::not_found, transaction_id};
  return *pid;
}

/// Ends a tracker for good, on whichever node it is. Exits {nodedown, Node} when that is lost.
inline grove::Task<grove::Result<void>> stop(grove::Context& context, grove::Pid tracker) {
  const grove::RemoteName its_supervisor{k_supervisor, grove::node_name(tracker.node)};
  return grove::terminate_child(context, its_supervisor, tracker);
}

}  // namespace tracker::shared
