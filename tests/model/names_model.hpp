// SPDX-License-Identifier: Apache-2.0
//
// The cluster's names as a model to explore: three nodes, each with the real NameLog, and between
// them sessions as transport/ promises them: in order, and lost from some point on, which the two
// ends notice by themselves. Nodes crash and come back as another life, are cut off from each other
// and not, and hold each other for dead; processes take a name and end.
#pragma once

#include "grove/core/ids.hpp"

#include "name_log.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace grove::model {

class NamesModel {
 public:
  static constexpr std::size_t k_nodes = 3;
  /// How often each may happen on one way.
  struct Limits {
    unsigned registrations = 0;
    unsigned ends = 0;  // of processes
    unsigned cuts = 0;
    unsigned crashes = 0;
    unsigned declared = 0;  // dead, by one node
    unsigned ticks = 0;
    unsigned names = 1;    // how many there are
    bool apart = false;    // a and c have not met: they know each other through b only
    bool gathers = false;  // what becomes of processes is told later, at any time
  };
  explicit NamesModel(Limits limits) : limits_{limits} {}

  using Message = decltype(cluster::NameLog::Tell::message);
  struct Process {
    Pid pid;
    std::string name;
    bool alive = true;
    unsigned lost = 0;          // how often it was told that another has its name
    std::uint64_t removed = 0;  // the version of its node's names that is without it
  };
  struct Node {
    explicit Node(NodeId own_id) : id{own_id}, log{own_id, {}} { hash = hash_of(*this); }
    NodeId id;
    cluster::NameLog log;
    std::vector<NodeId> members;
    std::array<bool, k_nodes> reached{};                 // without a session: by another member
    std::vector<std::pair<NodeId, std::uint64_t>> seen;  // the greatest version of each origin
    std::uint64_t hash = 0;                              // of all that
  };
  struct Sent {
    Message message;
    std::uint64_t hash = 0;
  };
  struct State {
    Limits left;
    std::array<std::shared_ptr<const Node>, k_nodes> nodes;  // shared by states; null: crashed
    std::array<std::uint64_t, k_nodes> lives{};
    std::vector<Process> processes;
    // [from][to]
    std::array<std::array<std::vector<std::shared_ptr<const Sent>>, k_nodes>, k_nodes> wire;
    std::array<std::array<bool, k_nodes>, k_nodes> session{};
    std::array<std::array<bool, k_nodes>, k_nodes> cut{};
  };

  [[nodiscard]] State initial() const {
    State state;
    state.left = limits_;
    for (std::size_t i = 0; i < k_nodes; ++i) start(state, i);
    for (std::size_t i = 0; i < k_nodes; ++i) {
      for (std::size_t j = i + 1; j < k_nodes; ++j) {
        if (!limits_.apart || j - i == 1) connect(state, i, j);
      }
    }
    deliver_all(state);
    return state;
  }

  template <class F>
  void for_each_step(const State& state, F&& use) const {
    const auto step = [&](const std::string& label, auto&& change) {
      State next = state;
      change(next);
      use(label, std::move(next));
    };
    for (std::size_t i = 0; i < k_nodes; ++i) {
      const std::string at = letter(i);
      if (!state.nodes[i]) {
        step(at + " starts again", [i](State& next) { start(next, i); });
        continue;
      }
      if (state.left.crashes > 0) step(at + " crashes", [i](State& next) { crash(next, i); });
      if (state.left.ticks > 0) {
        step(at + " compares", [i](State& next) {
          --next.left.ticks;
          change(next, i, [](Node& node) { node.log.on_tick(); });
        });
      }
      if (state.nodes[i]->log.has_news()) {
        step(at + " tells", [i](State& next) { change(next, i, [](Node&) {}); });
      }
      if (state.left.registrations > 0) {
        for (unsigned n = 0; n < limits_.names; ++n) {
          const std::string name = "n" + std::to_string(n);
          if (state.nodes[i]->log.find(name)) continue;
          step(at + " registers " + name, [i, &name](State& next) { take(next, i, name); });
        }
      }
      for (std::size_t p = 0; p < state.processes.size(); ++p) {
        const Process& process = state.processes[p];
        if (state.left.ends == 0 || !process.alive || process.pid.node != state.nodes[i]->id) {
          continue;
        }
        step("the process of " + at + " ends", [i, p](State& next) { end(next, i, p); });
      }
      for (std::size_t j = 0; j < k_nodes; ++j) {
        if (j != i) steps_towards(state, i, j, step);
      }
    }
  }

