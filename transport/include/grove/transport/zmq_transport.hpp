// SPDX-License-Identifier: Apache-2.0
//
// The real network: ZeroMQ over TCP and over socket files.
//
// One net thread at a time, the scheduler's, owns the ROUTER that receives, the monitors of the
// links and all timing. A link's DEALER belongs to that thread too until share(); then it is used
// under the link's own lock by whoever sends. After one small frame the net thread itself runs the
// process that the frame is for, when all workers sleep. So an idle link costs no hand-off between
// threads of ours, neither way (ADR 24).
#pragma once

#include "grove/core/clock.hpp"
#include "grove/transport/transport.hpp"

#include <cstddef>
#include <memory>

namespace grove::transport {

/// A longer part of a frame ZeroMQ does not receive: it ends the connection and does not say why.
/// So it is more than k_frame_bytes_max: who is over that by less is heard, told from others, and
/// counted.
inline constexpr std::size_t k_zmq_frame_bytes_max = 2 * k_frame_bytes_max;

struct ZmqOptions {
  /// Frames to another transport of this program that has it set, too, are handed over in memory.
  bool in_process = true;
};

/// `clock` must be the machine's time and outlive the transport.
[[nodiscard]] std::unique_ptr<Transport> make_zmq_transport(Clock& clock, ZmqOptions options = {});

}  // namespace grove::transport
