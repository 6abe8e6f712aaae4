// SPDX-License-Identifier: Apache-2.0
//
// What members say of each other, and in which messages.
//
// A claim is about one life of one node. Among claims about one life the greater incarnation wins:
// a counter that only that node itself raises, to refute what is said of it.
// Source: SWIM (Das, Gupta, Motivala 2002), 4.2; Lifeguard (Dadgar, Phillips, Currey 2017).
#pragma once

#include "grove/core/ids.hpp"
#include "grove/core/message.hpp"
#include "grove/core/value.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace grove::cluster {

/// Pinned and append-only.
enum class MemberState : std::uint8_t {
  alive = 0,
  suspect = 1,  // somebody could not reach it; it may refute
  dead = 2,     // for good, unless that life itself says otherwise
  left = 3,     // said good-bye; that life never returns
};
[[nodiscard]] constexpr std::string_view to_string(MemberState state) noexcept {
  switch (state) {
    case MemberState::alive: return "alive";
    case MemberState::suspect: return "suspect";
    case MemberState::dead: return "dead";
    case MemberState::left: return "left";
  }
  return "unknown";
}

/// NodeMetadata; a greater version is what the node has said later.
struct ClaimedMetadata {
  std::uint64_t version = 0;
  std::vector<std::string> roles;
  Value values;
};

struct MemberClaim {
  std::string name;
  std::uint64_t life = 0;
  std::uint64_t incarnation = 0;
  MemberState state = MemberState::alive;
  std::string address;
  std::string accuser;                                     // of a suspicion: who could not reach it
  std::optional<ClaimedMetadata> metadata = std::nullopt;  // none: it has said nothing, or before
  std::uint32_t gone_for = 0;  // seconds since it died or left, rounded up
};

/// Pinned and append-only.
enum class SwimKind : std::uint8_t {
  probe = 1,    // answer with ack
  ack = 2,      // of the probe, or of the request, with that number
  request = 3,  // probe `target` in my stead
  nack = 4,     // `target` does not answer me either, but I am well
  view = 5,     // all I know; answer with view_back
  view_back = 6,
  digest = 7,  // `number` is the hash of all I know; if yours is another, answer with view
};

struct SwimMessage {
  SwimKind kind{};
  std::uint64_t number = 0;
  std::string target;
  std::vector<MemberClaim> claims;
};

}  // namespace grove::cluster

GROVE_MESSAGE(grove::cluster::ClaimedMetadata, "grove.node_metadata", version, roles, values)
GROVE_MESSAGE(grove::cluster::MemberClaim, "grove.member_claim", name, life, incarnation, state,
              address, accuser, metadata, gone_for)
GROVE_MESSAGE(grove::cluster::SwimMessage, "grove.swim", kind, number, target, claims)
