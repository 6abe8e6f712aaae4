// SPDX-License-Identifier: Apache-2.0
//
// How the cluster's names are settled. All nodes of a cluster must be configured alike, or they
// will not agree on who has a name.
#pragma once

#include "grove/core/ids.hpp"
#include "grove/core/value.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace grove {

/// Which of two registrations stands where both sides of a partition gave one name away. Their
/// times are hybrid: later than whatever their nodes had seen, whatever their clocks say. For
/// keep_oldest a name that was moved (re_register_name) is as old as before, for keep_newest as new
/// as the move.
enum class NameOrder : std::uint8_t { keep_oldest, keep_newest };

/// A claim to a name.
struct NameClaim {
  Pid pid;
  std::uint64_t at = 0;  // microseconds since 1970
  Value metadata;
  /// `at` of the first claim that it was moved from; where it was not moved, its own.
  std::uint64_t since = 0;
};

struct NamesConfig {
  NameOrder order = NameOrder::keep_oldest;
  /// Instead of the order. Returns: which of the two pids keeps the name; any other: neither. Then,
  /// and when it throws, the name is free again, and both processes go on.
  /// Bounds: a pure function of its arguments; it runs on several nodes, under a lock.
  std::function<Pid(const std::string& name, const NameClaim& older, const NameClaim& newer)>
      choose;
  std::size_t per_node_max = 1'000'000;  // of each node's processes; what is beyond is refused
};

}  // namespace grove
