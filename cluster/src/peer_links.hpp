// SPDX-License-Identifier: Apache-2.0
//
// PeerLinks: the sessions that are up, by node and by its name.
//
// Thread-safety: all members.
#pragma once

#include "grove/core/ids.hpp"

#include "peer_link.hpp"

#include <cstddef>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

namespace grove::cluster {

class PeerLinks {
 public:
  void add(const PeerLinkPtr& link) {
    const std::unique_lock lock{mutex_};
    by_node_[link->peer] = link;
    by_name_[node_name(link->peer)] = link;
  }
  void remove(NodeId node) {
    const std::unique_lock lock{mutex_};
    by_node_.erase(node);
    by_name_.erase(node_name(node));
  }
  /// Null: no session with that life of that node.
  [[nodiscard]] PeerLinkPtr find(NodeId node) const {
    const std::shared_lock lock{mutex_};
    const auto place = by_node_.find(node);
    return place == by_node_.end() ? nullptr : place->second;
  }
  /// The life of the node of that name that there is a session with; none: 0.
  [[nodiscard]] NodeId connected(const std::string& name) const {
    const std::shared_lock lock{mutex_};
    const auto place = by_name_.find(name);
    return place == by_name_.end() ? NodeId{} : place->second->peer;
  }
  /// By name: the same order in each run.
  [[nodiscard]] std::vector<PeerLinkPtr> all() const {
    const std::shared_lock lock{mutex_};
    std::vector<PeerLinkPtr> links;
    for (const auto& [name, link] : by_name_) links.push_back(link);
    return links;
  }
  [[nodiscard]] std::size_t size() const {
    const std::shared_lock lock{mutex_};
    return by_node_.size();
  }

 private:
  mutable std::shared_mutex mutex_;  // guards both
  std::map<NodeId, PeerLinkPtr> by_node_;
  std::map<std::string, PeerLinkPtr> by_name_;
};

}  // namespace grove::cluster
