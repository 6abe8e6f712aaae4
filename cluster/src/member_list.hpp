// SPDX-License-Identifier: Apache-2.0
//
// The members of a cluster as its user sees them: what membership and sessions know, put together.
#pragma once

#include "grove/cluster/cluster.hpp"
#include "grove/transport/sessions.hpp"

#include "membership.hpp"

#include <set>
#include <string>
#include <vector>

namespace grove::cluster {

/// All nodes that anybody has met, by name, without this one.
[[nodiscard]] std::vector<Member> member_list(
    const std::vector<Membership::MemberView>& agreed,
    const std::vector<transport::Sessions::PeerView>& peers);

/// Those that a partition policy may count.
[[nodiscard]] std::vector<PartitionView::Member> partition_members(
    const std::vector<Membership::MemberView>& agreed);
/// The names of those that have said good-bye.
[[nodiscard]] std::set<std::string> members_left(const std::vector<Membership::MemberView>& agreed);

}  // namespace grove::cluster
