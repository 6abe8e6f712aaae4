// SPDX-License-Identifier: Apache-2.0
//
// SharedGroups: carries what nodes tell each other of process groups between the node's Groups,
// which decide, and the sessions.
//
// A change may overtake the state that a new session begins with: its receiver believes nothing of
// a node before it has all of it, and that is told later and has the change.
//
// Thread-safety: all members.
#pragma once

#include "grove/node/groups.hpp"
#include "grove/node/node.hpp"

#include "group_control.hpp"
#include "outgoing.hpp"
#include "peer_links.hpp"

#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace grove::cluster {

class SharedGroups {
 public:
  /// All outlive it.
  SharedGroups(Node& node, const PeerLinks& links, Outgoing& outgoing)
      : node_{node}, links_{links}, outgoing_{outgoing} {}

  /// As Router's. Flushes nothing. Who is behind is owed all of it.
  void tell(const detail::GroupsChange& change) {
    std::vector<PeerLinkPtr> links = links_.all();
    std::erase_if(links, [this](const PeerLinkPtr& link) {
      if (!link->is_behind()) return false;
      owe(link->peer);
      return true;
    });
    outgoing_.tell_all(links, change);
  }
  /// Pays who has caught up.
  void on_tick() {
    for (const NodeId peer : take_owed()) {
      const PeerLinkPtr link = links_.find(peer);
      if (link == nullptr) continue;  // a new session begins with all of it
      if (link->is_behind()) {
        owe(peer);
      } else {
        tell_all(link);
      }
    }
  }
  /// Tells a peer all of it: a session has begun, or the peer has missed a version.
  void tell_all(const PeerLinkPtr& link) {
    node_.groups().tell_all([&](const auto& part) { outgoing_.tell(link, part); });
  }
  /// A session has ended.
  void drop(NodeId node) { node_.groups().drop(node); }
  /// What a peer tells of its processes. Returns: false when no node that keeps the rules says it.
  template <class T>
  [[nodiscard]] bool hear(const PeerLinkPtr& link, T news) {
    const Groups::Heard heard = node_.groups().hear(link->peer, std::move(news));
    if (heard == Groups::Heard::gap) outgoing_.tell(link, GroupsRequest{});
    return heard != Groups::Heard::malformed;
  }

 private:
  void owe(NodeId peer) {
    const std::lock_guard lock{mutex_};
    owed_.insert(peer);
  }
  std::set<NodeId> take_owed() {
    const std::lock_guard lock{mutex_};
    return std::exchange(owed_, {});
  }

  Node& node_;
  const PeerLinks& links_;
  Outgoing& outgoing_;
  std::mutex mutex_;  // guards the next
  std::set<NodeId> owed_;
};

}  // namespace grove::cluster
