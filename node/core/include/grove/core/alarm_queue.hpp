// SPDX-License-Identifier: Apache-2.0
//
// AlarmQueue: the alarms of a clock, the earliest first; of one time in the order in which they
// were set.
//
// Thread-safety: none.
#pragma once

#include "grove/core/clock.hpp"

#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

namespace grove {

class AlarmQueue {
 public:
  using Action = std::function<void()>;

  /// Cost: O(log n). Returns: never 0, and never the same again.
  Clock::AlarmId add(Clock::TimePoint when, Action action) {
    alarms_.emplace(std::pair{when, ++last_id_}, std::move(action));
    deadlines_.emplace(last_id_, when);
    return last_id_;
  }
  /// Cost: O(log n). Returns: false when it was taken or cancelled before.
  bool cancel(Clock::AlarmId alarm) {
    const auto place = deadlines_.find(alarm);
    if (place == deadlines_.end()) return false;
    alarms_.erase({place->second, alarm});
    deadlines_.erase(place);
    return true;
  }
  [[nodiscard]] std::size_t size() const noexcept { return alarms_.size(); }
  /// When the earliest is due; nothing when there is none.
  [[nodiscard]] std::optional<Clock::TimePoint> next() const {
    if (alarms_.empty()) return std::nullopt;
    return alarms_.begin()->first.first;
  }
  /// Takes the earliest out. Bounds: there is one.
  [[nodiscard]] Action take() {
    auto alarm = alarms_.extract(alarms_.begin());
    deadlines_.erase(alarm.key().second);
    return std::move(alarm.mapped());
  }

 private:
  Clock::AlarmId last_id_ = 0;
  std::map<std::pair<Clock::TimePoint, Clock::AlarmId>, Action> alarms_;
  std::unordered_map<Clock::AlarmId, Clock::TimePoint> deadlines_;
};

}  // namespace grove
