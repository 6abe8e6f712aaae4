// SPDX-License-Identifier: Apache-2.0
#include "grove/transport/transport.hpp"

#include <algorithm>
#include <cctype>

namespace grove::transport {

Result<HostPort> split_address(const std::string& address) {
  const auto bad = [&address](const std::string& why) {
    return Error{Errc::bad_address, "\"" + address + "\" is no address: " + why +
                                        " (write host:port, for example 127.0.0.1:7401)"};
  };
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) return bad("the port is missing");
  HostPort parts{address.substr(0, colon), address.substr(colon + 1)};
  if (parts.host.size() >= 2 && parts.host.front() == '[' && parts.host.back() == ']') {
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  } else if (parts.host.find(':') != std::string::npos) {
    return bad("an IPv6 host stands in brackets");
  }
  if (parts.host.empty()) return bad("the host is missing");
  if (address.size() > 200) return bad("it is longer than 200 bytes");
  const bool plain = std::all_of(parts.host.begin(), parts.host.end(),
                                 [](unsigned char c) { return std::isgraph(c) != 0; });
  if (!plain) return bad("the host has a space or a control character");
  const bool digits = !parts.port.empty() && parts.port.size() <= 5 &&
                      std::all_of(parts.port.begin(), parts.port.end(),
                                  [](unsigned char c) { return std::isdigit(c) != 0; });
  if (!digits || std::stoul(parts.port) > 65535) return bad("the port is no number up to 65535");
  return parts;
}

std::string join_address(const std::string& host, const std::string& port) {
  return (host.find(':') != std::string::npos ? "[" + host + "]" : host) + ":" + port;
}

}  // namespace grove::transport
