// SPDX-License-Identifier: Apache-2.0
#include "suspicion.hpp"

#include <algorithm>
#include <cmath>

namespace grove::cluster {
namespace {

constexpr double k_probes_min = 4;  // for each power of ten of members
constexpr double k_max_of_min = 6;  // when nobody confirms
constexpr std::size_t k_confirmations = 2;

}  // namespace

Clock::TimePoint Suspicion::deadline(std::size_t members, Clock::Duration probe) const {
  const double scale = std::max(1.0, std::log10(static_cast<double>(members)));
  const double shortest = k_probes_min * scale * static_cast<double>(probe.count());
  // Who can confirm: all but the suspect and the first accuser.
  const std::size_t wanted = std::min(k_confirmations, members < 2 ? 0 : members - 2);
  const std::size_t got = std::min(accusers_.size() - 1, wanted);
  double time = shortest;
  if (got < wanted) {
    const double part =
        std::log(static_cast<double>(got) + 1) / std::log(static_cast<double>(wanted) + 1);
    time = shortest * (k_max_of_min - part * (k_max_of_min - 1));
  }
  return since_ + Clock::Duration{static_cast<Clock::Duration::rep>(time)};
}

}  // namespace grove::cluster
