// SPDX-License-Identifier: Apache-2.0
#include "outgoing.hpp"

#include "remote_signals.hpp"
#include "settings.hpp"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace grove::cluster {
namespace {

/// Nobody, when it goes to a name.
Pid addressee(NodeId node, std::uint64_t to) {
  return to == 0 ? Pid{} : transport::pid_of(node, to);
}

/// Of a call or monitor by name of the peer's process `to`: it is over. When another process has
/// answered, whoever was asked still watches for the caller.
void end_named_watch(Node& node, PeerLink& link, std::uint64_t to, const Envelope& envelope) {
  const SignalKind kind = envelope.kind();
  if (kind != SignalKind::reply && kind != SignalKind::down) return;
  const auto asked = link.named_watches.take(to, envelope.serial);
  if (!asked || kind == SignalKind::down || *asked == envelope.from) return;
  node.deliver(*asked,
               std::make_unique<Envelope>(SignalKind::demonitor, transport::pid_of(link.peer, to),
                                          std::uint64_t{envelope.serial}));
}

/// Why a call has no answer. That has no wire form as an answer, but as the end of the call.
const ExitReason* failure_in(const Envelope& envelope) {
  if (envelope.kind() != SignalKind::reply) return nullptr;
  const auto* failure = envelope.message.get<detail::CallFailure>();
  return failure == nullptr ? nullptr : &failure->reason;
}

/// An UNLINK whose link ended with its session: the two may be linked anew over this one.
bool is_of_another_session(const PeerLink& link, const Envelope& envelope) {
  return envelope.kind() == SignalKind::unlink &&
         envelope.message.get<detail::SessionMark>()->session != link.session;
}

}  // namespace

SessionId Outgoing::route(const Pid& to, Envelope& envelope) {
  const PeerLinkPtr* used = used_this_turn(to.node, transport_);
  return send(used != nullptr ? *used : links_.find(to.node), to.node, transport::local_id(to), {},
              envelope);
}

SessionId Outgoing::route(NodeId node, const std::string& name, Envelope& envelope) {
  if (name.size() > k_name_bytes_max) {  // nobody can have that name
    if (is_message(envelope.kind())) {
      node_.dead_letter(Metric::dead_letters_no_name, envelope, {});
    }
    return Router::k_dead_life;
  }
  return send(links_.find(node), node, 0, name, envelope);
}

SessionId Outgoing::no_session(NodeId node, std::uint64_t to, const Envelope& envelope) {
  if (is_message(envelope.kind()) || envelope.kind() == SignalKind::reply) {
    node_.dead_letter(Metric::dead_letters_no_connection, envelope, addressee(node, to));
  }
  if (node == NodeId{}) return Router::k_no_connection;
  const std::string& name = node_name(node);
  if (name == node_.name()) return Router::k_dead_life;
  const NodeId now_connected = links_.connected(name);
  return now_connected != NodeId{} && node_life(now_connected) > node_life(node)
             ? Router::k_dead_life
             : Router::k_no_connection;
}

SessionId Outgoing::send(const PeerLinkPtr& link, NodeId node, std::uint64_t to,
                         std::string_view name, Envelope& envelope) {
  if (link == nullptr) return no_session(node, to, envelope);
  if (is_of_another_session(*link, envelope)) return Router::k_no_connection;
  end_named_watch(node_, *link, to, envelope);
  if (const ExitReason* failure = failure_in(envelope)) {
    Envelope down{SignalKind::down, envelope.from, envelope.serial};
    down.message = Message::make<detail::DownSignal>(*failure);
    return send(link, node, to, name, down);
  }
  say_gathered();
  if (!is_sendable(envelope)) {
    undeliverable(link, to, envelope, Metric::dead_letters_no_wire_form, "no_wire_form",
                  "has no GROVE_MESSAGE declaration");
    return link->session;
  }
  transport::Record record = record_of(envelope);
  record.to = to;
  record.name = name;
  const PeerLink::Terms terms{.sender = record.from,
                              .process = envelope.from,
                              .when_busy = when_busy(envelope),
                              .watches = relates(envelope.kind())};
  const auto write = [&](transport::Buffer& out, Bytes& tail) {
    return write_body(envelope, out, tail);
  };
  switch (link->append(record, terms, write)) {
    case PeerLink::Appended::ok: mark_dirty(link); break;
    case PeerLink::Appended::crowded: mark_dirty(link); return Router::k_crowded;
    case PeerLink::Appended::refused: return refused(link, to, envelope);
    case PeerLink::Appended::closed: return no_session(node, to, envelope);
    case PeerLink::Appended::unsendable:
      undeliverable(link, to, envelope, Metric::dead_letters_unsendable, "unsendable",
                    "is too large, too deep, or failed to be written");
      break;
  }
  return link->session;
}

