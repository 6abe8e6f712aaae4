// SPDX-License-Identifier: Apache-2.0
//
// GROVE_CHECK: an invariant of Grove's own code. On in every build; a violation is a bug of ours
// and ends the OS process. Never used on what a peer, a user or a file may send.
#pragma once

namespace grove::detail {
[[noreturn]] void check_failed(const char* expression, const char* file, int line) noexcept;
}  // namespace grove::detail

#define GROVE_CHECK(condition)                         \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::grove::detail::check_failed(#condition, __FILE__, __LINE__))
