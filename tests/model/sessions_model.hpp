// SPDX-License-Identifier: Apache-2.0
//
// The sessions of two nodes as a model to explore: each has the real Sessions, and between them are
// links as a network gives them: each direction keeps its order, nothing else is ordered, and of
// what was under way when a link breaks any rest is lost. The dialler hears of a break at some
// time, the listener never. Nodes crash and come back as another life, time passes for each as it
// likes, and others tell of the peer.
//
// What it shows is what the model of names takes for granted: messages of one session in order, up
// to some point; a session that both have only when neither has the last one; and always one in the
// end. Of a session that one node enters while the other still has the last one, that other never
// knows.
// What a node does follows from its history, that is all that has happened to it, in that order: it
// is worked out once, kept, and shared by the many states that it is a part of. Two ways to the
// same two histories are one.
#pragma once

#include "grove/core/ids.hpp"
#include "grove/transport/local.hpp"
#include "grove/transport/sessions.hpp"

#include "transport/session_net.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace grove::model {

class SessionsModel {
 public:
  static constexpr std::size_t k_nodes = 2;
  /// How often each may happen on one way.
  struct Limits {
    unsigned breaks = 0;  // of links
    unsigned crashes = 0;
    unsigned pauses = 0;       // so long that a redial is due, and no more
    unsigned silences = 0;     // so long that every deadline has passed
    unsigned told = 0;         // of the peer's present life, by others
    unsigned batches = 2;      // that a node sends in each session, at once
    bool one_dials = false;    // b has no seed
    bool one_machine = false;  // they reach each other by a socket file, too
    bool by_hand = false;      // no seeds: each connects to the other's address, once
  };

  struct Node {
    transport::Sessions sessions;
    Clock::TimePoint now{std::chrono::seconds{1000}};
    std::optional<transport::SessionHeader> session{};  // that is up
    std::uint64_t sent = 0;                             // batches in it
    std::uint64_t received = 0;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> past{};  // all of its sessions' epochs
    Life peer{};                                                  // the latest that it met
    unsigned downs = 0;
    bool connected = false;  // so it is told, of its connect()
    std::string wrong{};     // what it must never have done
    std::uint64_t hash = 0;  // of its history
  };
  struct Parcel {
    enum class Kind : std::uint8_t { connection, frame, broken } kind;
    transport::Buffer frame;
    std::uint64_t hash = 0;
  };
  using NodePtr = std::shared_ptr<const Node>;
  using ParcelPtr = std::shared_ptr<const Parcel>;
  struct Link {
    std::size_t dialler = 0;
    Life dialler_life{};
    transport::LinkId id = 0;
    Life listener_life{};  // of whom it has reached; none: it is not connected yet
    bool open = true;      // its dialler has not hung up
    bool broken = false;   // nothing gets into it any more
    std::vector<ParcelPtr> there{};
    std::vector<ParcelPtr> back{};
    [[nodiscard]] auto key() const noexcept { return std::tuple{dialler, dialler_life, id}; }
    [[nodiscard]] transport::Route route() const {
      return letter(dialler) + std::to_string(dialler_life.value) + '.' + std::to_string(id);
    }
  };
  struct State {
    Limits left;
    std::array<NodePtr, k_nodes> nodes;  // null: crashed
    std::array<std::uint64_t, k_nodes> lives{};
    std::array<bool, k_nodes> crossed{};  // its session began while the other still had another
    std::string wrong;
    std::vector<Link> links;  // by key
  };

  explicit SessionsModel(Limits limits) : limits_{limits} {}

