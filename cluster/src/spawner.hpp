// SPDX-License-Identifier: Apache-2.0
//
// Spawner: starts what other nodes ask for, and tells them when it cannot.
//
// Thread-safety: confined to the transport's loop.
#pragma once

#include "grove/node/node.hpp"
#include "grove/node/spawn_terms.hpp"

#include "once_log.hpp"
#include "outgoing.hpp"

#include <string>

namespace grove::cluster {

class Spawner {
 public:
  /// All outlive it.
  Spawner(Node& node, Outgoing& outgoing, OnceLog& once)
      : node_{node}, outgoing_{outgoing}, once_{once} {}

  /// `request` is a spawn, with its order still packed; `name` is that of what it asks for.
  /// Returns: false when it is malformed.
  [[nodiscard]] bool spawn(const PeerLinkPtr& link, const std::string& name, Envelope& request);

 private:
  void start(const PeerLinkPtr& link, const detail::Behaviour& behaviour, Envelope& request);
  void refuse(const PeerLinkPtr& link, const Envelope& request, const ExitReason& why);

  Node& node_;
  Outgoing& outgoing_;
  OnceLog& once_;
};

}  // namespace grove::cluster
