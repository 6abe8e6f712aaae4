// SPDX-License-Identifier: Apache-2.0
//
// RunQueue: what is ready on one worker, by priority, and who may take it.
//
// Normal work has a new end, for what was woken or spawned (depth first), and an old end, for what
// has spent its budget; thieves take from the old end. The other priorities are first come, first
// served. Work waits in intrusive lists, so queueing allocates nothing.
#pragma once

#include "grove/core/scheduler.hpp"
#include "grove/core/spin_lock.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <utility>

namespace grove::detail {

/// A list of runnables, each in at most one. Thread-safety: as a value.
class RunList {
 public:
  [[nodiscard]] bool empty() const noexcept { return front_ == nullptr; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  void push_front(Runnable& work) noexcept {
    work.previous_ = nullptr;
    work.next_ = front_;
    (front_ == nullptr ? back_ : front_->previous_) = &work;
    front_ = &work;
    ++size_;
  }
  void push_back(Runnable& work) noexcept {
    work.next_ = nullptr;
    work.previous_ = back_;
    (back_ == nullptr ? front_ : back_->next_) = &work;
    back_ = &work;
    ++size_;
  }
  Runnable* pop_front() noexcept {
    Runnable* work = front_;
    if (work == nullptr) return nullptr;
    front_ = work->next_;
    (front_ == nullptr ? back_ : front_->previous_) = nullptr;
    --size_;
    return work;
  }
  Runnable* pop_back() noexcept {
    Runnable* work = back_;
    if (work == nullptr) return nullptr;
    back_ = work->previous_;
    (back_ == nullptr ? front_ : back_->next_) = nullptr;
    --size_;
    return work;
  }

 private:
  Runnable* front_ = nullptr;
  Runnable* back_ = nullptr;
  std::size_t size_ = 0;
};

/// Thread-safety: all members.
class RunQueue {
 public:
  void push_new(Runnable& work) noexcept {
    const std::lock_guard lock{lock_};
    if (work.run_priority() == Priority::normal) {
      list(Priority::normal).push_front(work);
    } else {
      list(work.run_priority()).push_back(work);
    }
    publish();
  }
  /// As push_new() for each, all at once, all of them normal work.
  void push_new(RunList& works) noexcept {
    const std::lock_guard lock{lock_};
    while (Runnable* work = works.pop_front()) list(Priority::normal).push_front(*work);
    publish();
  }
  void push_old(Runnable& work) noexcept {
    const std::lock_guard lock{lock_};
    list(work.run_priority()).push_back(work);
    publish();
  }
  Runnable* pop_new() noexcept { return pop(Priority::normal); }
  Runnable* pop_old() noexcept {
    return has(Priority::normal) ? pop(Priority::normal, &RunList::pop_back) : nullptr;
  }
  /// The next of one priority: the oldest, or of normal work the newest.
  Runnable* pop(Priority priority) noexcept {
    return has(priority) ? pop(priority, &RunList::pop_front) : nullptr;
  }
  /// Takes the most urgent; of normal work the old half, of which what is not returned goes to
  /// `thief`. Returns: one to run, or null.
  Runnable* steal(RunQueue& thief) noexcept {
    if (empty()) return nullptr;
    for (const Priority urgent : {Priority::max, Priority::high}) {
      if (Runnable* work = pop(urgent)) return work;
    }
    RunList taken;
    {
      const std::lock_guard lock{lock_};
      RunList& from = list(Priority::normal);
      for (std::size_t left = std::min(k_steal_max, (from.size() + 1) / 2); left > 0; --left) {
        taken.push_front(*from.pop_back());
      }
      publish();
    }
    Runnable* first = taken.pop_front();
    if (first == nullptr) return pop(Priority::low);
    if (!taken.empty()) {
      const std::lock_guard lock{thief.lock_};
      while (Runnable* work = taken.pop_back()) thief.list(Priority::normal).push_front(*work);
      thief.publish();
    }
    return first;
  }
  /// Moves everything to the new end of `other`, the oldest first.
  void move_all(RunQueue& other) noexcept {
    while (Runnable* work = pop_old()) other.push_new(*work);
    for (const Priority priority : {Priority::max, Priority::high, Priority::low}) {
      while (Runnable* work = pop(priority)) other.push_new(*work);
    }
  }
  [[nodiscard]] bool empty() const noexcept { return ready_.load(std::memory_order_seq_cst) == 0; }
  /// Whether anything has a priority other than normal. Cost: one load.
  [[nodiscard]] bool has_special() const noexcept {
    return (ready_.load(std::memory_order_relaxed) & ~bit(Priority::normal)) != 0;
  }

 private:
  static constexpr std::size_t k_steal_max = 256;  // so long the victim waits, at most

  static constexpr unsigned bit(Priority priority) noexcept {
    return 1U << static_cast<unsigned>(priority);
  }
  RunList& list(Priority priority) noexcept { return lists_[static_cast<unsigned>(priority)]; }
  [[nodiscard]] bool has(Priority priority) const noexcept {
    return (ready_.load(std::memory_order_relaxed) & bit(priority)) != 0;
  }
  Runnable* pop(Priority priority, Runnable* (RunList::*end)() noexcept) noexcept {
    const std::lock_guard lock{lock_};
    Runnable* work = (list(priority).*end)();
    publish();
    return work;
  }
  // Sequentially consistent, as is the count of sleepers: a submitter stores this and then looks
  // for sleepers, a worker counts itself a sleeper and then looks at this; one sees the other.
  void publish() noexcept {
    unsigned ready = 0;
    for (unsigned i = 0; i < k_priorities; ++i) ready |= lists_[i].empty() ? 0U : 1U << i;
    if (ready != ready_.load(std::memory_order_relaxed)) {
      ready_.store(ready, std::memory_order_seq_cst);
    }
  }

  SpinLock lock_;
  std::atomic<unsigned> ready_{0};  // the priorities of which there is something
  std::array<RunList, k_priorities> lists_;
};

/// A worker's place: what it has to run. Or a loop's place. Who sits on it is a matter between
/// threads and watchdog.
struct alignas(64) Seat {
  explicit Seat(unsigned number) : index{number} {}
  const unsigned index;  // k_no_worker: for loops
  unsigned picks = 0;
  Loop* loop = nullptr;      // of such a place; null: it is free
  Runnable* slot = nullptr;  // last woken; its thread's alone, so nobody can steal it
  RunQueue queue;
};

}  // namespace grove::detail
