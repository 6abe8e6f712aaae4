// SPDX-License-Identifier: Apache-2.0
//
// MachineClock: the clock of one simulated machine. Time is the world's; the wall clock may be
// wrong, and may jump; alarms wait while the program is paused.
//
// Thread-safety: confined to the simulation's thread.
#pragma once

#include "grove/testkit/virtual_clock.hpp"

#include <chrono>
#include <map>
#include <vector>

namespace grove::testkit {

class MachineClock final : public Clock {
 public:
  /// `wrong_by`: what its wall clock is ahead, or, if negative, behind. `world` outlives it.
  MachineClock(VirtualClock& world, std::chrono::microseconds wrong_by)
      : world_{world}, wrong_by_{wrong_by} {}
  ~MachineClock() override;
  MachineClock(const MachineClock&) = delete;
  MachineClock& operator=(const MachineClock&) = delete;

  [[nodiscard]] TimePoint now() const override { return world_.now(); }
  [[nodiscard]] std::uint64_t wall_micros() const override {
    return world_.wall_micros() + static_cast<std::uint64_t>(wrong_by_.count());
  }
  AlarmId call_at(TimePoint when, std::function<void()> action) override;
  bool cancel(AlarmId alarm) override;

  void set_wrong_by(std::chrono::microseconds wrong_by) noexcept { wrong_by_ = wrong_by; }
  void pause() noexcept { paused_ = true; }
  /// What was due meanwhile is done now, in its order.
  void resume();

 private:
  struct Alarm {
    AlarmId of_world = 0;
    std::function<void()> action;
  };
  void due(AlarmId alarm);

  VirtualClock& world_;
  std::chrono::microseconds wrong_by_;
  bool paused_ = false;
  AlarmId last_ = 0;
  std::map<AlarmId, Alarm> alarms_;
  std::vector<AlarmId> waiting_;  // for the end of the pause; cancelled ones too
};

}  // namespace grove::testkit
