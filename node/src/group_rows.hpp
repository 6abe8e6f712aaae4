// SPDX-License-Identifier: Apache-2.0
//
// What may be told of process groups, how much of it there is, and in what pieces it goes.
#pragma once

#include "grove/core/ids.hpp"
#include "grove/core/result.hpp"
#include "grove/node/group_news.hpp"

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace grove::detail {

/// Errors: bad_argument (no name), too_large.
Result<void> check_group(std::string_view scope, const Value& group);

/// Returns: how many memberships; nothing when the rows break a rule, or those are more than
/// `most`.
[[nodiscard]] std::optional<std::size_t> count(const std::vector<GroupRow>& rows, std::size_t most);

/// The same in pieces of about `bytes` on the wire. Nothing of nothing.
[[nodiscard]] std::vector<std::vector<GroupRow>> pieces(const std::vector<GroupRow>& rows,
                                                        std::size_t bytes);

/// Each process once, with how often it is named, in the order in which it is named first.
[[nodiscard]] std::vector<GroupMember> counted(const std::vector<Pid>& pids);
/// The other way round.
[[nodiscard]] std::vector<Pid> pids_of(NodeId node, const std::vector<GroupMember>& members);

}  // namespace grove::detail
