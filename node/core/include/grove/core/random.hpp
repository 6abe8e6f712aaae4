// SPDX-License-Identifier: Apache-2.0
//
// Random: the seam for chance. One pinned generator, so that a seed means the same everywhere.
#pragma once

#include <cstdint>

namespace grove {

/// SplitMix64. Thread-safety: confined to its owner. Not for secrets.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_{seed} {}
  [[nodiscard]] std::uint64_t next() noexcept;
  /// A number in [0, bound). Bounds: bound > 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) noexcept;
  /// True with the given chance. Units: percent.
  [[nodiscard]] bool percent(unsigned chance) noexcept { return below(100) < chance; }

 private:
  std::uint64_t state_;
};

/// A seed that differs from run to run, from the operating system.
[[nodiscard]] std::uint64_t seed_from_system();

}  // namespace grove
