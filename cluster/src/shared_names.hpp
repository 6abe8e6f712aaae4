// SPDX-License-Identifier: Apache-2.0
//
// SharedNames: the cluster-wide names as this node sees them, under one lock: NameLog decides,
// Outgoing tells the others, a loser of a conflict is told here.
//
// Thread-safety: all members.
#pragma once

#include "grove/node/node.hpp"

#include "control.hpp"
#include "name_log.hpp"
#include "outgoing.hpp"
#include "peer_links.hpp"

#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

namespace grove::cluster {

class SharedNames {
 public:
  /// All outlive it.
  SharedNames(Node& node, const PeerLinks& links, Outgoing& outgoing)
      : node_{node}, links_{links}, outgoing_{outgoing}, names_{node.id()} {}

  // As Router's. The first three flush nothing.
  Result<void> add(const std::string& name, const Pid& pid);
  bool remove(const std::string& name);
  /// Returns: whether there was one.
  bool remove_all(const Pid& pid);
  [[nodiscard]] std::optional<Pid> find(const std::string& name) const;
  [[nodiscard]] std::vector<Router::GlobalName> all() const;

  /// A session began: tells the peer all names of ours, and from now on each change.
  void greet(const PeerLinkPtr& link);
  /// A session ended: its node's names are gone.
  void drop(NodeId node);
  /// What a peer tells of its names.
  template <class T>
  void apply(const PeerLinkPtr& link, const T& news) {
    const std::unique_lock lock{mutex_};
    settle(link, names_.apply(link->peer, news));
  }
  /// The peer has missed a version.
  void repeat(const PeerLinkPtr& link);

 private:
  void tell_all(const NamesDelta& delta);
  void settle(const PeerLinkPtr& link, const NameLog::Applied& applied);

  Node& node_;
  const PeerLinks& links_;
  Outgoing& outgoing_;
  mutable std::shared_mutex mutex_;  // guards the next, and the links' names_sent
  NameLog names_;
};

}  // namespace grove::cluster
