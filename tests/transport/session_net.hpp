// SPDX-License-Identifier: Apache-2.0
//
// Sessions of a few nodes, wired together without a network: every action is done at once, every
// frame arrives in order, and time is a number.
#pragma once

#include "grove/transport/local.hpp"
#include "grove/transport/sessions.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace grove::testkit {

using transport::Buffer;
using transport::Frame;
using transport::LinkId;
using transport::Route;
using transport::Sessions;

/// The actions of one kind.
template <class A>
std::vector<A> only(const Sessions::Actions& actions) {
  std::vector<A> found;
  for (const Sessions::Action& action : actions) {
    if (const A* one = std::get_if<A>(&action)) found.push_back(*one);
  }
  return found;
}

inline std::function<transport::Nonce()> counting_nonces(std::uint64_t first) {
  return [next = first]() mutable {
    transport::Nonce nonce{};
    ++next;
    for (std::size_t i = 0; i < 8; ++i) nonce[i] = static_cast<std::byte>(next >> (8 * i));
    return nonce;
  };
}

/// One life of one node, and all that its sessions ever asked for.
struct SessionHost {
  explicit SessionHost(transport::SessionsConfig config)
      : name{config.name},
        life{config.life},
        address{config.address},
        sessions{std::move(config)} {}

  [[nodiscard]] bool has_said(const std::string& part) const { return times_said(part) > 0; }
  [[nodiscard]] std::size_t times_said(const std::string& part) const {
    return static_cast<std::size_t>(std::count_if(
        says.begin(), says.end(),
        [&part](const std::string& line) { return line.find(part) != std::string::npos; }));
  }
  [[nodiscard]] int count(Sessions::Count::What what) const {
    const auto place = counts.find(what);
    return place == counts.end() ? 0 : place->second;
  }
  [[nodiscard]] bool is_up() const { return ups.size() > downs.size(); }

  std::string name;
  Life life;
  std::string address;
  Sessions sessions;
  bool alive = true;
  std::vector<std::pair<Clock::TimePoint, std::string>> dials;
  int look_ups = 0;
  std::set<Clock::TimePoint> sent_at;
  std::vector<Sessions::Up> ups;
  std::vector<Sessions::Down> downs;
  std::vector<Clock::TimePoint> down_at;
  std::vector<Sessions::Deliver> delivered;
  std::vector<std::uint64_t> acknowledged;
  std::vector<Sessions::Connected> connected;
  std::vector<std::string> says;
  std::map<Sessions::Count::What, int> counts;
  std::vector<std::pair<Route, Buffer>> heard;  // all that arrived at its address
};

class SessionNet {
 public:
  struct Options {
    std::vector<std::string> seeds = {};
    std::string cookie = "secret";
    std::string cluster = "grove";
    std::string address = {};  // empty: name:1
    std::string local = {};    // a path on `machine`
    std::string machine = {};
    transport::Versions versions = {};
    std::uint64_t features = transport::k_features;
    transport::AutoConnect auto_connect = transport::AutoConnect::always;
  };

  SessionHost& add(const std::string& name, std::uint64_t life, Options options) {
    transport::SessionsConfig config;
    config.name = name;
    config.life = Life{life};
    config.cluster = options.cluster;
    config.address = options.address.empty() ? name + ":1" : options.address;
    config.local = transport::local_text(options.machine, options.local);
    config.machine = options.machine;
    config.seeds = options.seeds;
    config.cookie = transport::Cookie{options.cookie};
    config.versions = options.versions;
    config.features = options.features;
    config.auto_connect = options.auto_connect;
    config.random_seed = life;
    config.nonce = counting_nonces(life << 32U);
    hosts_.push_back(std::make_unique<SessionHost>(std::move(config)));
    return *hosts_.back();
  }

  /// Its links break, as those of a killed program do.
  void kill(SessionHost& host) {
    cut_power(host);
    for (const ConnectionPtr& connection : std::vector{connections_}) {
      if (connection->listener == &host) break_link(connection);
    }
    pump();
  }
  /// It vanishes and nobody hears of it.
  void cut_power(SessionHost& host) { host.alive = false; }
  /// The connection that `dialler` made to `listener` is lost.
  void lose_link(const SessionHost& dialler, const SessionHost& listener) {
    for (const ConnectionPtr& connection : std::vector{connections_}) {
      if (connection->dialler == &dialler && connection->listener == &listener) {
        break_link(connection);
      }
    }
    pump();
  }
  /// Both ways, without anybody being told.
  void silence(const SessionHost& one, const SessionHost& other) {
    silenced_.insert({&one, &other});
    silenced_.insert({&other, &one});
  }
  void hear_again() { silenced_.clear(); }
  /// Who dials `address` reaches `host` too.
  void also_at(const std::string& address, const SessionHost& host) {
    aliases_[address] = host.address;
  }
  void nowhere(const std::string& address) { aliases_.erase(address); }
  /// What looking up `name` finds; without, each address is its own.
  void resolves(const std::string& name, std::vector<std::string> found) {
    names_[name] = std::move(found);
  }

