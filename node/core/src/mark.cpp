// SPDX-License-Identifier: Apache-2.0
#include "grove/core/mark.hpp"

#include <algorithm>
#include <string_view>

// The linker's names for the ends of the section; there is none in a program without a mark.
extern "C" {
extern grove::Mark __start_grove_marks[] __attribute__((weak));
extern grove::Mark __stop_grove_marks[] __attribute__((weak));
}

namespace grove {

std::vector<const Mark*> marks() {
  std::vector<const Mark*> all;
  for (const Mark* mark = __start_grove_marks; mark != __stop_grove_marks; ++mark) {
    all.push_back(mark);
  }
  std::sort(all.begin(), all.end(), [](const Mark* a, const Mark* b) {
    return std::string_view{a->name} < std::string_view{b->name};
  });
  return all;
}

}  // namespace grove
