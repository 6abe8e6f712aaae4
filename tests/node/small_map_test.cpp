// SPDX-License-Identifier: Apache-2.0
//
// SmallMap against std::map, over random histories that grow it past its index and shrink it again.
#include "small_map.hpp"

#include "grove/core/random.hpp"

#include <gtest/gtest.h>

#include <map>

namespace grove::detail {
namespace {

/// Few hash values, so that probing meets others all the time.
struct ClashingHash {
  std::size_t operator()(std::uint64_t key) const noexcept { return key % 7; }
};

template <class Hash>
void agrees_with_a_model(std::uint64_t seed) {
  Random random{seed};
  SmallMap<std::uint64_t, std::uint64_t, Hash> map;
  std::map<std::uint64_t, std::uint64_t> model;
  std::uint64_t likes_growth = 70;
  for (std::uint64_t step = 0; step < 4000; ++step) {
    if (step % 500 == 0) likes_growth = likes_growth == 70 ? 30 : 70;
    const std::uint64_t key = random.below(200);
    if (random.below(100) < likes_growth) {
      EXPECT_EQ(map.insert(key, step), model.try_emplace(key, step).first->second);
    } else {
      EXPECT_EQ(map.erase(key), model.erase(key) == 1);
    }
    ASSERT_EQ(map.size(), model.size());
    const std::uint64_t probe = random.below(200);
    const auto place = model.find(probe);
    const std::uint64_t* found = map.find(probe);
    ASSERT_EQ(found != nullptr, place != model.end());
    if (found != nullptr) {
      ASSERT_EQ(*found, place->second);
    }
  }
  for (const auto& [key, value] : map.entries()) EXPECT_EQ(model.at(key), value);
}

TEST(SmallMap, AgreesWithAModelOverRandomHistories) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    agrees_with_a_model<std::hash<std::uint64_t>>(seed);
    agrees_with_a_model<ClashingHash>(seed);
  }
}

TEST(SmallMap, IsOneWordAndCanBeEmptiedAndFilledAgain) {
  SmallMap<std::uint64_t, std::uint64_t> map;
  static_assert(sizeof map == sizeof(void*));
  for (std::uint64_t key = 0; key < 40; ++key) map.insert(key, key);
  for (std::uint64_t key = 0; key < 40; ++key) EXPECT_TRUE(map.erase(key));
  EXPECT_TRUE(map.empty());
  map.insert(1, 2);
  EXPECT_EQ(*map.find(1), 2U);
}

}  // namespace
}  // namespace grove::detail
