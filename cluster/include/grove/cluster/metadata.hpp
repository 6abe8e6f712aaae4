// SPDX-License-Identifier: Apache-2.0
//
// NodeMetadata: what a node says of itself to all members of its cluster.
#pragma once

#include "grove/core/value.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace grove {

/// Bounds: together at most k_metadata_bytes_max packed, since every member keeps it of every
/// other.
struct NodeMetadata {
  std::vector<std::string> roles;  // each [a-z0-9_-]{1,63}
  Value values;                    // a map with strings or symbols for keys, or nil

  [[nodiscard]] bool has_role(const std::string& role) const;
  friend bool operator==(const NodeMetadata&, const NodeMetadata&) = default;
};

inline constexpr std::size_t k_metadata_bytes_max = 1024;

}  // namespace grove