  [[nodiscard]] std::uint64_t fingerprint(const State& state) const {
    Hash hash;
    const Limits& left = state.left;
    for (const unsigned one :
         {left.registrations, left.ends, left.cuts, left.crashes, left.declared, left.ticks}) {
      hash.add(one);
    }
    for (std::size_t i = 0; i < k_nodes; ++i) {
      hash.add(state.lives[i]);
      hash.add(state.nodes[i] ? state.nodes[i]->hash : 0);
      for (std::size_t j = 0; j < k_nodes; ++j) {
        hash.add(state.session[i][j] ? 2 : 1);
        hash.add(state.cut[i][j] ? 2 : 1);
        for (const auto& sent : state.wire[i][j]) hash.add(sent->hash);
      }
    }
    for (const Process& process : state.processes) {
      hash.add(process.pid.node.value);
      hash.add(std::hash<std::string>{}(process.name));
      hash.add((process.alive ? 1U : 0U) + 2 * process.lost);
      hash.add(process.removed);
    }
    return hash.value;
  }

  [[nodiscard]] std::optional<std::string> broken(const State& state) const {
    for (const Process& process : state.processes) {
      if (process.lost > 1)
        return "the process of " + where(process) + " is told twice of one loss";
      if (process.removed == 0) continue;
      for (std::size_t i = 0; i < k_nodes; ++i) {
        if (!state.nodes[i] || seen(*state.nodes[i], process.pid.node) < process.removed) continue;
        const auto holds = state.nodes[i]->log.find(process.name);
        if (holds && holds->pid == process.pid) {
          return letter(i) + " sees a name that it knew to be removed: held by a process of " +
                 where(process);
        }
      }
    }
    for (std::size_t i = 0; i < k_nodes; ++i) {
      if (!state.nodes[i]) continue;
      for (const auto& [origin, version] : state.nodes[i]->seen) {
        const auto* copy = state.nodes[i]->log.origin(origin);
        if (copy != nullptr && copy->version() < version) {
          return letter(i) + " goes back in what it knows of the names of " + node_name(origin);
        }
      }
    }
    // From every other state some steps lead to one of these.
    return is_quiet(state) ? forked_for_ever(state) : std::nullopt;
  }

 private:
  struct Hash {
    std::uint64_t value = 0;
    void add(std::uint64_t word) {
      value = (value ^ word) * 0x9E3779B97F4A7C15U;
      value ^= value >> 29U;
    }
  };
  static std::string letter(std::size_t i) { return std::string(1, static_cast<char>('a' + i)); }
  static std::string where(const Process& process) { return node_name(process.pid.node); }
  static std::size_t place(NodeId node) {
    return static_cast<std::size_t>(node_name(node).front() - 'a');
  }
  static std::uint64_t seen(const Node& node, NodeId origin) {
    for (const auto& [id, version] : node.seen) {
      if (id == origin) return version;
    }
    return 0;
  }

  // -- what may happen -----------------------------------------------------------------------

  static void start(State& state, std::size_t i) {
    const NodeId id = intern_node(letter(i), Life{++state.lives[i]});
    state.nodes[i] = std::make_shared<const Node>(id);
  }
  static void crash(State& state, std::size_t i) {
    --state.left.crashes;
    for (Process& process : state.processes) {
      if (process.pid.node == state.nodes[i]->id) process.alive = false;
    }
    state.nodes[i].reset();
    for (std::size_t j = 0; j < k_nodes; ++j) {
      state.wire[j][i].clear();
      state.session[i][j] = false;
    }
  }
  static void take(State& state, std::size_t i, const std::string& name) {
    --state.left.registrations;
    const auto index = static_cast<std::uint32_t>(state.processes.size() + 1);
    const Pid pid{state.nodes[i]->id, index, 1};
    state.processes.push_back({pid, name});
    cluster::NameLog::NewName request;
    request.name = name;
    request.pid = pid;
    // All clocks stand still: the order is theirs alone.
    change(
        state, i, [&](Node& node) { static_cast<void>(node.log.add(request, 1)); }, news(state));
  }
  static void end(State& state, std::size_t i, std::size_t process) {
    --state.left.ends;
    state.processes[process].alive = false;
    change(
        state, i, [&](Node& node) { node.log.remove_all(state.processes[process].pid); },
        news(state));
  }
  static cluster::NameLog::News news(const State& state) {
    using News = cluster::NameLog::News;
    return state.left.gathers ? News::gathered : News::told;
  }

