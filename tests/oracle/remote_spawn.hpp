// SPDX-License-Identifier: Apache-2.0
//
// Actors on other nodes.
#pragma once

#include "ops.hpp"

#include <optional>
#include <string>

namespace grove::oracle {

/// As start_actor(), on `node`. Returns: nothing when there is no connection.
Task<std::optional<Spawned>> start_actor_on(Self* self, std::string node, std::string name,
                                            SpawnOptions options);

}  // namespace grove::oracle
