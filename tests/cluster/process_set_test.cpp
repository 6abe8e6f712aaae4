// SPDX-License-Identifier: Apache-2.0
#include "process_set.hpp"

#include "grove/core/random.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>

namespace grove::cluster {
namespace {

std::uint64_t id_of(std::uint64_t index, std::uint64_t generation) {
  return (index << 32U) | generation;
}

std::set<std::uint64_t> all_of(const ProcessSet& processes) {
  std::set<std::uint64_t> all;
  processes.for_each([&](std::uint64_t id) { EXPECT_TRUE(all.insert(id).second); });
  EXPECT_EQ(all.size(), processes.size());
  return all;
}

TEST(ProcessSet, HoldsEachOnce) {
  ProcessSet processes;
  processes.erase(id_of(1, 1));
  processes.insert(id_of(1, 1));
  processes.insert(id_of(1, 1));
  processes.insert(id_of(1, 3));  // another life of the same place
  EXPECT_EQ(all_of(processes), (std::set{id_of(1, 1), id_of(1, 3)}));
  processes.erase(id_of(1, 5));
  processes.erase(id_of(1, 1));
  processes.erase(id_of(1, 1));
  EXPECT_EQ(all_of(processes), std::set{id_of(1, 3)});
  processes.erase(id_of(1, 3));
  EXPECT_EQ(processes.size(), 0U);
  processes.insert(id_of(2, 1));
  EXPECT_EQ(all_of(processes), std::set{id_of(2, 1)});
}

TEST(ProcessSet, IsASet) {
  Random random{7};
  for (const std::uint64_t range : {20U, 300U, 5'000U}) {
    ProcessSet processes;
    std::set<std::uint64_t> expected;
    for (int i = 0; i < 30'000; ++i) {
      const std::uint64_t id = id_of(1 + random.below(range), 1 + 2 * random.below(2));
      if (random.below(100) < (i / 3'000 % 2 == 0 ? 65U : 35U)) {
        processes.insert(id);
        expected.insert(id);
      } else {
        processes.erase(id);
        expected.erase(id);
      }
      ASSERT_EQ(processes.size(), expected.size());
      if (i % 500 == 0) {
        ASSERT_EQ(all_of(processes), expected);
      }
    }
    EXPECT_EQ(all_of(processes), expected);
  }
}

}  // namespace
}  // namespace grove::cluster
