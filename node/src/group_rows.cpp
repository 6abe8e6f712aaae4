// SPDX-License-Identifier: Apache-2.0
#include "group_rows.hpp"

#include "grove/node/groups.hpp"

#include <string>
#include <unordered_map>
#include <utility>

namespace grove::detail {
namespace {

constexpr int k_depth_max = 16;
// On the wire, about:
constexpr std::size_t k_row_bytes = 32;  // beside scope, group and members
constexpr std::size_t k_member_bytes = 16;

/// What a value takes there; more than any key may have when it nests too deep.
std::size_t weight(const Value& value, int depth = 0) {
  constexpr std::size_t k_number = 9;
  constexpr std::size_t k_head = 5;
  if (depth > k_depth_max) return Groups::k_name_bytes_max + 1;
  const auto sum = [depth](const Value::Items& items) {
    std::size_t bytes = k_head;
    for (const Value& item : items) bytes += weight(item, depth + 1);
    return bytes;
  };
  switch (value.kind()) {
    case Value::Kind::string: return value.as_string()->size();
    case Value::Kind::symbol: return value.as_symbol()->size();
    case Value::Kind::bytes: return value.as_bytes()->size();
    case Value::Kind::list: return sum(*value.as_list());
    case Value::Kind::tuple: return sum(*value.as_tuple());
    case Value::Kind::map: {
      std::size_t bytes = k_head;
      for (const auto& [key, item] : *value.as_map()) {
        bytes += weight(key, depth + 1) + weight(item, depth + 1);
      }
      return bytes;
    }
    case Value::Kind::pid: return node_name(value.as_pid()->node).size() + 4 * k_number;
    case Value::Kind::ref: return node_name(value.as_ref()->node).size() + 4 * k_number;
    default: return k_number;
  }
}

bool is_member(const GroupMember& member) {
  return member.index != 0 && member.generation % 2 == 1 && member.times != 0;
}

}  // namespace

Result<void> check_group(std::string_view scope, const Value& group) {
  if (scope.empty()) return Error{Errc::bad_argument, "a scope has a name"};
  if (scope.size() > Groups::k_name_bytes_max || weight(group) > Groups::k_name_bytes_max) {
    return Error{Errc::too_large, "a scope, and what a group is called, have at most " +
                                      std::to_string(Groups::k_name_bytes_max) + " bytes"};
  }
  return {};
}

std::optional<std::size_t> count(const std::vector<GroupRow>& rows, std::size_t most) {
  std::size_t memberships = 0;
  for (const GroupRow& row : rows) {
    if (!check_group(row.scope, row.group) || row.members.empty()) return std::nullopt;
    for (const GroupMember& member : row.members) {
      memberships += member.times;
      if (!is_member(member) || memberships > most) return std::nullopt;
    }
  }
  return memberships;
}

std::vector<std::vector<GroupRow>> pieces(const std::vector<GroupRow>& rows, std::size_t bytes) {
  std::vector<std::vector<GroupRow>> pieces;
  std::size_t used = bytes;  // so that the first member begins the first piece
  for (const GroupRow& row : rows) {
    bool begun = false;
    for (const GroupMember& member : row.members) {
      if (used >= bytes) {
        pieces.emplace_back();
        used = 0;
        begun = false;
      }
      if (!std::exchange(begun, true)) {
        pieces.back().push_back({row.scope, row.group, {}});
        used += k_row_bytes + row.scope.size() + weight(row.group);
      }
      pieces.back().back().members.push_back(member);
      used += k_member_bytes;
    }
  }
  return pieces;
}

std::vector<GroupMember> counted(const std::vector<Pid>& pids) {
  std::vector<GroupMember> members;
  std::unordered_map<Pid, std::size_t> seen;
  for (const Pid& pid : pids) {
    const auto [place, is_new] = seen.try_emplace(pid, members.size());
    if (is_new) members.push_back({pid.index, pid.generation, 0});
    ++members[place->second].times;
  }
  return members;
}

std::vector<Pid> pids_of(NodeId node, const std::vector<GroupMember>& members) {
  std::vector<Pid> pids;
  for (const GroupMember& member : members) {
    pids.insert(pids.end(), member.times, {node, member.index, member.generation});
  }
  return pids;
}

}  // namespace grove::detail
