// SPDX-License-Identifier: Apache-2.0
//
// Pools of workers: start_pool, stop_pool, checkout, checkin; and the tree that they live in.
#pragma once

#include "pools_sup.hpp"

namespace pool_toy {

/// Without the registry nobody knows the pools, so they go with it.
inline grove::SupervisorSpec application() {
  return {.strategy = grove::rest_for_one,
          .children = {grove::registry(k_registry, grove::RegistryKind::unique), pools_sup()}};
}

}  // namespace pool_toy
