// SPDX-License-Identifier: Apache-2.0
//
// How often this program has let MessagePack at a body that holds the mark. The linker puts the
// counter before transport::unpack (--wrap), the only way there is.
#pragma once

#include <cstdint>

namespace grove::testkit {

inline constexpr const char* k_mark = "let nobody unpack this";
[[nodiscard]] std::uint64_t marks_unpacked() noexcept;

}  // namespace grove::testkit
