// SPDX-License-Identifier: Apache-2.0
//
// The dialling half of Sessions: whom to dial, at which address, and when again.
#include "grove/transport/sessions.hpp"

#include <algorithm>
#include <utility>

namespace grove::transport {

void Sessions::dial(const std::string& address, const std::string& peer, const std::string& seed,
                    Clock::TimePoint now) {
  const LinkId link = ++last_link_;
  Outbound out;
  out.address = address;
  out.peer = peer;
  out.seed = seed;
  out.deadline = now + config_.times.handshake;
  outbound_.emplace(link, std::move(out));
  if (!peer.empty()) peers_[peer].link = link;
  act(Dial{link, address});
}

std::optional<std::string> Sessions::known_at(const std::string& address) const {
  if (address == config_.address || own_addresses_.contains(address)) return config_.name;
  const auto alias = aliases_.find(address);
  if (alias != aliases_.end() && peers_.at(alias->second).session != 0) return alias->second;
  for (const auto& [name, peer] : peers_) {
    if (peer.address == address && !peer.left && peer.life != Life{}) return name;
  }
  return std::nullopt;
}

void Sessions::seed_failed(const std::string& seed, const std::string& why) {
  const auto place = seeds_.find(seed);
  if (place == seeds_.end() || std::exchange(place->second.trouble, why) == why) return;
  say(true, "cannot reach seed " + seed + ": " + why + "; trying again");
}

void Sessions::seed_answered(const std::string& seed, const std::string& node) {
  const auto place = seeds_.find(seed);
  if (place == seeds_.end()) return;
  // A DNS name may stand for several nodes, ourselves among them: another one says more.
  if (node != config_.name || place->second.answered_by.empty()) place->second.answered_by = node;
  place->second.trouble.clear();
}

/// Whether `seed`, which stands for `address`, needs no dialling: we are there, or in a session.
bool Sessions::is_met(const std::string& seed, const std::string& address) {
  const auto node = known_at(address);
  if (!node || (*node != config_.name && peers_.at(*node).session == 0)) return false;
  seed_answered(seed, *node);
  return true;
}

Sessions::Actions Sessions::on_resolved(const std::string& seed,
                                        const std::vector<std::string>& addresses,
                                        Clock::TimePoint now) {
  if (stopped_ || leaving_) return take();
  if (addresses.empty()) seed_failed(seed, "the name cannot be resolved");
  for (const std::string& address : addresses) {
    if (is_met(seed, address) || known_at(address)) continue;
    const bool on_its_way = std::any_of(outbound_.begin(), outbound_.end(), [&](const auto& entry) {
      return entry.second.address == address;
    });
    if (!on_its_way) dial(address, {}, seed, now);
  }
  return take();
}

Sessions::Actions Sessions::add_seed(const std::string& address, Clock::TimePoint now) {
  seeds_.try_emplace(address, Seed{});
  seeds_[address].resolve_at = now;
  return on_tick(now);
}

Sessions::Actions Sessions::add_peer(const std::string& name, Life life, const std::string& address,
                                     Clock::TimePoint now) {
  if (stopped_ || leaving_ || name == config_.name || !is_node_name(name)) return take();
  const auto known = peers_.find(name);
  if (known != peers_.end() && life <= known->second.life) return take();
  Peer& peer = peers_[name];
  if (peer.session == 0 && peer.link == 0) {
    peer.address = address;
    peer.left = false;
    peer.redial_at = now;
    return on_tick(now);
  }
  return take();
}

void Sessions::schedule_redial(Peer& peer, Clock::TimePoint now) {
  peer.backoff = std::clamp(peer.backoff * 2, config_.times.redial_min, config_.times.redial_max);
  // Up to a quarter more, so that two nodes do not keep missing each other.
  const auto spread = static_cast<std::uint64_t>(peer.backoff.count()) / 4 + 1;
  peer.redial_at = now + peer.backoff + Clock::Duration{random_.below(spread)};
  next_tick_ = std::min(next_tick_, peer.redial_at);
}

Sessions::Actions Sessions::on_link_up(LinkId link, Clock::TimePoint now) {
  const auto place = outbound_.find(link);
  if (place == outbound_.end()) return take();
  Outbound& out = place->second;
  Hello hello;
  hello.versions = config_.versions;
  hello.features = config_.features;
  hello.life = config_.life;
  hello.epoch = out.epoch = ++last_epoch_;
  hello.nonce = config_.nonce();
  hello.cluster = config_.cluster;
  hello.name = config_.name;
  hello.address = config_.address;
  hello.local = config_.local;
  out.hello = encode(hello);
  out.phase = Phase::hello_sent;
  out.deadline = now + config_.times.handshake;
  act(Send{link, out.hello});
  return take();
}

Sessions::Actions Sessions::on_link_down(LinkId link, const std::string& why,
                                         Clock::TimePoint now) {
  drop_link(link, why, now);
  return take();
}

/// The link is gone, or of no use: whatever hung on it ends.
void Sessions::drop_link(LinkId link, const std::string& why, Clock::TimePoint now) {
  const auto place = outbound_.find(link);
  if (place == outbound_.end()) return;
  const Outbound out = std::move(place->second);
  outbound_.erase(place);
  act(HangUp{link});
  if (!out.seed.empty() && out.phase != Phase::accepted) {
    seed_failed(out.seed, out.address + " " + why);
  }
  const auto known = peers_.find(out.peer);
  if (known == peers_.end() || known->second.link != link) return;
  Peer& peer = known->second;
  peer.link = 0;
  peer.trouble = why;
  if (peer.session != 0) {
    end_session(out.peer, peer, why, now);
  } else {
    schedule_redial(peer, now);
  }
}

}  // namespace grove::transport
