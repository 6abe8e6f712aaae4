// SPDX-License-Identifier: Apache-2.0
//
// Bytes as people write them: `47 56 01`.
#pragma once

#include <cctype>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace grove::testkit {

/// Reads hexadecimal digits, in pairs; blanks do not count.
[[nodiscard]] inline std::vector<std::byte> hex(std::string_view text) {
  std::vector<std::byte> bytes;
  int high = -1;
  for (const char c : text) {
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) continue;
    const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<std::byte>(high * 16 + digit));
      high = -1;
    }
  }
  bytes.shrink_to_fit();  // a sanitizer sees a read past the last one
  return bytes;
}

/// The other way, for readable failures.
[[nodiscard]] inline std::string text_of(std::span<const std::byte> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    if (!text.empty()) text += ' ';
    text += digits[std::to_integer<unsigned>(byte) >> 4U];
    text += digits[std::to_integer<unsigned>(byte) & 15U];
  }
  return text;
}

/// The same in one word.
[[nodiscard]] inline std::string hex_word(std::span<const std::byte> bytes) {
  std::string text = text_of(bytes);
  std::erase(text, ' ');
  return text;
}

}  // namespace grove::testkit
