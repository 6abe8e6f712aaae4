// SPDX-License-Identifier: Apache-2.0
//
// VirtualClock: time that moves only when its owner moves it.
//
// Thread-safety: all members; alarms run on the thread that moves the time.
#pragma once

#include "grove/core/alarm_queue.hpp"
#include "grove/core/clock.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

namespace grove::testkit {

class VirtualClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override {
    const std::lock_guard lock{mutex_};
    return now_;
  }
  [[nodiscard]] std::uint64_t wall_micros() const override {
    return k_epoch + static_cast<std::uint64_t>(now().time_since_epoch().count()) / 1000;
  }
  AlarmId call_at(TimePoint when, std::function<void()> action) override {
    const std::lock_guard lock{mutex_};
    return alarms_.add(when, std::move(action));
  }
  bool cancel(AlarmId alarm) override {
    const std::lock_guard lock{mutex_};
    return alarms_.cancel(alarm);
  }

  /// Alarms that have neither run nor been cancelled.
  [[nodiscard]] std::size_t pending() const {
    const std::lock_guard lock{mutex_};
    return alarms_.size();
  }

  /// Jumps to the next alarm, if there is one not after `limit`, and runs it.
  /// Returns: false, and time stands at `limit`, when there is none.
  bool advance_to_next(TimePoint limit) {
    std::unique_lock lock{mutex_};
    const auto when = alarms_.next();
    if (!when || *when > limit) {
      if (now_ < limit && limit != TimePoint::max()) now_ = limit;
      return false;
    }
    const AlarmQueue::Action action = alarms_.take();
    now_ = std::max(now_, *when);
    lock.unlock();  // the action may ask for the time
    action();
    return true;
  }

 private:
  static constexpr std::uint64_t k_epoch = 1'700'000'000'000'000;  // some day in 2023
  mutable std::mutex mutex_;
  TimePoint now_{};
  AlarmQueue alarms_;
};

}  // namespace grove::testkit
