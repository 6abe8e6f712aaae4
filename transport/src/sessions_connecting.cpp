// SPDX-License-Identifier: Apache-2.0
//
// Connections by hand: Sessions' connect() and disconnect().
#include "grove/transport/endpoint.hpp"
#include "grove/transport/sessions.hpp"

#include <algorithm>
#include <utility>

namespace grove::transport {

Sessions::Actions Sessions::connect(std::uint64_t id, const std::string& target,
                                    Clock::TimePoint now) {
  Request request;
  request.id = id;
  request.target = target;
  request.deadline = now + 2 * config_.times.handshake;  // our dial, and the peer's dial back
  next_tick_ = std::min(next_tick_, request.deadline);
  if (stopped_ || leaving_) {
    request.why = "this node ends";
  } else if (target == config_.name) {
    request.peer = target;
  } else if (const auto known = peers_.find(target); known != peers_.end()) {
    request.peer = target;
    Peer& peer = known->second;
    if (peer.session == 0 && peer.link == 0 && !peer.looking_up) reach(target, peer, {}, now);
  } else if (const auto endpoint = parse_endpoint(target, AddressUse::dial); !endpoint) {
    request.why = endpoint.error().detail;
  } else {
    request.target = to_string(*endpoint);
    request.looking_up = true;
    act(Resolve{request.target});
  }
  requests_.push_back(std::move(request));
  return take();
}

Sessions::Actions Sessions::disconnect(const std::string& name, Clock::TimePoint now) {
  const auto place = peers_.find(name);
  if (place != peers_.end()) {
    end_session(name, place->second, "disconnected by hand", now, Ending::disconnected);
  }
  return take();
}

/// Whoever lives at these addresses is meant: each is dialled as a seed's.
void Sessions::requests_resolved(const std::string& target, const std::vector<std::string>& found,
                                 Clock::TimePoint now) {
  bool any = false;
  for (Request& request : requests_) {
    if (!request.looking_up || request.target != target) continue;
    request.looking_up = false;
    request.why = "the name cannot be resolved";  // unless something else comes of it
    any = true;
  }
  if (!any) return;
  for (const std::string& address : found) {
    const bool on_its_way = std::any_of(outbound_.begin(), outbound_.end(), [&](const auto& entry) {
      return entry.second.address == address && entry.second.seed == target;
    });
    if (!is_met(target, address, now) && !on_its_way) dial(address, {}, target, now);
  }
}

void Sessions::requests_failed(const std::string& target, const std::string& why) {
  for (Request& request : requests_) {
    if (request.peer.empty() && request.target == target) request.why = why;
  }
}

void Sessions::requests_answered(const std::string& target, const std::string& node) {
  for (Request& request : requests_) {
    if (request.peer.empty() && request.target == target) request.peer = node;
  }
}

bool Sessions::is_pending(const Request& request) const {
  if (request.looking_up) return true;
  const auto peer = peers_.find(request.peer);
  if (peer != peers_.end()) return peer->second.link != 0 || peer->second.looking_up;
  return std::any_of(outbound_.begin(), outbound_.end(),
                     [&](const auto& entry) { return entry.second.seed == request.target; });
}

/// Tells of those that have come to an end: they follow what becomes of peers and links, whoever
/// it is that makes it so.
void Sessions::finish_requests() {
  std::erase_if(requests_, [&](const Request& request) {
    const auto peer = peers_.find(request.peer);
    const bool known = peer != peers_.end();
    const bool up = known ? peer->second.session != 0 : request.peer == config_.name;
    if (!up && !request.late && is_pending(request)) return false;
    Connected connected{request.id, {}, {}};
    if (up) {
      connected.node = request.peer;
    } else {
      connected.why = known ? peer->second.trouble : request.why;
      if (request.late || connected.why.empty()) connected.why = "no answer in time";
    }
    act(std::move(connected));
    return true;
  });
}

}  // namespace grove::transport
