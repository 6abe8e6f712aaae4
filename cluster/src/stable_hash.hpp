// SPDX-License-Identifier: Apache-2.0
//
// Hashes that are the same on every machine: nodes compare what they know by them.
#pragma once

#include <cstdint>
#include <string_view>

namespace grove::cluster {

[[nodiscard]] constexpr std::uint64_t stable_hash(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  return hash ^ (hash >> 32U);
}

[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t word) noexcept {
  hash = (hash ^ word) * 0x9E3779B97F4A7C15U;
  return hash ^ (hash >> 29U);
}
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t hash, std::string_view text) noexcept {
  return mix(hash, stable_hash(text));
}

}  // namespace grove::cluster
