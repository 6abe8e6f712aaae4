// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/machine_clock.hpp"

#include <utility>

namespace grove::testkit {

MachineClock::~MachineClock() {
  for (const auto& [id, alarm] : alarms_) world_.cancel(alarm.of_world);
}

Clock::AlarmId MachineClock::call_at(TimePoint when, std::function<void()> action) {
  const AlarmId id = ++last_;
  alarms_[id] = {world_.call_at(when, [this, id] { due(id); }), std::move(action)};
  return id;
}

bool MachineClock::cancel(AlarmId alarm) {
  const auto place = alarms_.find(alarm);
  if (place == alarms_.end()) return false;
  world_.cancel(place->second.of_world);
  alarms_.erase(place);
  return true;
}

void MachineClock::resume() {
  paused_ = false;
  for (const AlarmId alarm : std::exchange(waiting_, {})) due(alarm);
}

void MachineClock::due(AlarmId alarm) {
  if (paused_) {
    waiting_.push_back(alarm);
    return;
  }
  const auto place = alarms_.find(alarm);
  if (place == alarms_.end()) return;
  const std::function<void()> action = std::move(place->second.action);
  alarms_.erase(place);
  action();
}

}  // namespace grove::testkit