  template <class Step>
  void steps_towards(const State& state, std::size_t i, std::size_t j, const Step& step) const {
    const std::string pair = letter(i) + letter(j);
    const bool both = state.nodes[j] != nullptr;
    if (state.session[i][j] && !state.wire[j][i].empty()) {
      step(letter(i) + " hears " + letter(j), [i, j](State& next) { deliver(next, i, j); });
    }
    if (state.session[i][j] && (!both || state.cut[i][j] || !state.session[j][i])) {
      step(letter(i) + " loses " + letter(j), [i, j](State& next) { lose(next, i, j); });
    }
    if (i < j && state.left.cuts > 0 && !state.cut[i][j]) {
      step(pair + " is cut", [i, j](State& next) {
        --next.left.cuts;
        next.cut[i][j] = next.cut[j][i] = true;
      });
    }
    if (i < j && state.cut[i][j]) {
      step(pair + " heals", [i, j](State& next) { next.cut[i][j] = next.cut[j][i] = false; });
    }
    if (i < j && both && can_connect(state, i, j)) {
      step(pair + " connects", [i, j](State& next) { connect(next, i, j); });
    }
    if (state.left.declared > 0 && may_declare_dead(state, i, j)) {
      step(letter(i) + " holds " + letter(j) + " for dead", [i, j](State& next) {
        --next.left.declared;
        declare_dead(next, i, j);
      });
    }
    if (both && may_be_reached(state, i, j)) {
      step(letter(i) + " hears that " + letter(j) + " is reached",
           [i, j](State& next) { reach(next, i, j); });
    }
  }

  static bool can_connect(const State& state, std::size_t i, std::size_t j) {
    return !state.cut[i][j] && !state.session[i][j] && !state.session[j][i];
  }
  static std::vector<NodeId>::const_iterator member(const Node& node, std::size_t j) {
    return std::find_if(node.members.begin(), node.members.end(),
                        [j](NodeId id) { return place(id) == j; });
  }
  static bool may_declare_dead(const State& state, std::size_t i, std::size_t j) {
    const Node& node = *state.nodes[i];
    return member(node, j) != node.members.end() && !state.session[i][j];
  }
  /// The third one has sessions with both.
  static bool may_be_reached(const State& state, std::size_t i, std::size_t j) {
    const Node& node = *state.nodes[i];
    const std::size_t third = k_nodes - i - j;
    const auto known = member(node, j);
    const bool same_life = known == node.members.end() || *known == state.nodes[j]->id;
    return same_life && !node.reached[j] && !state.session[i][j] && state.nodes[third] &&
           state.session[i][third] && state.session[third][i] && state.session[third][j] &&
           state.session[j][third];
  }

