// SPDX-License-Identifier: Apache-2.0
//
// WorkerThread: a thread that runs processes, and the claim that the watchdog can lay to its place
// while it is inside user code.
//
// The protocol is a lock biased towards the thread. It says with plain stores where it is; the
// watchdog stores its claim, makes every thread of the program pass a barrier (membarrier), and
// looks again: a thread that is still inside cannot leave without seeing the claim, and then waits
// for the mutex. Where the kernel has no membarrier, each thread makes that barrier when it leaves.
#pragma once

#include "grove/core/scheduler.hpp"

#include "run_queue.hpp"

#include <cstdint>
#include <mutex>
#include <thread>

namespace grove::detail {

/// Whether membarrier() works on this kernel, for this program.
[[nodiscard]] bool register_membarrier() noexcept;
/// Every thread of this program passes a full barrier before this returns.
void membarrier() noexcept;

/// Threads: its own, but for what is said to be the watchdog's.
class alignas(64) WorkerThread final : public Turn {
 public:
  /// With a null `seat`: one that sits down later.
  WorkerThread(const void* owner, bool has_membarrier, Seat* seat)
      : scheduler{owner}, has_membarrier_{has_membarrier} {
    if (!has_membarrier) attention_.store(k_no_membarrier, std::memory_order_relaxed);
    sit(seat);
  }

  bool run(Runnable& work) {
    running_ = &work;
    return work.run(*this);
  }
  bool run_briefly(Runnable& work) {
    brief_ = true;
    const bool again = run(work);
    brief_ = false;
    return again;
  }
  /// Null when it was given away. Not to be asked inside user code.
  [[nodiscard]] Seat* seat() const noexcept { return seat_; }
  /// Before its thread looks at it again.
  void sit(Seat* seat) noexcept {
    seat_ = seat;
    worker_ = seat == nullptr ? k_no_worker : seat->index;
  }
  /// Waits for a claim that has been laid, and takes note of what was done in its name.
  void acknowledge() noexcept;

  /// Watchdog, in while_inside(): what this thread owes is flushed now; it does so again itself.
  void flush_for_it() {
    if (owed_ != nullptr) owed_->flush_all();
  }

  /// Watchdog. How many looks in a row, this one included, have found the same piece of user code;
  /// 0: another one, or none now.
  unsigned look() noexcept;
  /// Watchdog. Calls `act(runnable, subject)` if the thread is inside the user code that look() has
  /// found, and keeps it from leaving meanwhile.
  template <class F>
  void while_inside(F&& act) {
    const std::lock_guard lock{mutex_};
    const bool claimed_before = claim();
    if (word_.load(std::memory_order_acquire) == seen_) {
      act(*running_, subject_);  // the claim stands until acknowledge()
    } else if (!claimed_before) {
      attention_.fetch_and(static_cast<std::uint8_t>(~k_claimed), std::memory_order_relaxed);
    }
  }

  const void* const scheduler;
  std::thread thread;

 private:
  bool claim() noexcept;

  const bool has_membarrier_;
  Seat* seat_ = nullptr;         // as worker_
  Runnable* running_ = nullptr;  // as worker_
  std::mutex mutex_;             // held by whoever acts on a claim
  std::uint64_t seen_ = 0;       // the watchdog's
  unsigned looks_ = 0;           // the watchdog's
};

}  // namespace grove::detail
