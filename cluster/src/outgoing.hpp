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

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace grove::cluster {

class Outgoing {
 public:
  /// Ends the session with a peer, later, on the transport's loop.
  using End = std::function<void(NodeId peer, const std::string& why)>;

  /// All outlive it.
  Outgoing(Node& node, transport::Transport& transport, const PeerLinks& links, OnceLog& once,
           End end)
      : node_{node}, transport_{transport}, links_{links}, once_{once}, end_{std::move(end)} {}

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
    const auto appended = link->append(record, {}, [&](transport::Bytes& out) {
      return transport::pack(out, [&](Writer& writer) { wire::write(writer, message); });
    });
    if (appended == PeerLink::Appended::unsendable) {
      once_.warning("cannot tell " + node_name(link->peer) + " all of a " +
                    std::string{k_message_type<T>.name} + ": it is too large");
    }
    mark_dirty(link);
  }

  /// On the loop, at each of its turns: what a full link did not take is tried again.
  /// Returns: whether some frames still wait.
  bool flush_waiting();

 private:
  SessionId no_session(NodeId node, const Envelope& envelope);
  PeerLink::Pressure flush(PeerLink& link);
  void undeliverable(const PeerLinkPtr& link, std::uint64_t to, const Envelope& envelope,
                     Metric metric, const char* why, const std::string& detail);

  Node& node_;
  transport::Transport& transport_;
  const PeerLinks& links_;
  OnceLog& once_;
  const End end_;
  std::atomic<bool> retrying_{false};  // some link has frames that wait
};

}  // namespace grove::cluster
