// SPDX-License-Identifier: Apache-2.0
//
// Endpoint: what an address says. A total grammar: every text is an address or an error that says
// why not.
//
//   address = ["tcp://"] [node "@"] host [":" port]  |  "ipc://" ("/" path | "@" name)
//   host    = DNS name | IPv4 | "[" IPv6 "]" | "*"   (every address of this machine)
//
// Thread-safety: values.
#pragma once

#include "grove/core/result.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace grove::transport {

/// Of an address that names no port.
inline constexpr std::uint16_t k_default_port = 7400;
inline constexpr std::size_t k_address_bytes_max = 255;

struct Endpoint {
  enum class Kind : std::uint8_t { tcp, ipc } kind = Kind::tcp;
  std::string node = {};  // who must answer there: NODE or NODE@HOST; empty: anybody
  std::string host = {};  // of tcp: lower case, without brackets
  std::uint16_t port = 0;
  std::string path = {};  // of ipc: absolute, or '@' and an abstract name

  /// Must be looked up before it can be dialled.
  [[nodiscard]] bool is_name() const;
  /// Stands for every address of this machine.
  [[nodiscard]] bool is_wildcard() const;
  /// Reaches this machine only.
  [[nodiscard]] bool is_local() const;
  /// May a node of this name answer?
  [[nodiscard]] bool admits(std::string_view name) const;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// What an address is for decides what it may say.
enum class AddressUse : std::uint8_t {
  listen,     // no node; port 0: a free one
  advertise,  // no node, no wildcard; port 0: the one bound
  dial,       // no wildcard, no port 0
};

/// Errors: bad_address.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text, AddressUse use,
                                              std::uint16_t port_if_none = k_default_port);
/// The one text for an endpoint; parse_endpoint reads it back.
[[nodiscard]] std::string to_string(const Endpoint& endpoint);

}  // namespace grove::transport
