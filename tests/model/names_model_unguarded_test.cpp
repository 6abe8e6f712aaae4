// SPDX-License-Identifier: Apache-2.0
//
// Linked with a NameOrigin that takes an older snapshot for a newer one: see tests/CMakeLists.txt.
#include "model/explorer.hpp"
#include "names_model.hpp"

#include <gtest/gtest.h>

namespace grove::model {
namespace {

TEST(NamesModelUnguarded, FindsTheWayBack) {
  const Explored explored =
      explore(NamesModel{{.registrations = 1, .ends = 1, .declared = 1, .apart = true}}, 1'000'000);
  EXPECT_NE(explored.broken.find("goes back in what it knows of the names of"), std::string::npos)
      << explored.broken;
  EXPECT_FALSE(explored.way.empty());
}

}  // namespace
}  // namespace grove::model
