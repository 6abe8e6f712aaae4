// SPDX-License-Identifier: Apache-2.0
//
// What is said of members, and what comes of it. Probes: membership_probes.cpp.
#include "membership.hpp"

#include "grove/core/mark.hpp"
#include "grove/transport/endpoint.hpp"

#include "node_metadata.hpp"
#include "stable_hash.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace grove::cluster {

Membership::Membership(MembershipConfig config)
    : config_{std::move(config)}, random_{config_.random_seed} {
  if (config_.metadata != NodeMetadata{}) {
    metadata_ = {1, config_.metadata.roles, config_.metadata.values};
  }
}

Membership::Actions Membership::take() { return std::exchange(actions_, {}); }

std::size_t Membership::size() const {
  const auto present = std::count_if(members_.begin(), members_.end(), [](const auto& entry) {
    return entry.second.state <= MemberState::suspect;
  });
  return static_cast<std::size_t>(present) + 1;
}

MemberClaim Membership::self_claim() const {
  MemberClaim claim{config_.name,    config_.life.value,
                    incarnation_,    leaving_ ? MemberState::left : MemberState::alive,
                    config_.address, {}};
  if (metadata_.version > 0) claim.metadata = metadata_;
  return claim;
}

/// One claim, but of a suspect one for each accuser, of which the first tells its metadata.
std::vector<MemberClaim> Membership::claims_of(const std::string& name, const Member& member) {
  MemberClaim claim{name, member.life.value, member.incarnation, member.state, member.address, {}};
  const bool gone = member.state >= MemberState::dead;
  if (member.metadata.version > 0 && !gone) claim.metadata = member.metadata;
  if (!member.suspicion) return {claim};
  std::vector<MemberClaim> claims;
  for (const std::string& accuser : member.suspicion->accusers()) {
    claims.push_back(claim);
    claims.back().accuser = accuser;
    claim.metadata.reset();
  }
  return claims;
}

void Membership::change(const std::string& name, Member& member, MemberState to,
                        const std::string& why) {
  actions_.emplace_back(Changed{name, member.life, member.state, to, why});
  member.state = to;
  if (to != MemberState::suspect) member.suspicion.reset();
}

void Membership::reached(const std::string& name, Member& member, const std::string& by) {
  if (std::exchange(member.reached_by, by) != by) {
    actions_.emplace_back(Reached{name, member.life, by});
  }
}

// -- claims ---------------------------------------------------------------------------------

void Membership::hear(const MemberClaim& claim, Clock::TimePoint now, Source source) {
  if (!is_node_name(claim.name) || claim.life == 0 ||
      claim.address.size() > transport::k_address_bytes_max) {
    return;
  }
  if (claim.name == config_.name) {
    hear_of_self(claim);
    return;
  }
  switch (claim.state) {
    case MemberState::alive: hear_alive(claim, source); break;
    case MemberState::suspect: hear_suspect(claim, now); break;
    case MemberState::dead:
    case MemberState::left: hear_gone(claim, now); break;
  }
  if (claim.metadata) hear_metadata(claim);
}

/// Whatever others hold against this life, it lives.
void Membership::hear_of_self(const MemberClaim& claim) {
  if (claim.life != config_.life.value || claim.state == MemberState::alive || leaving_ ||
      claim.incarnation < incarnation_) {
    return;
  }
  incarnation_ = claim.incarnation + 1;
  add_health(1);
  actions_.emplace_back(Count{Counted::refuted});
  news_.add(self_claim());
}

/// The member that a claim is about; null when the claim is about a former life.
Membership::Member* Membership::known(const MemberClaim& claim) {
  const auto place = members_.find(claim.name);
  if (place == members_.end()) return nullptr;
  return claim.life == place->second.life.value ? &place->second : nullptr;
}

/// Whether there is no room for somebody new.
bool Membership::is_too_many(const MemberClaim& claim) {
  if (members_.size() < config_.members_max || members_.contains(claim.name)) return false;
  actions_.emplace_back(Count{Counted::too_many});
  return true;
}

