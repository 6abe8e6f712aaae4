// SPDX-License-Identifier: Apache-2.0
//
// What a ClusterConfig must be, and what it comes to once an address is bound.
#pragma once

#include "grove/cluster/cluster.hpp"

namespace grove::cluster {

inline constexpr std::size_t k_name_bytes_max = 255;

/// Errors: refused (no cookie, and not loopback), bad_address, bad_argument.
[[nodiscard]] Result<void> check(const ClusterConfig& config);

/// Where a node listens.
struct Bound {
  std::string address;
  std::string local;  // a socket's path; empty: none
};
/// Errors: address_in_use, bad_address. A local path that cannot be used is a warning.
[[nodiscard]] Result<Bound> listen(const ClusterConfig& config, transport::Transport& transport,
                                   Log& log);

/// An address to dial, as sessions call it.
[[nodiscard]] std::string dialled(const std::string& address, std::uint16_t port);

/// The settings of this node's sessions when it listens on `bound`.
[[nodiscard]] transport::SessionsConfig sessions_config(const ClusterConfig& config,
                                                        const Node& node, const Bound& bound);

}  // namespace grove::cluster
