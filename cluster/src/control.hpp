// SPDX-License-Identifier: Apache-2.0
//
// What nodes, not processes, tell each other inside a session.
#pragma once

#include "member_claim.hpp"
#include "name_messages.hpp"

#include <cstdint>

namespace grove::cluster {

/// A record of this kind is for the node itself. Beside the numbers of SignalKind.
inline constexpr std::uint8_t k_control = 64;

}  // namespace grove::cluster
