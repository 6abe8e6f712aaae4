// SPDX-License-Identifier: Apache-2.0
//
// PeerLinks: the sessions that are up, by node and by its name.
//
// Changes are rare, look-ups are not: each change makes a new table, and each thread keeps the one
// that it used last for as long as there is no newer one. So who sends takes no lock here, and
// writes nothing that those who send to other peers read.
//
// Thread-safety: all members.
#pragma once

#include "grove/core/ids.hpp"

#include "peer_link.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace grove::cluster {

class PeerLinks {
 public:
  void add(const PeerLinkPtr& link) {
    change([&](Table& table) {
      table.by_node[link->peer] = link;
      table.by_name[node_name(link->peer)] = link;
    });
  }
  void remove(NodeId node) {
    change([&](Table& table) {
      table.by_node.erase(node);
      table.by_name.erase(node_name(node));
    });
  }
  /// Null: no session with that life of that node.
  [[nodiscard]] PeerLinkPtr find(NodeId node) const {
    const ByNode& by_node = table()->by_node;
    const auto place = by_node.find(node);
    return place == by_node.end() ? nullptr : place->second;
  }
  /// The life of the node of that name that there is a session with; none: 0.
  [[nodiscard]] NodeId connected(const std::string& name) const {
    const ByName& by_name = table()->by_name;
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
    const TablePtr now = table();  // `use` may have this thread look for another one
    for (const auto& [name, link] : now->by_name) use(link);
  }
  [[nodiscard]] std::size_t size() const { return table()->by_node.size(); }

 private:
  using ByNode = std::map<NodeId, PeerLinkPtr>;
  using ByName = std::map<std::string, PeerLinkPtr>;
  struct Table {
    ByNode by_node;
    ByName by_name;
  };
  using TablePtr = std::shared_ptr<const Table>;

  /// As of now, or of a moment ago.
  [[nodiscard]] const TablePtr& table() const {
    struct Known {
      std::uint64_t version = 0;
      TablePtr table;
    };
    static thread_local Known known;
    if (known.version != version_.load(std::memory_order_acquire)) {
      const std::lock_guard lock{mutex_};
      known = {version_.load(std::memory_order_relaxed), newest_};
    }
    return known.table;
  }
  template <class F>
  void change(F&& edit) {
    const std::lock_guard lock{mutex_};
    auto next = std::make_shared<Table>(*newest_);
    edit(*next);
    newest_ = std::move(next);
    version_.store(next_version(), std::memory_order_release);
  }
  /// Unlike that of any other table in this program.
  static std::uint64_t next_version() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
  }

  mutable std::mutex mutex_;  // guards newest_
  TablePtr newest_ = std::make_shared<Table>();
  std::atomic<std::uint64_t> version_{next_version()};
};

}  // namespace grove::cluster
