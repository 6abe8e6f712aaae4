// SPDX-License-Identifier: Apache-2.0
#include "remote_signals.hpp"

#include "grove/core/check.hpp"
#include "grove/node/gen_server.hpp"
#include "grove/node/pool.hpp"
#include "grove/transport/codec.hpp"

#include <string_view>
#include <utility>

namespace grove::cluster {
namespace {

constexpr std::string_view k_runtimes_prefix = "grove.";  // of all its types' names
constexpr std::uint8_t k_flag_of_link = 1;  // of an exit: the sender ended, and was linked

/// Messages of one type come in runs: the one before is looked at first.
const MessageType* type_of(std::uint64_t wire_id) noexcept {
  static thread_local const MessageType* last = nullptr;
  if (last == nullptr || last->wire_id != wire_id) last = find_message_type(wire_id);
  return last;
}

/// A message that is let in whatever room there is; on the wire it is one like any other.
bool is_runtimes_message(SignalKind kind, std::uint64_t type) noexcept {
  return (kind == SignalKind::info && type == k_message_type<detail::StopServer>.wire_id) ||
         (kind == SignalKind::cast && type == k_message_type<detail::CheckIn>.wire_id);
}

/// The record's body, with a hold on its memory.
Bytes body_of(const detail::PackedBlob& blob, std::span<const std::byte> body) {
  return blob.record.slice(static_cast<std::size_t>(body.data() - blob.record.data()));
}

}  // namespace

bool is_runtimes_word(const Envelope& envelope) noexcept {
  const SignalKind kind = envelope.kind();
  if (!carries_message(kind)) return true;
  const MessageType& type = *envelope.message.type();
  if (kind == SignalKind::reply) return type.name.starts_with(k_runtimes_prefix);
  return is_runtimes_message(kind, type.wire_id);
}

bool is_sendable(const Envelope& envelope) noexcept {
  return !carries_message(envelope.kind()) || envelope.message.type()->write != nullptr;
}

transport::Record record_of(const Envelope& envelope) {
  transport::Record record;
  record.kind = static_cast<std::uint8_t>(envelope.kind());
  record.from = transport::local_id(envelope.from);
  record.serial = envelope.serial;
  if (carries_message(envelope.kind())) record.type = envelope.message.type()->wire_id;
  const auto* exit = envelope.message.get<detail::ExitSignal>();
  if (exit != nullptr && exit->of_link) record.flags = k_flag_of_link;
  if (const auto* mark = envelope.message.get<detail::SpawnMark>()) record.flags = mark->ties;
  return record;
}

bool write_body(Envelope& envelope, transport::Buffer& out, Bytes& tail) {
  if (carries_message(envelope.kind())) {
    const MessageType* type = envelope.message.type();
    return transport::pack(out, tail,
                           [&](Writer& to) { type->write(to, envelope.message.object()); });
  }
  if (const auto* exit = envelope.message.get<detail::ExitSignal>()) {
    return transport::pack(out, [&](Writer& to) { wire::write(to, exit->reason); });
  }
  if (const auto* down = envelope.message.get<detail::DownSignal>()) {
    return transport::pack(out, [&](Writer& to) { wire::write(to, down->reason); });
  }
  return true;
}

EnvelopePtr signal_of(NodeId peer, SessionId session, const transport::Record& record,
                      Message packed) {
  const auto kind = static_cast<SignalKind>(record.kind);
  if (kind < SignalKind::info || kind > SignalKind::system) return nullptr;
  auto envelope =
      std::make_unique<Envelope>(kind, transport::pid_of(peer, record.from), record.serial);
  if (carries_message(kind)) {
    if (is_runtimes_message(kind, record.type)) envelope->set_kind(SignalKind::told);
    envelope->flags = Envelope::k_packed;
    envelope->message = std::move(packed);
  } else if (kind == SignalKind::exit || kind == SignalKind::down) {
    ExitReason reason;
    if (!transport::unpack(record.body, [&](Reader& in) { wire::read(in, reason); })) {
      return nullptr;
    }
    if (kind == SignalKind::exit) {
      const bool of_link = (record.flags & k_flag_of_link) != 0;
      envelope->message = Message::make<detail::ExitSignal>(reason, of_link);
    } else {
      envelope->message = Message::make<detail::DownSignal>(reason);
    }
  } else if (kind == SignalKind::link || kind == SignalKind::unlink ||
             kind == SignalKind::monitor) {
    envelope->message = Message::make<detail::SessionMark>(session);
  } else if (kind == SignalKind::spawned) {
    envelope->message = Message::make<detail::SpawnMark>(record.flags, session);
  }
  return envelope;
}

Unpacked unpack_message(Envelope& envelope) {
  using Outcome = Unpacked::Outcome;
  const Message packed_message = std::move(envelope.message);
  const auto* packed = packed_message.get<detail::Packed>();
  const auto* blob = packed_message.get<detail::PackedBlob>();
  GROVE_CHECK(packed != nullptr || blob != nullptr);
  envelope.flags = envelope.flags & Envelope::k_counted;
  const transport::Content content =
      blob != nullptr ? transport::content_of(blob->record.data(), blob->tail.size())
                      : transport::content_of(packed->record);
  const auto as = [&](Outcome outcome) {
    return Unpacked{outcome, content.type, blob != nullptr ? blob->session : packed->in->session};
  };
  const MessageType* type = type_of(content.type);
  if (type == nullptr) {
    envelope.message = Message::make<Opaque>(content.type);
    return as(Outcome::unknown_type);
  }
  Message message;
  try {  // constructors and fields are the user's
    message = Message::make_default(*type);
    const auto read = [&](Reader& in) { type->read(in, message.object()); };
    const bool good = blob == nullptr
                          ? transport::unpack(content.body, read)
                          : transport::unpack(body_of(*blob, content.body), blob->tail, read);
    if (!good) return as(Outcome::malformed);
  } catch (...) {
    return as(Outcome::malformed);
  }
  envelope.message = std::move(message);
  return as(Outcome::ok);
}

}  // namespace grove::cluster
