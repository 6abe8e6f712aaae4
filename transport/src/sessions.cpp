// SPDX-License-Identifier: Apache-2.0
#include "grove/transport/sessions.hpp"

#include "grove/core/mark.hpp"
#include "grove/transport/endpoint.hpp"

#include <algorithm>
#include <utility>

namespace grove::transport {
namespace {

// Texts remembered, and said within that time: strangers can fill neither us nor our log.
constexpr std::size_t k_warnings_max = 256;
constexpr auto k_warnings_time = std::chrono::minutes{1};

}  // namespace

Sessions::Sessions(SessionsConfig config)
    : config_{std::move(config)}, random_{config_.random_seed} {
  for (const std::string& seed : config_.seeds) seeds_[seed].asked = true;
}

Sessions::Actions Sessions::take() {
  if (!requests_.empty()) finish_requests();
  return std::exchange(actions_, {});
}

/// Both sides try again for ever: once is enough, until something changes. Many strangers may have
/// said all that can be remembered: then it is forgotten, in time, and others are heard of again.
void Sessions::warn_once(const std::string& text, Clock::TimePoint now) {
  if (warned_.size() == k_warnings_max && now - warned_since_ >= k_warnings_time) warned_.clear();
  if (warned_.empty()) warned_since_ = now;
  if (warned_.size() < k_warnings_max && warned_.insert(text).second) say(true, text);
}

void Sessions::mark_left(const std::string& name) {
  const auto place = peers_.find(name);
  if (place != peers_.end()) place->second.left = true;
}

Sessions::Actions Sessions::leave() {
  leaving_ = true;
  for (auto place = outbound_.begin(); place != outbound_.end();) {
    const auto& [link, out] = *place;
    const auto known = peers_.find(out.peer);
    const bool up =
        known != peers_.end() && known->second.link == link && known->second.session != 0;
    if (!up) {
      act(HangUp{link});
      if (known != peers_.end() && known->second.link == link) known->second.link = 0;
    }
    place = up ? std::next(place) : outbound_.erase(place);
  }
  return take();
}

// -- sessions -------------------------------------------------------------------------------

SessionHeader Sessions::header_of(const Peer& peer) const {
  const Outbound& out = outbound_.at(peer.link);
  const Inbound& in = inbound_.at(peer.route);
  // Each end chose one, and both see the same two.
  return {config_.life, peer.life, out.epoch, in.hello.epoch, 0, std::min(out.version, in.version)};
}

void Sessions::try_up(const std::string& name, Peer& peer, Clock::TimePoint now) {
  if (peer.session != 0 || peer.link == 0 || peer.route.empty() ||
      outbound_.at(peer.link).phase != Phase::accepted) {
    return;
  }
  peer.session = ++last_session_;
  peer.had_session = true;
  warned_.clear();
  seed_answered(outbound_.at(peer.link).seed, name, now);
  const std::string& over = outbound_.at(peer.link).address;
  std::erase_if(refused_, [&](const RefusedView& refused) {
    const std::string& at = refused.address;
    const auto alias = aliases_.find(at);
    return refused.name == name || at == peer.address || at == over ||
           (!at.empty() && at == peer.local) || (alias != aliases_.end() && alias->second == name);
  });
  peer.expected = 1;
  peer.unacknowledged = 0;
  peer.heard = now;
  peer.backoff = {};
  peer.lost.reset();
  next_tick_ = std::min(next_tick_, heartbeat_at_);
  act(Up{intern_node(name, peer.life), peer.session, peer.link, header_of(peer), peer.address,
         config_.features & outbound_.at(peer.link).features &
             inbound_.at(peer.route).hello.features});
}

void Sessions::end_session(const std::string& name, Peer& peer, const std::string& why,
                           Clock::TimePoint now, Ending ending) {
  const NodeId node = intern_node(name, peer.life);
  const std::uint64_t session = std::exchange(peer.session, 0);
  if (!peer.route.empty()) {
    act(Answer{peer.route, encode_empty(FrameKind::bye)});
    inbound_.erase(std::exchange(peer.route, {}));
  }
  if (const LinkId link = std::exchange(peer.link, 0); link != 0 && outbound_.erase(link) > 0) {
    act(HangUp{link});
  }
  peer.trouble = why;
  if (session != 0) {
    act(Down{node, session, why, ending});
    look_sooner(now);
  }
  schedule_redial(peer, now);
}

/// Of whoever has proved itself there; others have none.
void Sessions::end_session_over(const Route& route, const std::string& why, Clock::TimePoint now) {
  const auto place = inbound_.find(route);
  if (place == inbound_.end() || !place->second.proved) return;
  const std::string name = place->second.hello.name;
  end_session(name, peers_[name], why, now);
}

void Sessions::on_session_frame(const Route& route, FrameKind kind, const Frame& frame,
                                Clock::TimePoint now) {
  const auto header = parse_session_header(frame.bytes);
  const auto place = inbound_.find(route);
  if (!header) {
    act(Count{Count::What::malformed});
    return;
  }
  if (place == inbound_.end() || !place->second.proved) {
    act(Count{Count::What::stale});
    // Somebody still talks to a session that is over here: tell it.
    if (place == inbound_.end()) {
      GROVE_MARK("session.frame_of_none");
      act(Answer{route, encode_empty(FrameKind::bye)});
    }
    return;
  }
  const Hello& hello = place->second.hello;
  const std::string name = hello.name;
  Peer& peer = peers_[name];
  const auto out = outbound_.find(peer.link);
  const bool ours = out != outbound_.end() && header->to_life == config_.life &&
                    header->from_life == hello.life && header->from_epoch == hello.epoch &&
                    header->to_epoch == out->second.epoch &&
                    header->version == std::min(out->second.version, place->second.version);
  if (!ours) {
    GROVE_MARK("session.frame_of_another");
    act(Count{Count::What::stale});
    return;
  }
  // That the peer uses our epoch says that it accepted us, even if its ACCEPT comes later.
  if (out->second.phase == Phase::auth_sent) {
    GROVE_MARK("session.accepted_by_use");
    accepted(name, peer, now);
  }
  if (peer.session == 0) {
    act(Count{Count::What::stale});
    return;
  }
  peer.heard = now;
  if (kind == FrameKind::heartbeat) {
    act(Acknowledged{intern_node(name, peer.life), peer.session, header->sequence});
    return;
  }
  if (header->sequence != peer.expected) {
    act(Count{Count::What::stale});
    const bool again = header->sequence < peer.expected;
    if (again) GROVE_MARK("session.batch_twice");
    if (!again) GROVE_MARK("session.batch_missing");
    end_session(name, peer, again ? "a batch came twice" : "frames are missing", now);
    return;
  }
  ++peer.expected;
  act(Deliver{intern_node(name, peer.life), peer.session, frame});
  peer.unacknowledged += cost_of(frame);
  if (peer.unacknowledged >= k_acknowledge_bytes) send_heartbeat(peer);
}

void Sessions::send_heartbeat(Peer& peer) {
  peer.unacknowledged = 0;
  SessionHeader header = header_of(peer);
  header.sequence = peer.expected - 1;
  Buffer frame(k_session_header_bytes);
  encode(FrameKind::heartbeat, header, frame);
  act(Send{peer.link, std::move(frame)});
}

Sessions::Actions Sessions::end(NodeId node, const std::string& why, Clock::TimePoint now) {
  const auto place = peers_.find(node_name(node));
  if (place != peers_.end() && place->second.life == node_life(node) &&
      place->second.session != 0) {
    end_session(place->first, place->second, why, now);
  }
  return take();
}

Sessions::Actions Sessions::stop(Clock::TimePoint now) {
  stopped_ = true;
  for (auto& [name, peer] : peers_) {
    if (peer.session != 0) end_session(name, peer, "this node stops", now);
  }
  for (const auto& [link, out] : outbound_) act(HangUp{link});
  outbound_.clear();
  return take();
}

// -- time -----------------------------------------------------------------------------------

Sessions::Actions Sessions::on_tick(Clock::TimePoint now) {
  next_tick_ = now + config_.times.heartbeat;
  if (stopped_) return take();
  const auto due = [&](Clock::TimePoint when) {
    if (when <= now) return true;
    next_tick_ = std::min(next_tick_, when);
    return false;
  };
  for (auto& [address, seed] : seeds_) {
    if (leaving_ || seed.looking_up || !due(seed.resolve_at)) continue;
    seed.backoff =
        std::clamp(seed.backoff * 2, config_.times.redial_min * 4, config_.times.redial_max);
    seed.resolve_at = now + seed.backoff;
    due(seed.resolve_at);
    const auto endpoint = parse_endpoint(address, AddressUse::dial);
    const bool is_name = endpoint && endpoint->is_name();  // it may stand for others, too
    if (!is_name && is_met(address, address, now)) continue;
    seed.looking_up = true;
    act(Resolve{address});
  }
  std::vector<LinkId> overdue;
  for (const auto& [link, out] : outbound_) {
    const auto peer = peers_.find(out.peer);
    const bool up = out.phase == Phase::accepted && peer != peers_.end() &&
                    peer->second.link == link && peer->second.session != 0;
    if (!up && due(out.deadline)) overdue.push_back(link);
  }
  for (const LinkId link : overdue) drop_link(link, "no answer in time", now);
  for (Request& request : requests_) request.late = due(request.deadline);
  std::erase_if(inbound_, [&](const auto& entry) {
    return !entry.second.proved && entry.second.deadline <= now;
  });
  const bool beat = due(heartbeat_at_);  // to all peers at once: fewer wake-ups
  if (beat) {
    heartbeat_at_ = now + config_.times.heartbeat;
    due(heartbeat_at_);
  }
  for (auto& [name, peer] : peers_) {
    if (peer.session != 0) {
      if (due(peer.heard + config_.times.silence)) {
        end_session(name, peer, "silent for too long", now, Ending::silent);
      } else if (beat) {
        send_heartbeat(peer);
      }
    } else if (peer.link == 0 && !peer.looking_up && !peer.left && !leaving_ &&
               !peer.address.empty() && config_.auto_connect == AutoConnect::always &&
               due(peer.redial_at)) {
      reach(name, peer, {}, now);
    }
  }
  return take();
}

std::vector<Sessions::PeerView> Sessions::peers() const {
  std::vector<PeerView> views;
  for (const auto& [name, peer] : peers_) {
    const bool up = peer.session != 0;
    views.push_back({name, peer.life, peer.address, up, peer.left, peer.trouble,
                     up ? outbound_.at(peer.link).address : ""});
  }
  return views;
}

std::vector<Sessions::SeedView> Sessions::seeds() const {
  std::vector<SeedView> views;
  for (const auto& [address, seed] : seeds_) {
    views.push_back({address, seed.answered_by, seed.trouble, seed.listed});
  }
  return views;
}

}  // namespace grove::transport
