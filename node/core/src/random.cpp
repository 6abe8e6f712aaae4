// SPDX-License-Identifier: Apache-2.0
#include "grove/core/random.hpp"

#include "grove/core/check.hpp"

#include <random>

namespace grove {

std::uint64_t Random::next() noexcept {
  state_ += 0x9E3779B97F4A7C15U;
  std::uint64_t mixed = state_;
  mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
  mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
  return mixed ^ (mixed >> 31U);
}

std::uint64_t Random::below(std::uint64_t bound) noexcept {
  GROVE_CHECK(bound > 0);
  // Rejects the last, incomplete run of the range, so that every result is equally likely.
  const std::uint64_t limit = bound * (UINT64_MAX / bound);
  std::uint64_t value = next();
  while (value >= limit) value = next();
  return value % bound;
}

std::uint64_t seed_from_system() {
  std::random_device device;
  return (std::uint64_t{device()} << 32U) | device();
}

}  // namespace grove
