// SPDX-License-Identifier: Apache-2.0
//
// The cluster's names as a model to explore: three nodes, each with the real NameLog, and between
// them sessions as transport/ promises them: in order, and lost from some point on, which the two
// ends notice by themselves. Nodes crash and come back as another life, are cut off from each other
// and not, and hold each other for dead; processes take a name, also from who has it, and end.
//
// A cut is what comes of it: a session ends that both ends had. How long it lasts makes no ways of
// its own, since nodes without a session may connect at any time, or never.
// What a node does follows from its state and from what happens to it: it is worked out once, kept,
// and shared by the many states that it is a part of.
#pragma once

#include "grove/core/ids.hpp"

#include "name_log.hpp"
#include "names_state.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace grove::model {

class NamesModel : public NamesTypes {
 public:
  /// What must never be so. `names`: all but that a node goes back in what it knows, which comes
  /// before a name that is back. `at_rest`: what would last for ever.
  enum class Checks : std::uint8_t { all, names, at_rest };
  explicit NamesModel(Limits limits, Checks checks = Checks::all)
      : limits_{limits}, checks_{checks} {}

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
        step(at + " starts again", [&](State& next) { start(next, i); });
        continue;
      }
      if (state.left.crashes > 0) step(at + " crashes", [&](State& next) { crash(next, i); });
      if (state.left.ticks > 0) {
        step(at + " compares", [&](State& next) {
          --next.left.ticks;
          compare(next, i);
        });
      }
      if (state.nodes[i]->log.has_news()) {
        step(at + " tells", [&](State& next) {
          change(
              next, i, {k_tell}, [](Node&) {}, News::told);
        });
      }
      for (unsigned n = 0; n < limits_.names; ++n) {
        if (!may_register(state, i, n)) continue;
        step(at + " registers " + name_of(n), [&](State& next) { take(next, i, n); });
      }
      for (unsigned n = 0; n < limits_.names; ++n) {
        if (state.left.moves == 0 || state.nodes[i]->holders[n] == Pid{}) continue;
        step(at + " moves " + name_of(n) + " to itself", [&](State& next) { move(next, i, n); });
      }
      for (std::size_t p = 0; limits_.again && p < state.processes.size(); ++p) {
        const Process& process = state.processes[p];
        const Pid holder = state.nodes[i]->holders[process.name];
        const unsigned left = holder == Pid{} ? state.left.registrations : state.left.moves;
        const bool here = process.alive && process.pid.node == state.nodes[i]->id;
        if (!here || left == 0 || holder == process.pid) continue;
        step("the process of " + at + " takes " + name_of(process.name) + " again",
             [&](State& next) { take_again(next, i, p); });
      }
      for (std::size_t p = 0; p < state.processes.size(); ++p) {
        const Process& process = state.processes[p];
        if (state.left.ends == 0 || !may_end(process) || process.pid.node != state.nodes[i]->id) {
          continue;
        }
        step("the process of " + at + " ends", [&](State& next) { end(next, i, p); });
      }
      for (std::size_t j = 0; j < k_nodes; ++j) {
        if (j != i) steps_towards(state, i, j, step);
      }
    }
  }

  [[nodiscard]] std::uint64_t fingerprint(const State& state) const {
    Hash hash;
    const Limits& left = state.left;
    const bool more_ends =
        left.registrations > 0 || std::any_of(state.processes.begin(), state.processes.end(),
                                              [](const Process& one) { return may_end(one); });
    for (const unsigned one : {left.registrations, left.moves, more_ends ? left.ends : 0, left.cuts,
                               left.halves, left.crashes, left.declared, left.ticks}) {
      hash.add(one);
    }
    for (std::size_t i = 0; i < k_nodes; ++i) {
      hash.add(state.lives[i]);
      hash.add(state.nodes[i] ? state.nodes[i]->hash : 0);
      for (std::size_t j = 0; j < k_nodes; ++j) {
        hash.add(1 + static_cast<std::uint64_t>(state.session[i][j]));
        for (const Sent* sent : state.wire[i][j]) hash.add(sent->hash);
      }
    }
    for (const Process& process : state.processes) {
      hash.add(process.pid.node.value);
      hash.add(process.name);
      hash.add((process.alive ? 1U : 0U) + (process.moved ? 2U : 0U) + (process.refused ? 4U : 0U) +
               8 * process.lost);
      hash.add(process.removed);
    }
    return hash.value;
  }

  [[nodiscard]] std::optional<std::string> broken(const State& state) const {
    if (checks_ != Checks::at_rest) {
      if (auto what = wrong_name(state)) return what;
    }
    for (const Node* node : state.nodes) {
      if (checks_ != Checks::all || node == nullptr || node->back == NodeId{}) continue;
      return node_name(node->id) + " goes back in what it knows of the names of " +
             node_name(node->back);
    }
    // From every other state some steps lead to one of these.
    return is_quiet(state) ? forked_for_ever(state) : std::nullopt;
  }

 private:
  using News = cluster::NameLog::News;
  struct Hash {
    std::uint64_t value = 0;
    void add(std::uint64_t word) {
      value = (value ^ word) * 0x9E3779B97F4A7C15U;
      value ^= value >> 29U;
    }
  };
  /// What happens to a node.
  enum Event { k_tell, k_tick, k_take, k_move, k_end, k_meet, k_lose, k_bury, k_reach, k_hear };
  struct Outcome {
    const Node* node = nullptr;
    std::vector<std::pair<std::size_t, const Sent*>> sent;  // to whom
    std::vector<Pid> lost;
  };

  static std::string letter(std::size_t i) { return std::string(1, static_cast<char>('a' + i)); }
  static std::string where(const Process& process) { return node_name(process.pid.node); }
  static std::string name_of(unsigned n) { return "n" + std::to_string(n); }
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

  /// Where all nodes have met, they differ by the order of their names alone, and that orders two
  /// claims on one name and nothing else. So of the nodes that claim first and second, these say it
  /// all: a and a, a and b, b and a. What others do is the same under other names. Of two names,
  /// neither taken yet, one is as good as the other.
  [[nodiscard]] bool may_register(const State& state, std::size_t i, unsigned n) const {
    if (state.left.registrations == 0 || state.nodes[i]->holders[n] != Pid{}) return false;
    if (limits_.apart || limits_.again || limits_.moves > 0 || limits_.registrations > 2)
      return true;
    if (i >= limits_.registrations) return false;
    if (state.processes.empty()) return n == 0;
    return i == 0 || place(state.processes.front().pid.node) != i;
  }
  /// The end of one that has lost its name changes nothing.
  static bool may_end(const Process& process) { return process.alive && process.removed == 0; }

  void start(State& state, std::size_t i) const {
    Node node{intern_node(letter(i), Life{++state.lives[i]}), limits_.rule};
    state.nodes[i] = keep(std::move(node));
  }
  static void crash(State& state, std::size_t i) {
    --state.left.crashes;
    for (Process& process : state.processes) {
      if (process.pid.node == state.nodes[i]->id) process.alive = false;
    }
    state.nodes[i] = nullptr;
    for (std::size_t j = 0; j < k_nodes; ++j) {
      state.wire[j][i].clear();
      state.session[i][j] = End::none;
    }
  }
  void take(State& state, std::size_t i, unsigned n) const {
    --state.left.registrations;
    begin(state, i, n);
    add(state, i, state.processes.back(), k_take);
    Process& taker = state.processes.back();
    taker.refused = taker.removed != 0 && taker.lost == 0;
  }
  void move(State& state, std::size_t i, unsigned n) const {
    begin(state, i, n);
    take_from_holder(state, i, state.processes.back());
  }
  void take_again(State& state, std::size_t i, std::size_t p) const {
    Process& process = state.processes[p];
    process = {process.pid, process.name};
    if (state.nodes[i]->holders[process.name] != Pid{}) {
      take_from_holder(state, i, process);
    } else {
      --state.left.registrations;
      add(state, i, process, k_take);
    }
  }
  static void begin(State& state, std::size_t i, unsigned n) {
    const auto index = static_cast<std::uint32_t>(state.processes.size() + 1);
    state.processes.push_back({{state.nodes[i]->id, index, 1}, n});
  }
  void take_from_holder(State& state, std::size_t i, const Process& taker) const {
    --state.left.moves;
    const Pid holder = state.nodes[i]->holders[taker.name];
    for (Process& process : state.processes) process.moved |= process.pid == holder;
    add(state, i, taker, k_move);
  }
  void add(State& state, std::size_t i, const Process& process, Event event) const {
    const Pid pid = process.pid;
    const unsigned n = process.name;
    const auto register_it = [&](Node& node) {
      cluster::NameLog::NewName request;
      request.name = name_of(n);
      request.pid = pid;
      request.replaces = event == k_move;
      // All clocks stand still: the order is theirs alone.
      static_cast<void>(node.log.add(request, 1));
    };
    change(state, i, {event, n, pid.index}, register_it, own_news());
  }
  void end(State& state, std::size_t i, std::size_t process) const {
    --state.left.ends;
    state.processes[process].alive = false;
    const Pid pid = state.processes[process].pid;
    change(
        state, i, {k_end, pid.index}, [&](Node& node) { node.log.remove_all(pid); }, own_news());
  }
  void compare(State& state, std::size_t i) const {
    change(state, i, {k_tick}, [](Node& node) { node.log.on_tick(); });
  }
  [[nodiscard]] News own_news() const { return limits_.gathers ? News::gathered : News::told; }

  template <class Step>
  void steps_towards(const State& state, std::size_t i, std::size_t j, const Step& step) const {
    const std::string pair = letter(std::min(i, j)) + letter(std::max(i, j));
    const bool both = state.nodes[j] != nullptr;
    if (state.session[i][j] == End::whole && !state.wire[j][i].empty()) {
      step(letter(i) + " hears " + letter(j), [&](State& next) { deliver(next, i, j); });
    }
    if (is_over(state, i, j)) {
      step(letter(i) + " loses " + letter(j), [&](State& next) { lose(next, i, j); });
    }
    if (is_whole(state, i, j) && state.left.cuts > 0) {
      step(pair + " is cut: " + letter(i) + " loses " + letter(j), [&](State& next) {
        --next.left.cuts;
        lose(next, i, j);
      });
    }
    if (state.left.halves > 0 && both && state.session[i][j] == End::none) {
      step(letter(i) + " alone begins a session with " + letter(j), [&](State& next) {
        --next.left.halves;
        next.session[i][j] = End::half;
        meet(next, i, j);
      });
    }
    if (i < j && both && can_connect(state, i, j)) {
      step(pair + " connects", [&](State& next) { connect(next, i, j); });
    }
    if (state.left.declared > 0 && may_declare_dead(state, i, j)) {
      step(letter(i) + " holds " + letter(j) + " for dead", [&](State& next) {
        --next.left.declared;
        declare_dead(next, i, j);
      });
    }
    if (both && may_be_reached(state, i, j)) {
      step(letter(i) + " hears that " + letter(j) + " is reached",
           [&](State& next) { reach(next, i, j); });
    }
  }

  static bool is_whole(const State& state, std::size_t i, std::size_t j) {
    return state.session[i][j] == End::whole && state.session[j][i] == End::whole;
  }
  /// i does not know yet.
  static bool is_over(const State& state, std::size_t i, std::size_t j) {
    return state.session[i][j] != End::none && !is_whole(state, i, j);
  }
  static bool can_connect(const State& state, std::size_t i, std::size_t j) {
    return state.session[i][j] == End::none && state.session[j][i] == End::none;
  }
  static bool may_declare_dead(const State& state, std::size_t i, std::size_t j) {
    return state.nodes[i]->members[j] != NodeId{} && state.session[i][j] == End::none;
  }
  /// The third one has sessions with both.
  static bool may_be_reached(const State& state, std::size_t i, std::size_t j) {
    const Node& node = *state.nodes[i];
    const std::size_t third = k_nodes - i - j;
    const NodeId known = node.members[j];
    const bool same_life = known == NodeId{} || known == state.nodes[j]->id;
    return same_life && !node.reached[j] && state.session[i][j] == End::none &&
           state.nodes[third] && is_whole(state, i, third) && is_whole(state, third, j);
  }

  void connect(State& state, std::size_t i, std::size_t j) const {
    state.session[i][j] = state.session[j][i] = End::whole;
    meet(state, i, j);
    meet(state, j, i);
  }
  /// i has a session with j now.
  void meet(State& state, std::size_t i, std::size_t j) const {
    const NodeId peer = state.nodes[j]->id;
    change(state, i, {k_meet, peer.value}, [&](Node& node) {
      node.reached[j] = false;
      if (node.members[j] != NodeId{} && node.members[j] != peer) {
        node.log.on_member(std::exchange(node.members[j], NodeId{}), false);
      }
      if (node.members[j] == NodeId{}) join(node, peer, j);
      node.log.on_session_up(peer);
    });
  }
  static void join(Node& node, NodeId peer, std::size_t at) {
    node.members[at] = peer;
    node.log.on_member(peer, true);
  }
  /// What is on its way to the one that loses it is lost.
  void lose(State& state, std::size_t i, std::size_t j) const {
    state.session[i][j] = End::none;
    state.wire[j][i].clear();
    change(state, i, {k_lose, j}, [&](Node& node) {
      if (node.members[j] != NodeId{}) node.log.on_session_down(node.members[j]);
    });
  }
  void declare_dead(State& state, std::size_t i, std::size_t j) const {
    change(state, i, {k_bury, j}, [&](Node& node) {
      const NodeId gone = std::exchange(node.members[j], NodeId{});
      node.reached[j] = false;
      std::erase_if(node.seen, [gone](const auto& version) { return version.first == gone; });
      node.log.on_member(gone, false);
    });
  }
  void reach(State& state, std::size_t i, std::size_t j) const {
    const NodeId far = state.nodes[j]->id;
    change(state, i, {k_reach, far.value}, [&](Node& node) {
      node.reached[j] = true;
      if (node.members[j] == NodeId{}) join(node, far, j);
      node.log.on_reached(far, letter(k_nodes - i - j));
    });
  }
  void deliver(State& state, std::size_t to, std::size_t from) const {
    auto& wire = state.wire[from][to];
    const Sent* const sent = wire.front();
    wire.erase(wire.begin());
    change(state, to, {k_hear, from, sent->hash}, [&](Node& node) {
      const NodeId peer = node.members[from];
      std::visit([&](const auto& one) { node.log.on_message(peer, one); }, sent->message);
    });
  }

  /// Lets something happen to a node, which `event` says all of, and performs what its log decides.
  template <class F>
  void change(State& state, std::size_t i, std::initializer_list<std::uint64_t> event, F&& happen,
              News news = News::told) const {
    Hash key{state.nodes[i]->hash};
    for (const std::uint64_t word : event) key.add(word);
    const auto [known, is_new] = outcomes_.try_emplace(key.value);
    Outcome& outcome = known->second;
    if (is_new) {
      Node node = *state.nodes[i];
      if (news == News::told) note(outcome, node.log.take());
      happen(node);
      note(outcome, node.log.take(news));
      outcome.node = keep(std::move(node));
    }
    state.nodes[i] = outcome.node;
    // What is sent to one that has lost the session is never heard: it is as if it were not sent.
    for (const auto& [to, sent] : outcome.sent) {
      if (is_whole(state, i, to)) state.wire[i][to].push_back(sent);
    }
    const auto* own = outcome.node->log.origin(outcome.node->id);
    for (Process& process : state.processes) {
      if (process.pid.node != outcome.node->id) continue;
      process.lost +=
          static_cast<unsigned>(std::count(outcome.lost.begin(), outcome.lost.end(), process.pid));
      if (process.removed != 0) continue;
      const auto* entry = own->find(name_of(process.name));
      if (entry == nullptr || entry->index != process.pid.index) process.removed = own->version();
    }
  }
  void note(Outcome& outcome, cluster::NameLog::Actions actions) const {
    for (auto& action : actions) {
      if (auto* tell = std::get_if<cluster::NameLog::Tell>(&action)) {
        const std::uint64_t hash =
            std::visit([](const auto& one) { return hash_of(one); }, tell->message);
        auto& sent = messages_[hash];
        if (!sent) sent = std::make_unique<const Sent>(Sent{std::move(tell->message), hash});
        for (const NodeId peer : tell->to) outcome.sent.emplace_back(place(peer), sent.get());
      } else if (const auto* lost = std::get_if<cluster::NameLog::Lost>(&action)) {
        outcome.lost.push_back(lost->loser);
      }
    }
  }
  const Node* keep(Node node) const {
    node.back = NodeId{};
    note_version(node, node.id);
    for (const NodeId member : node.members) note_version(node, member);
    std::sort(node.seen.begin(), node.seen.end());
    node.holders.clear();
    for (unsigned n = 0; n < limits_.names; ++n) {
      const auto row = node.log.find(name_of(n));
      node.holders.push_back(row ? row->pid : Pid{});
    }
    node.hash = hash_of(node);
    auto& kept = nodes_[node.hash];
    if (!kept) kept = std::make_unique<const Node>(std::move(node));
    return kept.get();
  }
  static void note_version(Node& node, NodeId origin) {
    const auto* log = node.log.origin(origin);
    if (log == nullptr) return;
    for (auto& [id, greatest] : node.seen) {
      if (id != origin) continue;
      if (log->version() < greatest) node.back = origin;
      greatest = std::max(greatest, log->version());
      return;
    }
    node.seen.emplace_back(origin, log->version());
  }

  // -- what must never be ---------------------------------------------------------------------

  [[nodiscard]] static std::optional<std::string> wrong_name(const State& state) {
    for (const Process& process : state.processes) {
      if (process.lost > 1)
        return "the process of " + where(process) + " is told twice of one loss";
      if (process.removed == 0) continue;
      for (const Node* node : state.nodes) {
        if (node == nullptr || node->holders[process.name] != process.pid) continue;
        if (seen(*node, process.pid.node) < process.removed) continue;
        return node_name(node->id) +
               " sees a name that it knew to be removed: " + name_of(process.name) +
               " held by a process of " + where(process);
      }
    }
    return std::nullopt;
  }

  /// No fault lasts, and nothing is on its way.
  static bool is_quiet(const State& state) {
    for (std::size_t i = 0; i < k_nodes; ++i) {
      if (state.nodes[i] && state.nodes[i]->log.has_news()) return false;
      for (std::size_t j = 0; j < k_nodes; ++j) {
        if (i == j || !state.nodes[i]) continue;
        if (!state.wire[i][j].empty()) return false;
        if (state.session[i][j] != (state.nodes[j] ? End::whole : End::none)) return false;
      }
    }
    return true;
  }

  // -- what must come of it ------------------------------------------------------------------

  void deliver_all(State& state) const {
    for (bool any = true; any;) {
      any = false;
      for (std::size_t to = 0; to < k_nodes; ++to) {
        for (std::size_t from = 0; from < k_nodes; ++from) {
          if (state.wire[from][to].empty() || state.session[to][from] != End::whole) continue;
          deliver(state, to, from);
          any = true;
        }
      }
    }
  }
  /// The faults end, all nodes that live meet, and compare what they have.
  void recover(State& state) const {
    for (std::size_t i = 0; i < k_nodes; ++i) {
      for (std::size_t j = 0; j < k_nodes; ++j) {
        if (i == j || !state.nodes[i]) continue;
        if (is_over(state, i, j)) lose(state, i, j);
        if (!state.nodes[j] && may_declare_dead(state, i, j)) declare_dead(state, i, j);
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
        if (state.nodes[i]) compare(state, i);
      }
    }
    deliver_all(state);
  }

  /// Nothing, or what is still wrong once the faults have ended.
  [[nodiscard]] std::optional<std::string> forked_for_ever(State state) const {
    recover(state);
    for (unsigned n = 0; n < limits_.names; ++n) {
      std::optional<Pid> first;
      for (const Node* node : state.nodes) {
        if (node == nullptr) continue;
        const Pid holder = node->holders[n];
        if (first && *first != holder) return "the nodes never agree on who has " + name_of(n);
        first = holder;
      }
      for (const Process& process : state.processes) {
        if (process.name != n) continue;
        if (process.lost > 1) return "the process of " + where(process) + " is told twice";
        const bool holds = first && *first == process.pid;
        if (holds && !process.alive)
          return name_of(n) + " stays with a dead process of " + where(process);
        if (process.alive && !process.moved && process.lost == 0 && !holds && !process.refused &&
            registered(state, process)) {
          return "a living process of " + where(process) + " has lost " + name_of(n) + " unheard";
        }
        if (first == Pid{} && nobody_ends()) return "nobody is left who has " + name_of(n);
      }
    }
    return std::nullopt;
  }
  /// Who has a name then gives it up for another process alone.
  [[nodiscard]] bool nobody_ends() const {
    return limits_.rule != Rule::neither && limits_.ends == 0 && limits_.crashes == 0 &&
           limits_.declared == 0;
  }
  /// It was given the name: a taken one is refused, and its process then has none.
  static bool registered(const State& state, const Process& process) {
    const auto& node = state.nodes[place(process.pid.node)];
    return node && node->id == process.pid.node;
  }

  // -- text ----------------------------------------------------------------------------------

  template <class T>
  static std::uint64_t hash_of(const T& one) {
    std::ostringstream out;
    write(out, one);
    return std::hash<std::string>{}(out.str());
  }

  Limits limits_;
  Checks checks_;
  mutable std::unordered_map<std::uint64_t, std::unique_ptr<const Node>> nodes_;     // by hash
  mutable std::unordered_map<std::uint64_t, std::unique_ptr<const Sent>> messages_;  // by hash
  mutable std::unordered_map<std::uint64_t, Outcome> outcomes_;  // by node and event
};

}  // namespace grove::model
