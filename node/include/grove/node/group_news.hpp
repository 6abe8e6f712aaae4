// SPDX-License-Identifier: Apache-2.0
//
// What nodes tell each other of their process groups. A pid is told by its place alone: a node can
// speak only of processes of its own.
#pragma once

#include "grove/core/value.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace grove::detail {

/// A process of the sender's, and how many memberships of it.
struct GroupMember {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  std::uint32_t times = 0;
};

/// Memberships in one group.
struct GroupRow {
  std::string scope;
  Value group;
  std::vector<GroupMember> members;
};

/// From `version - 1` to `version` of the sender's memberships.
struct GroupsChange {
  std::uint64_t version = 0;
  std::vector<GroupRow> joined;
  std::vector<GroupRow> left;
};

/// A part of all of the sender's memberships at `version`; all parts come one after the other.
struct GroupsState {
  std::uint64_t version = 0;
  bool first = false;
  bool last = false;
  std::vector<GroupRow> rows;
};

}  // namespace grove::detail
