// SPDX-License-Identifier: Apache-2.0
#include "grove/core/utf8.hpp"

#include <cstddef>

namespace grove {
namespace {

struct Form {
  std::size_t length = 0;  // 0: nothing begins so
  unsigned char second_min = 0x80;
  unsigned char second_max = 0xBF;
};

Form form_of(unsigned char first) noexcept {
  if (first < 0x80) return {1};
  if (first < 0xC2) return {};
  if (first < 0xE0) return {2};
  if (first == 0xE0) return {3, 0xA0};
  if (first == 0xED) return {3, 0x80, 0x9F};
  if (first < 0xF0) return {3};
  if (first == 0xF0) return {4, 0x90};
  if (first < 0xF4) return {4};
  if (first == 0xF4) return {4, 0x80, 0x8F};
  return {};
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = [&](std::size_t offset) {
      return static_cast<unsigned char>(text[at + offset]);
    };
    const Form form = form_of(byte(0));
    if (form.length == 0 || form.length > text.size() - at) return false;
    if (form.length > 1 && (byte(1) < form.second_min || byte(1) > form.second_max)) return false;
    for (std::size_t i = 2; i < form.length; ++i) {
      if ((byte(i) & 0xC0U) != 0x80) return false;
    }
    at += form.length;
  }
  return true;
}

}  // namespace grove