  static void connect(State& state, std::size_t i, std::size_t j) {
    state.session[i][j] = state.session[j][i] = true;
    state.wire[i][j].clear();
    state.wire[j][i].clear();
    for (const auto& [one, other] : {std::pair{i, j}, std::pair{j, i}}) {
      const NodeId peer = state.nodes[other]->id;
      change(state, one, [&, to = other](Node& node) { meet(node, peer, to); });
    }
  }
  static void meet(Node& node, NodeId peer, std::size_t at) {
    node.reached[at] = false;
    const auto known = member(node, at);
    if (known != node.members.end() && *known != peer) {
      node.log.on_member(*known, false);
      node.members.erase(known);
    }
    if (member(node, at) == node.members.end()) join(node, peer);
    node.log.on_session_up(peer);
  }
  static void join(Node& node, NodeId peer) {
    node.members.push_back(peer);
    std::sort(node.members.begin(), node.members.end());
    node.log.on_member(peer, true);
  }
  /// What is on its way to the one that loses it is lost.
  static void lose(State& state, std::size_t i, std::size_t j) {
    state.session[i][j] = false;
    state.wire[j][i].clear();
    change(state, i, [j](Node& node) {
      if (const auto peer = member(node, j); peer != node.members.end()) {
        node.log.on_session_down(*peer);
      }
    });
  }
  static void declare_dead(State& state, std::size_t i, std::size_t j) {
    change(state, i, [j](Node& node) {
      const auto known = member(node, j);
      const NodeId gone = *known;
      node.members.erase(known);
      node.reached[j] = false;
      std::erase_if(node.seen, [gone](const auto& version) { return version.first == gone; });
      node.log.on_member(gone, false);
    });
  }
  static void reach(State& state, std::size_t i, std::size_t j) {
    const NodeId far = state.nodes[j]->id;
    change(state, i, [=](Node& node) {
      node.reached[j] = true;
      if (member(node, j) == node.members.end()) join(node, far);
      node.log.on_reached(far, letter(k_nodes - i - j));
    });
  }
  static void deliver(State& state, std::size_t to, std::size_t from) {
    auto& wire = state.wire[from][to];
    const std::shared_ptr<const Sent> sent = wire.front();
    wire.erase(wire.begin());
    change(state, to, [&](Node& node) {
      const NodeId peer = *member(node, from);
      std::visit([&](const auto& one) { node.log.on_message(peer, one); }, sent->message);
    });
  }

  /// Lets something happen to a node, and performs what its log decides.
  template <class F>
  static void change(State& state, std::size_t i, F&& happen,
                     cluster::NameLog::News news = cluster::NameLog::News::told) {
    const auto changed = std::make_shared<Node>(*state.nodes[i]);
    Node& node = *changed;
    if (news == cluster::NameLog::News::told) perform(state, i, node.log.take());
    happen(node);
    perform(state, i, node.log.take(news));
    note_versions(state, node);
    node.hash = hash_of(node);
    state.nodes[i] = changed;
  }
  static void perform(State& state, std::size_t i, cluster::NameLog::Actions actions) {
    for (auto& action : actions) {
      if (auto* tell = std::get_if<cluster::NameLog::Tell>(&action)) {
        const std::uint64_t hash =
            std::visit([](const auto& one) { return hash_of(one); }, tell->message);
        const auto sent = std::make_shared<Sent>(Sent{std::move(tell->message), hash});
        for (const NodeId peer : tell->to) {
          const std::size_t to = place(peer);
          if (state.session[i][to]) state.wire[i][to].push_back(sent);
        }
      } else if (const auto* lost = std::get_if<cluster::NameLog::Lost>(&action)) {
        for (Process& process : state.processes) {
          if (process.pid == lost->loser) ++process.lost;
        }
      }
    }
  }
  static void note_versions(State& state, Node& node) {
    const auto note = [&node](NodeId origin, std::uint64_t version) {
      for (auto& [id, greatest] : node.seen) {
        if (id == origin) return void(greatest = std::max(greatest, version));
      }
      node.seen.emplace_back(origin, version);
    };
    std::vector<NodeId> known = node.members;
    known.push_back(node.id);
    for (const NodeId origin : known) {
      if (const auto* log = node.log.origin(origin)) note(origin, log->version());
    }
    std::sort(node.seen.begin(), node.seen.end());
    const std::uint64_t own = node.log.origin(node.id)->version();
    for (Process& process : state.processes) {
      if (process.pid.node != node.id || process.removed != 0) continue;
      const auto* entry = node.log.origin(node.id)->find(process.name);
      if (entry == nullptr || entry->index != process.pid.index) process.removed = own;
    }
  }

  /// No fault lasts, and nothing is on its way.
  static bool is_quiet(const State& state) {
    for (std::size_t i = 0; i < k_nodes; ++i) {
      if (state.nodes[i] && state.nodes[i]->log.has_news()) return false;
      for (std::size_t j = 0; j < k_nodes; ++j) {
        if (i == j || !state.nodes[i]) continue;
        if (state.cut[i][j] || !state.wire[i][j].empty()) return false;
        if (state.session[i][j] != (state.nodes[j] != nullptr)) return false;
      }
    }
    return true;
  }

  // -- what must come of it ------------------------------------------------------------------

