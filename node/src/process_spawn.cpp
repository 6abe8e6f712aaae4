// SPDX-License-Identifier: Apache-2.0
//
// What a process does about children on other nodes: it asks, and is answered by the child's mark,
// or by a down of the request. Between the two the request is a watch of the kind `spawn`.
#include "grove/node/remote.hpp"

#include "process.hpp"
#include "spawn_refused.hpp"

#include <utility>

namespace grove::detail {
namespace {

std::uint8_t wanted_by(const SpawnTerms& terms, SpawnAnswer answer) {
  std::uint8_t wanted = 0;
  if (terms.link) wanted |= Watch::k_link;
  if (terms.monitor) wanted |= Watch::k_monitor;
  switch (answer) {
    case SpawnAnswer::none: break;
    case SpawnAnswer::awaited: wanted |= Watch::k_awaited; break;
    case SpawnAnswer::message: wanted |= Watch::k_message; break;
    case SpawnAnswer::call: wanted |= Watch::k_call; break;
    case SpawnAnswer::start: wanted |= Watch::k_call | Watch::k_awaited; break;
  }
  return wanted;
}

}  // namespace

Spawned ask_spawn(Context& context, std::string_view node, Order order, SpawnAnswer answer,
                  AliasMode alias) {
  const RuntimeSection runtime{current_turn()};
  auto& process = static_cast<Process&>(context);
  if (!process.alive()) throw ProcessExit{ExitReason::killed()};
  if (!is_node_name(node)) throw ProcessExit{ExitReason::symbol("badarg")};
  const std::uint64_t request = answer == SpawnAnswer::none ? 0 : process.next_serial();
  Watch watch{.kind = Watch::Kind::spawn,
              .alias = alias,
              .spawn = wanted_by(order.behaviour->terms(order.message), answer)};
  Spawned spawned;
  spawned.ref = {context.node().id(), context.self().index, request};
  if (node == context.node().name()) {
    spawned.pid = process.spawn_here(request, watch, *order.behaviour, std::move(order.message));
  } else {
    process.spawn_there(request, std::move(watch), node, *order.behaviour,
                        std::move(order.message));
  }
  return spawned;
}

Pid Process::spawn_here(std::uint64_t request, const Watch& watch, const Behaviour& behaviour,
                        Message order) {
  SpawnOptions options = options_of(behaviour.terms(order));
  options.link = (watch.spawn & Watch::k_link) != 0;
  options.monitor = (watch.spawn & Watch::k_monitor) != 0;
  options.reply = (watch.spawn & Watch::k_message) != 0;
  options.alias = watch.alias;
  options.monitor_serial = request;
  if ((watch.spawn & Watch::k_call) != 0) options.start_serial = request;
  const From asker{pid(), request};
  return node_->spawn_body(std::move(options), behaviour.make(std::move(order), asker), this).pid;
}

void Process::spawn_there(std::uint64_t request, Watch watch, std::string_view node,
                          const Behaviour& behaviour, Message order) {
  const std::string name{node};
  NodeId there = node_->router_ == nullptr ? NodeId{} : node_->router_->connected(name);
  const bool away = there == NodeId{};
  if (away) there = intern_node(node, Life{});  // nobody's life: whoever comes of it is nobody
  const Pid target{there, 0, 0};
  watch.target = target;
  if (request != 0) relations().watch(request, std::move(watch));
  SessionId session = Router::k_no_connection;
  if (!away) {
    goes_abroad();
    auto envelope = std::make_unique<Envelope>(SignalKind::spawn, pid(), request, std::move(order));
    session = settle_route(
        there, node_->router_->route(there, std::string{behaviour.name}, std::move(envelope)));
  }
  if (request != 0) settle_watch(request, target, session);
}

bool Process::abandon_spawn(std::uint64_t request) {
  return extras_ != nullptr && extras_->relations.end_spawn(request).has_value();
}

void Process::on_spawned(const Pid& child, std::uint64_t request, const SpawnMark& mark) {
  const auto watch = relations().end_spawn(request);
  if (!watch) return disown(pid(), child, request, mark, ExitReason::symbol("abandoned"));
  const bool calls = (watch->spawn & Watch::k_call) != 0;
  if ((watch->spawn & Watch::k_link) != 0 && relations().link(child)) {
    relations().set_session(child, mark.session);
  }
  if (calls || (watch->spawn & Watch::k_monitor) != 0) {
    relations().watch(request, {.target = child,
                                .kind = calls ? Watch::Kind::call : Watch::Kind::monitor,
                                .alias = watch->alias,
                                .spawn = calls ? Watch::k_call : std::uint8_t{0},
                                .session = mark.session});
  }
  if ((watch->spawn & Watch::k_message) != 0) {
    append_new(SignalKind::info, child, 0,
               Message::make<SpawnReply>(Ref{node_->id(), index_, request}, child, ExitReason{}));
  }
  if ((watch->spawn & Watch::k_awaited) != 0) {
    append_new(SignalKind::reply, child, request, Message::make<Pid>(child));
  }
}

/// Its child has come to life after its end.
void Process::on_stale_spawned(const Pid& self, const Envelope& envelope) {
  SpawnMark mark = *envelope.message.get<SpawnMark>();
  mark.ties &= static_cast<std::uint8_t>(~SpawnMark::k_unwanted);  // it would have stayed, too
  ExitReason reason = ExitReason::noproc();
  if (node_->router_ != nullptr) {
    node_->router_->forget(self);
    const Ref request{node_->id(), index_, envelope.serial};
    if (mark.ties != 0) reason = node_->router_->take_spawner_end(envelope.from.node, request);
  }
  disown(self, envelope.from, envelope.serial, mark, reason);
}

/// Ends what ties a child to a request that nobody waits for any more.
void Process::disown(const Pid& self, const Pid& child, std::uint64_t request,
                     const SpawnMark& mark, const ExitReason& reason) {
  if ((mark.ties & SpawnMark::k_watched) != 0) {
    emit(self, child, SignalKind::demonitor, request, {});
  }
  if ((mark.ties & SpawnMark::k_unwanted) != 0) {
    emit(self, child, SignalKind::exit, 0, Message::make<ExitSignal>(ExitReason::kill(), false));
  } else if ((mark.ties & SpawnMark::k_link) != 0) {
    emit(self, child, SignalKind::exit, 0, Message::make<ExitSignal>(reason, true));
  }
}

/// The node said no, or cannot be reached.
void Process::on_spawn_failed(const Pid& target, std::uint64_t request, const ExitReason& reason) {
  const auto watch = extras_->relations.end_spawn(request);
  if (!watch) return;
  const Ref ref{node_->id(), index_, request};
  if ((watch->spawn & Watch::k_message) != 0) {
    append_new(SignalKind::info, target, 0, Message::make<SpawnReply>(ref, Pid{}, reason));
  } else if ((watch->spawn & (Watch::k_call | Watch::k_awaited)) == Watch::k_call) {
    append_new(SignalKind::reply, target, request, Message::make<SpawnRefused>(reason));
  } else if ((watch->spawn & Watch::k_call) != 0) {
    append_new(SignalKind::reply, target, request, Message::make<CallFailure>(reason));
  } else {  // as OTP: somebody who is not there, and has ended so
    const Pid nobody{watch->target.node, 0, 1};
    append_new(SignalKind::reply, nobody, request, Message::make<Pid>(nobody));
    if ((watch->spawn & Watch::k_monitor) != 0) {
      relations().watch(request, {.target = nobody});
      on_down(nobody, request, reason);
    }
    if ((watch->spawn & Watch::k_link) != 0 && relations().link(nobody)) {
      handle_exit(nobody, reason, true);
    }
  }
}

}  // namespace grove::detail