  [[nodiscard]] State initial() const {
    State state;
    state.left = limits_;
    for (std::size_t i = 0; i < k_nodes; ++i) start(state, i);
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
      if (state.left.pauses > 0) {
        step("2.6 s pass for " + at, [&](State& next) {
          --next.left.pauses;
          pass(next, i, std::chrono::milliseconds{2600});
        });
      }
      if (state.left.silences > 0) {
        step("10 s pass for " + at, [&](State& next) {
          --next.left.silences;
          pass(next, i, std::chrono::seconds{10});
        });
      }
      if (state.left.told > 0) {
        step(at + " is told of " + letter(1 - i), [&](State& next) {
          --next.left.told;
          tell(next, i);
        });
      }
    }
    for (std::size_t k = 0; k < state.links.size(); ++k) {
      const Link& link = state.links[k];
      const std::string name = "link " + link.route();
      if (!link.there.empty()) {
        step(name + " delivers", [&](State& next) { deliver(next, k); });
      }
      if (!link.back.empty()) step(name + " answers", [&](State& next) { answer(next, k); });
      if (!link.there.empty() && (!link.open || link.broken)) {
        step(name + " loses the rest", [&](State& next) {
          next.links[k].there.clear();
          tidy(next);
        });
      }
      if (state.left.breaks == 0 || !link.open || link.broken) continue;
      step(name + " breaks", [&](State& next) { break_link(next, k, false); });
      if (link.back.empty()) continue;
      step(name + " breaks and loses its answers", [&](State& next) { break_link(next, k, true); });
    }
  }

  [[nodiscard]] std::uint64_t fingerprint(const State& state) const {
    std::uint64_t hash = 0;
    const Limits& left = state.left;
    for (const unsigned one : {left.breaks, left.crashes, left.pauses, left.silences, left.told}) {
      hash = mixed(hash, one);
    }
    for (std::size_t i = 0; i < k_nodes; ++i) {
      hash = mixed(hash, state.lives[i]);
      hash = mixed(hash, state.nodes[i] ? state.nodes[i]->hash : 0);
      hash = mixed(hash, state.crossed[i] ? 1 : 0);
    }
    for (const Link& link : state.links) {
      hash = mixed(mixed(mixed(hash, link.dialler), link.dialler_life.value), link.id);
      hash =
          mixed(hash, link.listener_life.value * 4 + (link.open ? 2 : 0) + (link.broken ? 1 : 0));
      for (const ParcelPtr& parcel : link.there) hash = mixed(hash, parcel->hash);
      hash = mixed(hash, 1);
      for (const ParcelPtr& parcel : link.back) hash = mixed(hash, parcel->hash);
    }
    return hash;
  }

  [[nodiscard]] std::optional<std::string> broken(const State& state) const {
    if (!state.wrong.empty()) return state.wrong;
    for (const NodePtr& node : state.nodes) {
      if (node && !node->wrong.empty()) return node->wrong;
    }
    if (!state.nodes[0] || !state.nodes[1]) return std::nullopt;
    const Node& a = *state.nodes[0];
    const Node& b = *state.nodes[1];
    if (is_calm() && a.downs + b.downs > 0) return "a session ended for nothing";
    const bool quiet = std::all_of(state.links.begin(), state.links.end(), [](const Link& link) {
      return link.there.empty() && link.back.empty();
    });
    if (!quiet) return std::nullopt;
    if (limits_.by_hand && !(a.connected && b.connected)) return "nothing is said of a connection";
    return SessionsModel{limits_}.never_settles(state);  // which keeps what is of no use to others
  }

 private:
  using Sessions = transport::Sessions;
  using Kind = Parcel::Kind;
  /// What happens to a node.
  enum Event : std::uint64_t {
    k_start,
    k_pass,
    k_tell,
    k_up,
    k_refused,
    k_broken,
    k_hear,
    k_heard
  };

  /// What a node asks for: a link begins or ends, a frame goes into it or back, a session is up.
  struct Dialled {
    transport::LinkId id;
  };
  struct HungUp {
    transport::LinkId id;
  };
  struct Sent {
    transport::LinkId id;
    ParcelPtr parcel;
  };
  struct Answered {
    transport::Route route;
    ParcelPtr parcel;
  };
  struct Entered {
    transport::SessionHeader header;
  };
  using Effect = std::variant<Dialled, HungUp, Sent, Answered, Entered>;
  struct Outcome {
    NodePtr node;
    std::vector<Effect> effects;
  };

  static std::string letter(std::size_t i) { return std::string(1, static_cast<char>('a' + i)); }
  static std::string address(std::size_t i) { return "10.0.0." + std::to_string(i + 1) + ":1"; }
  static Life life_of(const State& state, std::size_t i) { return Life{state.lives[i]}; }
  static std::uint64_t mixed(std::uint64_t hash, std::uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15U;
    return hash ^ (hash >> 29U);
  }
  static std::uint64_t hash_of(std::string_view text) {
    return std::hash<std::string_view>{}(text);
  }
  static ParcelPtr parcel(Kind kind, transport::Buffer frame = {}) {
    const std::string_view bytes{reinterpret_cast<const char*>(frame.data()), frame.size()};
    const std::uint64_t hash = mixed(hash_of(bytes), static_cast<std::uint64_t>(kind));
    return std::make_shared<const Parcel>(Parcel{kind, std::move(frame), hash});
  }
  /// Whether nothing goes wrong.
  [[nodiscard]] bool is_calm() const {
    return limits_.breaks + limits_.crashes + limits_.pauses + limits_.silences == 0;
  }
  /// Whether the two ends mean one session.
  static bool is_same(const transport::SessionHeader& one, const transport::SessionHeader& other) {
    return one.from_life == other.to_life && one.to_life == other.from_life &&
           one.from_epoch == other.to_epoch && one.to_epoch == other.from_epoch;
  }

  // -- what happens --------------------------------------------------------------------------

  void start(State& state, std::size_t i) const {
    transport::SessionsConfig config;
    config.name = letter(i);
    config.life = Life{++state.lives[i]};
    config.address = address(i);
    if (limits_.one_machine) {
      config.machine = "m1";
      config.local = transport::local_text(config.machine, "/run/" + config.name);
    }
    if (limits_.by_hand) {
      config.auto_connect = transport::AutoConnect::never;
    } else if (i == 0 || !limits_.one_dials) {
      config.seeds = {address(1 - i)};
    }
    config.cookie = transport::Cookie{"secret"};
    config.random_seed = config.life.value;
    config.nonce = testkit::counting_nonces(((i + 1) << 48U) + (config.life.value << 32U));
    Node node{Sessions{std::move(config)}};
    node.hash = mixed(mixed(0, i + 1), state.lives[i]);
    state.crossed[i] = false;
    state.nodes[i] = std::make_shared<const Node>(std::move(node));
    change(state, i, {k_start}, [&](Node& one) {
      if (limits_.by_hand) return one.sessions.connect(1, address(1 - i), one.now);
      return one.sessions.on_tick(one.now);
    });
  }
  void crash(State& state, std::size_t i) const {
    --state.left.crashes;
    state.nodes[i] = nullptr;
    for (Link& link : state.links) {
      if (link.dialler == i) {
        link.open = false;
        link.back.clear();
      } else if (link.listener_life != Life{} && !link.broken) {
        link.broken = true;
        link.there.clear();
        if (link.open) link.back.push_back(parcel(Kind::broken));
      }
    }
    tidy(state);
  }
  void pass(State& state, std::size_t i, Clock::Duration time) const {
    change(state, i, {k_pass, static_cast<std::uint64_t>(time.count())}, [time](Node& node) {
      node.now += time;
      return node.sessions.on_tick(node.now);
    });
  }
  void tell(State& state, std::size_t i) const {
    const Life life = life_of(state, 1 - i);
    change(state, i, {k_tell, life.value}, [&](Node& node) {
      return node.sessions.add_peer(letter(1 - i), life, address(1 - i), node.now);
    });
  }
  static void break_link(State& state, std::size_t k, bool loses_answers) {
    --state.left.breaks;
    Link& link = state.links[k];
    link.broken = true;
    if (link.listener_life == Life{}) link.there.clear();  // it never comes about
    if (loses_answers) link.back.clear();
    link.back.push_back(parcel(Kind::broken));
  }
  /// The oldest that is on its way to the listener arrives.
  void deliver(State& state, std::size_t k) const {
    Link& link = state.links[k];
    const ParcelPtr first = link.there.front();
    link.there.erase(link.there.begin());
    const std::size_t dialler = link.dialler;
    const std::size_t listener = 1 - dialler;
    if (first->kind == Kind::connection) {
      if (!link.open) {
        link.there.clear();
      } else if (state.nodes[listener]) {
        link.listener_life = life_of(state, listener);
        change(state, dialler, {k_up, link.id},
               [id = link.id](Node& node) { return node.sessions.on_link_up(id, node.now); });
      } else {
        change(state, dialler, {k_refused, link.id}, [id = link.id](Node& node) {
          return node.sessions.on_link_down(id, "connection refused", node.now);
        });
      }
    } else if (state.nodes[listener] && link.listener_life == life_of(state, listener)) {
      const transport::Route route = link.route();
      change(state, listener, {k_hear, hash_of(route), first->hash}, [&](Node& node) {
        return node.sessions.on_frame(route, transport::Frame::own(first->frame), node.now);
      });
    }
    tidy(state);
  }
  /// The same on the way back.
  void answer(State& state, std::size_t k) const {
    Link& link = state.links[k];
    const ParcelPtr first = link.back.front();
    link.back.erase(link.back.begin());
    const transport::LinkId id = link.id;
    if (first->kind == Kind::broken) {
      link.open = false;
      change(state, link.dialler, {k_broken, id}, [id](Node& node) {
        return node.sessions.on_link_down(id, "connection lost", node.now);
      });
    } else {
      change(state, link.dialler, {k_heard, id, first->hash}, [&](Node& node) {
        return node.sessions.on_answer(id, transport::Frame::own(first->frame), node.now);
      });
    }
    tidy(state);
  }
  /// Links that nobody can hear of any more are none.
  static void tidy(State& state) {
    std::erase_if(state.links, [&](const Link& link) {
      if (link.open) return false;
      const std::size_t listener = 1 - link.dialler;
      return link.there.empty() || link.listener_life == Life{} || !state.nodes[listener] ||
             link.listener_life != life_of(state, listener);
    });
  }

  // -- what nodes do -------------------------------------------------------------------------

  /// Lets something happen to a node, which `event` says all of, and performs what it decides.
  template <class F>
  void change(State& state, std::size_t i, std::initializer_list<std::uint64_t> event,
              F&& happen) const {
    std::uint64_t history = state.nodes[i]->hash;
    for (const std::uint64_t word : event) history = mixed(history, word);
    const auto [known, is_new] = outcomes_.try_emplace(history);
    if (is_new) {
      Node node = *state.nodes[i];
      node.hash = history;
      const Sessions::Actions actions = happen(node);
      note(known->second, node, actions);
      known->second.node = std::make_shared<const Node>(std::move(node));
    }
    const Outcome& outcome = known->second;
    state.nodes[i] = outcome.node;
    for (const Effect& effect : outcome.effects) {
      std::visit([&](const auto& one) { perform(state, i, one); }, effect);
    }
  }
  void note(Outcome& outcome, Node& node, const Sessions::Actions& actions) const {
    for (const Sessions::Action& action : actions) {
      std::visit([&](const auto& one) { note(outcome, node, one); }, action);
    }
  }
  void note(Outcome& outcome, Node&, const Sessions::Dial& dial) const {
    outcome.effects.push_back(Dialled{dial.link});
  }
  /// A seed's address stands for itself.
  void note(Outcome& outcome, Node& node, const Sessions::Resolve& resolve) const {
    note(outcome, node, node.sessions.on_resolved(resolve.address, {resolve.address}, node.now));
  }
  void note(Outcome& outcome, Node&, const Sessions::HangUp& hang_up) const {
    outcome.effects.push_back(HungUp{hang_up.link});
  }
  void note(Outcome& outcome, Node&, const Sessions::Send& send) const {
    outcome.effects.push_back(Sent{send.link, parcel(Kind::frame, send.frame)});
  }
  void note(Outcome& outcome, Node&, const Sessions::Answer& answer) const {
    outcome.effects.push_back(Answered{answer.route, parcel(Kind::frame, answer.frame)});
  }
  /// Who has a session sends at once; what comes last may be lost alone.
  void note(Outcome& outcome, Node& node, const Sessions::Up& up) const {
    const std::pair epochs{up.header.from_epoch, up.header.to_epoch};
    if (node.session) node.wrong = "two sessions at a time";
    if (up.header.to_life < node.peer) node.wrong = "a session with a former life";
    if (std::find(node.past.begin(), node.past.end(), epochs) != node.past.end()) {
      node.wrong = "the same session again";
    }
    node.past.push_back(epochs);
    node.peer = up.header.to_life;
    node.session = up.header;
    node.sent = node.received = 0;
    outcome.effects.push_back(Entered{up.header});
    while (node.sent < limits_.batches) {
      transport::SessionHeader header = up.header;
      header.sequence = ++node.sent;
      transport::Buffer frame(transport::k_session_header_bytes);
      transport::encode(transport::FrameKind::batch, header, frame);
      outcome.effects.push_back(Sent{up.link, parcel(Kind::frame, std::move(frame))});
    }
  }
  void note(Outcome&, Node& node, const Sessions::Down&) const {
    if (!node.session) node.wrong = "the end of a session that there was not";
    node.session.reset();
    ++node.downs;
  }
  void note(Outcome&, Node& node, const Sessions::Deliver& deliver) const {
    const auto header = transport::parse_session_header(deliver.frame.bytes);
    if (!node.session || !header || !is_same(*node.session, *header)) {
      node.wrong = "what was said in another session is heard";
    } else if (header->sequence != ++node.received) {
      node.wrong = "something is heard twice, or with a gap";
    }
  }
  void note(Outcome&, Node& node, const Sessions::Acknowledged& acknowledged) const {
    if (acknowledged.sequence > node.sent) node.wrong = "more is acknowledged than was sent";
  }
  void note(Outcome&, Node& node, const Sessions::Connected& connected) const {
    node.connected = !connected.node.empty();
    if (!node.connected && is_calm()) node.wrong = "a connection is said to fail: " + connected.why;
  }
  void note(Outcome&, Node&, const Sessions::Say&) const {}
  void note(Outcome&, Node&, const Sessions::Count&) const {}

  static void perform(State& state, std::size_t i, const Dialled& dialled) {
    Link link{.dialler = i, .dialler_life = life_of(state, i), .id = dialled.id};
    link.there.push_back(parcel(Kind::connection));
    const auto place = std::find_if(state.links.begin(), state.links.end(),
                                    [&](const Link& other) { return link.key() < other.key(); });
    state.links.insert(place, std::move(link));
  }
  static void perform(State& state, std::size_t i, const HungUp& hung_up) {
    Link* const link = link_of(state, i, hung_up.id);
    if (link == nullptr) return;
    link->open = false;
    link->back.clear();
  }
  static void perform(State& state, std::size_t i, const Sent& sent) {
    Link* const link = link_of(state, i, sent.id);
    if (link != nullptr && link->open && !link->broken) link->there.push_back(sent.parcel);
  }
  static void perform(State& state, std::size_t i, const Answered& answered) {
    for (Link& link : state.links) {
      const bool is_listener = link.dialler != i && link.listener_life == life_of(state, i);
      if (is_listener && link.open && !link.broken && link.route() == answered.route) {
        link.back.push_back(answered.parcel);
      }
    }
  }
  static void perform(State& state, std::size_t i, const Entered& entered) {
    const NodePtr& other = state.nodes[1 - i];
    const bool has_one = other && other->session;
    const bool has_this = has_one && is_same(*other->session, entered.header);
    if (has_this && state.crossed[1 - i]) state.wrong = "a session began before the last had ended";
    state.crossed[i] = has_one && !has_this;
  }
  static Link* link_of(State& state, std::size_t i, transport::LinkId id) {
    const auto place = std::find_if(state.links.begin(), state.links.end(), [&](const Link& link) {
      return link.dialler == i && link.dialler_life == life_of(state, i) && link.id == id;
    });
    return place == state.links.end() ? nullptr : &*place;
  }

  // -- what comes of it ----------------------------------------------------------------------

  /// From here on nothing goes wrong any more and time passes for both: is there one session, soon
  /// and for good? Returns: what is instead.
  [[nodiscard]] std::optional<std::string> never_settles(State state) const {
    constexpr std::chrono::milliseconds k_step{250};
    constexpr int k_steps_to_settle = 20 * 4;
    constexpr int k_steps_to_last = 6 * 4;
    int lasting = 0;
    for (int n = 0; n < k_steps_to_settle + k_steps_to_last; ++n) {
      for (std::size_t i = 0; i < k_nodes; ++i) pass(state, i, k_step);
      for (int left = 1000; std::any_of(state.links.begin(), state.links.end(), is_busy); --left) {
        if (left == 0) return "the nodes never stop talking";
        deliver_one(state);
      }
      if (has_one_session(state)) {
        if (++lasting == k_steps_to_last) return std::nullopt;
      } else if (std::exchange(lasting, 0) > 0) {
        return "a session of both ends for nothing";
      }
    }
    return "there is no session of both, nor will there be";
  }
  static bool is_busy(const Link& link) { return !link.there.empty() || !link.back.empty(); }
  void deliver_one(State& state) const {
    for (std::size_t k = 0; k < state.links.size(); ++k) {
      if (!state.links[k].there.empty()) return deliver(state, k);
      if (!state.links[k].back.empty()) return answer(state, k);
    }
  }
  /// And each has the one link for it.
  static bool has_one_session(const State& state) {
    const Node& a = *state.nodes[0];
    const Node& b = *state.nodes[1];
    return a.session && b.session && is_same(*a.session, *b.session) && state.links.size() == 2;
  }

  Limits limits_;
  mutable std::unordered_map<std::uint64_t, Outcome> outcomes_;  // by history
};

}  // namespace grove::model
