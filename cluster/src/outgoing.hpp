// SPDX-License-Identifier: Apache-2.0
//
// Outgoing: from processes to frames. Finds the session, writes the signal's record into the peer's
// batch, and hands batches to the transport at the end of a turn. What nodes tell each other may be
// gathered elsewhere; it goes before whatever is sent next.
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

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
    tell_all({link}, message);
  }
  /// The same to several. Packed once.
  template <class T>
  void tell_all(const std::vector<PeerLinkPtr>& links, const T& message) {
    say_gathered();
    say(links, message);
  }
  /// The same of what is gathered: nothing goes before it.
  template <class T>
  void say(const std::vector<PeerLinkPtr>& links, const T& message) {
    transport::Buffer body;
    const bool packed =
        transport::pack(body, [&](Writer& writer) { wire::write(writer, message); });
    for (const PeerLinkPtr& link : links) {
      if (!packed || !append(link, k_message_type<T>.wire_id, body)) {
        once_.warning("cannot tell " + node_name(link->peer) + " all of a " +
                      std::string{k_message_type<T>.name} + ": it is too large");
      }
    }
  }

  /// What else there is to say to peers, before anything else is sent to them: `gatherer` says it,
  /// on any thread, while it has something. Set before anything is sent.
  void set_gatherer(std::function<void()> gatherer) { gatherer_ = std::move(gatherer); }
  /// Whether it has something; one thread at a time. False: all of it has been said.
  void set_gathered(bool some) noexcept {
    if (gathered_.load(std::memory_order_relaxed) != some) {
      gathered_.store(some, std::memory_order_release);
    }
  }
  /// Has this thread flush all links, however many it has appended to.
  void owe_all() { mark_all_dirty(transport_); }

  /// The peer has all batches up to `sequence`: more may go, and suspended senders go on.
  /// Returns: false when no such batch was ever sent.
  [[nodiscard]] bool acknowledged(const PeerLinkPtr& link, std::uint64_t sequence);
  /// These need not wait for the peer any longer.
  void give_room(NodeId peer, const std::vector<Pid>& senders);

 private:
  /// Whose control messages keep their order among themselves; no process has this local id.
  static constexpr std::uint64_t k_this_node = ~std::uint64_t{0};

  /// Whatever this thread knows to be gathered goes before what it sends now.
  void say_gathered() {
    if (gathered_.load(std::memory_order_acquire)) gatherer_();
  }
  /// A control record. Returns: false when it is too large.
  bool append(const PeerLinkPtr& link, std::uint64_t type, const transport::Buffer& body);
  SessionId no_session(NodeId node, std::uint64_t to, const Envelope& envelope);
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
  std::function<void()> gatherer_;
  std::atomic<bool> gathered_{false};
};

}  // namespace grove::cluster
