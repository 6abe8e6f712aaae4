// SPDX-License-Identifier: Apache-2.0
//
// Lending: whether the net thread runs what it has woken itself, for once.
//
// After one small frame it does: to wake a worker takes longer than most messages. But while it
// runs the program's code nobody reads what else arrives. So when that took long, it does not do so
// again for a hundred times as long: at most a hundredth of the time is lost to others.
#pragma once

#include "grove/core/clock.hpp"

#include <chrono>
#include <cstddef>

namespace grove::transport {

/// Decides only. Thread-safety: confined to the net thread.
class Lending {
 public:
  /// What was run since the last round took so long.
  void begin_round(Clock::TimePoint now) noexcept {
    const Clock::Duration took = now - ended_;
    if (lent_ && took > k_short) rests_until_ = now + k_rest * took;
    frames_ = bytes_ = 0;
    lent_ = false;
  }
  void heard(std::size_t frame_bytes) noexcept {
    ++frames_;
    bytes_ += frame_bytes;
  }
  /// Returns: whether it runs what this round has woken.
  [[nodiscard]] bool end_round(Clock::TimePoint now) noexcept {
    ended_ = now;
    lent_ = frames_ == 1 && bytes_ <= k_small && now >= rests_until_;
    return lent_;
  }

 private:
  static constexpr std::size_t k_small = 512;  // bytes: some messages, not a stream of them
  static constexpr Clock::Duration k_short = std::chrono::microseconds{50};  // some hand-overs
  static constexpr int k_rest = 100;

  std::size_t frames_ = 0;
  std::size_t bytes_ = 0;
  bool lent_ = false;
  Clock::TimePoint ended_{};
  Clock::TimePoint rests_until_{};
};

}  // namespace grove::transport
