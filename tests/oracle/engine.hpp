// SPDX-License-Identifier: Apache-2.0
//
// Engine: what the processes of a script run on, and how to tell that they are all quiet.
//
// Time is virtual in both modes: it moves only while nothing can run.
#pragma once

#include "grove/core/random.hpp"
#include "grove/core/scheduler.hpp"
#include "grove/testkit/virtual_clock.hpp"

#include "support/counting_scheduler.hpp"

#include <cstdint>
#include <memory>
#include <optional>

namespace grove::oracle {

class Engine {
 public:
  virtual ~Engine() = default;
  [[nodiscard]] testkit::VirtualClock& clock() noexcept { return clock_; }
  [[nodiscard]] virtual Scheduler& scheduler() noexcept = 0;
  /// Runs, or waits for, everything that can run without time passing.
  /// Returns: false when there is no end to it. Blocks.
  virtual bool run_until_idle() = 0;

 private:
  testkit::VirtualClock clock_;
};

/// One thread: in order of submission, or in the random order of a seed.
class SteppedEngine final : public Engine {
 public:
  explicit SteppedEngine(std::optional<std::uint64_t> seed)
      : random_{seed.value_or(0)}, scheduler_{seed ? &random_ : nullptr} {}
  [[nodiscard]] Scheduler& scheduler() noexcept override { return scheduler_; }
  bool run_until_idle() override {
    for (int turn = 0; turn < k_turns_max; ++turn) {
      if (!scheduler_.step()) return true;
    }
    return false;
  }

 private:
  static constexpr int k_turns_max = 10'000'000;  // no step of a script needs a thousandth of it
  Random random_;
  SeededScheduler scheduler_;
};

/// Workers that run at the same time.
class ThreadedEngine final : public Engine {
 public:
  explicit ThreadedEngine(unsigned workers) : scheduler_{make_thread_scheduler(workers)} {}
  [[nodiscard]] Scheduler& scheduler() noexcept override { return scheduler_; }
  bool run_until_idle() override { return scheduler_.wait_until_idle(k_patience); }

 private:
  static constexpr std::chrono::seconds k_patience{20};  // SPEC.md, section 3
  testkit::CountingScheduler scheduler_;
};

}  // namespace grove::oracle
