// SPDX-License-Identifier: Apache-2.0
//
// Marks: rare branches that a sweep of the simulator must have been through, or it proves less than
// it says. They are counted in every build.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace grove {

struct alignas(16) Mark {  // as far apart as they are large, wherever the linker puts them
  const char* name;
  std::atomic<std::uint64_t> reached{0};
};

/// All marks of this program, those never reached among them, by name.
[[nodiscard]] std::vector<const Mark*> marks();

}  // namespace grove

/// Counts that this line was reached. Bounds: in functions of a .cpp file that are no templates;
/// the name is a literal, one for each mark. Cost: an uncontended increment.
#define GROVE_MARK(mark_name)                                                                     \
  do {                                                                                            \
    __attribute__((section("grove_marks"), used)) static constinit ::grove::Mark mark{mark_name}; \
    mark.reached.fetch_add(1, ::std::memory_order_relaxed);                                       \
  } while (false)
