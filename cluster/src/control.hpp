// SPDX-License-Identifier: Apache-2.0
//
// What nodes, not processes, tell each other inside a session.
#pragma once

#include "grove/core/message.hpp"

#include "member_claim.hpp"
#include "name_log.hpp"

#include <string>
#include <vector>

namespace grove::cluster {

/// A record of this kind is for the node itself. Beside the numbers of SignalKind.
inline constexpr std::uint8_t k_control = 64;

/// A version of names is missing.
struct NamesRequest {};

}  // namespace grove::cluster

GROVE_MESSAGE(grove::cluster::NameEntry, "grove.name_entry", name, pid, at)
GROVE_MESSAGE(grove::cluster::NamesDelta, "grove.names_delta", version, added, removed)
GROVE_MESSAGE(grove::cluster::NamesSnapshot, "grove.names_snapshot", version, names)
GROVE_MESSAGE(grove::cluster::NamesRequest, "grove.names_request")
