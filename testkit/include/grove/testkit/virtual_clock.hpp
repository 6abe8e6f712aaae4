// SPDX-License-Identifier: Apache-2.0
//
// VirtualClock: time that moves only when its owner moves it.
//
// Thread-safety: all members; alarms run on the thread that moves the time.
#pragma once

#include "grove/core/clock.hpp"

#include <map>
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
    alarms_.emplace(std::pair{when, ++last_id_}, std::move(action));
    deadlines_.emplace(last_id_, when);
    return last_id_;
  }
  bool cancel(AlarmId alarm) override {
    const std::lock_guard lock{mutex_};
    const auto place = deadlines_.find(alarm);
    if (place == deadlines_.end()) return false;
    alarms_.erase({place->second, alarm});
    deadlines_.erase(place);
    return true;
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
    if (alarms_.empty() || alarms_.begin()->first.first > limit) {
      if (now_ < limit && limit != TimePoint::max()) now_ = limit;
      return false;
    }
    auto alarm = alarms_.extract(alarms_.begin());
    deadlines_.erase(alarm.key().second);
    if (alarm.key().first > now_) now_ = alarm.key().first;
    lock.unlock();  // the action may ask for the time
    alarm.mapped()();
    return true;
  }

 private:
  static constexpr std::uint64_t k_epoch = 1'700'000'000'000'000;  // some day in 2023
  mutable std::mutex mutex_;
  TimePoint now_{};
  AlarmId last_id_ = 0;
  std::map<std::pair<TimePoint, AlarmId>, std::function<void()>> alarms_;
  std::map<AlarmId, TimePoint> deadlines_;
};

}  // namespace grove::testkit
