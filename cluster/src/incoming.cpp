// SPDX-License-Identifier: Apache-2.0
#include "incoming.hpp"

#include "grove/core/submit_together.hpp"

#include "remote_signals.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace grove::cluster {
namespace {

bool has_message(const transport::Record& record) {
  return carries_message(static_cast<SignalKind>(record.kind));
}

/// Whether nobody notices that what came before it waits for it: the others may take their time, or
/// run the program's code.
bool is_quick(const transport::Record& record) {
  return record.kind != k_control && record.kind != k_fragment &&
         record.kind != static_cast<std::uint8_t>(SignalKind::spawn);
}

}  // namespace

bool Incoming::deliver(const PeerLinkPtr& link, const transport::Frame& batch) {
  std::size_t offset = transport::k_session_header_bytes;
  bool malformed = false;
  std::optional<SubmitTogether> together;
  std::shared_ptr<const detail::Received> received;  // made for the first message
  for (;;) {
    const std::size_t at = offset;
    const auto record = transport::next_record(batch.bytes, offset, malformed, batch.tail.size());
    if (!record) return !malformed;
    if (!is_quick(*record)) {
      together.reset();
      SubmitTogether::let_go();
    } else if (!together) {
      together.emplace();
    }
    const std::byte* start = batch.bytes.data() + at;
    const bool continued = offset == batch.bytes.size() && !batch.tail.empty();
    bool good = false;
    if (record->kind == k_fragment) {
      good = piece(link, *record, continued ? batch.tail : Bytes{});
    } else if (continued) {
      const Bytes begin{batch.owner, batch.bytes.subspan(at)};
      good = has_message(*record) &&
             signal(link, *record,
                    Message::make<detail::PackedBlob>(begin, batch.tail, link->session));
    } else if (record->kind == k_control) {
      good = control_(link, *record);
    } else if (!has_message(*record)) {
      good = signal(link, *record, {});
    } else {
      if (!received) {
        received =
            std::make_shared<const detail::Received>(detail::Received{batch.owner, link->session});
      }
      good = signal(link, *record, Message::make<detail::Packed>(received, start));
    }
    if (!good) return false;
  }
}

/// Returns: false when the piece, or what it completes, is malformed.
bool Incoming::piece(const PeerLinkPtr& link, const transport::Record& record, const Bytes& tail) {
  const auto whole = link->assembly.add(record, tail);
  if (!whole) return false;
  if (whole->empty()) return true;
  std::size_t offset = 0;
  bool malformed = false;
  const auto large = transport::next_record(whole->span(), offset, malformed);
  if (!large || offset != whole->size() || large->kind == k_fragment) return false;
  if (large->kind == k_control) return control_(link, *large);
  return signal(link, *large, Message::make<detail::PackedBlob>(*whole, Bytes{}, link->session));
}

/// Returns: false when the record is malformed.
bool Incoming::signal(const PeerLinkPtr& link, const transport::Record& record, Message packed) {
  EnvelopePtr envelope = signal_of(link->peer, link->session, record, std::move(packed));
  if (envelope == nullptr) return false;
  if (envelope->kind() == SignalKind::spawn) {
    return spawner_.spawn(link, std::string{record.name}, *envelope);
  }
  const Pid to = target(link, record);
  if (!to) {
    no_such_name(link, *envelope);
    return true;
  }
  if (relates(envelope->kind())) link->watch(to);
  const bool is_call =
      envelope->kind() == SignalKind::call || envelope->kind() == SignalKind::system;
  const Pid from = envelope->from;
  if (is_call) {
    auto monitor = std::make_unique<Envelope>(SignalKind::monitor, from, record.serial);
    monitor->message = Message::make<detail::SessionMark>(link->session);
    node_.deliver(to, std::move(monitor));
  }
  const detail::Delivery delivery = node_.deliver(to, std::move(envelope));
  if (is_call && delivery >= detail::Delivery::dropped) call_refused(link, to, from, record.serial);
  return true;
}

/// The caller of a call that a full mailbox did not take would wait in vain.
void Incoming::call_refused(const PeerLinkPtr& link, const Pid& to, const Pid& caller,
                            std::uint64_t serial) {
  node_.deliver(to, std::make_unique<Envelope>(SignalKind::demonitor, caller, serial));
  Envelope down{SignalKind::down, to, serial};
  down.message = Message::make<detail::DownSignal>(ExitReason::symbol("mailbox_full"));
  outgoing_.send(link, link->peer, transport::local_id(caller), {}, down);
}

/// Nobody, when it goes to a name that no process has. What ends a monitor or a call goes where it
/// was made, whoever has the name now.
Pid Incoming::target(const PeerLinkPtr& link, const transport::Record& record) const {
  if (record.name.empty()) return transport::pid_of(node_.id(), record.to);
  const auto kind = static_cast<SignalKind>(record.kind);
  if (kind == SignalKind::demonitor) {
    return link->named_watches.take(record.from, record.serial).value_or(Pid{});
  }
  const Pid holder = node_.whereis(record.name).value_or(Pid{});
  const bool watches = kind == SignalKind::monitor || kind == SignalKind::call;
  if (watches && holder) link->named_watches.add(record.from, record.serial, holder);
  return holder;
}

void Incoming::no_such_name(const PeerLinkPtr& link, const Envelope& envelope) {
  if (is_message(envelope.kind()) || envelope.kind() == SignalKind::reply) {
    node_.dead_letter(Metric::dead_letters_no_name, envelope, {});
  }
  if (envelope.kind() != SignalKind::monitor && envelope.kind() != SignalKind::call) return;
  Envelope down{SignalKind::down, Pid{}, envelope.serial};
  down.message = Message::make<detail::DownSignal>(ExitReason::noproc());
  outgoing_.send(link, link->peer, transport::local_id(envelope.from), {}, down);
}

bool Incoming::unpack(Envelope& envelope, const End& end) {
  const Unpacked unpacked = unpack_message(envelope);
  switch (unpacked.outcome) {
    case Unpacked::Outcome::ok: return true;
    case Unpacked::Outcome::unknown_type:
      node_.dead_letter(Metric::dead_letters_unknown_type, envelope, {});
      once_.warning("a message of a type that this program does not know came from " +
                    node_name(envelope.from.node) + " (wire id " +
                    std::to_string(unpacked.wire_id) + ")");
      return true;
    case Unpacked::Outcome::malformed:
      node_.metrics().add(Metric::frames_malformed);
      end(envelope.from.node, unpacked.session,
          "sent a malformed " + std::string{find_message_type(unpacked.wire_id)->name});
      return false;
  }
  return false;
}

}  // namespace grove::cluster
