// SPDX-License-Identifier: Apache-2.0
//
// Supervises all pools. They are started and stopped here, by name.
#pragma once

#include "pool_sup.hpp"

namespace pool_toy {

inline constexpr const char* k_pools_sup = "pool_toy.pools_sup";

inline grove::ChildSpec pools_sup() {
  return grove::dynamic_supervisor("pools_sup").as(k_pools_sup);
}

inline auto start_pool(grove::Context& context, PoolArgs args) {
  return grove::start_child(context, k_pools_sup, pool_sup(std::move(args)));
}

/// There must be a pool of this name.
inline auto stop_pool(grove::Context& context, const std::string& name) {
  const grove::Pid found = grove::Registry{context, k_registry}.lookup(name).at(0).pid;
  return grove::terminate_child(context, k_pools_sup, found);
}

}  // namespace pool_toy
