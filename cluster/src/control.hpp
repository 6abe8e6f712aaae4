// SPDX-License-Identifier: Apache-2.0
//
// What nodes, not processes, tell each other inside a session.
#pragma once

#include "grove/core/message.hpp"

#include "name_log.hpp"

#include <string>
#include <vector>

namespace grove::cluster {

/// A record of this kind is for the node itself. Beside the numbers of SignalKind.
inline constexpr std::uint8_t k_control = 64;

struct PeerEntry {
  std::string name;
  std::uint64_t life = 0;
  std::string address;
};
/// The members that the sender knows; whoever does not know one of them reaches out to it.
struct PeerList {
  std::vector<PeerEntry> peers;
};
/// A version of names is missing.
struct NamesRequest {};
/// The sender is about to end on purpose.
struct Leaving {};

}  // namespace grove::cluster

GROVE_MESSAGE(grove::cluster::NameEntry, "grove.name_entry", name, pid, at)
GROVE_MESSAGE(grove::cluster::NamesDelta, "grove.names_delta", version, added, removed)
GROVE_MESSAGE(grove::cluster::NamesSnapshot, "grove.names_snapshot", version, names)
GROVE_MESSAGE(grove::cluster::NamesRequest, "grove.names_request")
GROVE_MESSAGE(grove::cluster::PeerEntry, "grove.peer_entry", name, life, address)
GROVE_MESSAGE(grove::cluster::PeerList, "grove.peer_list", peers)
GROVE_MESSAGE(grove::cluster::Leaving, "grove.leaving")
