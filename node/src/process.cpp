// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"

#include "grove/core/check.hpp"

#include "name_table.hpp"
#include "process_table.hpp"
#include "timers.hpp"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <typeinfo>
#include <utility>

namespace grove::detail {
namespace {

constexpr int k_turn_budget = 256;  // messages, handled or sent, in one turn
constexpr int k_long_turn_budget = 4096;
constexpr std::chrono::milliseconds k_long_turn_time{1};
constexpr int k_resume_cost = 8;  // of a coroutine, in messages

thread_local Process* t_running = nullptr;

}  // namespace

EnvelopePtr answer_of_the_dead(Node& node, const Pid& dead, const Envelope& signal) {
  const auto answer = [&](SignalKind kind, Message message) {
    auto envelope = std::make_unique<Envelope>(kind, dead, signal.serial);
    envelope->message = std::move(message);
    return envelope;
  };
  switch (signal.kind()) {
    case SignalKind::info:
    case SignalKind::cast: node.metrics().add(Metric::dead_letters_no_process); return nullptr;
    case SignalKind::reply: node.metrics().add(Metric::dead_letters_late_reply); return nullptr;
    case SignalKind::call: node.metrics().add(Metric::dead_letters_no_process); [[fallthrough]];
    case SignalKind::monitor:
      return answer(SignalKind::down, Message::make<DownSignal>(ExitReason::noproc()));
    case SignalKind::link:
      return answer(SignalKind::exit, Message::make<ExitSignal>(ExitReason::noproc(), true));
    case SignalKind::unlink: return answer(SignalKind::unlink_ack, {});
    default: return nullptr;
  }
}

void Process::push(EnvelopePtr envelope) {
  if (inbox_.push(envelope.release())) node_->scheduler_->submit(*this);
}

Pid Process::pid() const noexcept {
  return {node_->id(), index_, generation_.load(std::memory_order_relaxed)};
}

Relations& Process::relations() {
  if (relations_ == nullptr) relations_ = std::make_unique<Relations>();
  return *relations_;
}

void Process::begin(Node& node, Pid parent, SpawnOptions options, std::unique_ptr<Body> body) {
  node_ = &node;
  parent_ = parent;
  trap_exit_ = options.trap_exit;
  label_ = std::move(options.label);
  body_ = std::move(body);
  generation_.fetch_add(1, std::memory_order_seq_cst);  // odd from now on
  alive_ = true;
  started_ = doomed_ = crashed_ = routed_ = abroad_ = false;
  tick_at_ = Clock::TimePoint::max();
  reductions_ = 0;
}

// -- the run loop ---------------------------------------------------------------------------

bool Process::run() {
  Process* const outer = std::exchange(t_running, this);
  take_inbox();
  // Who has many messages gets a longer turn: those who send them get theirs too, each of them.
  budget_ =
      static_cast<int>(std::clamp<std::size_t>(mailbox_.size(), k_turn_budget, k_long_turn_budget));
  Clock::TimePoint limit = Clock::TimePoint::max();
  bool again = false;
  bool ended = false;
  for (;; take_inbox()) {
    for (unsigned steps = 1; alive_ && !doomed_ && budget_ > 0 && work(); ++steps) {
      charge(task_ ? k_resume_cost : 1);
      if (task_ || steps % 32 == 0) take_inbox();  // so that a kill is seen in time
      if (steps % k_turn_budget == 0) {  // a long turn: fine while its messages are short work
        const Clock::TimePoint now = node_->clock().now();
        if (now > limit) budget_ = 0;
        limit = std::min(limit, now + k_long_turn_time);
      }
    }
    if (alive_ && doomed_) {
      die();
      ended = true;
    }
    again = alive_ && budget_ <= 0;
    if (routed_) {
      routed_ = false;
      node_->router_->flush();
    }
    if (again) break;
    // A free place can be claimed once it is parked; released after that, it could outlive its
    // node.
    if (std::exchange(ended, false)) {
      node_->table_->release(index_);
      node_->ended();  // after the last flush: who waits for it may take the router away
    }
    // From here on another worker may run this place: touch nothing of it any more.
    if (inbox_.park()) break;
  }
  t_running = outer;
  return again;
}

bool Process::work() {
  if (!started_) {
    started_ = true;
    try {
      start_task(body_->start(*this));
    } catch (...) {
      fail(std::current_exception());
    }
    return true;
  }
  if (waiter_ != nullptr) {
    EnvelopePtr found;
    try {
      found = mailbox_.scan([this](Envelope& envelope) { return waiter_->matches(envelope); });
    } catch (...) {  // the predicate is the program's
      fail(std::current_exception());
      return true;
    }
    if (found == nullptr && !overdue()) return false;
    Waiter& waiter = *std::exchange(waiter_, nullptr);
    waiter.taken_ = std::move(found);
    resume(waiter.handle_);
    return true;
  }
  if (task_) return false;  // waits for something other than a message
  EnvelopePtr next = mailbox_.pop();
  if (next == nullptr) return false;
  try {
    start_task(body_->handle(*this, *next));
  } catch (...) {
    fail(std::current_exception());
  }
  return true;
}

void Process::start_task(Task<> task) {
  if (!task) return;
  task_ = std::move(task);
  resume(task_.handle());
}

void Process::resume(std::coroutine_handle<> handle) {
  handle.resume();
  if (task_.handle().done()) end_task();
}

void Process::end_task() {
  const std::exception_ptr failure = task_.handle().promise().failure;
  task_ = {};
  if (failure) {
    fail(failure);
  } else if (body_->ends_with_task()) {
    doom(ExitReason::normal());
  }
}

void Process::fail(const std::exception_ptr& failure) {
  if (doomed_) return;
  crashed_ = true;
  doom(exit_reason_of(failure));
}

void Process::doom(const ExitReason& reason) {
  if (doomed_) return;  // the first of two exits decides
  doomed_ = true;
  exit_reason_ = reason;
}

// -- waiting --------------------------------------------------------------------------------

void Process::set_waiter(Waiter* waiter) {
  waiter_ = waiter;
  if (waiter->from_tail_) {
    mailbox_.scan_from_tail();
  } else {
    mailbox_.restart_scan();
  }
  if (!waiter->timeout_) return;
  waiter->deadline_ = node_->clock().now() + *waiter->timeout_;
  if (tick_at_ <= waiter->deadline_ || *waiter->timeout_ <= Clock::Duration::zero()) return;
  if (tick_at_ != Clock::TimePoint::max()) node_->timers_->cancel(tick_);
  arm_tick();
}

/// One timer at a time: a tick with an older number was cancelled too late, and says nothing.
void Process::arm_tick() {
  tick_at_ = waiter_->deadline_;
  tick_number_ = (tick_number_ + 1) & Envelope::k_serial_mask;
  tick_ = node_->timers_->arm(tick_at_, pid(),
                              std::make_unique<Envelope>(SignalKind::tick, pid(), tick_number_));
}

// Called with a waiter that nothing in the mailbox matches.
bool Process::overdue() const {
  return waiter_->timeout_ && node_->clock().now() >= waiter_->deadline_;
}

// -- signals --------------------------------------------------------------------------------

void Process::take_inbox() {
  for (Envelope* next = inbox_.take(); next != nullptr;) {
    EnvelopePtr envelope{next};
    next = next->next;
    if (alive_ && envelope->generation == generation_.load(std::memory_order_relaxed)) {
      act(std::move(envelope));
    } else {
      act_stale(std::move(envelope));
    }
  }
}

void Process::act(EnvelopePtr envelope) {
  if ((envelope->flags & Envelope::k_packed) != 0 && !node_->router_->unpack(*envelope)) return;
  const Pid from = envelope->from;
  const std::uint64_t serial = envelope->serial;
  if (from.node != node_->id()) abroad_ = true;
  switch (envelope->kind()) {
    case SignalKind::info:
    case SignalKind::cast: mailbox_.append(std::move(envelope)); return;
    case SignalKind::call:  // one from elsewhere came with a monitor signal of its own
      if (from.node == node_->id()) relations().on_monitor({from, serial}, 0);
      mailbox_.append(std::move(envelope));
      return;
    case SignalKind::reply: {
      const auto watch = relations_ == nullptr ? std::nullopt : relations_->end_watch(serial);
      if (!watch) {
        node_->metrics().add(Metric::dead_letters_late_reply);
        return;
      }
      // Somebody answered for the server; it still watches for us and has to hear of the end.
      if (watch->target && watch->target != from) {
        emit(pid(), watch->target, SignalKind::demonitor, serial, {});
      }
      mailbox_.append(std::move(envelope));
      return;
    }
    case SignalKind::exit: {
      const auto* signal = envelope->message.get<ExitSignal>();
      handle_exit(from, signal->reason, signal->of_link);
      return;
    }
    case SignalKind::down:
      on_down(from, serial, envelope->message.get<DownSignal>()->reason);
      return;
    case SignalKind::link:
      relations().on_link(from, envelope->message.get<SessionMark>()->session);
      return;
    case SignalKind::unlink:
      if (relations_ != nullptr) relations_->on_unlink(from);
      emit(pid(), from, SignalKind::unlink_ack, serial, {});
      return;
    case SignalKind::unlink_ack:
      if (relations_ != nullptr) relations_->on_unlink_ack(from, serial);
      return;
    case SignalKind::monitor:
      relations().on_monitor({from, serial}, envelope->message.get<SessionMark>()->session);
      return;
    case SignalKind::demonitor:
      if (relations_ != nullptr) relations_->on_demonitor({from, serial});
      return;
    case SignalKind::node_lost: on_node_lost(*envelope->message.get<NodeLost>()); return;
    case SignalKind::tick:
      if (serial != tick_number_) return;
      tick_at_ = Clock::TimePoint::max();
      // It may have come for an older, shorter wait: ask again.
      if (waiter_ != nullptr && waiter_->timeout_ && !overdue()) arm_tick();
      return;
    case SignalKind::inspect: envelope->message.get<InspectRequest>()->answer(info()); return;
  }
}

void Process::act_stale(EnvelopePtr envelope) {
  const Pid self{node_->id(), index_, envelope->generation};
  const Pid from = envelope->from;
  if (EnvelopePtr answer = answer_of_the_dead(*node_, self, *envelope)) {
    if (from.node != self.node && node_->router_ != nullptr) node_->router_->forget(self);
    const SignalKind kind = answer->kind();
    emit(self, from, kind, answer->serial, std::move(answer->message));
  }
}

void Process::handle_exit(const Pid& from, const ExitReason& reason, bool of_link) {
  if (of_link && (relations_ == nullptr || !relations_->on_linked_exit(from))) return;
  if (!of_link && reason.is_kill()) {
    doom(ExitReason::killed());
  } else if (trap_exit_) {
    auto envelope = std::make_unique<Envelope>(SignalKind::info, from);
    envelope->message = Message::make<Exit>(from, reason);
    mailbox_.append(std::move(envelope));
  } else if (!reason.is_normal() || (!of_link && from == pid())) {
    doom(reason);
  }
}

void Process::on_down(const Pid& from, std::uint64_t serial, const ExitReason& reason) {
  if (relations_ == nullptr) return;
  std::optional<Watch> watch = relations_->end_watch(serial);
  if (!watch) return;
  auto envelope = std::make_unique<Envelope>(SignalKind::info, from, serial);
  if (watch->is_call) {
    envelope->set_kind(SignalKind::reply);
    envelope->message = Message::make<ExitReason>(reason);
  } else {
    Metric metric = Metric::downs_other;
    if (reason.is_normal()) metric = Metric::downs_normal;
    if (reason == ExitReason::noproc()) metric = Metric::downs_noproc;
    if (reason == ExitReason::noconnection()) metric = Metric::downs_noconnection;
    node_->metrics().add(metric);
    envelope->message =
        Message::make<Down>(Ref{node_->id(), index_, serial}, from, reason, std::move(watch->name));
  }
  mailbox_.append(std::move(envelope));
}

void Process::settle_watch(std::uint64_t serial, const Pid& target, SessionId session) {
  if (target.node == node_->id()) return;
  if (session != Router::k_no_connection && session != Router::k_dead_life) {
    if (Watch* watch = relations_->find_watch(serial)) watch->session = session;
    return;
  }
  // Through the own queue: a DOWN is never there before monitor() has returned.
  auto down = std::make_unique<Envelope>(SignalKind::down, target, serial);
  down->message = Message::make<DownSignal>(
      session == Router::k_dead_life ? ExitReason::noproc() : ExitReason::noconnection());
  node_->deliver(pid(), std::move(down));
}

/// Tells the other side that a monitor or call of ours is over.
void Process::stop_watching(const Pid& self, std::uint64_t serial, const Watch& watch) {
  if (watch.target) {
    emit(self, watch.target, SignalKind::demonitor, serial, {});
  } else if (watch.target.node != NodeId{} && node_->router_ != nullptr) {
    // Monitored by its name there; the pid stayed unknown.
    routed_ = true;
    node_->router_->route(watch.target.node, watch.name,
                          std::make_unique<Envelope>(SignalKind::demonitor, self, serial));
  }
}

void Process::name_watch(std::uint64_t serial, std::string name) {
  if (relations_ == nullptr) return;
  if (Watch* watch = relations_->find_watch(serial)) watch->name = std::move(name);
}

void Process::on_node_lost(const NodeLost& lost) {
  if (relations_ == nullptr) return;
  Relations::Lost gone = relations_->on_node_lost(lost.node, lost.session);
  for (auto& [serial, watch] : gone.watches) {
    const Pid target = watch.target;
    relations_->watch(serial, std::move(watch));  // so that it ends in the one place that does
    on_down(target, serial, ExitReason::noconnection());
  }
  for (const Pid& pid : gone.links) {
    relations_->on_link(pid, 0);
    handle_exit(pid, ExitReason::noconnection(), true);
  }
}

SessionId Process::emit(const Pid& from, const Pid& to, SignalKind kind, std::uint64_t serial,
                        Message&& message) {
  charge(1);
  auto envelope = std::make_unique<Envelope>(kind, from, serial);
  envelope->message = std::move(message);
  if (to.node == node_->id()) {
    node_->deliver(to, std::move(envelope));
    return Router::k_no_connection;
  }
  if (node_->router_ == nullptr) return Router::k_no_connection;
  routed_ = abroad_ = true;
  return node_->router_->route(to, std::move(envelope));
}

// -- death ----------------------------------------------------------------------------------

void Process::die() {
  const Pid self = pid();
  const ExitReason reason = exit_reason_;
  if (crashed_ && !reason.is_clean()) {
    node_->metrics().add(Metric::processes_crashed);
    node_->log().error("process " + to_string(self) + (label_.empty() ? "" : " (" + label_ + ")") +
                       " terminated: " + to_string(reason));
  }
  waiter_ = nullptr;
  task_ = {};  // RAII of the coroutine runs here and may still send
  body_.reset();
  alive_ = false;
  generation_.store(self.generation + 1, std::memory_order_seq_cst);
  const bool named = named_.load(std::memory_order_seq_cst);
  if (named) {
    named_.store(false, std::memory_order_relaxed);
    node_->names_->release(self);
  }
  if (timed_.load(std::memory_order_seq_cst)) node_->timers_->drop_all(*this);
  if ((named || abroad_) && node_->router_ != nullptr) node_->router_->process_ended(self);
  tell_relations(reason);
  relations_.reset();
  mailbox_.clear();
  label_.clear();
  exit_reason_ = ExitReason::normal();
}

void Process::tell_relations(const ExitReason& reason) {
  if (relations_ == nullptr) return;
  const Pid self{node_->id(), index_, generation_.load(std::memory_order_relaxed) - 1};
  const auto tell = [&](const Pid& to, SignalKind kind, std::uint64_t serial, Message&& message) {
    emit(self, to, kind, serial, std::move(message));
  };
  for (const auto& [pid, link] : relations_->links()) {
    if (link.unlink_id != 0) continue;
    tell(pid, SignalKind::exit, 0, Message::make<ExitSignal>(reason, true));
  }
  for (const auto& [watcher, session] : relations_->watchers()) {
    tell(watcher.pid, SignalKind::down, watcher.serial, Message::make<DownSignal>(reason));
  }
  for (const auto& [serial, watch] : relations_->watches()) {
    stop_watching(self, serial, watch);
  }
}

void Process::discard() {
  doomed_ = true;
  waiter_ = nullptr;
  task_ = {};
  body_.reset();
  relations_.reset();
  alive_ = false;
}

void Process::discard_messages() {
  mailbox_.clear();
  for (Envelope* next = inbox_.take(); next != nullptr;) {
    const EnvelopePtr envelope{next};
    next = next->next;
  }
}

ProcessInfo Process::info() const {
  ProcessInfo info;
  info.pid = pid();
  info.name = node_->names_->name_of(info.pid);
  info.label = label_;
  info.parent = parent_;
  info.status = mailbox_.empty() || waiter_ != nullptr ? "waiting" : "runnable";
  info.mailbox = mailbox_.size();
  info.reductions = reductions_;
  info.trap_exit = trap_exit_;
  if (relations_ == nullptr) return info;
  for (const auto& [peer, link] : relations_->links()) {
    if (link.unlink_id == 0) info.links.push_back(peer);
  }
  for (const auto& [serial, watch] : relations_->watches()) {
    if (!watch.is_call) info.monitors.push_back(watch.target);
  }
  for (const auto& [watcher, session] : relations_->watchers()) {
    info.monitored_by.push_back(watcher.pid);
  }
  return info;
}

}  // namespace grove::detail

namespace grove {
namespace {

std::string readable_type(const std::exception& error) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name{
      abi::__cxa_demangle(typeid(error).name(), nullptr, nullptr, &status), std::free};
  return status == 0 ? name.get() : typeid(error).name();
}

}  // namespace

ExitReason exit_reason_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const ProcessExit& exit) {
    return exit.reason();
  } catch (const std::exception& error) {
    return ExitReason::error(readable_type(error), error.what());
  } catch (...) {
    return ExitReason::error("unknown", "an exception that is no std::exception");
  }
}

Context& Context::current() {
  GROVE_CHECK(detail::t_running != nullptr);
  return *detail::t_running;
}

}  // namespace grove
