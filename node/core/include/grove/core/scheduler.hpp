// SPDX-License-Identifier: Apache-2.0
//
// Scheduler: the seam for who runs next. Real: ThreadScheduler, workers that steal from each other.
// Simulated: SeededScheduler, one thread that picks in order or by a seed.
#pragma once

#include "grove/core/random.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace grove {

/// Something that a worker can run for a while.
class Runnable {
 public:
  /// Runs until it has nothing to do or its budget is spent.
  /// Returns: true when it wants to run again; it must then not have been submitted meanwhile.
  virtual bool run() = 0;

 protected:
  ~Runnable() = default;
};

class Scheduler {
 public:
  virtual ~Scheduler() = default;
  /// Makes `work` run soon. It must not be queued already, nor running. Threads: any.
  virtual void submit(Runnable& work) = 0;
  /// Whether threads of its own run what was submitted, so that only they can finish it.
  [[nodiscard]] virtual bool running() const noexcept = 0;
  /// Stops the workers and waits for them. Idempotent.
  virtual void stop() = 0;
};

/// `workers` threads (0: one per core), started at once.
[[nodiscard]] std::unique_ptr<Scheduler> make_thread_scheduler(unsigned workers = 0);

/// One thread, driven by its owner: in order of submission, or in a seeded random order.
class SeededScheduler final : public Scheduler {
 public:
  /// With a null `random`, first come first served.
  explicit SeededScheduler(Random* random) : random_{random} {}
  void submit(Runnable& work) override;
  [[nodiscard]] bool running() const noexcept override { return false; }
  void stop() override {
    ready_.clear();
    head_ = 0;
  }
  /// Runs one runnable for one turn. Returns: false when none was ready.
  bool step();
  /// Steps until nothing is ready. Returns: the number of turns.
  std::uint64_t run_until_idle();
  [[nodiscard]] bool idle() const noexcept { return ready_.size() == head_; }

 private:
  Random* random_;
  std::vector<Runnable*> ready_;  // [head_, size) is queued
  std::size_t head_ = 0;
};

}  // namespace grove
