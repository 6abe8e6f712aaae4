// SPDX-License-Identifier: Apache-2.0
#include "spawner.hpp"

#include "remote_signals.hpp"

#include <exception>
#include <memory>
#include <utility>

namespace grove::cluster {
namespace {

ExitReason undefined(const std::string& name) {
  return ExitReason{Value::tuple({Value::symbol("undef"), name})};
}

}  // namespace

bool Spawner::spawn(const PeerLinkPtr& link, const std::string& name, Envelope& request) {
  const Unpacked unpacked = unpack_message(request);
  if (unpacked.outcome == Unpacked::Outcome::malformed) return false;
  const detail::Behaviour* behaviour = detail::find_behaviour(request.message.type());
  if (behaviour == nullptr) {
    once_.warning("node " + node_name(link->peer) + " asks for " + to_string(Value{name}) +
                  ", which this program does not declare for other nodes");
    refuse(link, request, undefined(name));
    return true;
  }
  if (!are_valid(behaviour->terms(request.message))) return false;
  try {
    start(link, *behaviour, request);
  } catch (...) {  // its arguments threw, or there is no room
    refuse(link, request, exit_reason_of(std::current_exception()));
  }
  return true;
}

void Spawner::start(const PeerLinkPtr& link, const detail::Behaviour& behaviour,
                    Envelope& request) {
  using Mark = detail::SpawnMark;
  const detail::SpawnTerms terms = behaviour.terms(request.message);
  using Purpose = detail::SpawnTerms::Purpose;
  detail::Asker asker{request.from, request.serial, {0, link->session}};
  const bool answers = request.serial != 0;
  if (terms.link) asker.mark.ties |= Mark::k_link;
  if (answers && (terms.monitor || terms.purpose != Purpose::process)) {
    asker.mark.ties |= Mark::k_watched;
  }
  if (terms.purpose == Purpose::server) asker.mark.ties |= Mark::k_unwanted;
  auto body = behaviour.make(std::move(request.message), {asker.pid, asker.request});
  if (body == nullptr) return refuse(link, request, undefined(std::string{behaviour.name}));
  node_.spawn_for(asker, options_of(terms), std::move(body));
}

void Spawner::refuse(const PeerLinkPtr& link, const Envelope& request, const ExitReason& why) {
  if (request.serial == 0) return;
  Envelope down{SignalKind::down, Pid{}, request.serial};
  down.message = Message::make<detail::DownSignal>(why);
  outgoing_.send(link, link->peer, transport::local_id(request.from), {}, down);
}

}  // namespace grove::cluster
