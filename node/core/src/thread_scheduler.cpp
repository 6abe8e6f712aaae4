// SPDX-License-Identifier: Apache-2.0
#include "thread_scheduler.hpp"

#include "grove/core/check.hpp"
#include "grove/core/submit_together.hpp"

#include <algorithm>
#include <iterator>
#include <system_error>

namespace grove {
namespace detail {
namespace {

constexpr unsigned k_inject_turn = 16;    // what came from outside goes first,
constexpr unsigned k_queue_turn = 64;     // or the queue's old end
constexpr unsigned k_search_rounds = 50;  // looks at all queues before a worker sleeps

// Some 10 us of what the net thread submits: so much later a worker begins, at most.
constexpr std::size_t k_held_max = 32;

thread_local WorkerThread* t_thread = nullptr;

/// What a thread that is no worker holds back.
struct Held {
  bool holds = false;
  ThreadScheduler* from = nullptr;  // of all of these; null: there are none
  RunList works;
};
thread_local Held t_held;

}  // namespace

ThreadScheduler::ThreadScheduler(const ThreadSchedulerOptions& options)
    : has_membarrier_{options.use_membarrier && register_membarrier()},
      period_{options.stuck_after / 2},
      spares_max_{options.spare_threads_max},
      blocking_{options.blocking_threads_max} {
  GROVE_CHECK(period_ > Clock::Duration::zero());
  for (unsigned i = 0; i < options.workers; ++i) seats_.emplace_back(i);
  for (Seat& seat : seats_) GROVE_CHECK(seat_a_spare(seat));
  watchdog_ = std::thread{[this] { watch(); }};
}

void ThreadScheduler::stop() {
  if (stopping_.exchange(true)) return;
  // Whoever is about to wait on one of these has looked at `stopping_` before, under its mutex.
  for (std::mutex* mutex : {&sleep_mutex_, &threads_mutex_, &watch_mutex_}) {
    const std::lock_guard lock{*mutex};
  }
  sleep_wake_.notify_all();
  spares_wake_.notify_all();
  watch_wake_.notify_all();
  {
    const std::lock_guard lock{threads_mutex_};  // none ends, and is gone, meanwhile
    for (Seat& seat : loop_seats_) {
      if (seat.loop != nullptr) seat.loop->interrupt();
    }
  }
  watchdog_.join();  // first: it starts threads
  for (WorkerThread& thread : threads_) thread.thread.join();
  blocking_.stop();
}

void ThreadScheduler::submit(Runnable& work) noexcept {
  WorkerThread* self = t_thread;
  if (self == nullptr || self->scheduler != this) return submit_from_outside(work);
  if (self->in_user_code()) return submit_from_user_code(*self, work);
  Seat* seat = self->seat();
  if (seat == nullptr) return queue_up(injected_, work);
  if (seat->loop != nullptr) return submit_from_outside(work);
  if (work.run_priority() != Priority::normal) return queue_up(seat->queue, work);
  Runnable* displaced = std::exchange(seat->slot, &work);
  if (displaced != nullptr) queue_up(seat->queue, *displaced);
}

void ThreadScheduler::submit_from_user_code(Turn& turn, Runnable& work) {
  const RuntimeSection section{turn};
  submit(work);
}

void ThreadScheduler::submit_from_outside(Runnable& work) {
  const bool first = t_held.from == nullptr;
  if (!t_held.holds || !(first || t_held.from == this) || work.run_priority() != Priority::normal) {
    return queue_up(injected_, work);
  }
  t_held.from = this;
  t_held.works.push_back(work);
  if (t_held.works.size() >= k_held_max) let_go();
}

void ThreadScheduler::let_go() {
  ThreadScheduler* const from = std::exchange(t_held.from, nullptr);
  if (from == nullptr) return;
  from->injected_.push_new(t_held.works);
  from->wake_one();
}

void ThreadScheduler::let_go_or_keep() {
  if (t_held.from != nullptr && !t_held.from->keeps(t_held.works)) let_go();
}

void ThreadScheduler::queue_up(RunQueue& queue, Runnable& work) {
  queue.push_new(work);
  wake_one();
}

// -- a worker -------------------------------------------------------------------------------

void ThreadScheduler::work(WorkerThread& self) {
  t_thread = &self;
  while (!stopping_.load(std::memory_order_relaxed)) {
    Seat* seat = self.seat();
    if (seat == nullptr) {
      self.flush();
      if (!wait_for_seat(self)) break;
      continue;
    }
    if (seat->loop != nullptr) {
      go_round(self, *seat);
      continue;
    }
    Runnable* work = pick(*seat);
    if (work == nullptr) {
      self.flush();
      work = search(*seat);
    }
    if (work == nullptr) {
      sleep();
    } else if (self.run(*work)) {
      put_back(self, *work);
    }
  }
  self.flush();
  if (Seat* const seat = self.seat(); seat != nullptr && seat->loop != nullptr) end_loop(*seat);
  t_thread = nullptr;
}

/// Its budget is spent. With something else to do here, that is work for a sleeper.
void ThreadScheduler::put_back(WorkerThread& self, Runnable& work) {
  Seat* seat = self.seat();
  if (seat == nullptr) return queue_up(injected_, work);
  const bool busy = seat->slot != nullptr || !seat->queue.empty();
  seat->queue.push_old(work);
  if (busy) wake_one();
}

Runnable* ThreadScheduler::pick_by_turns(Seat& seat, bool special) {
  if (special) {
    if (Runnable* work = pick_special(seat)) return before_slot(seat, *work);
  }
  // By turns, so that neither the queue nor what comes from outside can starve the other.
  if (seat.picks % k_queue_turn == 0) {
    if (Runnable* work = seat.queue.pop_old()) return before_slot(seat, *work);
  } else if (seat.picks % k_inject_turn == k_inject_turn / 2) {
    if (Runnable* work = injected_.steal(seat.queue)) return before_slot(seat, *work);
  }
  if (seat.slot != nullptr) return std::exchange(seat.slot, nullptr);
  if (Runnable* work = seat.queue.pop_new()) return work;
  if (Runnable* work = injected_.pop_old()) return work;
  if (Runnable* work = seat.queue.pop(Priority::low)) return work;
  return injected_.pop(Priority::low);
}

Runnable* ThreadScheduler::pick_special(Seat& seat) {
  for (const Priority priority : {Priority::max, Priority::high}) {
    if (Runnable* work = seat.queue.pop(priority)) return work;
    if (Runnable* work = injected_.pop(priority)) return work;
  }
  if (seat.picks % k_turns != 0) return nullptr;
  if (Runnable* work = seat.queue.pop(Priority::low)) return work;
  return injected_.pop(Priority::low);
}

/// Lays the slot open to thieves: `work` may block, and nobody else can empty the slot.
Runnable* ThreadScheduler::before_slot(Seat& seat, Runnable& work) {
  if (Runnable* displaced = std::exchange(seat.slot, nullptr)) queue_up(seat.queue, *displaced);
  return &work;
}

Runnable* ThreadScheduler::search(Seat& seat) {
  if (searching_.exchange(true)) return nullptr;
  Runnable* found = nullptr;
  for (unsigned round = 0; round < k_search_rounds && found == nullptr; ++round) {
    found = injected_.steal(seat.queue);
    for (Seat& victim : seats_) {
      if (found != nullptr) break;
      if (&victim != &seat) found = victim.queue.steal(seat.queue);
    }
  }
  searching_.store(false);
  // Enough for one more? Who submitted during the search has left the waking to us.
  if (found != nullptr && anything_queued()) wake_one();
  return found;
}

void ThreadScheduler::sleep() {
  {
    std::unique_lock lock{sleep_mutex_};
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    sleep_wake_.wait(lock, [this] { return stopping_ || wakeups_ > 0 || anything_queued(); });
    if (wakeups_ > 0) --wakeups_;
    sleepers_.fetch_sub(1, std::memory_order_seq_cst);
  }
  if (dozing_.load(std::memory_order_seq_cst)) wake_watchdog();
}

bool ThreadScheduler::anything_queued() const {
  if (!injected_.empty()) return true;
  return std::any_of(seats_.begin(), seats_.end(),
                     [](const Seat& seat) { return !seat.queue.empty(); });
}

void ThreadScheduler::wake_one() {
  if (sleepers_.load(std::memory_order_seq_cst) == 0 || searching_.load()) return;
  {
    const std::lock_guard lock{sleep_mutex_};
    if (wakeups_ >= sleepers_.load()) return;  // all of them are on their way
    ++wakeups_;
  }
  sleep_wake_.notify_one();
}

/// Returns: false when there will be none: the scheduler stops.
bool ThreadScheduler::wait_for_seat(WorkerThread& self) {
  std::unique_lock lock{threads_mutex_};
  spares_.push_back(&self);
  note_spares();
  spares_wake_.wait(lock, [&] { return stopping_ || self.seat() != nullptr; });
  return self.seat() != nullptr;
}

// -- loops ----------------------------------------------------------------------------------

void ThreadScheduler::run_loop(Loop& loop) {
  {
    const std::lock_guard lock{threads_mutex_};
    const auto is_free = [](const Seat& seat) { return seat.loop == nullptr; };
    auto place = std::find_if(loop_seats_.begin(), loop_seats_.end(), is_free);
    if (place == loop_seats_.end()) {
      loop_seats_.emplace_back(k_no_worker);
      place = std::prev(loop_seats_.end());
    }
    place->loop = &loop;
    if (seat_a_spare(*place)) return;
    place->loop = nullptr;
  }
  throw std::system_error{std::make_error_code(std::errc::resource_unavailable_try_again),
                          "no thread for a loop"};
}

/// Whether this thread, a loop's, is to run them itself, if the loop says so.
bool ThreadScheduler::keeps(const RunList& works) const {
  if (works.size() != 1 || t_thread == nullptr || t_thread->scheduler != this) return false;
  if (t_thread->in_user_code()) return false;
  const Seat* const seat = t_thread->seat();
  return seat != nullptr && seat->loop != nullptr && lends_.load(std::memory_order_relaxed) &&
         sleepers_.load(std::memory_order_relaxed) == seats_.size();
}

void ThreadScheduler::go_round(WorkerThread& self, Seat& seat) {
  const Loop::Next next = seat.loop->round();
  if (t_held.from != nullptr && next == Loop::Next::run_here) {
    t_held.from = nullptr;
    return run_for_loop(self, *t_held.works.pop_front());
  }
  let_go();
  if (next == Loop::Next::stop) {
    end_loop(seat);
    self.sit(nullptr);
  }
}

/// Nothing of the loop is touched any more: another thread may be in its next round.
void ThreadScheduler::run_for_loop(WorkerThread& self, Runnable& work) {
  lent_.fetch_add(1, std::memory_order_seq_cst);
  if (dozing_.load(std::memory_order_seq_cst)) wake_watchdog();
  if (self.run_briefly(work)) queue_up(injected_, work);
  self.flush();
  lent_.fetch_sub(1, std::memory_order_seq_cst);
}

void ThreadScheduler::end_loop(Seat& seat) {
  Loop* loop = nullptr;
  {
    const std::lock_guard lock{threads_mutex_};
    loop = std::exchange(seat.loop, nullptr);
  }
  loop->ended();
}

}  // namespace detail

SubmitTogether::SubmitTogether() noexcept : outer_{!std::exchange(detail::t_held.holds, true)} {
  if (outer_) detail::ThreadScheduler::let_go();
}

void SubmitTogether::let_go() noexcept {
  if (!detail::t_held.holds) detail::ThreadScheduler::let_go();
}

SubmitTogether::~SubmitTogether() {
  if (!outer_) return;
  detail::t_held.holds = false;
  detail::ThreadScheduler::let_go_or_keep();
}

std::unique_ptr<Scheduler> make_thread_scheduler(ThreadSchedulerOptions options) {
  if (options.workers == 0) options.workers = std::max(1U, std::thread::hardware_concurrency());
  return std::make_unique<detail::ThreadScheduler>(options);
}

}  // namespace grove
