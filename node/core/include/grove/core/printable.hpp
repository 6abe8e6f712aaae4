// SPDX-License-Identifier: Apache-2.0
//
// Texts of others, for terminals.
#pragma once

#include <string>
#include <string_view>

namespace grove {

/// A text without the control characters that a terminal would obey, those of UTF-8's second set
/// (U+0080 to U+009F) among them: each byte is written as `\x1b`. Those in `but` stay.
/// Threads: any.
[[nodiscard]] std::string printable(std::string_view text, std::string_view but = {});

}  // namespace grove
