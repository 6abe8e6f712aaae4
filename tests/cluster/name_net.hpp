// SPDX-License-Identifier: Apache-2.0
//
// NameNet: NameLogs of several nodes and the sessions between them, a message at a time.
#pragma once

#include "name_log.hpp"

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace grove::cluster {

class NameNet {
 public:
  struct Node {
    Node(NodeId node, NamesConfig rules) : id{node}, log{node, std::move(rules)} {}
    NodeId id;
    NameLog log;
    std::vector<NameLog::Lost> lost;
    std::vector<NameLog::Answered> answered;
    std::size_t diverged = 0;
    std::size_t refused = 0;
  };
  using Link = std::pair<std::string, std::string>;  // from, to

  NamesConfig rules;
  std::uint64_t wall = 1000;

  Node& add(const std::string& name, std::uint64_t life = 1) {
    const NodeId id = intern_node(name, Life{life});
    Node& added = nodes_.insert_or_assign(name, Node{id, rules}).first->second;
    for (auto& [other, node] : nodes_) {
      if (other == name) continue;
      node.log.on_member(id, true);
      added.log.on_member(node.id, true);
      take(other);
    }
    take(name);
    return added;
  }
  Node& operator[](const std::string& name) { return nodes_.at(name); }

  void connect(const std::string& a, const std::string& b) {
    links_[{a, b}];
    links_[{b, a}];
    nodes_.at(a).log.on_session_up(nodes_.at(b).id);
    nodes_.at(b).log.on_session_up(nodes_.at(a).id);
    take(a);
    take(b);
  }
  void connect_all() {
    for (auto& [a, one] : nodes_) {
      for (auto& [b, two] : nodes_) {
        if (a < b && !links_.contains({a, b})) connect(a, b);
      }
    }
  }
  /// What is on its way is lost.
  void cut(const std::string& a, const std::string& b) {
    links_.erase({a, b});
    links_.erase({b, a});
    nodes_.at(a).log.on_session_down(nodes_.at(b).id);
    nodes_.at(b).log.on_session_down(nodes_.at(a).id);
    take(a);
    take(b);
  }
  /// `name` hears that a member's life is over.
  void bury(const std::string& name, NodeId dead) {
    nodes_.at(name).log.on_member(dead, false);
    take(name);
  }

  Pid pid(const std::string& node, std::uint32_t index) { return {nodes_.at(node).id, index, 1}; }
  Result<void> give(const std::string& node, const std::string& name, std::uint32_t index,
                    global::NameAck ack = {}, NameLog::News news = NameLog::News::told) {
    NameLog::NewName request;
    request.name = name;
    request.pid = pid(node, index);
    request.ack = ack;
    request.token = index;
    auto given = nodes_.at(node).log.add(request, wall++);
    take(node, news);
    return given;
  }
  /// Whoever has the name.
  Result<void> move_to(const std::string& node, const std::string& name, std::uint32_t index) {
    NameLog::NewName request;
    request.name = name;
    request.pid = pid(node, index);
    request.replaces = true;
    auto given = nodes_.at(node).log.add(request, wall++);
    take(node);
    return given;
  }
  void take_away(const std::string& node, const std::string& name) {
    nodes_.at(node).log.remove(name, true);
    take(node);
  }
  /// Delivers the oldest message of a link. Returns: false when there is none.
  bool deliver(const std::string& from, const std::string& to) {
    const auto link = links_.find({from, to});
    if (link == links_.end() || link->second.empty()) return false;
    const auto message = std::move(link->second.front());
    link->second.pop_front();
    ++delivered;
    std::visit([&](const auto& one) { hear(to, nodes_.at(from).id, one); }, message);
    take(to);
    return true;
  }
  /// Until nothing is on its way.
  void run() {
    for (bool moved = true; moved;) {
      moved = false;
      std::vector<Link> links;
      for (const auto& [link, queue] : links_) links.push_back(link);
      for (const auto& [from, to] : links) moved = deliver(from, to) || moved;
    }
  }
  /// So many intervals, with all that comes of them.
  void tick(int intervals = 4) {
    for (; intervals > 0; --intervals) {
      for (auto& [name, node] : nodes_) {
        node.log.on_tick();
        take(name);
      }
      run();
    }
  }
  Pid holder(const std::string& node, const std::string& name) {
    const auto row = nodes_.at(node).log.find(name);
    return row ? row->pid : Pid{};
  }
  /// Everybody's view of a name, when it is the same; else someone of no node.
  Pid holder(const std::string& name) {
    Pid seen = holder(nodes_.begin()->first, name);
    for (auto& [node, unused] : nodes_) {
      if (holder(node, name) != seen) return {NodeId{}, 99, 99};
    }
    return seen;
  }
  /// As told by Held, without asking the log.
  Pid told(const std::string& node, const std::string& name) { return told_[{node, name}]; }
  void take(const std::string& name, NameLog::News news = NameLog::News::told) {
    Node& node = nodes_.at(name);
    for (auto& action : node.log.take(news)) {
      if (auto* tell = std::get_if<NameLog::Tell>(&action)) {
        for (const NodeId to : tell->to) {
          const auto link = links_.find({name, node_name(to)});
          if (link != links_.end()) link->second.push_back(tell->message);
        }
      } else if (auto* held = std::get_if<NameLog::Held>(&action)) {
        told_[{name, held->name}] = held->holder;
      } else if (auto* lost = std::get_if<NameLog::Lost>(&action)) {
        node.lost.push_back(*lost);
      } else if (auto* answered = std::get_if<NameLog::Answered>(&action)) {
        node.answered.push_back(*answered);
      } else if (std::get_if<NameLog::Diverged>(&action) != nullptr) {
        ++node.diverged;
      } else {
        ++node.refused;
      }
    }
  }

  std::size_t delivered = 0;
  std::vector<NamesPart> parts;  // all that were delivered

 private:
  template <class T>
  void hear(const std::string& to, NodeId from, const T& message) {
    if constexpr (std::is_same_v<T, NamesPart>) parts.push_back(message);
    nodes_.at(to).log.on_message(from, message);
  }
  std::map<std::string, Node> nodes_;
  std::map<Link, std::deque<std::variant<NamesDigest, NamesPull, NamesPart, NamesDrop>>> links_;
  std::map<Link, Pid> told_;  // by node and name
};

}  // namespace grove::cluster
