// SPDX-License-Identifier: Apache-2.0
//
// Clock: the seam for time. Real: SystemClock. Simulated: VirtualClock of the test kit.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

namespace grove {

class Clock {
 public:
  using Duration = std::chrono::nanoseconds;
  struct Source {  // tag: time points of this seam do not mix with the system's
    using duration = Duration;
    using rep = Duration::rep;
    using period = Duration::period;
    using time_point = std::chrono::time_point<Source>;
    static constexpr bool is_steady = true;
  };
  using TimePoint = std::chrono::time_point<Source>;
  using AlarmId = std::uint64_t;  // never 0

  virtual ~Clock() = default;
  /// Monotonic. Threads: any. Cost: tens of nanoseconds.
  [[nodiscard]] virtual TimePoint now() const = 0;
  /// An instant not before `delay` from now, and little after it: a long delay may be measured with
  /// a coarser, cheaper clock. Saturates. Bounds: delay >= 0.
  [[nodiscard]] virtual TimePoint deadline_after(Duration delay) const { return add(now(), delay); }
  /// The time left until `when`, with the same liberty, but never more than the delay that a
  /// deadline_after() was asked for; 0 when it has come.
  [[nodiscard]] virtual Duration until(TimePoint when) const {
    return std::max(when - now(), Duration::zero());
  }
  /// Microseconds since 1970; may jump. For lives and logs, never for intervals.
  [[nodiscard]] virtual std::uint64_t wall_micros() const = 0;
  /// Runs `action` once, not before `when`. Threads: any; `action` runs on the clock's own thread
  /// and must not block.
  virtual AlarmId call_at(TimePoint when, std::function<void()> action) = 0;
  /// Returns: true when the action will never run; false when it ran or is about to.
  virtual bool cancel(AlarmId alarm) = 0;

 protected:
  [[nodiscard]] static TimePoint add(TimePoint start, Duration delay) noexcept {
    return delay < TimePoint::max() - start ? start + delay : TimePoint::max();
  }
};

/// The machine's time; alarms run on one thread of its own.
[[nodiscard]] std::unique_ptr<Clock> make_system_clock();

}  // namespace grove