namespace grove {

void Node::spawn_for(const detail::Asker& asker, SpawnOptions options,
                     std::unique_ptr<detail::Body> body) {
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& child = claim(nullptr);
  child.set_code(std::move(body));
  const Pid pid{id_, child.index_, child.generation_.load(std::memory_order_relaxed) + 1};
  EnvelopePtr answer;
  try {
    bound_mailbox(child, pid, options.mailbox);
    if ((asker.mark.ties & detail::SpawnMark::k_link) != 0) {
      child.relations().on_link(asker.pid, asker.mark.session);
    }
    if ((asker.mark.ties & detail::SpawnMark::k_watched) != 0) {
      child.relations().on_monitor({asker.pid, asker.request}, asker.mark.session);
    }
    child.begin(asker.pid, std::move(options));
    answer = std::make_unique<Envelope>(SignalKind::spawned, pid, asker.request,
                                        Message::make<detail::SpawnMark>(asker.mark));
  } catch (...) {
    give_up(child, nullptr);
    throw;
  }
  child.abroad_ = true;
  child.generation_.store(pid.generation, std::memory_order_seq_cst);  // odd from now on
  // Its answer comes first, before anything that it could send.
  if (asker.request != 0) router_->route(asker.pid, std::move(answer));
  if (stopping_.load(std::memory_order_seq_cst)) child.doom(ExitReason::killed());  // see launch()
  scheduler_->submit(child);
}

}  // namespace grove
