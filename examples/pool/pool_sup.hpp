// SPDX-License-Identifier: Apache-2.0
//
// Supervises one pool: its manager, and the supervisor of its workers, which the manager starts.
#pragma once

#include "pool_man.hpp"

namespace pool_toy {

inline constexpr const char* k_registry = "pool_toy.registry";

/// Found through the registry by the pool's name, even when it has been restarted.
inline grove::ChildSpec pool_sup(PoolArgs args) {
  const grove::SupervisorSpec spec{
      .strategy = grove::one_for_all,
      .children = {grove::child<PoolMan>("pool_man", args).as(args.name)}};
  return grove::supervisor(args.name, spec).as(grove::Via{k_registry, args.name});
}

}  // namespace pool_toy
