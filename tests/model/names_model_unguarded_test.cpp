// SPDX-License-Identifier: Apache-2.0
//
// Linked with a NameOrigin that takes an older snapshot for a newer one: see tests/CMakeLists.txt.
#include "model/worlds.hpp"
#include "names_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace grove::model {
namespace {

TEST(NamesModelUnguarded, FindsTheWayBack) {
  const Explored explored =
      explore(NamesModel{{.registrations = 1, .ends = 1, .declared = 1, .apart = true}}, 1'000'000);
  EXPECT_NE(explored.broken.find("goes back in what it knows of the names of"), std::string::npos)
      << explored.broken;
  EXPECT_FALSE(explored.way.empty());
}

constexpr NamesModel::Limits k_zombie{.registrations = 2, .ends = 1, .ticks = 1, .names = 2};

/// a's news are overtaken by what c knows of them, so that b goes back to the first: then those
/// that follow are taken again, one after the other.
TEST(NamesModelUnguarded, FindsTheNameOfAProcessThatHasEnded) {
  const Explored explored = explore(NamesModel{k_zombie, NamesModel::Checks::names}, 1'000'000);
  const std::string way = text_of(explored.way);
  EXPECT_EQ(explored.broken, "b sees a name that it knew to be removed: n1 held by a process of a")
      << way;
  RecordProperty("way", way);
  // All that b hears of the removal, it hears from c.
  const auto end = std::find(explored.way.begin(), explored.way.end(), "the process of a ends");
  const auto first = std::find(explored.way.begin(), explored.way.end(), "b hears a");
  const auto overtakes = std::find(end, explored.way.end(), "b hears c");
  EXPECT_LT(end, overtakes) << way;
  EXPECT_LT(overtakes, first) << way;
  ASSERT_FALSE(explored.way.empty());
  EXPECT_EQ(explored.way.back(), "b hears a") << way;
}

/// The last of a's news is the removal, and whoever is behind asks for it: until then, the name of
/// the dead process is seen. None of the ways leads to one that is seen for ever.
TEST(NamesModelUnguarded, TheZombieIsMended) {
  const Explored explored = explore(NamesModel{k_zombie, NamesModel::Checks::at_rest}, 1'000'000);
  EXPECT_EQ(explored.broken, "");
  EXPECT_TRUE(explored.complete);
}

}  // namespace
}  // namespace grove::model
