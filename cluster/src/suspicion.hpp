// SPDX-License-Identifier: Apache-2.0
//
// Suspicion: how long a suspect has to refute. Long while one node alone accuses it, short when
// others confirm; and where there are others to ask, one accuser is never enough.
//
// Source: Lifeguard, 3.2 (local health aware suspicion).
#pragma once

#include "grove/core/clock.hpp"

#include <cstddef>
#include <set>
#include <string>

namespace grove::cluster {

class Suspicion {
 public:
  Suspicion(Clock::TimePoint since, std::string accuser)
      : since_{since}, accusers_{std::move(accuser)} {}

  /// More than shorten the time: of a large cluster each may accuse, and be told of.
  static constexpr std::size_t k_accusers_max = 16;

  /// Returns: whether the accuser is a new one, of the first k_accusers_max.
  bool confirm(const std::string& accuser) {
    return accusers_.size() < k_accusers_max && accusers_.insert(accuser).second;
  }
  /// This node itself was not running for so long: nobody could refute to it meanwhile.
  void postpone(Clock::Duration pause) noexcept { since_ += pause; }

  [[nodiscard]] const std::set<std::string>& accusers() const noexcept { return accusers_; }
  [[nodiscard]] Clock::TimePoint since() const noexcept { return since_; }

  /// Whether enough nodes accuse it, in a cluster of `members` (the suspect and this node count).
  [[nodiscard]] bool is_decidable(std::size_t members) const noexcept {
    return members <= 2 || accusers_.size() >= 2;
  }
  /// When it is over, if nothing changes. `probe` is the time between two probes.
  [[nodiscard]] Clock::TimePoint deadline(std::size_t members, Clock::Duration probe) const;

 private:
  Clock::TimePoint since_;
  std::set<std::string> accusers_;
};

}  // namespace grove::cluster
