// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include "grove/transport/endpoint.hpp"
#include "grove/transport/local.hpp"

#include "node_metadata.hpp"

namespace grove::cluster {

using transport::AddressUse;
using transport::parse_endpoint;

namespace {

/// Port 0 stands for the port that was bound.
std::string advertised(const std::string& wanted, const std::string& bound) {
  if (wanted.empty()) return bound;
  auto endpoint = parse_endpoint(wanted, AddressUse::advertise);
  const auto got = parse_endpoint(bound, AddressUse::listen);
  if (!endpoint || !got) return wanted;  // checked before
  if (endpoint->port == 0) endpoint->port = got->port;
  return to_string(*endpoint);
}

/// Without a cookie nobody but this machine may reach a node.
Result<void> check_reach(const ClusterConfig& config, const std::string& address, AddressUse use) {
  const auto endpoint = parse_endpoint(address, use);
  if (!endpoint) return endpoint.error();
  if (!config.cookie.empty() || endpoint->is_local()) return {};
  return Error{Errc::refused,
               "without a cookie a node is reached on this machine's loopback only, not at " +
                   address + "; set GROVE_COOKIE (the same on all nodes), see grove keygen"};
}

}  // namespace

std::string dialled(const std::string& address, std::uint16_t port) {
  const auto endpoint = parse_endpoint(address, AddressUse::dial, port);
  return endpoint ? to_string(*endpoint) : address;
}

Result<void> check(const ClusterConfig& config) {
  if (const auto good = check_reach(config, config.listen, AddressUse::listen); !good) {
    return good.error();
  }
  if (!config.advertise.empty()) {
    const auto good = check_reach(config, config.advertise, AddressUse::advertise);
    if (!good) return good.error();
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
  const bool has_seeds = !config.seeds.empty() || !config.seeds_file.empty();
  if (config.auto_connect == transport::AutoConnect::never && has_seeds) {
    return Error{Errc::bad_argument, "a node that connects only by hand has no seeds"};
  }
  if (const auto good = check(config.metadata); !good) return good.error();
  for (const std::string& seed : config.seeds) {
    if (const auto valid = parse_endpoint(seed, AddressUse::dial); !valid) return valid.error();
  }
  return {};
}

Result<Bound> listen(const ClusterConfig& config, transport::Transport& transport, Log& log) {
  auto bound = transport.listen(config.listen);
  if (!bound) return bound.error();
  // "localhost" is what the system says it is.
  if (const auto good = check_reach(config, *bound, AddressUse::listen); !good) return good.error();
  Bound all{*std::move(bound), {}};
  if (config.local_path.empty()) return all;
  if (const auto local = transport.listen("ipc://" + config.local_path); local) {
    all.local = config.local_path;
  } else {
    log.warning("nodes of this machine reach this one over the network only: " +
                local.error().detail);
  }
  return all;
}

transport::SessionsConfig sessions_config(const ClusterConfig& config, const Node& node,
                                          const Bound& bound) {
  transport::SessionsConfig sessions;
  sessions.name = node.name();
  sessions.life = node.life();
  sessions.cluster = config.cluster;
  sessions.address = advertised(config.advertise, bound.address);
  sessions.machine = config.meet_locally ? transport::this_machine() : "";
  sessions.local = transport::local_text(sessions.machine, bound.local);
  for (const std::string& seed : config.seeds) sessions.seeds.push_back(dialled(seed, config.port));
  sessions.cookie = config.cookie;
  sessions.times = config.times;
  sessions.auto_connect = config.auto_connect;
  sessions.random_seed = config.random_seed;
  sessions.nonce = config.nonce;
  return sessions;
}

}  // namespace grove::cluster