void Membership::hear_alive(const MemberClaim& claim, Source source) {
  const auto place = members_.find(claim.name);
  const bool is_new = place == members_.end() || claim.life > place->second.life.value;
  if (is_new) {
    const bool surplus = place == members_.end() ? is_too_many(claim) : place->second.surplus;
    if (surplus && place == members_.end() && source == Source::hearsay) return;
    if (place != members_.end() && place->second.state <= MemberState::suspect) {
      change(claim.name, place->second, MemberState::dead,
             place->second.session ? "a newer node has its name" : "the node was restarted");
    }
    Member member;
    member.life = Life{claim.life};
    member.incarnation = claim.incarnation;
    member.address = claim.address;
    member.surplus = surplus;
    members_[claim.name] = std::move(member);
    actions_.emplace_back(
        Changed{claim.name, Life{claim.life}, std::nullopt, MemberState::alive, "joined"});
    actions_.emplace_back(Meet{claim.name, Life{claim.life}, claim.address});
    news_.add(claim);
    return;
  }
  Member* member = known(claim);
  if (member == nullptr || claim.incarnation <= member->incarnation ||
      member->state == MemberState::left) {
    return;
  }
  member->incarnation = claim.incarnation;
  member->address = claim.address;
  if (member->state != MemberState::alive) {
    if (member->state == MemberState::dead) GROVE_MARK("members.back_from_the_dead");
    change(claim.name, *member, MemberState::alive, "refuted");
    actions_.emplace_back(Meet{claim.name, member->life, member->address});
  }
  news_.add(claim);
}

/// Nobody is suspected on the word of a node that is suspect itself, gone, or a stranger.
bool Membership::may_accuse(const std::string& accuser) const {
  if (accuser == config_.name) return true;
  const auto place = members_.find(accuser);
  return place != members_.end() && place->second.state == MemberState::alive;
}

void Membership::hear_suspect(const MemberClaim& claim, Clock::TimePoint now) {
  Member* member = known(claim);
  if (member == nullptr || claim.incarnation < member->incarnation ||
      member->state >= MemberState::dead || !may_accuse(claim.accuser)) {
    return;
  }
  const bool same = member->suspicion && claim.incarnation == member->incarnation;
  if (same && !member->suspicion->confirm(claim.accuser)) return;
  if (!same) {
    member->incarnation = claim.incarnation;
    member->suspicion.emplace(now, claim.accuser);
    if (member->state == MemberState::alive) {
      change(claim.name, *member, MemberState::suspect, claim.accuser + " cannot reach it");
      actions_.emplace_back(Count{Counted::suspected});
    }
  }
  next_tick_ = std::min(next_tick_, now);  // its time may be over already
  MemberClaim news = claim;
  news.address = member->address;
  news_.add(std::move(news));
}

void Membership::hear_gone(const MemberClaim& claim, Clock::TimePoint now) {
  const auto place = members_.find(claim.name);
  const Clock::Duration remembered =
      std::max(config_.times.tombstone - std::chrono::seconds{claim.gone_for}, Clock::Duration{});
  const bool is_new = place == members_.end() || claim.life > place->second.life.value;
  if (is_new && remembered == Clock::Duration{}) return;  // others are about to forget it
  if (is_new && is_too_many(claim)) return;
  if (is_new) {  // it came and went while this node did not look
    GROVE_MARK("members.came_and_went_unseen");
    if (place != members_.end() && place->second.state <= MemberState::suspect) {
      change(claim.name, place->second, MemberState::dead, "the node was restarted");
    }
    Member member;
    member.life = Life{claim.life};
    member.incarnation = claim.incarnation;
    member.address = claim.address;
    member.state = claim.state;
    member.forget_at = now + remembered;
    member.surplus = place != members_.end() && place->second.surplus;
    members_[claim.name] = std::move(member);
    news_.add(claim);
    return;
  }
  Member* member = known(claim);
  if (member == nullptr || claim.incarnation < member->incarnation ||
      member->state >= claim.state) {
    return;
  }
  if (member->session && claim.state == MemberState::dead) {
    // It can be reached from here, so it shall hear of it, and refute: nobody else will tell it.
    GROVE_MARK("members.dead_but_reached_here");
    actions_.emplace_back(Send{claim.name, {SwimKind::view_back, 0, {}, {claim}}});
    return;
  }
  member->incarnation = claim.incarnation;
  member->forget_at = now + remembered;
  change(claim.name, *member, claim.state,
         claim.state == MemberState::left ? "it left" : "declared dead by others");
  news_.add(claim);
}

/// Whatever else a claim says, its metadata are from the node itself.
void Membership::hear_metadata(const MemberClaim& claim) {
  Member* member = known(claim);
  if (member == nullptr || claim.metadata->version <= member->metadata.version) return;
  member->metadata = *claim.metadata;
  actions_.emplace_back(Told{claim.name, member->life});
}

Membership::Actions Membership::set_metadata(NodeMetadata metadata) {
  metadata_ = {metadata_.version + 1, std::move(metadata.roles), std::move(metadata.values)};
  ++incarnation_;  // so that it is news to everybody
  news_.add(self_claim());
  return take();
}

