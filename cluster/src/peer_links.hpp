// SPDX-License-Identifier: Apache-2.0
//
// PeerLinks: the sessions that are up, by node and by its name.
//
// Thread-safety: all members.
#pragma once

#include "grove/core/ids.hpp"
#include "grove/core/read_mostly.hpp"

#include "peer_link.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace grove::cluster {

class PeerLinks {
 public:
  void add(const PeerLinkPtr& link) {
    table_.change([&](Table& table) {
      table.by_node[link->peer] = link;
      table.by_name[node_name(link->peer)] = link;
    });
  }
  void remove(NodeId node) {
    table_.change([&](Table& table) {
      table.by_node.erase(node);
      table.by_name.erase(node_name(node));
    });
  }
  /// Null: no session with that life of that node.
  [[nodiscard]] PeerLinkPtr find(NodeId node) const {
    const ByNode& by_node = table_.now()->by_node;
    const auto place = by_node.find(node);
    return place == by_node.end() ? nullptr : place->second;
  }
  /// The life of the node of that name that there is a session with; none: 0.
  [[nodiscard]] NodeId connected(const std::string& name) const {
    const ByName& by_name = table_.now()->by_name;
    const auto place = by_name.find(name);
    return place == by_name.end() ? NodeId{} : place->second->peer;
  }
  /// By name: the same order in each run.
  [[nodiscard]] std::vector<PeerLinkPtr> all() const {
    std::vector<PeerLinkPtr> links;
    for_each([&links](const PeerLinkPtr& link) { links.push_back(link); });
    return links;
  }
  /// The same.
  template <class F>
  void for_each(F&& use) const {
    const auto now = table_.now();  // `use` may have this thread look for another one
    for (const auto& [name, link] : now->by_name) use(link);
  }
  [[nodiscard]] std::size_t size() const { return table_.now()->by_node.size(); }

 private:
  using ByNode = std::map<NodeId, PeerLinkPtr>;
  using ByName = std::map<std::string, PeerLinkPtr>;
  struct Table {
    ByNode by_node;
    ByName by_name;
  };

  ReadMostly<Table> table_;
};

}  // namespace grove::cluster
