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

#include "grove/core/scheduler.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace grove::testkit {

class CountingScheduler final : public Scheduler {
 public:
  explicit CountingScheduler(std::unique_ptr<Scheduler> inner) : inner_{std::move(inner)} {}

  void submit(Runnable& work) noexcept override {
    {
      const std::lock_guard lock{mutex_};
      ++unfinished_;
    }
    inner_->submit(*new Counted{*this, work});  // deletes itself when its work is finished
  }
  [[nodiscard]] bool running() const noexcept override { return inner_->running(); }
  void stop() override { inner_->stop(); }
  void run_blocking(std::function<void()> job) override { inner_->run_blocking(std::move(job)); }
  [[nodiscard]] unsigned workers() const noexcept override { return inner_->workers(); }

  /// Waits until everything that was submitted has finished.
  /// Returns: false when that takes longer than `patience`. Blocks.
  bool wait_until_idle(std::chrono::milliseconds patience) {
    std::unique_lock lock{mutex_};
    return idle_.wait_for(lock, patience, [this] { return unfinished_ == 0; });
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
      scheduler.finished();
      return false;
    }
    CountingScheduler& owner;
    Runnable& work;
  };

  void finished() {
    const std::lock_guard lock{mutex_};
    if (--unfinished_ == 0) idle_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable idle_;
  std::size_t unfinished_ = 0;
  std::unique_ptr<Scheduler> inner_;  // last: its threads use what is above until they are joined
};

}  // namespace grove::testkit