  void perform(SessionHost& host, const Sessions::Actions& actions) {
    for (const Sessions::Action& action : actions) {
      std::visit([&](const auto& one) { act(host, one); }, action);
    }
  }
  /// Until nothing is in flight.
  void pump() {
    for (int left = 100'000; !events_.empty(); --left) {
      ASSERT_GT(left, 0) << "the nodes never stop talking";
      const auto event = std::move(events_.front());
      events_.pop_front();
      event();
    }
  }
  void pass(Clock::Duration duration) {
    const Clock::TimePoint end = now + duration;
    pump();
    for (;;) {
      Clock::TimePoint next = Clock::TimePoint::max();
      for (const auto& host : hosts_) {
        if (host->alive) next = std::min(next, host->sessions.next_tick());
      }
      if (next > end) break;
      now = std::max(now, next);
      for (std::size_t i = 0; i < hosts_.size(); ++i) {
        SessionHost& host = *hosts_[i];
        if (!host.alive || host.sessions.next_tick() > now) continue;
        perform(host, host.sessions.on_tick(now));
        ASSERT_GT(host.sessions.next_tick(), now) << "time stands still for " << host.name;
      }
      pump();
    }
    now = end;
  }
  [[nodiscard]] std::size_t open_links(const SessionHost& dialler) const {
    return static_cast<std::size_t>(
        std::count_if(connections_.begin(), connections_.end(),
                      [&](const ConnectionPtr& one) { return one->dialler == &dialler; }));
  }

  Clock::TimePoint now{std::chrono::seconds{1000}};

 private:
  struct Connection {
    SessionHost* dialler;
    LinkId link;
    SessionHost* listener;
    Route route;
  };
  using ConnectionPtr = std::shared_ptr<Connection>;

  void act(SessionHost& host, const Sessions::Dial& dial) {
    host.dials.emplace_back(now, dial.address);
    events_.push_back([this, &host, dial] { connect(host, dial); });
  }
  void act(SessionHost& host, const Sessions::Resolve& resolve) {
    ++host.look_ups;
    events_.push_back([this, &host, resolve] {
      if (!host.alive) return;
      const auto named = names_.find(resolve.address);
      const std::vector<std::string> itself{resolve.address};
      perform(host, host.sessions.on_resolved(resolve.address,
                                              named == names_.end() ? itself : named->second, now));
    });
  }
  void act(SessionHost& host, const Sessions::HangUp& hang_up) {
    std::erase_if(connections_, [&](const ConnectionPtr& one) {
      return one->dialler == &host && one->link == hang_up.link;
    });
  }
  void act(SessionHost& host, const Sessions::Send& send) {
    host.sent_at.insert(now);
    for (const ConnectionPtr& one : connections_) {
      if (one->dialler != &host || one->link != send.link) continue;
      events_.push_back([this, one, frame = send.frame] {
        SessionHost& to = *one->listener;
        if (!to.alive || silenced_.contains({one->dialler, &to})) return;
        to.heard.emplace_back(one->route, frame);
        perform(to, to.sessions.on_frame(one->route, Frame::own(frame), now));
      });
    }
  }
  void act(SessionHost& host, const Sessions::Answer& answer) {
    for (const ConnectionPtr& one : connections_) {
      if (one->listener != &host || one->route != answer.route) continue;
      events_.push_back([this, one, frame = answer.frame] {
        SessionHost& to = *one->dialler;
        if (!to.alive || silenced_.contains({one->listener, &to})) return;
        if (std::find(connections_.begin(), connections_.end(), one) == connections_.end()) return;
        perform(to, to.sessions.on_answer(one->link, Frame::own(frame), now));
      });
    }
  }
  void act(SessionHost& host, const Sessions::Up& up) { host.ups.push_back(up); }
  void act(SessionHost& host, const Sessions::Down& down) {
    host.downs.push_back(down);
    host.down_at.push_back(now);
  }
  void act(SessionHost& host, const Sessions::Acknowledged& acknowledged) {
    host.acknowledged.push_back(acknowledged.sequence);
  }
  void act(SessionHost& host, const Sessions::Deliver& deliver) {
    host.delivered.push_back(deliver);
  }
  void act(SessionHost& host, const Sessions::Connected& connected) {
    host.connected.push_back(connected);
  }
  void act(SessionHost& host, const Sessions::Say& say) { host.says.push_back(say.text); }
  void act(SessionHost& host, const Sessions::Count& count) { ++host.counts[count.what]; }

  void connect(SessionHost& host, const Sessions::Dial& dial) {
    if (!host.alive) return;
    const auto alias = aliases_.find(dial.address);
    const std::string address = alias == aliases_.end() ? dial.address : alias->second;
    SessionHost* listener = nullptr;
    for (const auto& other : hosts_) {
      if (other->alive && other->address == address) listener = other.get();
    }
    if (listener != nullptr && silenced_.contains({&host, listener})) return;  // no answer at all
    if (listener == nullptr) {
      perform(host, host.sessions.on_link_down(dial.link, "connection refused", now));
      return;
    }
    connections_.push_back(std::make_shared<Connection>(
        Connection{&host, dial.link, listener, "route-" + std::to_string(++last_route_)}));
    perform(host, host.sessions.on_link_up(dial.link, now));
  }
  void break_link(const ConnectionPtr& connection) {
    std::erase(connections_, connection);
    SessionHost& dialler = *connection->dialler;
    if (!dialler.alive) return;
    perform(dialler, dialler.sessions.on_link_down(connection->link, "connection lost", now));
  }

  std::vector<std::unique_ptr<SessionHost>> hosts_;
  std::vector<ConnectionPtr> connections_;
  std::deque<std::function<void()>> events_;
  std::set<std::pair<const SessionHost*, const SessionHost*>> silenced_;
  std::map<std::string, std::string> aliases_;
  std::map<std::string, std::vector<std::string>> names_;
  int last_route_ = 0;
};

}  // namespace grove::testkit
