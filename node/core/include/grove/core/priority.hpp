// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace grove {

/// As in OTP: `max` (for the runtime's own) before `high`, and both strictly before `normal`; `low`
/// has one turn in eight while something of priority normal is ready. Per worker, not node-wide.
enum class Priority : std::uint8_t { low, normal, high, max };
inline constexpr unsigned k_priorities = 4;

}  // namespace grove
