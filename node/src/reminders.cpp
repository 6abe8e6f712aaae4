// SPDX-License-Identifier: Apache-2.0
#include "reminders.hpp"

#include "process.hpp"

namespace grove::detail {

void tell(Context& self, const Pid& to, Message message) {
  const RuntimeSection runtime{current_turn()};
  auto& process = static_cast<Process&>(self);
  if (!process.alive()) return;
  process.emit(process.pid(), to, SignalKind::told, 0, std::move(message));
}

void remind(Context& self, Message message) { tell(self, self.self(), std::move(message)); }

TimerId remind_at(Context& self, Clock::TimePoint when, Message message) {
  const RuntimeSection runtime{current_turn()};
  if (!static_cast<Process&>(self).alive()) return {};
  return self.node().arm_timer(when, self.self(), self.self(), std::move(message), {.told = true});
}

TimerId remind_after(Context& self, Clock::Duration delay, Message message) {
  return remind_at(self, self.node().time_after(delay), std::move(message));
}

}  // namespace grove::detail
