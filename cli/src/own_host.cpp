// SPDX-License-Identifier: Apache-2.0
#include "own_host.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <array>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>
#include <vector>

namespace grove::cli {
namespace {

using IpAddresses = std::vector<asio::ip::address>;

/// Those that the machine's name stands for: often its loopback alone.
IpAddresses of_host_name() {
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  asio::io_context io;
  asio::ip::tcp::resolver resolver{io};
  std::error_code error;
  IpAddresses found;
  for (const auto& entry : resolver.resolve(host, "", error)) {
    found.push_back(entry.endpoint().address());
  }
  return found;
}

/// Those of its interfaces that are up.
IpAddresses of_interfaces() {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return {};
  IpAddresses found;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_UP) == 0) continue;
    if (one->ifa_addr->sa_family == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
      found.emplace_back(asio::ip::address_v4{ntohl(v4->sin_addr.s_addr)});
    } else if (one->ifa_addr->sa_family == AF_INET6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(one->ifa_addr);
      found.emplace_back(asio::ip::address_v6{std::to_array(v6->sin6_addr.s6_addr)});
    }
  }
  ::freeifaddrs(all);
  return found;
}

/// The first that others may reach, one of IPv4 before any other; none: empty.
std::string first_for_others(const IpAddresses& addresses, bool v4_only) {
  std::string v6;
  for (const auto& address : addresses) {
    if (address.is_loopback() || address.is_unspecified()) continue;
    if (address.is_v4()) return address.to_string();
    if (v4_only || !v6.empty() || address.to_v6().is_link_local()) continue;
    v6 = address.to_string();
  }
  return v6;
}

}  // namespace

std::string own_host(bool v4_only) {
  std::string found = first_for_others(of_host_name(), v4_only);
  if (found.empty()) found = first_for_others(of_interfaces(), v4_only);
  return found.empty() ? "127.0.0.1" : found;
}

}  // namespace grove::cli
