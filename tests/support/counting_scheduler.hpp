// SPDX-License-Identifier: Apache-2.0
//
// CountingScheduler: a scheduler with threads of its own, and the knowledge of when it is idle.
//
// Idle means: no process runs or is going to, and no signal is on its way, for a signal is in its
// target's queue as soon as it was sent, and schedules it. Only an alarm or another thread can
// change that.
//
// Thread-safety: all members.
#pragma once

#include "grove/core/priority.hpp"
#include "grove/core/scheduler.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace grove::testkit {

class CountingScheduler final : public Scheduler {
 public:
  /// What has a higher priority than `highest` is not counted.
  explicit CountingScheduler(std::unique_ptr<Scheduler> inner, Priority highest = Priority::max)
      : highest_{highest}, inner_{std::move(inner)} {}

  void submit(Runnable& work) noexcept override {
    if (work.run_priority() > highest_) return inner_->submit(work);
    {
      const std::lock_guard lock{mutex_};
      ++unfinished_;
    }
    inner_->submit(*new Counted{*this, work});  // deletes itself when its work is finished
  }
  [[nodiscard]] bool running() const noexcept override { return inner_->running(); }
  void stop() override { inner_->stop(); }
  void run_blocking(std::function<void()> job) override { inner_->run_blocking(std::move(job)); }
  void run_loop(Loop& loop) override { inner_->run_loop(loop); }
  [[nodiscard]] unsigned workers() const noexcept override { return inner_->workers(); }

  /// Waits until everything that was submitted has finished.
  /// Returns: false when that takes longer than `patience`. Blocks.
  bool wait_until_idle(std::chrono::milliseconds patience) {
    std::unique_lock lock{mutex_};
    return went_idle_.wait_for(lock, patience, [this] { return unfinished_ == 0; });
  }

  [[nodiscard]] bool idle() const {
    const std::lock_guard lock{mutex_};
    return unfinished_ == 0;
  }
  /// All that were submitted, run, and had no more to do.
  [[nodiscard]] std::uint64_t finished() const {
    const std::lock_guard lock{mutex_};
    return finished_;
  }

 private:
  struct Counted final : Runnable {
    Counted(CountingScheduler& scheduler, Runnable& counted) : owner{scheduler}, work{counted} {
      set_run_priority(work.run_priority());
    }
    void stuck(Clock::Duration duration, const void* subject) noexcept override {
      work.stuck(duration, subject);
    }
    bool run(Turn& turn) override {
      if (work.run(turn)) return true;  // goes on later: still unfinished
      CountingScheduler& scheduler = owner;
      delete this;
      scheduler.finish();
      return false;
    }
    CountingScheduler& owner;
    Runnable& work;
  };

  void finish() {
    const std::lock_guard lock{mutex_};
    ++finished_;
    if (--unfinished_ == 0) went_idle_.notify_all();
  }

  const Priority highest_;
  mutable std::mutex mutex_;  // guards the next three
  std::condition_variable went_idle_;
  std::size_t unfinished_ = 0;
  std::uint64_t finished_ = 0;
  std::unique_ptr<Scheduler> inner_;  // last: its threads use what is above until they are joined
};

}  // namespace grove::testkit