  static void deliver_all(State& state) {
    for (bool any = true; any;) {
      any = false;
      for (std::size_t to = 0; to < k_nodes; ++to) {
        for (std::size_t from = 0; from < k_nodes; ++from) {
          if (state.wire[from][to].empty() || !state.session[to][from]) continue;
          deliver(state, to, from);
          any = true;
        }
      }
    }
  }
  /// The faults end, all nodes that live meet, and compare what they have.
  static void recover(State& state) {
    for (std::size_t i = 0; i < k_nodes; ++i) {
      for (std::size_t j = 0; j < k_nodes; ++j) {
        if (i == j || !state.nodes[i]) continue;
        state.cut[i][j] = false;
        const bool there = state.nodes[j] != nullptr;
        if (state.session[i][j] && (!there || !state.session[j][i])) lose(state, i, j);
        if (!there && may_declare_dead(state, i, j)) declare_dead(state, i, j);
      }
    }
    for (std::size_t i = 0; i < k_nodes; ++i) {
      for (std::size_t j = i + 1; j < k_nodes; ++j) {
        if (state.nodes[i] && state.nodes[j] && can_connect(state, i, j)) connect(state, i, j);
      }
    }
    for (int round = 0; round < 3; ++round) {
      deliver_all(state);
      for (std::size_t i = 0; i < k_nodes; ++i) {
        if (!state.nodes[i]) continue;
        change(state, i, [](Node& node) { node.log.on_tick(); });
      }
    }
    deliver_all(state);
  }

  /// Nothing, or what is still wrong once the faults have ended.
  [[nodiscard]] std::optional<std::string> forked_for_ever(State state) const {
    recover(state);
    for (unsigned n = 0; n < limits_.names; ++n) {
      const std::string name = "n" + std::to_string(n);
      std::optional<Pid> first;
      for (const auto& node : state.nodes) {
        if (!node) continue;
        const auto row = node->log.find(name);
        const Pid holder = row ? row->pid : Pid{};
        if (first && *first != holder) return "the nodes never agree on who has " + name;
        first = holder;
      }
      for (const Process& process : state.processes) {
        if (process.name != name) continue;
        if (process.lost > 1) return "the process of " + where(process) + " is told twice";
        const bool holds = first && *first == process.pid;
        if (holds && !process.alive)
          return name + " stays with a dead process of " + where(process);
        if (process.alive && process.lost == 0 && !holds && registered(state, process)) {
          return "a living process of " + where(process) + " has lost " + name + " unheard";
        }
      }
    }
    return std::nullopt;
  }
  /// It was given the name: a taken one is refused, and its process then has none.
  static bool registered(const State& state, const Process& process) {
    const auto& node = state.nodes[place(process.pid.node)];
    return node && node->id == process.pid.node;
  }

  // -- text ----------------------------------------------------------------------------------

  static void write(std::ostream& out, const cluster::NameRecord& record) {
    out << record.name << static_cast<int>(record.state) << '.' << record.index << '.' << record.at
        << ' ';
  }
  static void write(std::ostream& out, const Node& node) {
    out << node.id.value << node.log.to_text();
    for (const auto& [origin, version] : node.seen) out << origin.value << '=' << version << ' ';
    for (const bool reached : node.reached) out << reached;
  }
  static void write(std::ostream& out, const cluster::NamesDigest& digest) {
    out << 'D' << digest.summary << digest.answer;
    for (const auto& row : digest.rows) out << row.node << row.life << '.' << row.version << ' ';
  }
  static void write(std::ostream& out, const cluster::NamesPull& pull) {
    out << 'L' << pull.node << pull.life << '.' << pull.version << pull.complete << pull.after;
  }
  static void write(std::ostream& out, const cluster::NamesPart& part) {
    out << 'P' << part.node << part.life << '.' << part.from << '.' << part.version << part.ranged
        << part.after << part.until << part.acknowledge;
    for (const auto& record : part.changes) write(out, record);
    out << '|';
    for (const auto& record : part.names) write(out, record);
  }
  static void write(std::ostream& out, const cluster::NamesDrop& drop) {
    out << 'X' << drop.name << drop.index;
  }
  template <class T>
  static std::uint64_t hash_of(const T& one) {
    std::ostringstream out;
    write(out, one);
    return std::hash<std::string>{}(out.str());
  }

  Limits limits_;
};

}  // namespace grove::model
