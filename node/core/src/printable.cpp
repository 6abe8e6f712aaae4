// SPDX-License-Identifier: Apache-2.0
#include "grove/core/printable.hpp"

namespace grove {
namespace {

void append_escaped(std::string& out, unsigned char byte) {
  constexpr std::string_view k_digits = "0123456789abcdef";
  out += {'\\', 'x', k_digits[byte >> 4U], k_digits[byte & 0xFU]};
}

}  // namespace

std::string printable(std::string_view text, std::string_view but) {
  std::string out;
  out.reserve(text.size());
  unsigned char before = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool second_set = before == 0xc2 && byte >= 0x80 && byte < 0xa0;
    if (second_set) {
      out.pop_back();
      append_escaped(out, before);
    }
    const bool control = byte < 0x20 || byte == 0x7f || second_set;
    if (control && but.find(c) == std::string_view::npos) {
      append_escaped(out, byte);
    } else {
      out += c;
    }
    before = byte;
  }
  return out;
}

}  // namespace grove
