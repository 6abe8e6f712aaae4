// SPDX-License-Identifier: Apache-2.0
//
// When to restart: the decisions of a supervisor, as values.
//
// Source: OTP supervisor, "Restart Strategies and Maximum Restart Intensity".
#pragma once

#include "grove/core/clock.hpp"
#include "grove/core/exit_reason.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace grove {

/// Who is started again beside a child that failed.
enum class Strategy : std::uint8_t {
  one_for_one,   // nobody
  rest_for_one,  // those started after it
  one_for_all,   // all
};
inline constexpr Strategy one_for_one = Strategy::one_for_one;
inline constexpr Strategy rest_for_one = Strategy::rest_for_one;
inline constexpr Strategy one_for_all = Strategy::one_for_all;

/// Whether a supervisor ends when significant children have ended by themselves.
enum class AutoShutdown : std::uint8_t { never, any_significant, all_significant };
inline constexpr AutoShutdown any_significant = AutoShutdown::any_significant;
inline constexpr AutoShutdown all_significant = AutoShutdown::all_significant;

enum class Restart : std::uint8_t {
  permanent,  // always
  transient,  // when it ended with anything but normal, shutdown or {shutdown, _}
  temporary,  // never
};
inline constexpr Restart permanent = Restart::permanent;
inline constexpr Restart transient = Restart::transient;
inline constexpr Restart temporary = Restart::temporary;

/// Whether a child of this kind that ended for `reason` is started again.
[[nodiscard]] bool needs_restart(Restart kind, const ExitReason& reason);

/// Whether it counts against a supervisor's intensity. Not the loss of a cluster-wide name,
/// {name_conflict, Name, Winner}: else the end of a partition would take supervisors down.
[[nodiscard]] bool counts_as_restart(const ExitReason& reason);

/// How many restarts a supervisor takes in how much time; one of a group counts once.
struct RestartIntensity {
  std::size_t restarts = 3;
  std::chrono::seconds period{5};
};

/// Counts restarts in a sliding period and says when the limit is passed.
/// Thread-safety: confined to its supervisor. Invariant: `times_` is sorted and within the period.
class RestartWindow {
 public:
  explicit RestartWindow(RestartIntensity intensity);
  /// Records a restart at `now`. Returns: false when the supervisor must give up.
  /// Cost: O(restarts that leave the period).
  [[nodiscard]] bool allow(Clock::TimePoint now);

 private:
  RestartIntensity intensity_;
  std::deque<Clock::TimePoint> times_;
};

}  // namespace grove
