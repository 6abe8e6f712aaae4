// SPDX-License-Identifier: Apache-2.0
//
// Work: runnables that are no processes, for tests of schedulers.
#pragma once

#include "grove/core/scheduler.hpp"

#include <functional>
#include <latch>
#include <utility>

namespace grove::testkit {

/// Runs a function, again for as long as that returns true.
class Work final : public Runnable {
 public:
  using Step = std::function<bool(Turn&)>;
  explicit Work(Step step, Priority priority = Priority::normal) : step_{std::move(step)} {
    set_run_priority(priority);
  }
  bool run(Turn& turn) override { return step_(turn); }
  void stuck(Clock::Duration duration, const void*) noexcept override {
    if (on_stuck) on_stuck(duration);
  }
  std::function<void(Clock::Duration)> on_stuck;

 private:
  Step step_;
};

inline Work::Step once(std::function<void()> action) {
  return [action = std::move(action)](Turn&) {
    action();
    return false;
  };
}

/// A step that is inside user code until `release` opens.
inline Work::Step held_by(std::latch& release) {
  return [&release](Turn& turn) {
    const UserCode inside{turn};
    release.wait();
    return false;
  };
}

}  // namespace grove::testkit
