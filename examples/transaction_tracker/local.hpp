// SPDX-License-Identifier: Apache-2.0
//
// Trackers of this node alone, started while it runs: a registry knows them by their ids, a dynamic
// supervisor restarts those that fail.
#pragma once

#include "tracker.hpp"

#include <string>
#include <utility>

namespace tracker::local {

inline constexpr const char* k_registry = "tracker_registry";
inline constexpr const char* k_supervisor = "tracker_supervisor";

/// The registry and the supervisor.
inline grove::SupervisorSpec application() {
  return {.children = {grove::registry(k_registry, grove::RegistryKind::unique),
                       grove::dynamic_supervisor(k_supervisor).as(k_supervisor)}};
}

/// Starts the tracker of a transaction. Returns: already_started when there is one.
inline grove::Task<grove::StartResult> start(grove::Context& context, std::string transaction_id) {
  return grove::start_child(
      context, k_supervisor,
      grove::child<Tracker>("tracker", transaction_id).as(grove::Via{k_registry, transaction_id}));
}

inline grove::Result<grove::Pid> lookup(grove::Context& context,
                                        const std::string& transaction_id) {
  const auto pid = grove::Registry{context, k_registry}.whereis(transaction_id);
  if (!pid) return grove::Error{grove::Errc::not_found, transaction_id};
  return *pid;
}

/// Ends a tracker for good.
inline grove::Task<grove::Result<void>> stop(grove::Context& context, grove::Pid tracker) {
  return grove::terminate_child(context, k_supervisor, tracker);
}

}  // namespace tracker::local
