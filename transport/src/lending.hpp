// SPDX-License-Identifier: Apache-2.0
//
// Lending: whether the net thread runs what it has woken itself, for once.
//
// After one small frame it does: to wake a worker takes longer than most messages. But while it
// runs the program's code nobody reads what else arrives. So when that took long, it does not do so
// again for a hundred times as long: at most a hundredth of the time is lost to others.
#pragma once

#include "grove/core/clock.hpp"
#include "grove/core/scheduler.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace grove::transport {

/// Decides only. Thread-safety: confined to the net thread.
class Lending {
 public:
  /// What was run since the last round took so long.
  void begin_round(Clock::TimePoint now) noexcept {
    const Clock::Duration took = now - ended_;
    // Any less is no sign of slow code: on a busy core, others run as soon as something is sent.
    if (lent_ && took > Turn::k_brief_time)
      rests_until_ = now + std::min(k_rest * took, k_rest_max);
    rests_ = now < rests_until_;
    frames_ = bytes_ = 0;
  }
  void heard(std::size_t frame_bytes) noexcept {
    ++frames_;
    bytes_ += frame_bytes;
  }
  /// Whether it will run what this round has woken, as far as is known.
  [[nodiscard]] bool lends() const noexcept { return !rests_ && frames_ == 1 && bytes_ <= k_small; }
  /// Returns: whether it does.
  [[nodiscard]] bool end_round(Clock::TimePoint now) noexcept {
    ended_ = now;
    return lent_ = lends();
  }

 private:
  static constexpr std::size_t k_small = 512;  // bytes: some messages, not a stream of them
  static constexpr int k_rest = 100;
  // What took that long was no code: the program was stopped.
  static constexpr Clock::Duration k_rest_max = std::chrono::seconds{10};

  std::size_t frames_ = 0;
  std::size_t bytes_ = 0;
  bool rests_ = false;
  bool lent_ = false;
  Clock::TimePoint ended_{};
  Clock::TimePoint rests_until_{};
};

}  // namespace grove::transport