PeerLink::WhenBusy Outgoing::when_busy(const Envelope& envelope) const {
  using WhenBusy = PeerLink::WhenBusy;
  if (is_runtimes_word(envelope)) return WhenBusy::send;
  const bool can_wait = transport::local_id(envelope.from) != 0;
  if (!can_wait || when_busy_ != BusyPolicy::suspend_sender) return WhenBusy::refuse;
  const bool waits_anyway = awaits_answer(envelope.kind()) && envelope.serial != 0;
  return waits_anyway ? WhenBusy::send : WhenBusy::send_and_wait;
}

/// A message for a peer whose budget is used up.
SessionId Outgoing::refused(const PeerLinkPtr& link, std::uint64_t to, const Envelope& envelope) {
  node_.dead_letter(Metric::dead_letters_peer_busy, envelope, addressee(link->peer, to));
  const SignalKind kind = envelope.kind();
  if (kind == SignalKind::reply) tell_why(link, to, envelope, ExitReason::symbol("busy"));
  const bool sender_is_told =
      awaits_answer(kind) || (kind != SignalKind::reply && when_busy_ == BusyPolicy::fail);
  return sender_is_told ? Router::k_refused : link->session;
}

/// What cannot be written stays here, counted and said once.
void Outgoing::undeliverable(const PeerLinkPtr& link, std::uint64_t to, const Envelope& envelope,
                             Metric metric, const char* why, const std::string& detail) {
  const std::string type{carries_message(envelope.kind()) ? envelope.message.type()->name
                                                          : "exit reason"};
  if (carries_message(envelope.kind())) {
    node_.dead_letter(metric, envelope, addressee(link->peer, to));
  } else {
    node_.metrics().add(metric);
  }
  once_.warning("a message of type " + type + " to another node was dropped: it " + detail);
  tell_why(link, to, envelope, ExitReason::error(why, type));
}

/// Nobody waits in vain for a signal that is not sent: a caller, the asker of a reply, and the
/// other end of a link or monitor hear of it at least.
void Outgoing::tell_why(const PeerLinkPtr& link, std::uint64_t to, const Envelope& envelope,
                        const ExitReason& reason) {
  const SignalKind kind = envelope.kind();
  if (awaits_answer(kind)) {
    const Pid nobody{link->peer, 0, 0};
    auto down = std::make_unique<Envelope>(SignalKind::down, nobody, envelope.serial);
    down->message = Message::make<detail::DownSignal>(reason);
    node_.deliver(envelope.from, std::move(down));
  } else if (kind == SignalKind::reply || kind == SignalKind::down) {
    Envelope down{SignalKind::down, envelope.from, envelope.serial};
    down.message = Message::make<detail::DownSignal>(reason);
    send(link, link->peer, to, {}, down);
  } else if (const auto* exit = envelope.message.get<detail::ExitSignal>()) {
    Envelope shorter{SignalKind::exit, envelope.from};
    shorter.message = Message::make<detail::ExitSignal>(reason, exit->of_link);
    send(link, link->peer, to, {}, shorter);
  }
}

bool Outgoing::append(const PeerLinkPtr& link, std::uint64_t type, const transport::Buffer& body) {
  transport::Record record;
  record.kind = k_control;
  record.type = type;
  const auto copy = [&body](transport::Buffer& out, Bytes&) {
    out.insert(out.end(), body.begin(), body.end());
    return true;
  };
  const auto appended = link->append(record, {.sender = k_this_node}, copy);
  mark_dirty(link);
  return appended != PeerLink::Appended::unsendable;
}

void Outgoing::flush() {
  say_gathered();
  if (take_all_dirty(transport_)) links_.for_each(mark_dirty);
  // The rest are another node's, whose turns on this thread are not to be flushed yet.
  std::vector<PeerLinkPtr>& dirty = dirty_links();
  const auto ours = std::partition(dirty.begin(), dirty.end(), [this](const PeerLinkPtr& link) {
    return !link->uses(transport_);
  });
  const std::vector<PeerLinkPtr> links{std::move_iterator{ours}, std::move_iterator{dirty.end()}};
  dirty.erase(ours, dirty.end());
  for (const PeerLinkPtr& link : links) link->flush();
}

void Outgoing::flush_all() {
  owe_all();
  flush();
}

bool Outgoing::acknowledged(const PeerLinkPtr& link, std::uint64_t sequence) {
  const auto senders = link->acknowledge(sequence);
  if (!senders) return false;
  link->flush();
  give_room(link->peer, *senders);
  return true;
}

void Outgoing::give_room(NodeId peer, const std::vector<Pid>& senders) {
  for (const Pid& sender : senders) {
    node_.deliver(sender, std::make_unique<Envelope>(SignalKind::room, Pid{peer, 0, 0}));
  }
}

}  // namespace grove::cluster
