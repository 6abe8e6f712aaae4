// SPDX-License-Identifier: Apache-2.0
#include "grove/transport/endpoint.hpp"

#include "grove/core/ids.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <sys/un.h>

namespace grove::transport {
namespace {

constexpr std::size_t k_ipc_path_bytes_max = sizeof(sockaddr_un::sun_path) - 1;

bool all_of(std::string_view text, bool (*is)(unsigned char)) {
  return std::all_of(text.begin(), text.end(), is);
}
bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
bool is_letter(unsigned char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_of_dns(unsigned char c) { return is_digit(c) || is_letter(c) || c == '-' || c == '_'; }
/// Of DNS names, which are the same in whatever case.
std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(text.begin(), text.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 32) : c; });
  return out;
}
bool is_printable(unsigned char c) { return c > ' ' && c != 127; }

/// The usual form of a numeric address. Returns: nothing when it is none of `family`.
std::optional<std::string> numeric(int family, std::string_view text) {
  in6_addr place{};
  char usual[INET6_ADDRSTRLEN];
  const bool valid = inet_pton(family, std::string{text}.c_str(), &place) == 1;
  if (!valid || inet_ntop(family, &place, usual, sizeof usual) == nullptr) return std::nullopt;
  return usual;
}

/// Labels of 1 to 63 bytes with dots between, perhaps one behind.
bool is_dns_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  for (;;) {
    const auto dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-' ||
        !all_of(label, is_of_dns)) {
      return false;
    }
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

/// Returns: why not; nothing when `endpoint` has become it.
using Refused = std::optional<std::string>;

Refused read_port(std::string_view text, std::uint16_t& port) {
  const auto* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, port);
  if (text.empty() || read.ec != std::errc{} || read.ptr != end) {
    return "the port is no number up to 65535";
  }
  return {};
}

Refused read_host(std::string_view text, Endpoint& endpoint) {
  if (text.empty()) return "the host is missing";
  if (text == "*") {
    endpoint.host = text;
    return {};
  }
  if (text.front() == '[') {
    if (text.back() != ']') return "a bracket is not closed";
    const std::string_view inside = text.substr(1, text.size() - 2);
    if (inside.find('%') != std::string_view::npos) {
      return "a zone means something on one machine only; use an address without one";
    }
    auto usual = numeric(AF_INET6, inside);
    if (!usual) return "what stands in brackets is no IPv6 address";
    endpoint.host = *std::move(usual);
    return {};
  }
  const bool digits = all_of(text, [](unsigned char c) { return is_digit(c) || c == '.'; });
  if (digits && !numeric(AF_INET, text)) return "the host is no IPv4 address";
  if (!digits && !is_dns_name(text)) {
    return "a host is a DNS name (letters, digits, - and _, with dots between), an IPv4 address or "
           "an IPv6 address in brackets";
  }
  endpoint.host = lower(text);
  return {};
}

Refused read_tcp(std::string_view text, std::uint16_t port_if_none, Endpoint& endpoint) {
  if (const auto at = text.find('@'); at != std::string_view::npos) {
    endpoint.node = text.substr(0, at);
    if (!is_node_name(endpoint.node)) return "what stands before the @ is no node name";
    text.remove_prefix(at + 1);
  }
  endpoint.port = port_if_none;
  const auto colon = text.rfind(':');
  const bool inside = text.find(']', colon == std::string_view::npos ? 0 : colon) !=
                      std::string_view::npos;  // the colon is one of an IPv6 address
  if (colon == std::string_view::npos || inside) return read_host(text, endpoint);
  const std::string_view host = text.substr(0, colon);
  if (!host.starts_with('[') && host.find(':') != std::string_view::npos) {
    return "an IPv6 host stands in brackets";
  }
  if (auto refused = read_host(host, endpoint)) return refused;
  return read_port(text.substr(colon + 1), endpoint.port);
}

Refused read_ipc(std::string_view path, Endpoint& endpoint) {
  endpoint.kind = Endpoint::Kind::ipc;
  endpoint.path = path;
  if (path.size() < 2) return "the path is missing";
  if (path.front() != '/' && path.front() != '@') {
    return "the path of ipc:// begins with / (a socket file) or @ (an abstract name)";
  }
  if (path.size() > k_ipc_path_bytes_max) return "a socket's path has at most 107 bytes";
  return {};
}

Refused refused_for(AddressUse use, const Endpoint& endpoint) {
  if (use != AddressUse::dial && !endpoint.node.empty()) {
    return "NODE@HOST says whom to join; a node's own name is set by --name";
  }
  if (use == AddressUse::listen || endpoint.kind == Endpoint::Kind::ipc) return {};
  if (endpoint.is_wildcard()) return "nobody can reach it; give the host or IP that nodes dial";
  if (use == AddressUse::dial && endpoint.port == 0) return "port 0 is nobody's";
  return {};
}

Refused read(std::string_view text, AddressUse use, std::uint16_t port_if_none,
             Endpoint& endpoint) {
  constexpr std::string_view k_tcp = "tcp://";
  constexpr std::string_view k_ipc = "ipc://";
  if (text.empty()) return "it is empty";
  if (text.size() > k_address_bytes_max) return "it is longer than 255 bytes";
  if (!all_of(text, is_printable)) return "it has a space or a control character";
  if (text.starts_with(k_tcp)) text.remove_prefix(k_tcp.size());
  const auto scheme = text.find("://");
  if (scheme != std::string_view::npos && !text.starts_with(k_ipc)) {
    return "it can begin with tcp:// or ipc:// only";
  }
  auto refused = text.starts_with(k_ipc) ? read_ipc(text.substr(k_ipc.size()), endpoint)
                                         : read_tcp(text, port_if_none, endpoint);
  if (refused) return refused;
  Endpoint longest = endpoint;
  longest.port = 65535;
  if (to_string(longest).size() > k_address_bytes_max) {
    return "with a port it is longer than 255 bytes";
  }
  return refused_for(use, endpoint);
}

}  // namespace

bool Endpoint::is_name() const {
  return kind == Kind::tcp && host != "*" && host.find(':') == std::string::npos &&
         !numeric(AF_INET, host);
}

bool Endpoint::is_wildcard() const { return host == "*" || host == "0.0.0.0" || host == "::"; }

bool Endpoint::is_local() const {
  return kind == Kind::ipc || host == "localhost" || host == "::1" ||
         (host.starts_with("127.") && !is_name());
}

bool Endpoint::admits(std::string_view name) const {
  return node.empty() || name == node ||
         (name.starts_with(node + '@') && lower(name.substr(node.size() + 1)) == host);
}

Result<Endpoint> parse_endpoint(std::string_view text, AddressUse use, std::uint16_t port_if_none) {
  Endpoint endpoint;
  if (const auto why = read(text, use, port_if_none, endpoint)) {
    std::string shown{text.substr(0, k_address_bytes_max)};
    std::replace_if(
        shown.begin(), shown.end(), [](unsigned char c) { return c < ' ' || c == 127; }, '?');
    return Error{Errc::bad_address, '"' + shown + "\" is no address: " + *why +
                                        " (write host:port, for example 127.0.0.1:7401)"};
  }
  return endpoint;
}

std::string to_string(const Endpoint& endpoint) {
  if (endpoint.kind == Endpoint::Kind::ipc) return "ipc://" + endpoint.path;
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return (endpoint.node.empty() ? "" : endpoint.node + '@') +
         (v6 ? '[' + endpoint.host + ']' : endpoint.host) + ':' + std::to_string(endpoint.port);
}

}  // namespace grove::transport
