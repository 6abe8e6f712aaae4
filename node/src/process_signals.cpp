// SPDX-License-Identifier: Apache-2.0
//
// What a process does with the signals that reach it. They act when they reach the process, not
// when its mailbox gets to them: only messages, and what becomes one, wait there.
#include "grove/core/mark.hpp"

#include "mailbox_bounds.hpp"
#include "node_down.hpp"
#include "process.hpp"
#include "process_table.hpp"

#include <utility>

namespace grove::detail {
namespace {

// So few messages get the time of their arrival only when they are left over at a turn's end.
constexpr std::uint32_t k_unstamped = 8;

constinit thread_local std::uint32_t t_arrival = 0;  // of what is being taken; 0: not asked yet

}  // namespace

EnvelopePtr answer_of_the_dead(Node& node, const Pid& dead, Envelope& signal) {
  const auto answer = [&](SignalKind kind, Message message) {
    auto envelope = std::make_unique<Envelope>(kind, dead, std::uint64_t{signal.serial});
    envelope->message = std::move(message);
    return envelope;
  };
  switch (signal.kind()) {
    case SignalKind::info:
    case SignalKind::cast: node.dead_letter(Metric::dead_letters_no_process, signal, dead); break;
    case SignalKind::reply: node.dead_letter(Metric::dead_letters_late_reply, signal, dead); break;
    case SignalKind::told_alias:
    case SignalKind::alias: node.dead_letter(Metric::dead_letters_alias, signal, dead); break;
    case SignalKind::call:
      node.dead_letter(Metric::dead_letters_no_process, signal, dead);
      [[fallthrough]];
    case SignalKind::monitor:
      return answer(SignalKind::down, Message::make<DownSignal>(ExitReason::noproc()));
    case SignalKind::link:
      return answer(SignalKind::exit, Message::make<ExitSignal>(ExitReason::noproc(), true));
    case SignalKind::unlink: return answer(SignalKind::unlink_ack, {});
    case SignalKind::want_room: return answer(SignalKind::room, {});
    case SignalKind::inspect:
    case SignalKind::system:
      if (signal.serial == 0) break;
      return answer(SignalKind::down, Message::make<DownSignal>(ExitReason::noproc()));
    default: break;
  }
  return nullptr;
}

inline void Process::append(Envelope* envelope) {
  envelope->generation = 0;
  mailbox_.append(envelope);
  if (mailbox_.size() > k_unstamped) {
    if (t_arrival == 0) t_arrival = node_->uptime_ms();
    envelope->generation = t_arrival;
  }
  if (traced_) [[unlikely]] {
    trace(sys::TraceEvent::Kind::received, envelope->from, envelope->message);
  }
  if ((envelope->flags & Envelope::k_counted) != 0) drop_oldest();
}

void Process::take_inbox() {
  if (alive_ && doomed_) return;  // what comes after a deadly signal is for the dead to answer
  t_arrival = 0;
  Envelope* next = inbox_.take();
  if (next == nullptr) return;
  const std::uint32_t generation = generation_.load(std::memory_order_relaxed);
  do {
    Envelope* const envelope = std::exchange(next, next->next);
    if (alive_ && (envelope->generation == generation || is_through_alias(envelope->kind()))) {
      if (envelope->kind() <= SignalKind::cast && envelope->flags == 0) {  // by far the most
        append(envelope);
        continue;
      }
      act(envelope);
      if (doomed_ && next != nullptr) {
        extras().after_doom = next;
        return;
      }
    } else {
      act_stale(envelope);
    }
  } while (next != nullptr);
}

/// After its end: answers for what had come behind the signal that ended it.
void Process::answer_rest() {
  if (extras_ == nullptr) return;
  for (Envelope* next = std::exchange(extras_->after_doom, nullptr); next != nullptr;) {
    act_stale(std::exchange(next, next->next));
  }
}

void Process::act(Envelope* envelope) {
  const SignalKind kind = envelope->kind();
  if ((envelope->flags & Envelope::k_packed) != 0 && !node_->router_->unpack(*envelope)) {
    refuse(envelope);
    return;
  }
  const Pid from = envelope->from;
  const std::uint64_t serial = envelope->serial;
  if (from.node != node_->id()) abroad_ = true;
  Relations* const relations = extras_ == nullptr ? nullptr : &extras_->relations;
  switch (kind) {
    case SignalKind::info:
    case SignalKind::cast: append(envelope); return;
    case SignalKind::call: on_call(envelope); return;
    case SignalKind::system: on_system(envelope); return;
    case SignalKind::reply: on_reply(envelope); return;
    case SignalKind::told_alias:
    case SignalKind::alias: on_alias(envelope); return;
    case SignalKind::told:
      envelope->set_kind(SignalKind::info);
      append(envelope);
      return;
    case SignalKind::exit: {
      const auto* signal = envelope->message.get<ExitSignal>();
      handle_exit(from, signal->reason, signal->of_link);
      break;
    }
    case SignalKind::down:
      on_down(from, serial, envelope->message.get<DownSignal>()->reason);
      break;
    case SignalKind::link:
      this->relations().on_link(from, envelope->message.get<SessionMark>()->session);
      break;
    case SignalKind::unlink:
      if (relations != nullptr) {
        relations->on_unlink(from, envelope->message.get<SessionMark>()->session);
      }
      emit(pid(), from, SignalKind::unlink_ack, serial, {});
      break;
    case SignalKind::unlink_ack:
      if (relations != nullptr) relations->on_unlink_ack(from, serial);
      break;
    case SignalKind::monitor:
      this->relations().on_monitor({from, serial}, envelope->message.get<SessionMark>()->session);
      break;
    case SignalKind::demonitor:
      if (relations != nullptr) relations->on_demonitor({from, serial});
      break;
    case SignalKind::spawn: break;  // for nodes alone
    case SignalKind::spawned: on_spawned(from, serial, *envelope->message.get<SpawnMark>()); break;
    case SignalKind::node_lost: on_node_lost(*envelope->message.get<NodeLost>()); break;
    case SignalKind::tick: on_tick(serial); break;
    case SignalKind::inspect: on_inspect(*envelope); break;
    case SignalKind::completed:
      if (extras_->operation_serial == serial) extras_->operation_done = true;
      break;
    case SignalKind::want_room: on_want_room(from); break;
    case SignalKind::room:
      extras().no_room_at.erase(from);
      held_ = !extras_->no_room_at.empty();
      break;
  }
  inbox_.free(envelope);
}

void Process::act_stale(Envelope* envelope) {
  const Pid self{node_->id(), index_, envelope->generation};
  const Pid from = envelope->from;
  if (envelope->kind() == SignalKind::completed && occupied_ && extras_ != nullptr &&
      extras_->operation_serial == envelope->serial) {
    extras_->operation_done = true;  // nothing points into the dead life's frames any more
  }
  if (envelope->kind() == SignalKind::spawned) on_stale_spawned(self, *envelope);
  const bool is_refusal = envelope->kind() == SignalKind::down && !from && from.node != NodeId{};
  if (is_refusal && node_->router_ != nullptr) {  // perhaps no child will hear of the end
    const Ref request{self.node, index_, envelope->serial};
    (void)node_->router_->take_spawner_end(from.node, request);
  }
  if (EnvelopePtr answer = answer_of_the_dead(*node_, self, *envelope); answer != nullptr && from) {
    if (from.node != self.node && node_->router_ != nullptr) node_->router_->forget(self);
    const SignalKind kind = answer->kind();
    emit(self, from, kind, answer->serial, std::move(answer->message));
  }
  lose(envelope);
}

/// Ends a message that nobody gets: one whose destructor may be the program's, and may take its
/// time, only when nothing is half done.
void Process::lose(Envelope* envelope) {
  const SignalKind kind = envelope->kind();
  const bool is_programs =
      is_message(kind) || kind == SignalKind::reply || kind == SignalKind::told_alias;
  const bool unread = (envelope->flags & Envelope::k_packed) != 0;
  const MessageType* const type = envelope->message.type();
  if (!is_programs || unread || type == nullptr || type->trivial) return inbox_.free(envelope);
  envelope->flags = 0;  // it takes no room any more
  if (alive_) {
    losing_ = true;
    envelope->next = std::exchange(extras().lost, envelope);
  } else {
    mailbox_.append(envelope);
  }
}

void Process::end_lost() {
  while (Envelope* const envelope = extras_->lost) {
    extras_->lost = envelope->next;
    end_message(envelope);
  }
  losing_ = false;
}

SessionId Process::emit(const Pid& from, const Pid& to, SignalKind kind, std::uint64_t serial,
                        Message&& message) {
  return emit(to, EnvelopePtr{new Envelope{kind, from, serial, std::move(message)}});
}

SessionId Process::emit(const Pid& to, EnvelopePtr envelope) {
  charge(1);
  const SignalKind kind = envelope->kind();
  if (to.node != node_->id()) {
    if (node_->router_ == nullptr) {
      if (is_message(kind) || kind == SignalKind::reply) {
        node_->dead_letter(Metric::dead_letters_no_connection, *envelope, to);
      }
      const bool of_former_life = node_name(to.node) == node_->name();
      return of_former_life ? Router::k_dead_life : Router::k_no_connection;
    }
    goes_abroad();
    return settle_route(to.node, node_->router_->route(to, std::move(envelope)));
  }
  Process* const target = node_->table_->find(to.index);
  if (target != nullptr && (target->marks_.load(std::memory_order_relaxed) & k_bounded) == 0) {
    envelope->generation = to.generation;
    target->push(envelope.release());
    return Router::k_no_connection;
  }
  switch (node_->deliver(to, std::move(envelope))) {
    case Delivery::done: break;
    case Delivery::crowded:
      // Who calls waits anyway, and its timeout must hold.
      if (kind != SignalKind::call) wait_for_room(node_->life_at(to));
      break;
    case Delivery::dropped:
      if (kind == SignalKind::call) return Router::k_refused;  // or its caller would wait in vain
      break;
    case Delivery::refused: return Router::k_refused;
  }
  return Router::k_no_connection;
}

void Process::goes_abroad() {
  if (node_->router_ == nullptr) return;  // a node alone has no abroad
  abroad_ = true;
  current_turn().owe(*node_->router_, node_->clock());
}

// -- messages -------------------------------------------------------------------------------

void Process::stamp_leftovers() {
  const std::uint32_t now = node_->uptime_ms();
  for (Envelope* at = mailbox_.head(); at != nullptr && at->generation == 0; at = at->next) {
    at->generation = now;
  }
}

void Process::append_new(SignalKind kind, const Pid& from, std::uint64_t serial,
                         Message&& message) {
  auto envelope = std::make_unique<Envelope>(kind, from, serial);
  envelope->message = std::move(message);
  append(envelope.release());
}

void Process::on_call(Envelope* envelope) {
  // One from elsewhere came with a monitor signal of its own.
  const Pid from = envelope->from;
  if (from.node == node_->id()) relations().on_monitor({from, envelope->serial}, 0);
  append(envelope);
}

void Process::on_reply(Envelope* envelope) {
  const std::uint64_t serial = envelope->serial;
  const Watch* const call = extras_ == nullptr ? nullptr : extras_->relations.find_call(serial);
  if (call == nullptr) {
    node_->dead_letter(Metric::dead_letters_late_reply, *envelope, pid());
    lose(envelope);
    return;
  }
  // Somebody answered for the server; it still watches for us and has to hear of the end. Of one
  // that was called by its name, its node says so to whomever an answer of its own leaves.
  const Pid& asked = call->target;
  const bool is_asked = asked ? asked == envelope->from : asked.node == envelope->from.node;
  if (!is_asked) stop_watching(pid(), serial, *call);
  extras_->relations.end_call(call);
  append(envelope);
}

/// Drops a message that is not in the mailbox yet. One through an alias may have been counted for
/// a former life.
void Process::refuse(Envelope* envelope) {
  const bool counted = (envelope->flags & Envelope::k_counted) != 0;
  if (counted && envelope->generation == generation_.load(std::memory_order_relaxed)) made_room();
  lose(envelope);
}

void Process::on_alias(Envelope* envelope) {
  const std::uint64_t alias = envelope->serial;
  std::optional<Watch> ended;
  if (extras_ == nullptr || !extras_->relations.on_alias(alias, ended)) {
    node_->dead_letter(Metric::dead_letters_alias, *envelope, pid());
    refuse(envelope);
    return;
  }
  if (ended) stop_watching(pid(), alias, *ended);
  envelope->set_kind(SignalKind::info);
  envelope->serial = 0;
  append(envelope);
}

// -- bounded mailboxes ----------------------------------------------------------------------

void Process::drop_oldest() {
  MailboxBound* const bound = node_->table_->bound(index_);
  if (bound->policy() != MailboxPolicy::drop_oldest || scanning_) return;  // the next one will
  const auto is_counted = [](const Envelope& envelope) {
    return (envelope.flags & Envelope::k_counted) != 0;
  };
  while (bound->pending() > bound->limit()) {
    Envelope* const oldest = mailbox_.take_first(is_counted);
    if (oldest == nullptr) return;
    if (waiter_ != nullptr && waiter_->refused_ == oldest) waiter_->refused_ = nullptr;
    node_->dead_letter(Metric::dead_letters_mailbox_full, *oldest, pid());
    if (oldest->kind() == SignalKind::call) {  // or its caller would wait in vain
      relations().on_demonitor({oldest->from, oldest->serial});
      emit(pid(), oldest->from, SignalKind::down, oldest->serial,
           Message::make<DownSignal>(ExitReason::symbol("mailbox_full")));
    }
    free_message(oldest);  // at once: what waits to be ended is not bounded
  }
}

/// A message that took room has left the mailbox. Within a turn those who wait for room are left
/// to wait until half of it is free: then more of them have something to do at a time.
void Process::made_room() {
  MailboxBound* const bound = node_->table_->bound(index_);
  if (bound->leave() <= bound->limit() / 2) offer_room();
}

/// Lets those who wait for room go on, if there is any.
void Process::offer_room() {
  if (extras_ == nullptr || extras_->waiting_senders.empty()) return;
  const MailboxBound* const bound = node_->table_->bound(index_);
  if (bound->pending() >= bound->limit()) return;
  const std::vector<Pid> senders = std::exchange(extras_->waiting_senders, {});
  for (const Pid& sender : senders) emit(pid(), sender, SignalKind::room, 0, {});
}

void Process::on_want_room(const Pid& sender) {
  const MailboxBound* const bound = node_->table_->bound(index_);
  if ((marks_.load(std::memory_order_relaxed) & k_bounded) == 0 ||
      bound->pending() <= bound->limit()) {
    emit(pid(), sender, SignalKind::room, 0, {});
  } else {
    extras().waiting_senders.push_back(sender);
  }
}

void Process::wait_for_room(const Pid& at) {
  auto& places = extras().no_room_at;
  if (at == pid() || places.find(at) != nullptr) return;
  places.insert(at, {});
  held_ = true;
  if (at.node == node_->id()) emit(pid(), at, SignalKind::want_room, 0, {});  // a router knows
}

// -- links and monitors ---------------------------------------------------------------------

void Process::handle_exit(const Pid& from, const ExitReason& reason, bool of_link) {
  if (of_link && (extras_ == nullptr || !extras_->relations.on_linked_exit(from))) {
    GROVE_MARK("link.exit_of_none");
    return;
  }
  if (!of_link && reason.is_kill()) {
    doom(ExitReason::killed());
  } else if (trap_exit_) {
    append_new(SignalKind::info, from, of_link ? k_of_link : 0, Message::make<Exit>(from, reason));
  } else if (!reason.is_normal() || (!of_link && from == pid())) {
    doom(reason);
  }
}

void Process::on_down(const Pid& from, std::uint64_t serial, const ExitReason& reason) {
  if (extras_ == nullptr) return;
  std::optional<Watch> watch = extras_->relations.end_watch(serial);
  if (!watch) return on_spawn_failed(from, serial, reason);
  if (watch->kind == Watch::Kind::call) {
    // How a child has ended that was asked for there is told as it is: it may read like that.
    const bool of_child = (watch->spawn & Watch::k_call) != 0;
    append_new(SignalKind::reply, from, serial,
               Message::make<CallFailure>(
                   of_child ? reason : failure_of_call(node_->id(), from.node, reason)));
    return;
  }
  Metric metric = Metric::downs_other;
  if (reason.is_normal()) metric = Metric::downs_normal;
  if (reason == ExitReason::noproc()) metric = Metric::downs_noproc;
  if (reason == ExitReason::noconnection()) metric = Metric::downs_noconnection;
  node_->metrics().add(metric);
  append_new(SignalKind::info, from, serial,
             Message::make<Down>(Ref{node_->id(), index_, serial}, from, reason,
                                 watch->name == nullptr ? std::string{} : *watch->name));
}

void Process::on_node_lost(const NodeLost& lost) {
  if (extras_ == nullptr) return;
  const Relations::Lost gone = extras_->relations.on_node_lost(lost.node, lost.session);
  for (const auto& [serial, target] : gone.watches) {
    on_down(target, serial, ExitReason::noconnection());
  }
  for (const Pid& pid : gone.links) handle_exit(pid, ExitReason::noconnection(), true);
}

void Process::settle_watch(std::uint64_t serial, const Pid& target, SessionId session) {
  ExitReason reason = ExitReason::noconnection();
  if (session == Router::k_refused) {
    reason = refusal_at(target.node);
  } else if (target.node == node_->id()) {
    return;
  } else if (session == Router::k_dead_life) {
    reason = ExitReason::noproc();
  } else if (session != Router::k_no_connection) {
    if (Watch* watch = relations().find_watch(serial)) watch->session = session;
    return;
  }
  // Through the own queue: a DOWN is never there before monitor() has returned.
  auto down = std::make_unique<Envelope>(SignalKind::down, target, serial);
  down->message = Message::make<DownSignal>(reason);
  node_->deliver(pid(), std::move(down));
}

/// Tells the other side that a monitor or call of ours is over.
void Process::stop_watching(const Pid& self, std::uint64_t serial, const Watch& watch) {
  if (watch.kind == Watch::Kind::spawn) return;  // who comes of it will hear
  if (watch.target) {
    emit(self, watch.target, SignalKind::demonitor, serial, {});
  } else if (watch.target.node != NodeId{} && node_->router_ != nullptr) {
    // Made by a name there, and the pid stayed unknown: that node knows who had it then.
    goes_abroad();
    node_->router_->route(watch.target.node, *watch.name,
                          std::make_unique<Envelope>(SignalKind::demonitor, self, serial));
  }
}

void Process::name_watch(std::uint64_t serial, std::string name) {
  if (Watch* watch = relations().find_watch(serial)) {
    watch->name = std::make_unique<const std::string>(std::move(name));
  }
}

// -- the rest -------------------------------------------------------------------------------

void Process::on_inspect(Envelope& envelope) {
  if (const auto* request = envelope.message.get<InspectRequest>()) {
    request->answer(info());
  } else if (const auto* to_trace = envelope.message.get<TraceRequest>()) {
    on_trace(envelope, to_trace->options);
  } else if (envelope.message.is<AliveRequest>()) {
    emit(pid(), envelope.from, SignalKind::reply, envelope.serial, Message::make<Ok>());
  } else if (envelope.message.is<InfoRequest>()) {
    emit(pid(), envelope.from, SignalKind::reply, envelope.serial,
         Message::make<ProcessInfo>(info()));
  }
}

void Process::on_system(Envelope* envelope) {
  if (code_.body() != nullptr && code_.body()->is_server()) {
    envelope->set_kind(SignalKind::call);
    return on_call(envelope);
  }
  // One from elsewhere came with a monitor signal of its own, too.
  if (extras_ != nullptr) extras_->relations.on_demonitor({envelope->from, envelope->serial});
  emit(pid(), envelope->from, SignalKind::reply, envelope->serial,
       Message::make<CallFailure>(ExitReason::symbol("not_a_server")));
  inbox_.free(envelope);
}

void Process::on_tick(std::uint64_t number) {
  if (number != extras_->tick_number) return;
  extras_->tick_at = Clock::TimePoint::max();
  if (waiter_ == nullptr || !waiter_->timeout_) return;
  // It may have come for an older, shorter wait: then ask again.
  waiter_->timed_out_ = node_->clock().now() >= waiter_->deadline_;
  if (!waiter_->timed_out_) arm_tick();
}

}  // namespace grove::detail
