// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"

#include "grove/core/check.hpp"
#include "grove/node/blocking.hpp"

#include "process_table.hpp"
#include "timers.hpp"

#include <algorithm>
#include <utility>

namespace grove::detail {
namespace {

constexpr int k_turn_budget = 256;  // messages, handled or sent, in one turn
constexpr int k_long_turn_budget = 4096;
constexpr std::chrono::milliseconds k_long_turn_time{1};
constexpr int k_resume_cost = 8;        // of a coroutine, in messages
constexpr unsigned k_inbox_steps = 32;  // messages handled between two looks at the inbox

constinit thread_local Process* t_running = nullptr;
constinit thread_local Turn* t_turn = nullptr;
thread_local Turn t_no_turn;

}  // namespace

Turn& current_turn() noexcept { return t_turn != nullptr ? *t_turn : t_no_turn; }

void Process::push(EnvelopePtr envelope) {
  if (inbox_.push(envelope.release())) node_->scheduler_->submit(*this);
}

Pid Process::pid() const noexcept {
  return {node_->id(), index_, generation_.load(std::memory_order_relaxed)};
}

Pid Process::parent() const noexcept {
  return parent_generation_ == 0 ? Pid{} : Pid{node_->id(), parent_index_, parent_generation_};
}

Extras& Process::extras() {
  if (extras_ == nullptr) extras_ = new Extras;
  return *extras_;
}

void Process::begin(const Pid& parent, SpawnOptions&& options) {
  parent_index_ = parent.index;
  parent_generation_ = parent.generation;
  trap_exit_ = options.trap_exit;
  set_run_priority(options.priority);
  if (!options.label.empty()) extras().label = std::move(options.label);
  started_ = doomed_ = crashed_ = routed_ = abroad_ = false;
  alive_ = occupied_ = true;
  reductions_ = 0;
}

// -- the run loop ---------------------------------------------------------------------------

bool Process::run(Turn& turn) {
  Process* const outer = std::exchange(t_running, this);
  Turn* const outer_turn = std::exchange(t_turn, &turn);
  bool again = false;
  for (bool first = true;; first = false) {
    take_inbox();
    if (first) {
      // Who has many messages gets a longer turn: those who send them get theirs too, each of them.
      budget_ = static_cast<int>(
          std::clamp<std::uint32_t>(mailbox_.size(), k_turn_budget, k_long_turn_budget));
    }
    work_off();
    if (alive_ && doomed_) die();
    again = alive_ && budget_ <= 0;
    if (routed_) {
      routed_ = false;
      node_->router_->flush();
    }
    if (!mailbox_.empty() && mailbox_.head()->generation == 0) stamp_leftovers();
    if (again) break;
    // A free place can be claimed once it is parked; released after that, it could outlive its
    // node. And after the last flush: who waits for the last end may take the router away.
    if (occupied_ && !alive_ && bury()) {
      node_->table_->release(*this, turn.worker());
      node_->ended();
    }
    // From here on another worker may run this place: touch nothing of it any more.
    if (inbox_.park()) break;
  }
  t_running = outer;
  t_turn = outer_turn;
  return again;
}

/// Runs user code for as long as there is some to run, and budget.
void Process::work_off() {
  const int budget = budget_;
  Clock::TimePoint limit = Clock::TimePoint::max();
  for (unsigned steps = 1; alive_ && !doomed_ && budget_ > 0 && work(); ++steps) {
    if (code_.coroutine()) {
      charge(k_resume_cost);
      take_inbox();  // so that a kill is seen in time
    } else {
      charge(1);
      if (steps % k_inbox_steps == 0) take_inbox();
    }
    if (steps % k_turn_budget == 0) {  // a long turn: fine while its messages are short work
      const Clock::TimePoint now = node_->clock().now();
      if (now > limit) budget_ = 0;
      limit = std::min(limit, now + k_long_turn_time);
    }
  }
  const auto used = static_cast<std::uint32_t>(std::max(budget - budget_, 0));
  reductions_ += used;
  if (reductions_ < used) ++extras().reductions_high;
}

/// One step of user code. Returns: false when there is nothing to do until something arrives.
bool Process::work() {
  if (held()) return false;
  if (waiter_ != nullptr) return wake_waiter();
  if (!started_) {
    start();
  } else if (code_.coroutine()) {
    return wake_operation();
  } else if (!mailbox_.empty()) {
    handle_next();
  } else {
    return false;
  }
  return true;
}

void Process::start() {
  started_ = true;
  Body* const body = code_.body();
  if (body == nullptr) return resume(code_.coroutine());
  try {
    Task<> task = [&] {
      const UserCode user{*t_turn};
      return body->start(*this);
    }();
    run_task(std::move(task));
  } catch (...) {
    fail(std::current_exception());
  }
}

void Process::handle_next() {
  Envelope* const next = mailbox_.pop();
  try {
    Task<> task = [&] {
      const UserCode user{*t_turn, next->message.type()};
      return code_.body()->handle(*this, *next);
    }();
    if (task) run_task(std::move(task));
  } catch (...) {
    fail(std::current_exception());
  }
  free_message(next);
}

void Process::run_task(Task<> task) {
  if (!task || !alive_) return;
  code_.run(std::move(task));
  resume(code_.coroutine());
}

void Process::resume(std::coroutine_handle<> handle, const MessageType* handling) {
  {
    const UserCode user{*t_turn, handling};
    handle.resume();
  }
  if (alive_ && code_.coroutine().done()) end_task();
}

void Process::end_task() {
  const std::exception_ptr failure = code_.coroutine().promise().failure;
  const Body* const body = code_.body();
  end_coroutine();
  if (failure) {
    fail(failure);
  } else if (body == nullptr || body->ends_with_task()) {
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
  if (!reason.is_normal() || extras_ != nullptr) extras().exit_reason = reason;
}

// -- waiting --------------------------------------------------------------------------------

void Process::set_waiter(Waiter* waiter) {
  if (!alive_) return;
  waiter_ = waiter;
  waiter->refused_ = waiter->from_tail_ ? mailbox_.tail() : nullptr;
  if (!waiter->timeout_) return;
  waiter->deadline_ = node_->clock().now() + *waiter->timeout_;
  if (*waiter->timeout_ <= Clock::Duration::zero()) return;
  Extras& own = extras();
  if (own.tick_at <= waiter->deadline_) return;
  if (own.tick_at != Clock::TimePoint::max()) node_->timers_->cancel(own.tick);
  arm_tick();
}

/// Lets the coroutine go on if the message that it waits for is there, or its time is up.
bool Process::wake_waiter() {
  Envelope* found = nullptr;
  try {
    found = mailbox_.scan(waiter_->refused_, [this](Envelope& envelope) {
      if (!waiter_->asks_user_code_) return waiter_->matches(envelope);
      const UserCode user{*t_turn, envelope.message.type()};
      return waiter_->matches(envelope);
    });
  } catch (...) {  // the predicate is the program's
    fail(std::current_exception());
    return true;
  }
  if (found == nullptr && !overdue()) return false;
  Waiter& waiter = *std::exchange(waiter_, nullptr);
  waiter.taken_ = found;
  resume(waiter.handle_, found == nullptr ? nullptr : found->message.type());
  return true;
}

/// One timer at a time: a tick with an older number was cancelled too late, and says nothing.
void Process::arm_tick() {
  Extras& own = *extras_;
  own.tick_at = waiter_->deadline_;
  own.tick_number = (own.tick_number + 1) & Envelope::k_serial_mask;
  own.tick = node_->timers_->arm(
      own.tick_at, pid(), std::make_unique<Envelope>(SignalKind::tick, pid(), own.tick_number));
}

// Called with a waiter that nothing in the mailbox matches.
bool Process::overdue() const {
  return waiter_->timeout_ && node_->clock().now() >= waiter_->deadline_;
}

void Process::begin_operation(Operation& operation, std::coroutine_handle<> handle) {
  if (!alive_ || doomed_) return;
  Extras& own = extras();
  GROVE_CHECK(own.operation == nullptr);
  operation.handle_ = handle;
  own.operation_serial = next_serial();
  own.operation_done = false;
  own.operation = &operation;
  try {
    Completion completion{*node_, pid(), own.operation_serial};
    const UserCode user{*t_turn};  // the program's initiation, perhaps
    operation.start(std::move(completion));
  } catch (...) {
    own.operation = nullptr;
    throw;
  }
  if (!alive_ && own.pending()) operation.cancel();  // killed while it was stuck in there
}

bool Process::wake_operation() {
  if (extras_ == nullptr || extras_->operation == nullptr || !extras_->operation_done) return false;
  resume(std::exchange(extras_->operation, nullptr)->handle_);
  return true;
}

}  // namespace grove::detail

namespace grove {

Context* Context::running() noexcept { return detail::t_running; }

Context& Context::current() {
  GROVE_CHECK(detail::t_running != nullptr);
  return *detail::t_running;
}

bool detail::own(Context& context, std::shared_ptr<Owned> thing) {
  return static_cast<Process&>(context).own(std::move(thing));
}

void detail::disown(Context& context, const Owned& thing) noexcept {
  static_cast<Process&>(context).disown(thing);
}

void detail::Operation::await_suspend(std::coroutine_handle<> handle) {
  const RuntimeSection runtime{current_turn()};
  static_cast<Process&>(context_).begin_operation(*this, handle);
}

void detail::Completion::complete() noexcept {
  Node* const node = std::exchange(node_, nullptr);
  if (node == nullptr) return;
  const RuntimeSection runtime{current_turn()};
  // Its process may be the node's last: the node must not end while this thread is in there.
  node->completing_.fetch_add(1, std::memory_order_relaxed);
  node->deliver(pid_, std::make_unique<Envelope>(SignalKind::completed, Pid{}, serial_));
  node->completing_.fetch_sub(1, std::memory_order_release);
}

void detail::BlockingOperation::start(Completion completion) {
  const auto done = std::make_shared<Completion>(std::move(completion));
  context().node().scheduler_->run_blocking([this, done] {
    call();
    done->complete();
  });
}

}  // namespace grove
static_assert(sizeof(grove::detail::Process) == 128);
