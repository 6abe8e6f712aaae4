// SPDX-License-Identifier: Apache-2.0
//
// Actors on other nodes: each node of a cluster's script has a process that starts them when asked.
#pragma once

#include "ops.hpp"

#include <optional>
#include <string>

namespace grove::oracle {

/// Starts the process that starts actors for other nodes.
void serve_remote_spawns(World& world);

/// As start_actor(), on `node`. Returns: nothing when there is no connection.
Task<std::optional<Spawned>> start_actor_on(Self* self, std::string node, std::string name,
                                            SpawnOptions options);

}  // namespace grove::oracle
