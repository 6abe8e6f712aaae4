// SPDX-License-Identifier: Apache-2.0
//
// ThreadScheduler: threads that run what sits on their worker's seat: a LIFO slot and a queue that
// the others steal from; and a watchdog over them.
//
// What a running process wakes goes into its worker's slot, so that a request and its reply stay on
// one core; what that displaces goes to the queue's new end (depth first), what has spent its
// budget to the old end. A thief takes half from the old end. At most one worker searches at a
// time, and a sleeper is woken only when a queue has something to steal. What is not of priority
// normal never sees the slot: every pick looks first whether there is any.
//
// A thread that does not come back from user code loses its seat to a spare thread. It goes on
// without one until its run() returns, and is a spare thread then.
//
// Loops have seats of their own. To wake a worker costs more than most messages take, so while all
// workers sleep, the thread of a loop runs the one thing that it has woken itself, and is watched
// like a worker meanwhile (ADR 24).
//
// Invariants: a runnable is in at most one slot or queue. A seat is its thread's, or, while that is
// inside user code and claimed, the watchdog's.
// Locks: a thread's claim mutex before `threads_mutex_`, `sleep_mutex_`, `watch_mutex_`.
#pragma once

#include "grove/core/scheduler.hpp"

#include "blocking_pool.hpp"
#include "run_queue.hpp"
#include "worker_thread.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace grove::detail {

class ThreadScheduler final : public Scheduler {
 public:
  /// Bounds: options.workers > 0.
  explicit ThreadScheduler(const ThreadSchedulerOptions& options);
  ~ThreadScheduler() override { stop(); }

  void submit(Runnable& work) noexcept override;
  /// Hands over what this thread has held back; see SubmitTogether.
  static void let_go();
  /// The same, but for what the thread of a loop is to run itself.
  static void let_go_or_keep();
  bool running() const noexcept override { return !stopping_.load(); }
  void stop() override;
  void run_blocking(std::function<void()> job) override { blocking_.run(std::move(job)); }
  void run_loop(Loop& loop) override;
  unsigned workers() const noexcept override { return static_cast<unsigned>(seats_.size()); }

 private:
  static constexpr unsigned k_turns = 8;  // every so many picks, others may go before the slot

  // -- workers --
  void submit_from_user_code(Turn& turn, Runnable& work);
  void submit_from_outside(Runnable& work);
  void work(WorkerThread& self);
  void put_back(WorkerThread& self, Runnable& work);
  void queue_up(RunQueue& queue, Runnable& work);
  Runnable* pick(Seat& seat) {
    const bool special = seat.queue.has_special() || injected_.has_special();
    if (++seat.picks % k_turns != 0 && !special && seat.slot != nullptr) {
      return std::exchange(seat.slot, nullptr);
    }
    return pick_by_turns(seat, special);
  }
  Runnable* pick_by_turns(Seat& seat, bool special);
  Runnable* pick_special(Seat& seat);
  Runnable* before_slot(Seat& seat, Runnable& work);
  Runnable* search(Seat& seat);
  void sleep();
  [[nodiscard]] bool anything_queued() const;
  void wake_one();
  bool wait_for_seat(WorkerThread& self);

  // -- loops --
  [[nodiscard]] bool keeps(const RunList& works) const;
  void go_round(WorkerThread& self, Seat& seat);
  void run_for_loop(WorkerThread& self, Runnable& work);
  void end_loop(Seat& seat);

  // -- watchdog --
  void watch();
  void look_at(WorkerThread& thread);
  void hand_over(WorkerThread& thread);
  bool start_thread(Seat* seat);
  bool seat_a_spare(Seat& seat);
  [[nodiscard]] bool has_spare() const;
  [[nodiscard]] std::size_t loops() const;
  void note_spares();
  [[nodiscard]] bool all_parked();
  void wake_watchdog();

  const bool has_membarrier_;
  const Clock::Duration period_;
  const std::size_t spares_max_;
  std::deque<Seat> seats_;  // stay in place; only the elements change
  RunQueue injected_;       // from threads that have no seat
  std::atomic<bool> stopping_{false};
  std::atomic<bool> searching_{false};

  std::atomic<unsigned> sleepers_{0};
  std::mutex sleep_mutex_;
  std::condition_variable sleep_wake_;
  unsigned wakeups_ = 0;  // guarded by sleep_mutex_

  std::mutex threads_mutex_;           // guards the next four, but for what is in them
  std::deque<WorkerThread> threads_;   // of workers, then others; they stay in place
  std::vector<WorkerThread*> spares_;  // without seat or work
  std::condition_variable spares_wake_;
  std::deque<Seat> loop_seats_;  // stay in place; some are free

  std::atomic<bool> lends_{false};  // whether the threads of loops run something else
  std::atomic<unsigned> lent_{0};   // how many do so now

  std::atomic<bool> dozing_{false};  // the watchdog, until a sleeper wakes
  std::mutex watch_mutex_;
  std::condition_variable watch_wake_;

  BlockingPool blocking_;
  std::thread watchdog_;  // last: it uses all of the above
};

}  // namespace grove::detail
