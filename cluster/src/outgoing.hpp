// SPDX-License-Identifier: Apache-2.0
//
// Outgoing: from processes to frames. Finds the session, writes the signal's record into the peer's
// batch, and hands batches to the transport at the end of a turn.
//
// Thread-safety: all members.
#pragma once

#include "grove/node/node.hpp"
#include "grove/transport/codec.hpp"
#include "grove/transport/transport.hpp"

#include "control.hpp"
#include "once_log.hpp"
#include "peer_links.hpp"
#include "used_links.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace grove::cluster {

class Outgoing {
 public:
  /// All outlive it.
  Outgoing(Node& node, transport::Transport& transport, const PeerLinks& links, OnceLog& once,
           BusyPolicy when_busy)
      : node_{node}, transport_{transport}, links_{links}, once_{once}, when_busy_{when_busy} {}

  // As Router's.
  SessionId route(const Pid& to, Envelope& envelope);
  SessionId route(NodeId node, const std::string& name, Envelope& envelope);
  void flush();
  void flush_all();

  /// A signal to the process `to` of a peer, or to whoever has the local `name` there. Not flushed.
  /// Returns: as Router::route().
  SessionId send(const PeerLinkPtr& link, NodeId node, std::uint64_t to, std::string_view name,
                 Envelope& envelope);
  /// A message from node to node. Not flushed.
  template <class T>
  void tell(const PeerLinkPtr& link, const T& message) {
    transport::Record record;
    record.kind = k_control;
    record.type = k_message_type<T>.wire_id;
    const auto pack = [&](transport::Buffer& out, Bytes&) {
      return transport::pack(out, [&](Writer& writer) { wire::write(writer, message); });
    };
    const auto appended = link->append(record, {.sender = k_this_node}, pack);
    if (appended == PeerLink::Appended::unsendable) {
      once_.warning("cannot tell " + node_name(link->peer) + " all of a " +
                    std::string{k_message_type<T>.name} + ": it is too large");
    }
    mark_dirty(link);
  }

  /// The peer has all batches up to `sequence`: more may go, and suspended senders go on.
  /// Returns: false when no such batch was ever sent.
  [[nodiscard]] bool acknowledged(const PeerLinkPtr& link, std::uint64_t sequence);
  /// These need not wait for the peer any longer.
  void give_room(NodeId peer, const std::vector<Pid>& senders);

 private:
  /// Whose control messages keep their order among themselves; no process has this local id.
  static constexpr std::uint64_t k_this_node = ~std::uint64_t{0};

  SessionId no_session(NodeId node, const Envelope& envelope);
  [[nodiscard]] PeerLink::WhenBusy when_busy(const Envelope& envelope) const;
  SessionId refused(const PeerLinkPtr& link, std::uint64_t to, const Envelope& envelope);
  void tell_why(const PeerLinkPtr& link, std::uint64_t to, const Envelope& envelope,
                const ExitReason& reason);
  void undeliverable(const PeerLinkPtr& link, std::uint64_t to, const Envelope& envelope,
                     Metric metric, const char* why, const std::string& detail);

  Node& node_;
  transport::Transport& transport_;
  const PeerLinks& links_;
  OnceLog& once_;
  const BusyPolicy when_busy_;
};

}  // namespace grove::cluster
