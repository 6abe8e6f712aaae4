// SPDX-License-Identifier: Apache-2.0
#include "timers.hpp"

#include "world.hpp"

#include <utility>

namespace grove::oracle {

void Timers::start(Context& context, const TimerTarget& to, std::chrono::milliseconds delay,
                   TimerFired message) {
  const std::string label = message.label;
  const std::uint64_t ticket =
      delay < k_awaited_below ? world_.awaited().add(world_.node().clock().now() + delay) : 0;
  const TimerId timer = context.send_after(delay, to, std::move(message));
  const std::lock_guard lock{mutex_};
  timers_.insert_or_assign(label, Timer{timer, ticket});
}

std::optional<bool> Timers::cancel(const std::string& label) {
  const std::lock_guard lock{mutex_};
  const auto place = timers_.find(label);
  if (place == timers_.end()) return std::nullopt;
  world_.awaited().remove(place->second.ticket);
  return world_.node().cancel_timer(place->second.id).has_value();
}

void Timers::forget_fired() {
  const std::lock_guard lock{mutex_};
  for (auto& [label, timer] : timers_) {
    if (timer.ticket == 0 || world_.node().read_timer(timer.id)) continue;
    world_.awaited().remove(std::exchange(timer.ticket, 0));
  }
}

}  // namespace grove::oracle
