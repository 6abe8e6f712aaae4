// SPDX-License-Identifier: Apache-2.0
//
// The watchdog of a ThreadScheduler: it looks at every thread twice in `stuck_after`. One that is
// inside the same piece of user code at three looks in a row is stuck: its seat goes to a spare
// thread, and its runnable is told. Time is counted in looks, so the watchdog needs no clock.
#include "thread_scheduler.hpp"

#include <algorithm>
#include <system_error>

namespace grove::detail {
namespace {

constexpr unsigned k_stuck_looks = 2;   // at the same piece of user code, after the first
constexpr unsigned k_quiet_looks = 16;  // with all threads parked, before the watchdog dozes off
// With a watchdog that looks more rarely, the threads of loops run nothing else.
constexpr auto k_lending_period_max = std::chrono::milliseconds{50};

}  // namespace

void ThreadScheduler::watch() {
  std::vector<WorkerThread*> threads;
  for (unsigned quiet = 0;;) {
    {
      std::unique_lock lock{watch_mutex_};
      const auto stopped = [this] { return stopping_.load(); };
      if (quiet < k_quiet_looks) {
        watch_wake_.wait_for(lock, period_, stopped);
      } else {
        // We say that we doze and then look for who is awake, a sleeper that wakes does it the
        // other way round: one of us sees the other. All four accesses are seq_cst.
        dozing_.store(true, std::memory_order_seq_cst);
        if (all_parked()) {
          watch_wake_.wait(lock, [&] { return stopped() || !dozing_.load(); });
        }
        dozing_.store(false, std::memory_order_seq_cst);
        quiet = 0;
      }
    }
    if (stopping_.load()) return;
    threads.clear();
    {
      const std::lock_guard lock{threads_mutex_};
      for (WorkerThread& thread : threads_) threads.push_back(&thread);
    }
    for (WorkerThread* const thread : threads) look_at(*thread);
    quiet = all_parked() ? quiet + 1 : 0;
  }
}

void ThreadScheduler::look_at(WorkerThread& thread) {
  const unsigned looks = thread.look();
  if (looks < k_stuck_looks) return;
  thread.while_inside([&](Runnable& runnable, const void* subject) {
    if (thread.seat() != nullptr) hand_over(thread);
    thread.flush_for_it();
    runnable.stuck(looks * period_, subject);
  });
}

/// With `thread` claimed.
void ThreadScheduler::hand_over(WorkerThread& thread) {
  Seat& seat = *thread.seat();
  {
    const std::lock_guard lock{threads_mutex_};
    if (seat_a_spare(seat)) return thread.sit(nullptr);
  }
  // It keeps its seat, which others take from only when they have nothing else to do.
  if (Runnable* work = std::exchange(seat.slot, nullptr)) seat.queue.push_new(*work);
  if (seat.queue.empty()) return;
  seat.queue.move_all(injected_);
  wake_one();
}

/// With `threads_mutex_`. Returns: false when there is no thread to be had.
bool ThreadScheduler::seat_a_spare(Seat& seat) {
  if (stopping_.load() || !has_spare()) return false;  // spares end without a look at their seat
  if (spares_.empty()) {
    if (!start_thread(&seat)) {
      lends_.store(false, std::memory_order_relaxed);
      return false;
    }
  } else {
    spares_.back()->sit(&seat);
    spares_.pop_back();
    spares_wake_.notify_all();
  }
  note_spares();
  return true;
}

/// With `threads_mutex_`.
bool ThreadScheduler::has_spare() const {
  return !spares_.empty() || threads_.size() < seats_.size() + loops() + spares_max_;
}

/// With `threads_mutex_`.
std::size_t ThreadScheduler::loops() const {
  return static_cast<std::size_t>(
      std::count_if(loop_seats_.begin(), loop_seats_.end(),
                    [](const Seat& seat) { return seat.loop != nullptr; }));
}

/// With `threads_mutex_`. A loop's thread that could not be replaced soon is not lent.
void ThreadScheduler::note_spares() {
  lends_.store(period_ <= k_lending_period_max && has_spare(), std::memory_order_relaxed);
}

/// With `threads_mutex_`. Returns: false when the system has no more threads to give.
bool ThreadScheduler::start_thread(Seat* seat) {
  WorkerThread& thread = threads_.emplace_back(this, has_membarrier_, seat);
  try {
    thread.thread = std::thread{[this, &thread] { work(thread); }};
  } catch (const std::system_error&) {
    threads_.pop_back();
    return false;
  }
  return true;
}

bool ThreadScheduler::all_parked() {
  const std::lock_guard lock{threads_mutex_};
  return lent_.load(std::memory_order_seq_cst) == 0 &&
         sleepers_.load(std::memory_order_seq_cst) + spares_.size() + loops() == threads_.size();
}

void ThreadScheduler::wake_watchdog() {
  {
    const std::lock_guard lock{watch_mutex_};
    dozing_.store(false, std::memory_order_seq_cst);
  }
  watch_wake_.notify_one();
}

}  // namespace grove::detail
