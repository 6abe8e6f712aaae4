// SPDX-License-Identifier: Apache-2.0
#include "timers.hpp"

#include "world.hpp"

#include <utility>

namespace grove::oracle {

void Timers::start(Context& context, const Pid& to, std::chrono::milliseconds delay,
                   TimerFired message) {
  const std::string label = message.label;
  const Clock::AlarmId alarm = context.send_after(delay, to, std::move(message));
  add(label, alarm, to, delay);
}

void Timers::start(const std::string& to_name, std::chrono::milliseconds delay,
                   TimerFired message) {
  const std::string label = message.label;
  Clock& clock = world_.node().clock();
  const auto fire = [&node = world_.node(), to_name, message = std::move(message)] {
    if (const auto pid = node.whereis(to_name)) node.send(*pid, message);
  };
  add(label, clock.call_at(clock.now() + delay, fire), Pid{}, delay);
}

void Timers::add(const std::string& label, Clock::AlarmId alarm, const Pid& target,
                 std::chrono::milliseconds delay) {
  const std::uint64_t ticket =
      delay < k_awaited_below ? world_.awaited().add(world_.node().clock().now() + delay) : 0;
  const std::lock_guard lock{mutex_};
  timers_.insert_or_assign(label, Timer{alarm, target, ticket});
}

std::optional<bool> Timers::cancel(const std::string& label) {
  const std::lock_guard lock{mutex_};
  const auto place = timers_.find(label);
  if (place == timers_.end()) return std::nullopt;
  const Timer& timer = place->second;
  world_.awaited().remove(timer.ticket);
  const bool pending = world_.node().clock().cancel(timer.alarm);
  return pending && (!timer.target || world_.node().is_alive(timer.target));
}

}  // namespace grove::oracle
