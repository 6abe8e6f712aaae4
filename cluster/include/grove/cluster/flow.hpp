// SPDX-License-Identifier: Apache-2.0
//
// FlowConfig: how much a node keeps for a peer that takes less than is sent to it, and what then.
// docs/flow.md tells the whole of it.
#pragma once

#include "grove/core/clock.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace grove {

/// What happens to a message for a peer whose budget is used up. What the runtime itself says
/// (exits, links, monitors, DOWNs, answers of the dead) goes in any case.
enum class BusyPolicy : std::uint8_t {
  suspend_sender,  // it goes; its sender waits, after its handler or at its next await
  fail,            // it is dropped, and send() throws ProcessExit(busy) in the sender
  drop,            // it is dropped
};

/// Every message dropped is a dead letter (peer_busy). A call that is dropped fails with busy, and
/// so does the call whose answer is. A sender that is no process cannot wait, nor be told: for it
/// all three drop.
struct FlowConfig {
  /// For each peer: what waits to be sent, and what the peer has not acknowledged yet. Suspended
  /// senders go on when half of it is free.
  std::size_t budget_bytes = std::size_t{64} << 20U;
  BusyPolicy when_busy = BusyPolicy::suspend_sender;
  /// A peer whose budget has been used up for so long, without a window's worth acknowledged
  /// meanwhile, is given up: its session ends, as if it were out of reach.
  Clock::Duration slow_after = std::chrono::seconds{10};
  /// The longest message, packed, that this node sends and takes. All nodes should agree: one that
  /// is sent more ends the session.
  std::size_t message_bytes_max = std::size_t{256} << 20U;
};

}  // namespace grove
