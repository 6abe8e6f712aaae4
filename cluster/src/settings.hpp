// SPDX-License-Identifier: Apache-2.0
//
// What a ClusterConfig must be, and what it comes to once an address is bound.
#pragma once

#include "grove/cluster/cluster.hpp"

namespace grove::cluster {

inline constexpr std::size_t k_name_bytes_max = 255;

/// Errors: refused (no cookie, and not loopback), bad_address, bad_argument.
[[nodiscard]] Result<void> check(const ClusterConfig& config);

/// The settings of this node's sessions when it listens on `bound`.
[[nodiscard]] transport::SessionsConfig sessions_config(const ClusterConfig& config,
                                                        const Node& node, const std::string& bound);

}  // namespace grove::cluster
