// SPDX-License-Identifier: Apache-2.0
//
// A network of Membership machines, on a time of its own: who reaches whom is a table, a message
// takes one step, and a session ends as Sessions ends it: at once when the other end died,
// after some silence when it is out of reach.
#pragma once

#include "membership.hpp"

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace grove::cluster::testing {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

class MembershipNet {
 public:
  struct Seen {
    std::string by;
    Membership::Changed change;
  };

  explicit MembershipNet(std::size_t nodes, std::uint64_t seed = 1, MembershipTimes times = {})
      : seed_{seed}, times_{times} {
    for (std::size_t i = 0; i < nodes; ++i) start("n" + std::to_string(i + 1));
    run(2s);
  }

  void start(const std::string& name) {
    MembershipConfig config{name, Life{++lives_}, name + ":1", times_, seed_ * 1000 + lives_};
    nodes_[name] = {std::make_unique<Membership>(config), Life{lives_}, false};
    for (const auto& [other, node] : nodes_) {
      if (other != name && reaches(name, other) && reaches(other, name)) connect(name, other);
    }
  }
  void kill(const std::string& name) {
    nodes_.erase(name);
    for (const auto& [other, node] : std::map<std::string, Node&>{all()}) disconnect(other, name);
  }
  /// It neither runs nor answers; its connections stay.
  void pause(const std::string& name) { nodes_.at(name).paused = true; }
  void resume(const std::string& name) { nodes_.at(name).paused = false; }
  void cut(const std::string& from, const std::string& to) { cuts_.insert({from, to}); }
  void cut_both(const std::string& one, const std::string& other) {
    cut(one, other);
    cut(other, one);
  }
  void isolate(const std::string& name) {
    for (const auto& [other, node] : nodes_) {
      if (other != name) cut_both(name, other);
    }
  }
  void heal() { cuts_.clear(); }
  void leave(const std::string& name) { act(name, nodes_.at(name).machine->leave()); }

  void run(Clock::Duration time) {
    for (const Clock::TimePoint end = now_ + time; now_ < end; now_ += k_step) step();
  }

  [[nodiscard]] Membership& operator[](const std::string& name) { return *nodes_.at(name).machine; }
  [[nodiscard]] Membership::MemberView view(const std::string& by, const std::string& of) {
    for (const auto& member : (*this)[by].members()) {
      if (member.name == of) return member;
    }
    return {};
  }
  /// Whether all that run see all that run as alive, and nobody else.
  [[nodiscard]] bool agreed() {
    for (const auto& [name, node] : nodes_) {
      std::size_t alive = 0;
      for (const auto& member : node.machine->members()) {
        if (member.state == MemberState::suspect) return false;
        if (member.state != MemberState::alive) continue;
        if (!nodes_.contains(member.name) || nodes_.at(member.name).life != member.life) {
          return false;
        }
        ++alive;
      }
      if (alive + 1 != nodes_.size()) return false;
    }
    return true;
  }
  /// How often any node saw a member go to that state since the last forget().
  [[nodiscard]] std::size_t changes_to(MemberState state, const std::string& of = {}) const {
    std::size_t count = 0;
    for (const Seen& seen : seen_) {
      count += seen.change.to == state && (of.empty() || seen.change.name == of) ? 1 : 0;
    }
    return count;
  }
  /// How many messages of that kind were sent since then.
  [[nodiscard]] std::size_t sent(SwimKind kind) { return sent_[kind]; }
  void forget() {
    seen_.clear();
    sent_.clear();
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, node] : nodes_) names.push_back(name);
    return names;
  }

 private:
  static constexpr Clock::Duration k_silence = 4s;
  static constexpr Clock::Duration k_step = 5ms;
  static constexpr Clock::Duration k_look = 100ms;  // at sessions
  struct Node {
    std::unique_ptr<Membership> machine;
    Life life;
    bool paused = false;
  };
  struct InFlight {
    Clock::TimePoint at;
    std::string from;
    Life from_life;
    Membership::Send send;
  };
  using Pair = std::pair<std::string, std::string>;

  std::map<std::string, Node&> all() {
    std::map<std::string, Node&> nodes;
    for (auto& [name, node] : nodes_) nodes.emplace(name, node);
    return nodes;
  }
  bool reaches(const std::string& from, const std::string& to) const {
    return nodes_.contains(to) && !cuts_.contains({from, to});
  }
  static Pair pair_of(const std::string& one, const std::string& other) {
    return one < other ? Pair{one, other} : Pair{other, one};
  }
  void connect(const std::string& one, const std::string& other) {
    if (!sessions_.emplace(pair_of(one, other), now_).second) return;
    up(one, other);
    up(other, one);
  }
  void up(const std::string& at, const std::string& of) {
    act(at, nodes_.at(at).machine->on_session_up(of, nodes_.at(of).life, of + ":1", now_));
  }
  void disconnect(const std::string& one, const std::string& other) {
    if (sessions_.erase(pair_of(one, other)) == 0) return;
    for (const auto& [at, of] : {Pair{one, other}, Pair{other, one}}) {
      if (nodes_.contains(at)) act(at, nodes_.at(at).machine->on_session_down(of, now_));
    }
  }

  void step() {
    while (!flying_.empty() && flying_.front().at <= now_) {
      const InFlight message = std::move(flying_.front());
      flying_.pop_front();
      arrive(message);
    }
    if (now_ >= look_at_) {
      look_at_ = now_ + k_look;
      look_at_sessions();
    }
    for (auto& [name, node] : nodes_) {
      if (!node.paused && node.machine->next_tick() <= now_) act(name, node.machine->on_tick(now_));
    }
  }
  void look_at_sessions() {
    std::vector<Pair> silent;
    for (auto& [pair, heard] : sessions_) {
      const auto& [one, other] = pair;
      const bool well = reaches(one, other) && reaches(other, one) && !nodes_.at(one).paused &&
                        !nodes_.at(other).paused;
      if (well) heard = now_;
      if (now_ - heard > k_silence) silent.push_back(pair);
    }
    for (const auto& [one, other] : silent) disconnect(one, other);
    for (const auto& [one, node] : nodes_) {
      for (const auto& [other, peer] : nodes_) {
        if (one < other && !node.paused && !peer.paused && reaches(one, other) &&
            reaches(other, one)) {
          connect(one, other);
        }
      }
    }
  }
  void arrive(const InFlight& message) {
    const std::string& to = message.send.to;
    if (!reaches(message.from, to) || !sessions_.contains(pair_of(message.from, to))) return;
    if (nodes_.at(to).paused) {  // it waits in the socket
      flying_.push_back({now_ + k_step, message.from, message.from_life, message.send});
      return;
    }
    act(to, nodes_.at(to).machine->on_message(message.from, message.send.message, now_));
  }
  void act(const std::string& by, Membership::Actions actions) {
    for (Membership::Action& action : actions) {
      if (auto* send = std::get_if<Membership::Send>(&action)) {
        ++sent_[send->message.kind];
        if (sessions_.contains(pair_of(by, send->to))) {
          flying_.push_back({now_ + k_step, by, nodes_.at(by).life, std::move(*send)});
        }
      } else if (auto* change = std::get_if<Membership::Changed>(&action)) {
        seen_.push_back({by, std::move(*change)});
      }
    }
  }

  const std::uint64_t seed_;
  const MembershipTimes times_;
  std::uint64_t lives_ = 0;
  Clock::TimePoint now_{1s};
  Clock::TimePoint look_at_{};
  std::map<std::string, Node> nodes_;
  std::map<Pair, Clock::TimePoint> sessions_;  // when both ends last heard of each other
  std::set<Pair> cuts_;
  std::deque<InFlight> flying_;
  std::vector<Seen> seen_;
  std::map<SwimKind, std::size_t> sent_;
};

}  // namespace grove::cluster::testing
