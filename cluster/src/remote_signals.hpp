// SPDX-License-Identifier: Apache-2.0
//
// How a signal becomes a record, and a record a signal. Decides only: no link, no lock.
#pragma once

#include "grove/core/message.hpp"
#include "grove/node/envelope.hpp"
#include "grove/transport/frame.hpp"

#include <optional>

namespace grove::cluster {

/// Whether a signal of this kind ties two processes together, so that both ends must hear of it
/// when their session is over.
[[nodiscard]] constexpr bool relates(SignalKind kind) noexcept {
  return kind == SignalKind::call || kind == SignalKind::link || kind == SignalKind::monitor ||
         (kind >= SignalKind::spawn && kind <= SignalKind::system);
}

/// Whether its body is a message.
[[nodiscard]] constexpr bool carries_message(SignalKind kind) noexcept {
  return kind <= SignalKind::reply || kind == SignalKind::alias || kind == SignalKind::spawn ||
         kind == SignalKind::inspect || kind == SignalKind::system;
}

/// Whether somebody waits for what comes of it: who hears of a failure by a down of its serial.
[[nodiscard]] constexpr bool awaits_answer(SignalKind kind) noexcept {
  return kind == SignalKind::call || kind == SignalKind::spawn || kind == SignalKind::inspect ||
         kind == SignalKind::system;
}

/// Whether it is the runtime's own: a signal that is no message, a request that is never refused
/// (to end a server, to take a worker back), or an answer that the runtime gives, as that to a
/// server's start. Of such answers, unlike a program's, one that is lost would leave something
/// behind: a server that its starter does not know, a worker that nobody gives back.
[[nodiscard]] bool is_runtimes_word(const Envelope& envelope) noexcept;
/// False when it carries a message that has no wire form.
[[nodiscard]] bool is_sendable(const Envelope& envelope) noexcept;
/// The fixed part of the envelope's record, but for its target.
[[nodiscard]] transport::Record record_of(const Envelope& envelope);
/// Appends its body. Returns: false when it nests too deep.
/// A large blob at its end becomes `tail`.
bool write_body(Envelope& envelope, transport::Buffer& out, Bytes& tail);

/// The signal in a record; a message stays `packed` until its receiver's worker unpacks it.
/// Returns: null when the record is malformed.
[[nodiscard]] EnvelopePtr signal_of(NodeId peer, SessionId session, const transport::Record& record,
                                    Message packed);

struct Unpacked {
  enum class Outcome : std::uint8_t { ok, unknown_type, malformed } outcome = Outcome::malformed;
  std::uint64_t wire_id = 0;  // of its type
  SessionId session = 0;      // that it came over
};
/// Turns the packed message of an envelope into its type; of an unknown one into Opaque.
Unpacked unpack_message(Envelope& envelope);

}  // namespace grove::cluster
