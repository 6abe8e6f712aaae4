// SPDX-License-Identifier: Apache-2.0
//
// Whom to probe, with whose help, and what a silence means.
#include "membership.hpp"

#include <algorithm>
#include <utility>

namespace grove::cluster {
namespace {

constexpr std::size_t k_helpers = 3;      // asked to probe in our stead
constexpr std::size_t k_claims_max = 32;  // news on one message

}  // namespace

void Membership::add_health(int points) {
  const int sum = static_cast<int>(health_) + points;
  health_ = static_cast<unsigned>(std::clamp(sum, 0, static_cast<int>(k_health_max)));
}

/// News ride on every message. Who is accused hears of it first, to be able to refute.
void Membership::send(const std::string& to, SwimKind kind, std::uint64_t number,
                      std::string target) {
  SwimMessage message{kind, number, std::move(target), {}};
  const auto place = members_.find(to);
  if (place != members_.end() && place->second.state != MemberState::alive) {
    message.claims = claims_of(to, place->second);
  }
  for (MemberClaim& claim : news_.take(k_claims_max, size())) {
    message.claims.push_back(std::move(claim));
  }
  actions_.emplace_back(Send{to, std::move(message)});
}

void Membership::start_probe(const std::string& name, Clock::TimePoint now) {
  const std::uint64_t number = ++last_number_;
  Probe& probe = probes_[number];
  probe.target = name;
  probe.ask_others_at = now + slowed(config_.times.answer);
  probe.deadline = now + slowed(config_.times.probe);
  if (members_.at(name).session) {
    send(name, SwimKind::probe, number);
  } else {
    ask_others(number, probe);
  }
  next_tick_ = std::min({next_tick_, probe.ask_others_at, probe.deadline});
}

/// The heartbeats of a session are probes enough; a probe of our own is sent to carry news.
bool Membership::needs_probe(const std::string& name) const {
  const Member& member = members_.at(name);
  return !member.session || member.state != MemberState::alive || !news_.empty();
}

void Membership::ask_others(std::uint64_t number, Probe& probe) {
  probe.others_asked = true;
  std::vector<std::string> helpers;
  for (const auto& [name, member] : members_) {
    if (member.session && member.state == MemberState::alive && name != probe.target) {
      helpers.push_back(name);
    }
  }
  for (std::size_t left = k_helpers; left > 0 && !helpers.empty(); --left) {
    const auto chosen =
        helpers.begin() + static_cast<std::ptrdiff_t>(random_.below(helpers.size()));
    send(*chosen, SwimKind::request, number, probe.target);
    ++probe.nacks_missing;
    helpers.erase(chosen);
  }
}

void Membership::serve_request(const std::string& from, const SwimMessage& message,
                               Clock::TimePoint now) {
  const auto place = members_.find(message.target);
  if (message.target == config_.name) {
    send(from, SwimKind::ack, message.number);
  } else if (place == members_.end() || !place->second.session) {
    send(from, SwimKind::nack, message.number);
  } else {
    const std::uint64_t number = ++last_number_;
    relays_[number] = {from, message.number, now + config_.times.answer};
    next_tick_ = std::min(next_tick_, now + config_.times.answer);
    send(message.target, SwimKind::probe, number);
  }
}

void Membership::answered(std::uint64_t number, const std::string& by) {
  if (const auto relay = relays_.find(number); relay != relays_.end()) {
    send(relay->second.asker, SwimKind::ack, relay->second.number);
    relays_.erase(relay);
    return;
  }
  const auto probe = probes_.find(number);
  if (probe == probes_.end()) return;
  const std::string target = probe->second.target;
  probes_.erase(probe);
  add_health(-1);
  const auto place = members_.find(target);
  if (place == members_.end()) return;
  // With a session it is reached from here, though a helper's word may come first.
  const bool directly = by == target || place->second.session;
  reached(target, place->second, directly ? std::string{} : by);
}

void Membership::probe_failed(const Probe& probe, Clock::TimePoint now) {
  actions_.emplace_back(Count{Counted::unreached_probe});
  // Helpers that say nothing make it likely that the trouble is here.
  add_health(std::max(1, static_cast<int>(probe.nacks_missing)));
  const auto place = members_.find(probe.target);
  if (place == members_.end() || place->second.state > MemberState::suspect) return;
  const Member& member = place->second;
  reached(probe.target, place->second, {});
  hear({probe.target, member.life.value, member.incarnation, MemberState::suspect, member.address,
        config_.name},
       now);
}

/// Round robin in random order: each member is probed once in as many intervals as there are.
std::optional<std::string> Membership::next_target() {
  for (int round = 0; round < 2; ++round) {
    while (!round_.empty()) {
      const std::string name = std::move(round_.back());
      round_.pop_back();
      const auto place = members_.find(name);
      if (place != members_.end() && place->second.state <= MemberState::suspect) return name;
    }
    for (const auto& [name, member] : members_) {
      if (member.state <= MemberState::suspect) round_.push_back(name);
    }
    for (std::size_t left = round_.size(); left > 1; --left) {
      std::swap(round_[left - 1], round_[random_.below(left)]);
    }
  }
  return std::nullopt;
}

/// This node did not run when it should have: nobody is to blame for the silence meanwhile.
void Membership::notice_pause(Clock::TimePoint now) {
  if (next_tick_ == Clock::TimePoint{} || now < next_tick_ + config_.times.probe) return;
  const Clock::Duration pause = now - next_tick_;
  for (auto& [name, member] : members_) {
    if (member.suspicion) member.suspicion->postpone(pause);
  }
  probes_.clear();
  relays_.clear();
  add_health(1);
}

/// Suspects whose time is over, and tombstones that have stood long enough.
void Membership::decide(Clock::TimePoint now) {
  const std::size_t members = size();
  for (auto place = members_.begin(); place != members_.end();) {
    auto& [name, member] = *place;
    const bool over = member.state >= MemberState::dead && !member.session;
    if (over && member.forget_at <= now) {
      place = members_.erase(place);
      continue;
    }
    ++place;
    if (over) next_tick_ = std::min(next_tick_, member.forget_at);
    if (!member.suspicion || member.session || !member.suspicion->is_decidable(members)) continue;
    const auto deadline = member.suspicion->deadline(members, config_.times.probe);
    if (deadline > now) {
      next_tick_ = std::min(next_tick_, deadline);
      continue;
    }
    std::string why = "out of reach of";
    for (const std::string& accuser : member.suspicion->accusers()) why += " " + accuser;
    member.forget_at = now + config_.times.tombstone;
    change(name, member, MemberState::dead, why);
    actions_.emplace_back(Count{Counted::declared_dead});
    news_.add({name, member.life.value, member.incarnation, MemberState::dead, member.address,
               config_.name});
  }
}

Membership::Actions Membership::on_tick(Clock::TimePoint now) {
  notice_pause(now);
  next_tick_ = now + config_.times.probe;
  const auto due = [&](Clock::TimePoint when) {
    if (when <= now) return true;
    next_tick_ = std::min(next_tick_, when);
    return false;
  };
  if (leaving_) return take();
  std::vector<Probe> failed;
  for (auto place = probes_.begin(); place != probes_.end();) {
    auto& [number, probe] = *place;
    if (!probe.others_asked && due(probe.ask_others_at)) ask_others(number, probe);
    const bool over = due(probe.deadline);
    if (over) failed.push_back(probe);
    place = over ? probes_.erase(place) : std::next(place);
  }
  for (const Probe& probe : failed) probe_failed(probe, now);
  for (auto place = relays_.begin(); place != relays_.end();) {
    const bool over = due(place->second.deadline);
    if (over) send(place->second.asker, SwimKind::nack, place->second.number);
    place = over ? relays_.erase(place) : std::next(place);
  }
  if (due(probe_at_)) {
    probe_at_ = now + slowed(config_.times.probe);
    const auto target = next_target();
    if (target && needs_probe(*target)) {
      start_probe(*target, now);
    } else if (target) {
      add_health(-1);
    }
  }
  if (due(exchange_at_)) {
    exchange_at_ = now + config_.times.exchange;
    std::vector<std::string> reachable;
    for (const auto& [name, member] : members_) {
      if (member.session) reachable.push_back(name);
    }
    if (!reachable.empty()) {
      const std::string& chosen = reachable[random_.below(reachable.size())];
      actions_.emplace_back(Send{chosen, {SwimKind::digest, digest(), {}, {}}});
    }
  }
  decide(now);
  return take();
}

}  // namespace grove::cluster
