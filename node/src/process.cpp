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
thread_local Turn t_no_turn;

}  // namespace

Turn& no_turn() noexcept { return t_no_turn; }

Pid Process::pid() const noexcept {
  // Even: its code still runs, but it is dead to the others, and still the same process.
  const std::uint32_t generation = generation_.load(std::memory_order_relaxed);
  return {node_->id(), index_, generation - (generation % 2 == 0 ? 1 : 0)};
}

Pid Process::parent() const noexcept {
  const std::uint32_t generation = parent_generation_.load(std::memory_order_relaxed);
  if (generation == 0) return extras_ == nullptr ? Pid{} : extras_->parent;
  return {node_->id(), parent_index_.load(std::memory_order_relaxed), generation};
}

Extras& Process::extras() {
  if (extras_ == nullptr) extras_ = new Extras;
  return *extras_;
}

void Process::begin(const Pid& parent, SpawnOptions&& options) {
  const bool here = parent.node == node_->id();
  if (!here && parent) extras().parent = parent;
  // Who reads these for the life before finds out by its generation; see parent_of().
  parent_index_.store(here ? parent.index : 0, std::memory_order_release);
  parent_generation_.store(here ? parent.generation : 0, std::memory_order_release);
  trap_exit_ = options.trap_exit;
  set_run_priority(options.priority);
  if (!options.label.empty()) extras().label = std::move(options.label);
  started_ = doomed_ = crashed_ = abroad_ = traced_ = false;
  held_ = in_coroutine_ = scanning_ = false;
  alive_ = occupied_ = true;
  reductions_ = 0;
}

// -- the run loop ---------------------------------------------------------------------------

// An exception in here is the runtime's own: memory is too short to act on what others were
// promised. That ends the program, see ADR 16.
bool Process::run(Turn& turn) noexcept {
  Process* const outer = std::exchange(t_running, this);
  Turn* const outer_turn = std::exchange(t_turn, &turn);
  turn.begin(node_->clock());
  take_inbox();
  // Who has many messages gets a longer turn: those who send them get theirs too, each of them.
  budget_ = static_cast<int>(
      std::clamp<std::uint32_t>(mailbox_.size(), k_turn_budget, k_long_turn_budget));
  const Clock::TimePoint limit =
      turn.is_brief() ? node_->clock().now() + Turn::k_brief_time : Clock::TimePoint::max();
  bool again = false;
  for (;;) {
    work_off(limit);
    again = alive_ && !doomed_ && budget_ <= 0;
    if (doomed_ || !alive_ || losing_ || !mailbox_.empty()) settle(turn);
    if (again) break;
    // Once it is parked another worker may run this place: nothing of it is touched any more.
    if (inbox_.park()) break;
    take_inbox();
  }
  t_running = outer;
  t_turn = outer_turn;
  return again;
}

/// Runs user code for as long as there is some to run, and budget, and not after `limit`.
void Process::work_off(Clock::TimePoint limit) {
  const std::int32_t before = budget_;
  const bool brief = limit != Clock::TimePoint::max();
  bool in_time = true;
  for (unsigned steps = 1; alive_ && !doomed_ && budget_ > 0 && in_time && work(); ++steps) {
    if (in_coroutine_) {
      charge(k_resume_cost);
      take_inbox();  // so that a kill is seen in time
    } else {
      charge(1);
      if (steps % k_inbox_steps == 0) take_inbox();
    }
    // A long turn is fine while its messages are short work.
    if (brief || steps % k_turn_budget == 0) {
      const Clock::TimePoint now = node_->clock().now();
      in_time = now <= limit;
      limit = std::min(limit, now + k_long_turn_time);
    }
  }
  const auto used = static_cast<std::uint32_t>(before - budget_);
  reductions_ += used;
  if (reductions_ < used) ++extras().reductions_high;
  if (!in_time) budget_ = 0;
}

/// What few turns leave to do.
void Process::settle(Turn& turn) {
  if (alive_ && doomed_) die();
  if (losing_) end_lost();
  if (!alive_ && !occupied_) drop_messages();  // what came for former lives
  if (alive_) offer_room();  // what is left may stay, and be more than half of what may be in
  if (!mailbox_.empty() && mailbox_.head()->generation == 0) stamp_leftovers();
  // A free place can be claimed once it is parked; released after that, it could outlive its node.
  if (occupied_ && !alive_ && bury()) {
    node_->table_->release(*this, turn.worker());
    node_->ended();
  }
}

