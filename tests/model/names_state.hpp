// SPDX-License-Identifier: Apache-2.0
//
// What the model of names is in at a moment: nodes, processes, what is on its way, and what may
// still happen.
#pragma once

#include "grove/core/ids.hpp"

#include "name_log.hpp"
#include "names_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <ostream>
#include <utility>
#include <vector>

namespace grove::model {

/// Which of two claims stands; `neither` is a function of the program's that chooses nobody.
enum class Rule : std::uint8_t { oldest, newest, neither };

struct NamesTypes {
  static constexpr std::size_t k_nodes = 3;
  /// How often each may happen on one way.
  struct Limits {
    unsigned registrations = 0;
    unsigned moves = 0;   // registrations that replace whoever has the name
    unsigned ends = 0;    // of processes
    unsigned cuts = 0;    // each between two nodes
    unsigned halves = 0;  // sessions that one of the two has alone
    unsigned crashes = 0;
    unsigned declared = 0;  // dead, by one node
    unsigned ticks = 0;
    unsigned names = 1;    // how many there are
    bool apart = false;    // a and c have not met: they know each other through b only
    bool gathers = false;  // what becomes of processes is told later, at any time
    bool again = false;    // a process that has lost a name may take it again
    Rule rule = Rule::oldest;
  };

  using Message = decltype(cluster::NameLog::Tell::message);
  struct Process {
    Pid pid;
    unsigned name = 0;
    bool alive = true;
    bool moved = false;         // its name was taken for another process, where it was known
    bool refused = false;       // it was not given the name
    unsigned lost = 0;          // how often it was told that another has its name
    std::uint64_t removed = 0;  // the version of its node's names that is without it
  };
  struct Node {
    Node(NodeId own_id, Rule rule) : id{own_id}, log{own_id, rules(rule)} {}
    NodeId id;
    cluster::NameLog log;
    std::array<NodeId, k_nodes> members{};               // by place, of others; 0: it is none
    std::array<bool, k_nodes> reached{};                 // without a session: by another member
    std::vector<std::pair<NodeId, std::uint64_t>> seen;  // the greatest version of each origin
    // Of all that:
    std::uint64_t hash = 0;
    NodeId back{};             // an origin of which it knows less than it did; 0: none
    std::vector<Pid> holders;  // of each name
  };
  static NamesConfig rules(Rule rule) {
    NamesConfig rules;
    if (rule == Rule::newest) rules.order = NameOrder::keep_newest;
    if (rule == Rule::neither) {
      rules.choose = [](const std::string&, const NameClaim&, const NameClaim&) { return Pid{}; };
    }
    return rules;
  }
  /// A node's end of a session. Of a half one the other node never knew.
  enum class End : std::uint8_t { none, whole, half };
  struct Sent {
    Message message;
    std::uint64_t hash = 0;
  };
  struct State {
    Limits left;
    std::array<const Node*, k_nodes> nodes{};  // null: crashed
    std::array<std::uint64_t, k_nodes> lives{};
    std::vector<Process> processes;
    // [from][to]
    std::array<std::array<std::vector<const Sent*>, k_nodes>, k_nodes> wire;
    std::array<std::array<End, k_nodes>, k_nodes> session{};
  };
};

inline void write(std::ostream& out, const NamesTypes::Node& node) {
  out << node.id.value << node.log.to_text();
  for (const auto& [origin, version] : node.seen) out << origin.value << '=' << version << ' ';
  for (const bool reached : node.reached) out << reached;
  // What it can tell of each origin's past.
  for (const auto& [origin, version] : node.seen) {
    const auto* log = node.log.origin(origin);
    if (log == nullptr) continue;
    out << '|';
    const std::uint64_t known = std::min<std::uint64_t>(log->version(), log->remembered());
    const auto past = log->changes_after(log->version() - known);
    for (const auto& record : past->changes) write(out, record);
  }
}

}  // namespace grove::model
