// SPDX-License-Identifier: Apache-2.0
#include "grove/core/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace grove::detail {

void check_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "grove: check failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace grove::detail
