// SPDX-License-Identifier: Apache-2.0
//
// The dialling half of Sessions: whom to dial, at which address, and when again.
#include "grove/transport/endpoint.hpp"
#include "grove/transport/sessions.hpp"

#include <algorithm>
#include <utility>

namespace grove::transport {
namespace {

constexpr int k_redial_share = 64;  // a pause is so small a part of the time out of reach

}  // namespace

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

void Sessions::reach(const std::string& name, Peer& peer, const std::string& seed,
                     Clock::TimePoint now) {
  peer.untried.clear();
  if (is_local(peer)) {
    dial(peer.local, name, seed, now);
    return;
  }
  const auto endpoint = parse_endpoint(peer.address, AddressUse::dial);
  if (!endpoint) {
    unreachable(name, peer, endpoint.error().detail, now);
  } else if (endpoint->is_name()) {
    peer.looking_up = true;
    act(Resolve{peer.address});
  } else {
    dial(peer.address, name, seed, now);
  }
}

void Sessions::attempt_failed(const std::string& name, Peer& peer, const Outbound& out,
                              const std::string& why, Clock::TimePoint now) {
  peer.trouble = why;
  if (leaving_) return;
  if (out.address == peer.local) {  // not ours to see, or somebody else's
    peer.not_local = peer.life;
    say(false,
        name + " cannot be reached at " + peer.local + ": " + why + "; trying " + peer.address);
    reach(name, peer, out.seed, now);
  } else if (!peer.untried.empty()) {
    const std::string next = peer.untried.front();
    peer.untried.erase(peer.untried.begin());
    dial(next, name, out.seed, now);
  } else {
    unreachable(name, peer, why, now);
  }
}

void Sessions::unreachable(const std::string& name, Peer& peer, const std::string& why,
                           Clock::TimePoint now) {
  peer.trouble = why;
  if (!peer.route.empty()) {  // half a session
    warn_once(
        name + " has dialled this node, but cannot be reached at " + peer.address + ": " + why,
        now);
  }
  schedule_redial(peer, now);
}

std::optional<std::string> Sessions::known_at(const std::string& address) const {
  if (address == config_.address || own_addresses_.contains(address)) return config_.name;
  const auto alias = aliases_.find(address);
  if (alias != aliases_.end() && peers_.at(alias->second).session != 0) return alias->second;
  for (const auto& [name, peer] : peers_) {
    if (peer.address == address && !peer.left && peer.life != Life{}) return name;
  }
  for (const auto& [link, out] : outbound_) {
    if (out.address == address && out.phase == Phase::accepted) return out.peer;
  }
  return std::nullopt;
}

void Sessions::seed_failed(const std::string& seed, const std::string& why, Clock::TimePoint now,
                           bool said) {
  requests_failed(seed, why);
  const auto place = seeds_.find(seed);
  if (place == seeds_.end()) return;
  act(Count{Count::What::seed_unanswered});
  if (std::exchange(place->second.trouble, why) == why || said) return;
  warn_once("cannot reach seed " + seed + ": " + why + "; trying again", now);
}

/// May `node` answer at `seed`? At NODE@HOST only that one.
bool Sessions::admits(const std::string& seed, const std::string& node) {
  const auto endpoint = parse_endpoint(seed, AddressUse::dial);
  return !endpoint || endpoint->admits(node);
}

void Sessions::seed_answered(const std::string& seed, const std::string& node,
                             Clock::TimePoint now) {
  if (!admits(seed, node)) {
    seed_failed(seed, "node " + node + " lives there", now);
    return;
  }
  requests_answered(seed, node);
  const auto place = seeds_.find(seed);
  if (place == seeds_.end()) return;
  Seed& of_seed = place->second;
  of_seed.trouble.clear();
  // A DNS name may stand for several nodes, ourselves among them: another one says more.
  if (node == config_.name && !of_seed.answered_by.empty()) return;
  if (node == config_.name) {
    say(false, "seed " + seed + " leads to this node itself");
    act(Count{Count::What::own_seed});
  }
  of_seed.answered_by = node;
}

/// Whether `seed`, which stands for `address`, needs no dialling: we are there, or in a session.
bool Sessions::is_met(const std::string& seed, const std::string& address, Clock::TimePoint now) {
  const auto node = known_at(address);
  if (!node || (*node != config_.name && peers_.at(*node).session == 0)) return false;
  seed_answered(seed, *node, now);
  return true;
}

Sessions::Actions Sessions::on_resolved(const std::string& address,
                                        const std::vector<std::string>& found,
                                        Clock::TimePoint now) {
  const auto seed = seeds_.find(address);
  if (seed != seeds_.end()) seed->second.looking_up = false;
  const bool is_over = unlisted_.erase(address) > 0;
  if (stopped_ || leaving_) return take();
  bool asked_otherwise =
      is_over || std::any_of(requests_.begin(), requests_.end(), [&](const auto& request) {
        return request.looking_up && request.target == address;
      });
  for (auto& [name, peer] : peers_) {
    if (!peer.looking_up || peer.address != address) continue;
    asked_otherwise = true;
    peer.looking_up = false;
    if (peer.link != 0) continue;  // it came by another way meanwhile
    if (found.empty()) {
      unreachable(name, peer, "the name cannot be resolved", now);
    } else {
      peer.untried.assign(found.begin() + 1, found.end());
      dial(found.front(), name, {}, now);
    }
  }
  requests_resolved(address, found, now);
  if (asked_otherwise && seed == seeds_.end()) return take();
  if (found.empty()) seed_failed(address, "the name cannot be resolved", now);
  bool unmet = found.empty();
  for (const std::string& one : found) {
    if (is_met(address, one, now)) continue;
    if (const auto node = known_at(one)) {
      if (const auto peer = peers_.find(*node); peer != peers_.end()) {
        look_for(peer->second, now);
        if (seed != seeds_.end() && seed->second.answered_by.empty()) {
          if (!peer->second.trouble.empty()) seed->second.trouble = peer->second.trouble;
          unmet = true;
        }
      }
      continue;
    }
    unmet = true;
    const bool on_its_way = std::any_of(outbound_.begin(), outbound_.end(), [&](const auto& entry) {
      return entry.second.address == one;
    });
    if (!on_its_way) dial(one, {}, address, now);
  }
  if (seed != seeds_.end() && !unmet) {
    seed->second.backoff = {};
    seed->second.resolve_at = now + config_.times.look_again;
  }
  return take();
}

/// With nobody to talk to, whoever names stand for now is wanted at once.
void Sessions::look_sooner(Clock::TimePoint now) {
  const bool alone = std::none_of(peers_.begin(), peers_.end(),
                                  [](const auto& entry) { return entry.second.session != 0; });
  if (!alone) return;
  for (auto& [address, seed] : seeds_) {
    seed.resolve_at = std::min(seed.resolve_at, now + config_.times.redial_max);
    if (!seed.looking_up && !leaving_) next_tick_ = std::min(next_tick_, seed.resolve_at);
  }
}

Sessions::Actions Sessions::add_seed(const std::string& address, Clock::TimePoint now) {
  Seed& seed = seeds_[address];
  seed.asked = true;
  seed.resolve_at = now;
  // Who asks wants to know of now: whoever answered before may be gone.
  seed.answered_by.clear();
  seed.trouble.clear();
  return on_tick(now);
}

Result<void> Sessions::forget_seed(const std::string& address) {
  const auto place = seeds_.find(address);
  if (place == seeds_.end()) return Error{Errc::not_found, address + " is not to be joined"};
  if (place->second.listed) return Error{Errc::refused, address + " is in the seeds file"};
  if (place->second.looking_up) unlisted_.insert(address);
  seeds_.erase(place);
  return {};
}

Sessions::Actions Sessions::set_listed_seeds(const std::vector<std::string>& addresses,
                                             Clock::TimePoint now) {
  for (auto& [address, seed] : seeds_) {
    seed.listed = std::find(addresses.begin(), addresses.end(), address) != addresses.end();
  }
  std::erase_if(seeds_, [&](const auto& entry) {
    const auto& [address, seed] = entry;
    const bool stays = seed.listed || seed.asked;
    if (!stays && seed.looking_up) unlisted_.insert(address);
    return !stays;
  });
  for (const std::string& address : addresses) {
    const auto [place, fresh] = seeds_.try_emplace(address);
    place->second.listed = true;
    if (fresh) place->second.resolve_at = now;
  }
  return on_tick(now);
}

Sessions::Actions Sessions::add_peer(const std::string& name, Life life, const std::string& address,
                                     Clock::TimePoint now) {
  if (stopped_ || leaving_ || !is_node_name(name) || config_.auto_connect == AutoConnect::never) {
    return take();
  }
  if (name == config_.name) {
    // Others know a later life of our name than ours: they will have nothing to do with us.
    if (life > config_.life) {
      note_refusal({name, address, true, explain(Refusal::name_in_use), 0, now});
    }
    return take();
  }
  const auto known = peers_.find(name);
  if (known != peers_.end() && life == known->second.life) {
    look_for(known->second, now);  // somebody else reaches it
    return take();
  }
  if (known != peers_.end() && life < known->second.life) return take();
  Peer* const found = peer_of(name, Source::hearsay);
  if (found == nullptr) return take();
  Peer& peer = *found;
  peer.lost.reset();
  if (peer.session == 0 && peer.link == 0) {
    peer.address = address;
    peer.looking_up = false;
    peer.left = false;
    peer.redial_at = now;
    return on_tick(now);
  }
  return take();
}

Sessions::Peer* Sessions::peer_of(const std::string& name, Source source) {
  const auto known = peers_.find(name);
  if (known != peers_.end()) return &known->second;
  if (peers_.size() < config_.peers_max) return &peers_[name];
  const auto is_known = [](const Peer& peer) { return peer.had_session && !peer.left; };
  const auto rank = [&](const Peer& peer) {
    return std::pair{is_known(peer), peer.lost.value_or(Clock::TimePoint::max())};
  };
  auto goes = peers_.end();
  for (auto place = peers_.begin(); place != peers_.end(); ++place) {
    const Peer& peer = place->second;
    if (peer.session != 0 || (source == Source::hearsay && is_known(peer))) continue;
    if (goes == peers_.end() || rank(peer) < rank(goes->second)) goes = place;
  }
  if (goes != peers_.end()) {
    forget(goes);
  } else if (source == Source::hearsay) {
    return nullptr;
  }
  return &peers_[name];  // else there are as many sessions, which are bounded by our sockets
}

/// Nobody looks for it any more; what it has begun ends.
void Sessions::forget(Peers::iterator place) {
  const std::string& name = place->first;
  const Peer& peer = place->second;
  std::vector<LinkId> links;
  for (const auto& [link, out] : outbound_) {
    if (out.peer == name) links.push_back(link);
  }
  for (const LinkId link : links) abandon(link);
  if (!peer.route.empty()) {
    act(Answer{peer.route, encode_empty(FrameKind::bye)});
    inbound_.erase(peer.route);
  }
  std::erase_if(aliases_, [&](const auto& alias) { return alias.second == name; });
  peers_.erase(place);
}

void Sessions::also_at(const std::string& address, const std::string& name) {
  if (aliases_.size() < config_.peers_max) aliases_[address] = name;
}

void Sessions::schedule_redial(Peer& peer, Clock::TimePoint now) {
  if (config_.auto_connect == AutoConnect::never) {
    if (peer.route.empty()) return;
    // It dialled us and waits for us to dial back: nobody will.
    act(Answer{peer.route, encode_empty(FrameKind::bye)});
    inbound_.erase(std::exchange(peer.route, {}));
    return;
  }
  // Of the nodes that a long-lived cluster has met most never come back.
  const SessionTimes& times = config_.times;
  if (!peer.lost) peer.lost = now;
  const Clock::Duration share = (now - *peer.lost) / k_redial_share;
  const Clock::Duration longest = std::max(times.redial_max, std::min(share, times.redial_rare));
  peer.backoff = std::clamp(peer.backoff * 2, times.redial_min, longest);
  // Up to a quarter more, so that two nodes do not keep missing each other.
  const auto spread = static_cast<std::uint64_t>(peer.backoff.count()) / 4 + 1;
  peer.redial_at = now + peer.backoff + Clock::Duration{random_.below(spread)};
  next_tick_ = std::min(next_tick_, peer.redial_at);
}

void Sessions::look_for(Peer& peer, Clock::TimePoint now) {
  if (peer.session != 0 || peer.left) return;
  peer.lost.reset();
  if (peer.link != 0 || peer.backoff <= config_.times.redial_max) return;
  peer.redial_at = now;
  next_tick_ = std::min(next_tick_, now);
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

/// The link is gone, or of no use: whatever hung on it ends. `said`: people know why already.
void Sessions::drop_link(LinkId link, const std::string& why, Clock::TimePoint now, bool said) {
  const auto place = outbound_.find(link);
  if (place == outbound_.end()) return;
  const Outbound out = place->second;
  abandon(link);
  const auto known = peers_.find(out.peer);
  const bool of_peer = known != peers_.end() && known->second.link == link;
  const bool local = of_peer && out.address == known->second.local;  // there is another way
  if (!out.seed.empty() && out.phase != Phase::accepted && !local) {
    seed_failed(out.seed, out.address + " " + why, now, said);
  }
  if (!of_peer) return;
  Peer& peer = known->second;
  peer.link = 0;
  if (peer.session != 0) {
    end_session(out.peer, peer, why, now);
  } else if (out.phase == Phase::accepted) {  // but the peer did not dial back
    peer.trouble = why;
    if (out.deadline <= now) {
      peer.trouble = out.peer + " accepts this node, but does not dial back to " + config_.address;
      if (!out.seed.empty()) seed_failed(out.seed, peer.trouble, now, true);
      warn_once(peer.trouble + "; can it reach that? See --advertise", now);
    }
    schedule_redial(peer, now);
  } else {
    attempt_failed(out.peer, peer, out, why, now);
  }
}

void Sessions::abandon(LinkId link) {
  act(HangUp{link});
  outbound_.erase(link);
}

}  // namespace grove::transport
