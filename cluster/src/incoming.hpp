// SPDX-License-Identifier: Apache-2.0
//
// Incoming: from frames to processes. Takes a batch apart and delivers its signals; what nodes tell
// each other it hands on.
//
// Thread-safety: deliver() on the transport's loop; unpack() anywhere.
#pragma once

#include "grove/node/node.hpp"
#include "grove/transport/frame.hpp"

#include "once_log.hpp"
#include "outgoing.hpp"
#include "peer_link.hpp"
#include "spawner.hpp"

#include <functional>

namespace grove::cluster {

class Incoming {
 public:
  /// Handles a control record. Returns: false when it is malformed.
  using Control = std::function<bool(const PeerLinkPtr& link, const transport::Record& record)>;

  /// Ends a session with a peer, later, on the transport's loop.
  using End = std::function<void(NodeId peer, SessionId session, const std::string& why)>;

  /// All outlive it.
  Incoming(Node& node, Outgoing& outgoing, OnceLog& once, Control control)
      : node_{node},
        outgoing_{outgoing},
        once_{once},
        control_{std::move(control)},
        spawner_{node, outgoing, once} {}

  /// All records of a batch of a session that is up, in order.
  /// Returns: false when one is malformed; those before it have been delivered.
  [[nodiscard]] bool deliver(const PeerLinkPtr& link, const transport::Frame& batch);

  /// As Router's.
  [[nodiscard]] bool unpack(Envelope& envelope, const End& end);

 private:
  bool signal(const PeerLinkPtr& link, const transport::Record& record, Message packed);
  bool piece(const PeerLinkPtr& link, const transport::Record& record, const Bytes& tail);
  void call_refused(const PeerLinkPtr& link, const Pid& to, const Pid& caller,
                    std::uint64_t serial);
  void no_such_name(const PeerLinkPtr& link, const Envelope& envelope);
  [[nodiscard]] Pid target(const PeerLinkPtr& link, const transport::Record& record) const;

  Node& node_;
  Outgoing& outgoing_;
  OnceLog& once_;
  const Control control_;
  Spawner spawner_;
};

}  // namespace grove::cluster