/// One step of user code. Returns: false when there is nothing to do until something arrives.
bool Process::work() {
  if (held_) return false;
  if (waiter_ != nullptr) return wake_waiter();
  if (!started_) {
    start();
  } else if (in_coroutine_) {
    return wake_operation();
  } else {
    return handle_next();
  }
  return true;
}

void Process::start() {
  started_ = true;
  Body* const body = code_.body();
  if (body == nullptr) {
    if (!code_.coroutine()) return doom(ExitReason::normal());  // an empty Task: it is done
    in_coroutine_ = true;
    return resume(code_.coroutine());
  }
  const auto failure = failure_of([&] {
    Task<> task = [&] {
      const UserCode user{*t_turn};
      return body->start(*this);
    }();
    if (!task && body->ends_with_task()) return doom(ExitReason::normal());
    run_task(std::move(task));
  });
  if (failure) fail(*failure);
}

/// Takes the oldest message but for the answers of requests that the server keeps: these stay for
/// whoever asks for them. Null when there is none. Bounds: the mailbox is not empty.
Envelope* Process::behind_kept() {
  if (mailbox_.head()->kind() != SignalKind::reply) return mailbox_.pop();
  return mailbox_.scan(
      extras().kept, [](const Envelope& envelope) { return envelope.kind() != SignalKind::reply; });
}

/// Returns: false when there is nothing to handle.
bool Process::handle_next() {
  Envelope* const next = mailbox_.empty() ? nullptr : behind_kept();
  if (next == nullptr) return false;
  const auto failure = failure_of([&] {
    Task<> task = [&] {
      const UserCode user{*t_turn, next->message.type()};
      return code_.body()->handle(*this, *next);
    }();
    if (!task) return;
    run_task(std::move(task));
    if (code_.coroutine()) waits_in_handler(next->message.type());
  });
  if (failure) fail(*failure);
  end_message(next);
  return true;
}

/// Noted only here, so that a message handled at one go costs nothing.
void Process::waits_in_handler(const MessageType* type) {
  extras().handling = type;
  extras_->handling_from = node_->clock().now();
}

void Process::run_task(Task<> task) {
  if (!task || !alive_) return;
  code_.run(std::move(task));
  in_coroutine_ = true;
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
  in_coroutine_ = false;
  if (extras_ != nullptr) extras_->handling = nullptr;
  if (failure) {
    fail(exit_reason_of(failure));
  } else if (body == nullptr || body->ends_with_task()) {
    doom(ExitReason::normal());
  }
}

void Process::fail(const ExitReason& reason) {
  if (doomed_) return;
  crashed_ = true;
  doom(reason);
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
  waiter->timed_out_ = *waiter->timeout_ <= Clock::Duration::zero();
  if (waiter->timed_out_) return;
  waiter->deadline_ = node_->clock().deadline_after(*waiter->timeout_);
  Extras& own = extras();
  if (own.tick_at <= waiter->deadline_) return;
  if (own.tick_at != Clock::TimePoint::max()) node_->timers_->cancel(own.tick);
  arm_tick();
}

/// Lets the coroutine go on if the message that it waits for is there, or its time is up.
bool Process::wake_waiter() {
  Envelope* found = nullptr;
  try {
    scanning_ = waiter_->asks_user_code_;
    found = mailbox_.scan(waiter_->refused_, [this](Envelope& envelope) {
      if (!waiter_->asks_user_code_) return waiter_->matches(envelope);
      if (!alive_) return false;
      const UserCode user{*t_turn, envelope.message.type()};
      return waiter_->matches(envelope);
    });
    scanning_ = false;
  } catch (...) {  // the predicate is the program's
    scanning_ = false;
    fail(exit_reason_of(std::current_exception()));
    return true;
  }
  if (!alive_) {  // killed while a predicate was stuck
    if (found != nullptr) free_message(found);
    return false;
  }
  if (found == nullptr && !waiter_->timed_out_) return false;
  if (found != nullptr) forget_kept(found);
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

void Process::begin_operation(Operation& operation, std::coroutine_handle<> handle) {
  if (!alive_ || doomed_) return;
  Extras& own = extras();
  GROVE_CHECK(own.operation == nullptr);
  operation.handle_ = handle;
  own.operation_serial = next_serial();
  own.operation_done = own.operation_cancelled = false;
  own.operation = &operation;
  try {
    Completion completion{*node_, pid(), own.operation_serial};
    const UserCode user{*t_turn};  // the program's initiation, perhaps
    operation.start(std::move(completion));
  } catch (...) {
    own.operation = nullptr;
    throw;
  }
  if (!alive_) static_cast<void>(outside());  // killed while it was stuck in there
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