// -- sessions -------------------------------------------------------------------------------

Membership::Actions Membership::on_session_up(const std::string& name, Life life,
                                              const std::string& address, Clock::TimePoint now) {
  hear({name, life.value, 0, MemberState::alive, address, {}}, now, Source::session);
  const auto place = members_.find(name);
  if (place != members_.end() && place->second.life == life) {
    place->second.session = true;
    place->second.address = address;
    place->second.reached_by.clear();
    send_view(name, SwimKind::view, now);
  }
  return take();
}

Membership::Actions Membership::on_session_down(const std::string& name, Clock::TimePoint now) {
  const auto place = members_.find(name);
  if (place == members_.end()) return take();
  Member& member = place->second;
  member.session = false;
  member.surplus = member.surplus && members_.size() > config_.members_max;
  if (member.surplus) {
    if (member.state <= MemberState::suspect) {
      change(name, member, MemberState::dead, "no session, and too many members to remember it");
    }
    members_.erase(place);
    return take();
  }
  if (member.state <= MemberState::suspect && !leaving_) start_probe(name, now);
  return take();
}

Membership::Actions Membership::leave() {
  leaving_ = true;
  probes_.clear();  // it makes no more of them, nor does it ask for any
  for (auto& [name, member] : members_) {
    if (member.session) {
      actions_.emplace_back(Send{name, {SwimKind::view_back, 0, {}, {self_claim()}}});
    } else {
      reached(name, member, {});
    }
  }
  return take();
}

// -- messages -------------------------------------------------------------------------------

void Membership::send_view(const std::string& to, SwimKind kind, Clock::TimePoint now) {
  SwimMessage message{kind, 0, {}, {self_claim()}};
  for (const auto& [name, member] : members_) {
    for (MemberClaim& claim : claims_of(name, member)) {
      if (claim.state >= MemberState::dead) {
        const auto gone = now - (member.forget_at - config_.times.tombstone);
        claim.gone_for =
            static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::seconds>(gone).count());
      }
      message.claims.push_back(std::move(claim));
    }
  }
  actions_.emplace_back(Send{to, std::move(message)});
}

std::uint64_t Membership::digest() const {
  const auto hash_of = [](const std::string& name, Life life, std::uint64_t incarnation,
                          MemberState state, std::uint64_t metadata_version) {
    const std::uint64_t hash =
        mix(mix(stable_hash(name), life.value), static_cast<std::uint64_t>(state));
    // Of the gone nothing else is told for certain.
    if (state >= MemberState::dead) return hash;
    return mix(mix(hash, incarnation), metadata_version);
  };
  std::uint64_t hash =
      hash_of(config_.name, config_.life, incarnation_,
              leaving_ ? MemberState::left : MemberState::alive, metadata_.version);
  for (const auto& [name, member] : members_) {
    hash ^= hash_of(name, member.life, member.incarnation, member.state, member.metadata.version);
  }
  return hash;
}

Membership::Actions Membership::on_message(const std::string& from, const SwimMessage& message,
                                           Clock::TimePoint now) {
  for (const MemberClaim& claim : message.claims) {
    if (!claim.metadata || check(NodeMetadata{claim.metadata->roles, claim.metadata->values})) {
      hear(claim, now);
      continue;
    }
    actions_.emplace_back(Count{Counted::bad_metadata});
    MemberClaim rest = claim;
    rest.metadata.reset();
    hear(rest, now);
  }
  switch (message.kind) {
    case SwimKind::probe: send(from, SwimKind::ack, message.number); break;
    case SwimKind::ack: answered(message.number, from); break;
    case SwimKind::nack: {
      const auto place = probes_.find(message.number);
      if (place != probes_.end() && place->second.nacks_missing > 0) {
        --place->second.nacks_missing;
      }
      break;
    }
    case SwimKind::request: serve_request(from, message, now); break;
    case SwimKind::view: send_view(from, SwimKind::view_back, now); break;
    case SwimKind::view_back: break;
    case SwimKind::digest:
      if (message.number != digest()) send_view(from, SwimKind::view, now);
      break;
  }
  return take();
}

std::vector<Membership::MemberView> Membership::members() const {
  std::vector<MemberView> views;
  for (const auto& [name, member] : members_) {
    views.push_back({name,
                     member.life,
                     member.incarnation,
                     member.state,
                     member.address,
                     member.session,
                     member.reached_by,
                     member.suspicion ? member.suspicion->accusers() : std::set<std::string>{},
                     {member.metadata.roles, member.metadata.values}});
  }
  return views;
}

}  // namespace grove::cluster
