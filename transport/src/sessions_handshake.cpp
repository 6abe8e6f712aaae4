// SPDX-License-Identifier: Apache-2.0
//
// The handshake's half of Sessions: what each frame before a session means, from both ends.
#include "grove/transport/sessions.hpp"

#include <algorithm>
#include <utility>

namespace grove::transport {
namespace {

constexpr std::size_t k_handshakes_max = 4096;  // routes that said HELLO and proved nothing yet

Buffer copy(std::span<const std::byte> bytes) { return {bytes.begin(), bytes.end()}; }

std::string reason_in(const Frame& frame) {
  const auto refuse = parse_refuse(frame.bytes);
  return refuse ? std::string{to_string(refuse->reason)} : "malformed refusal";
}

}  // namespace

// -- answers to what we dialled -------------------------------------------------------------

Sessions::Actions Sessions::on_answer(LinkId link, const Frame& frame, Clock::TimePoint now) {
  const auto place = outbound_.find(link);
  if (place == outbound_.end()) return take();
  Outbound& out = place->second;
  const auto kind = kind_of(frame.bytes);
  if (kind == FrameKind::welcome && out.phase == Phase::hello_sent) {
    on_welcome(link, out, frame, now);
  } else if (kind == FrameKind::accept && out.phase >= Phase::auth_sent) {
    // A first batch may have come before it, and said as much.
    if (out.phase == Phase::auth_sent) accepted(out.peer, peers_[out.peer], now);
  } else if (kind == FrameKind::refuse) {
    on_refuse(link, out, frame, now);
  } else if (kind == FrameKind::bye) {
    drop_link(link, "the peer ended the session", now);
  } else {
    act(Count{Count::What::malformed});
    drop_link(link, "what answers there does not speak Grove's protocol", now);
  }
  return take();
}

void Sessions::on_welcome(LinkId link, Outbound& out, const Frame& frame, Clock::TimePoint now) {
  const auto parsed = parse_welcome(frame.bytes);
  if (!parsed) {
    act(Count{Count::What::malformed});
    drop_link(link, "malformed handshake", now);
    return;
  }
  const Welcome& welcome = parsed->welcome;
  if (!config_.cookie.verify(parsed->proof, "welcome", out.hello, parsed->signed_part)) {
    act(Count{Count::What::refused});
    warn_once("refused " + welcome.name + " at " + out.address +
              ": wrong cookie (set the same GROVE_COOKIE on both nodes)");
    act(Send{link, encode(RefuseFrame{Refusal::cookie, config_.name})});
    drop_link(link, "wrong cookie", now);
    return;
  }
  if (welcome.version < config_.versions.min || welcome.version > config_.versions.max) {
    act(Count{Count::What::refused});
    warn_once("refused " + welcome.name + " at " + out.address + ": " +
              std::string{to_string(Refusal::version)});
    act(Send{link, encode(RefuseFrame{Refusal::version, config_.name})});
    drop_link(link, std::string{to_string(Refusal::version)}, now);
    return;
  }
  release(link, out, welcome.name, now);
  if (welcome.name == config_.name) {
    if (welcome.life == config_.life) {
      own_addresses_.insert(out.address);  // one of the seeds is ourselves
      seed_answered(out.seed, config_.name);
      act(HangUp{link});
      outbound_.erase(link);
    } else {
      act(Count{Count::What::refused});
      drop_link(link, "has our own name, " + config_.name + "; give one of them another --name",
                now);
    }
    return;
  }
  Peer& peer = peers_[welcome.name];
  if (welcome.life < peer.life) {
    act(Count{Count::What::refused});
    warn_once("refused " + welcome.name + " at " + out.address + ": " +
              std::string{to_string(Refusal::older_life)});
    drop_link(link, std::string{to_string(Refusal::older_life)}, now);
    return;
  }
  if (peer.link != 0 && peer.link != link) {  // reached already, over another address
    aliases_[out.address] = welcome.name;
    seed_answered(out.seed, welcome.name);
    act(HangUp{link});
    outbound_.erase(link);
    return;
  }
  meet(welcome.name, peer, welcome.life, welcome.address, now);
  peer.link = link;
  out.peer = welcome.name;
  out.version = welcome.version;
  out.features = welcome.features;
  out.phase = Phase::auth_sent;
  act(Send{link, encode_auth(config_.cookie.prove("auth", out.hello, copy(parsed->signed_part)))});
}

/// When a node other than the one dialled answers, that one is not on its way any more.
void Sessions::release(LinkId link, Outbound& out, const std::string& answered,
                       Clock::TimePoint now) {
  if (out.peer.empty() || out.peer == answered) return;
  Peer& dialled = peers_[out.peer];
  if (dialled.link == link) {
    dialled.link = 0;
    dialled.trouble = answered + " lives at its address now";
    schedule_redial(dialled, now);
  }
  out.peer.clear();
}

void Sessions::on_refuse(LinkId link, Outbound& out, const Frame& frame, Clock::TimePoint now) {
  const std::string why = reason_in(frame);
  act(Count{Count::What::refused});
  warn_once("the node at " + out.address + " refused us: " + why);
  drop_link(link, why, now);
}

void Sessions::accepted(const std::string& name, Peer& peer, Clock::TimePoint now) {
  Outbound& out = outbound_.at(peer.link);
  out.phase = Phase::accepted;
  out.deadline = now + config_.times.silence;  // for the peer to dial back
  seed_answered(out.seed, name);
  try_up(name, peer, now);
}

// -- what others dialled --------------------------------------------------------------------

Sessions::Actions Sessions::on_frame(const Route& route, const Frame& frame, Clock::TimePoint now) {
  const auto kind = kind_of(frame.bytes);
  if (stopped_ || !kind) {
    if (!kind) act(Count{Count::What::malformed});
    return take();
  }
  switch (*kind) {
    case FrameKind::hello: on_hello(route, frame, now); break;
    case FrameKind::auth: on_auth(route, frame, now); break;
    case FrameKind::heartbeat:
    case FrameKind::batch: on_session_frame(route, *kind, frame, now); break;
    case FrameKind::refuse: {
      const auto place = inbound_.find(route);
      if (place == inbound_.end() || place->second.proved) break;
      act(Count{Count::What::refused});
      warn_once("the node " + place->second.hello.name + " at " + place->second.hello.address +
                " refused us: " + reason_in(frame));
      inbound_.erase(place);
      break;
    }
    default: act(Count{Count::What::malformed}); break;
  }
  return take();
}

void Sessions::refuse(const Route& route, Refusal reason, const std::string& who) {
  act(Count{Count::What::refused});
  warn_once("refused " + who + ": " + std::string{to_string(reason)});
  act(Answer{route, encode(RefuseFrame{reason, config_.name})});
  inbound_.erase(route);
}

void Sessions::on_hello(const Route& route, const Frame& frame, Clock::TimePoint now) {
  const auto known = inbound_.find(route);
  if (known != inbound_.end() && known->second.proved) {  // one link says hello once
    act(Count{Count::What::malformed});
    return;
  }
  if (leaving_) return;
  if (!is_handshake(frame.bytes)) {
    refuse(route, Refusal::version, "a stranger");
    return;
  }
  const auto hello = parse_hello(frame.bytes);
  if (!hello) {
    act(Count{Count::What::malformed});
    refuse(route, Refusal::malformed, "a stranger");
    return;
  }
  const std::string who = hello->name + " at " + hello->address;
  const auto version = common_version(hello->versions, config_.versions);
  if (!version) {
    refuse(route, Refusal::version, who);
    return;
  }
  if (hello->cluster != config_.cluster) {
    refuse(route, Refusal::cluster, who);
    return;
  }
  if (inbound_.size() >= k_handshakes_max) return;  // a flood: silence, and it times out
  Welcome welcome;
  welcome.version = *version;
  welcome.features = config_.features;
  welcome.life = config_.life;
  welcome.nonce = config_.nonce();
  welcome.name = config_.name;
  welcome.address = config_.address;
  welcome.local = config_.local;
  Inbound inbound;
  inbound.hello = *hello;
  inbound.version = *version;
  inbound.hello_bytes = copy(frame.bytes);
  inbound.welcome_bytes = encode(welcome);
  inbound.deadline = now + config_.times.handshake;
  Buffer answer = inbound.welcome_bytes;
  const Proof proof = config_.cookie.prove("welcome", inbound.hello_bytes, inbound.welcome_bytes);
  answer.insert(answer.end(), proof.begin(), proof.end());
  inbound_[route] = std::move(inbound);
  act(Answer{route, std::move(answer)});
}

void Sessions::on_auth(const Route& route, const Frame& frame, Clock::TimePoint now) {
  const auto place = inbound_.find(route);
  const auto proof = parse_auth(frame.bytes);
  if (place == inbound_.end() || place->second.proved || !proof) {
    act(Count{Count::What::malformed});
    return;
  }
  if (leaving_) return;
  Inbound& inbound = place->second;
  const std::string name = inbound.hello.name;
  const std::string who = name + " at " + inbound.hello.address;
  if (!config_.cookie.verify(*proof, "auth", inbound.hello_bytes, inbound.welcome_bytes)) {
    refuse(route, Refusal::cookie, who);
    return;
  }
  if (name == config_.name) {  // ourselves are told by the welcome, and never get here
    refuse(route, Refusal::name_in_use, who);
    return;
  }
  Peer& peer = peers_[name];
  if (inbound.hello.life < peer.life) {
    refuse(route, Refusal::older_life, who);
    return;
  }
  if (!peer.route.empty()) {
    // A new dial of the same peer: the old direction is dead on its side.
    const Route old = peer.route;
    if (peer.session != 0) {
      end_session(name, peer, "the peer dialled anew", now);
    } else {
      peer.route.clear();
      inbound_.erase(old);
    }
  }
  meet(name, peer, inbound.hello.life, inbound.hello.address, now);
  inbound.proved = true;
  peer.route = route;
  act(Answer{route, encode_empty(FrameKind::accept)});
  if (peer.link == 0) {
    peer.backoff = {};
    dial(peer.address, name, {}, now);
  }
  try_up(name, peer, now);
}

/// A life of a peer has proved itself.
void Sessions::meet(const std::string& name, Peer& peer, Life life, const std::string& address,
                    Clock::TimePoint now) {
  if (life > peer.life && peer.life != Life{}) {
    if (peer.session != 0) end_session(name, peer, "the node was restarted", now);
    if (peer.link != 0) {  // dialled to the old life
      const LinkId link = std::exchange(peer.link, 0);
      const auto out = outbound_.find(link);
      if (out != outbound_.end() && out->second.phase >= Phase::auth_sent) {
        act(HangUp{link});
        outbound_.erase(out);
      } else {
        peer.link = link;  // still on its way: it may find the new life
      }
    }
    if (!peer.route.empty()) inbound_.erase(std::exchange(peer.route, {}));
  }
  peer.life = life;
  peer.left = false;
  if (!address.empty()) peer.address = address;
  peer.trouble.clear();
}

}  // namespace grove::transport
