// SPDX-License-Identifier: Apache-2.0
//
// Thread-safety: all functions. Source: Unicode 15, table 3-7.
#pragma once

#include <string_view>

namespace grove {

/// Whether a text is UTF-8 as Unicode has it: shortest forms, no surrogates, up to U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

}  // namespace grove
