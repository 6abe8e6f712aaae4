// SPDX-License-Identifier: Apache-2.0
//
// What nodes tell each other of process groups: see group_news.hpp.
#pragma once

#include "grove/core/message.hpp"
#include "grove/node/group_news.hpp"

namespace grove::cluster {

/// A version is missing: tell all of it.
struct GroupsRequest {};

}  // namespace grove::cluster

GROVE_MESSAGE(grove::detail::GroupMember, "grove.group_member", index, generation, times)
GROVE_MESSAGE(grove::detail::GroupRow, "grove.group_row", scope, group, members)
GROVE_MESSAGE(grove::detail::GroupsChange, "grove.groups_change", version, joined, left)
GROVE_MESSAGE(grove::detail::GroupsState, "grove.groups_state", version, first, last, rows)
GROVE_MESSAGE(grove::cluster::GroupsRequest, "grove.groups_request")
