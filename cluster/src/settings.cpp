// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

namespace grove::cluster {
namespace {

bool is_loopback(const std::string& address) {
  const auto parts = transport::split_address(address);
  return parts &&
         (parts->host.starts_with("127.") || parts->host == "::1" || parts->host == "localhost");
}

/// Port 0 stands for the port that was bound.
std::string advertised(const std::string& wanted, const std::string& bound) {
  if (wanted.empty()) return bound;
  const auto parts = transport::split_address(wanted);
  const auto got = transport::split_address(bound);
  if (!parts || !got || parts->port != "0") return wanted;
  return transport::join_address(parts->host, got->port);
}

}  // namespace

Result<void> check(const ClusterConfig& config) {
  if (config.cookie.empty() && !is_loopback(config.listen)) {
    return Error{Errc::refused,
                 "without a cookie a node listens on this machine's loopback only, not on " +
                     config.listen + "; set GROVE_COOKIE (the same on all nodes)"};
  }
  if (config.advertise.size() > k_name_bytes_max) {
    return Error{Errc::bad_address, "the address to advertise is longer than 255 bytes"};
  }
  if (config.cluster.empty() || config.cluster.size() > k_name_bytes_max) {
    return Error{Errc::bad_argument, "a cluster's name has 1 to 255 bytes"};
  }
  constexpr std::size_t k_mib = std::size_t{1} << 20U;
  const FlowConfig& flow = config.flow;
  if (flow.budget_bytes == 0 || flow.message_bytes_max < 2 * k_mib ||
      flow.message_bytes_max > 4095 * k_mib) {
    return Error{Errc::bad_argument,
                 "a budget has at least one byte, and the longest message 2 to 4095 MiB"};
  }
  for (const std::string& seed : config.seeds) {
    if (const auto parts = transport::split_address(seed); !parts) return parts.error();
  }
  return {};
}

transport::SessionsConfig sessions_config(const ClusterConfig& config, const Node& node,
                                          const std::string& bound) {
  transport::SessionsConfig sessions;
  sessions.name = node.name();
  sessions.life = node.life();
  sessions.cluster = config.cluster;
  sessions.address = advertised(config.advertise, bound);
  sessions.seeds = config.seeds;
  sessions.cookie = config.cookie;
  sessions.times = config.times;
  sessions.random_seed = config.random_seed;
  sessions.nonce = config.nonce;
  return sessions;
}

}  // namespace grove::cluster
