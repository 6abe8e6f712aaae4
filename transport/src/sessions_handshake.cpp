// SPDX-License-Identifier: Apache-2.0
//
// The handshake's half of Sessions: what each frame before a session means, from both ends.
#include "grove/core/mark.hpp"
#include "grove/transport/local.hpp"
#include "grove/transport/sessions.hpp"

#include <algorithm>
#include <utility>

namespace grove::transport {
namespace {

constexpr std::size_t k_handshakes_max = 4096;  // routes that said HELLO and proved nothing yet

Buffer copy(std::span<const std::byte> bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

// -- answers to what we dialled -------------------------------------------------------------

Sessions::Actions Sessions::on_answer(LinkId link, const Frame& frame, Clock::TimePoint now) {
  const auto place = outbound_.find(link);
  if (place == outbound_.end()) return take();
  Outbound& out = place->second;
  const bool too_long = frame.bytes.size() > k_handshake_bytes_max;
  const auto kind = too_long ? std::nullopt : kind_of(frame.bytes);
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
    refuse(link, Refusal::cookie, welcome.name, now);
    return;
  }
  if (welcome.version < config_.versions.min || welcome.version > config_.versions.max) {
    refuse(link, Refusal::version, welcome.name, now);
    return;
  }
  const std::string dialled = out.peer;
  release(link, out, welcome.name, now);
  if (!admits(out.seed, welcome.name)) {
    drop_link(link, "is node " + welcome.name, now);
    return;
  }
  if (welcome.name == config_.name) {
    if (welcome.life != config_.life) {
      refuse(link, Refusal::name_in_use, welcome.name, now);
      return;
    }
    if (own_addresses_.size() < config_.peers_max) own_addresses_.insert(out.address);
    if (dialled.empty()) {  // one of the seeds is ourselves
      seed_answered(out.seed, config_.name, now);
    } else if (!out.seed.empty()) {
      seed_failed(out.seed, dialled + " says that it is at " + out.address + ", where this node is",
                  now);
    }
    abandon(link);
    return;
  }
  Peer& peer = *peer_of(welcome.name, Source::handshake);
  if (const auto reason = refusal_of(peer, welcome.life)) {
    refuse(link, *reason, welcome.name, now);
    return;
  }
  requests_answered(out.seed, welcome.name);  // from here on they follow the peer
  if (peer.link != 0 && peer.link != link) {  // reached already, over another address
    GROVE_MARK("handshake.reached_already");
    also_at(out.address, welcome.name);
    if (peer.session != 0) seed_answered(out.seed, welcome.name, now);
    abandon(link);
    return;
  }
  meet(welcome.name, peer, welcome.life, welcome.address, welcome.local);
  peer.link = link;
  if (is_local(peer) && out.address != peer.local) {
    const std::string seed = out.seed;
    also_at(out.address, welcome.name);
    abandon(link);
    reach(welcome.name, peer, seed, now);
    return;
  }
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
    attempt_failed(out.peer, dialled, out, answered + " lives at its address now", now);
  }
  out.peer.clear();
}

void Sessions::accepted(const std::string& name, Peer& peer, Clock::TimePoint now) {
  Outbound& out = outbound_.at(peer.link);
  out.phase = Phase::accepted;
  out.deadline = now + config_.times.silence;  // for the peer to dial back
  try_up(name, peer, now);
}

// -- what others dialled --------------------------------------------------------------------

Sessions::Actions Sessions::on_frame(const Route& route, const Frame& frame, Clock::TimePoint now) {
  const bool too_long =
      frame.bytes.size() > k_frame_bytes_max || frame.tail.size() > k_frame_bytes_max;
  const auto kind = too_long ? std::nullopt : kind_of(frame.bytes);
  if (stopped_ || !kind) {
    if (!kind) act(Count{Count::What::malformed});
    if (too_long) end_session_over(route, "sent a frame of more than 16 MiB", now);
    return take();
  }
  switch (*kind) {
    case FrameKind::hello: on_hello(route, frame, now); break;
    case FrameKind::auth: on_auth(route, frame, now); break;
    case FrameKind::heartbeat:
    case FrameKind::batch: on_session_frame(route, *kind, frame, now); break;
    case FrameKind::refuse: on_refuse(route, frame, now); break;
    default: act(Count{Count::What::malformed}); break;
  }
  return take();
}

void Sessions::on_hello(const Route& route, const Frame& frame, Clock::TimePoint now) {
  const auto known = inbound_.find(route);
  if (known != inbound_.end() && known->second.proved) {  // one link says hello once
    act(Count{Count::What::malformed});
    return;
  }
  if (leaving_) return;
  if (!limit_.allow(frame.source, now) || inbound_.size() >= k_handshakes_max) {
    act(Count{Count::What::refused});  // a flood: silence, and it times out
    warn_once("too many handshakes" + (frame.source.empty() ? "" : " from " + frame.source) +
                  "; some are not answered",
              now);
    return;
  }
  Hello stranger;  // of whom no more is known
  stranger.address = frame.source;
  if (!is_handshake(frame.bytes)) {
    refuse(route, Refusal::version, stranger, now);
    return;
  }
  const auto hello = parse_hello(frame.bytes);
  if (!hello) {
    act(Count{Count::What::malformed});
    refuse(route, Refusal::malformed, stranger, now);
    return;
  }
  const auto version = common_version(hello->versions, config_.versions);
  if (!version) {
    refuse(route, Refusal::version, *hello, now);
    return;
  }
  if (hello->cluster != config_.cluster) {
    refuse(route, Refusal::cluster, *hello, now);
    return;
  }
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
  if (!config_.cookie.verify(*proof, "auth", inbound.hello_bytes, inbound.welcome_bytes)) {
    refuse(route, Refusal::cookie, inbound.hello, now);
    return;
  }
  if (name == config_.name) {  // ourselves are told by the welcome, and never get here
    refuse(route, Refusal::name_in_use, inbound.hello, now);
    return;
  }
  Peer& peer = *peer_of(name, Source::handshake);
  if (const auto reason = refusal_of(peer, inbound.hello.life)) {
    refuse(route, *reason, inbound.hello, now);
    return;
  }
  if (!peer.route.empty()) {
    // A new dial of the same peer: the old direction is dead on its side. Our link may be in use
    // there; were it dropped here as well, two nodes could end each other's sessions for ever. If
    // it is not, the peer says BYE on it.
    GROVE_MARK("handshake.dialled_anew");
    const NodeId node = intern_node(name, peer.life);
    if (peer.session != 0) act(Down{node, peer.session, "the peer dialled anew"});
    peer.session = 0;
    inbound_.erase(std::exchange(peer.route, {}));
  }
  meet(name, peer, inbound.hello.life, inbound.hello.address, inbound.hello.local);
  inbound.proved = true;
  peer.route = route;
  act(Answer{route, encode_empty(FrameKind::accept)});
  peer.backoff = {};
  peer.lost.reset();
  if (peer.link == 0 && !peer.looking_up) reach(name, peer, {}, now);
  try_up(name, peer, now);
}

/// A life that ended unseen has the name until its session has been silent for too long: a newer
/// one may come in then.
std::optional<Refusal> Sessions::refusal_of(const Peer& peer, Life life) {
  if (life < peer.life) return Refusal::older_life;
  if (life == peer.life || peer.session == 0) return std::nullopt;
  GROVE_MARK("handshake.name_taken");
  return Refusal::name_in_use;
}

/// A life of a peer has proved itself. No session with an earlier one stands any more.
void Sessions::meet(const std::string& name, Peer& peer, Life life, const std::string& address,
                    const std::string& local) {
  if (life != peer.life || address != peer.address) {  // it may be elsewhere now
    std::erase_if(aliases_, [&](const auto& alias) { return alias.second == name; });
  }
  if (life > peer.life && peer.life != Life{}) {
    GROVE_MARK("handshake.next_life");
    if (peer.link != 0) {  // dialled to the old life
      const LinkId link = std::exchange(peer.link, 0);
      const auto out = outbound_.find(link);
      if (out != outbound_.end() && out->second.phase >= Phase::auth_sent) {
        act(HangUp{link});
        outbound_.erase(out);
      } else {
        GROVE_MARK("handshake.dial_finds_next_life");
        peer.link = link;  // still on its way: it may find the new life
      }
    }
    if (!peer.route.empty()) inbound_.erase(std::exchange(peer.route, {}));
  }
  peer.life = life;
  peer.left = false;
  if (!address.empty() && peer.address != address) {
    peer.address = address;
    peer.looking_up = false;  // the old one's is of no use any more
  }
  peer.local = local_address(local, config_.machine).value_or("");
  peer.trouble.clear();
}

}  // namespace grove::transport
