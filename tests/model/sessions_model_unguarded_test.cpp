// SPDX-License-Identifier: Apache-2.0
//
// Linked with Sessions that do not look at their own epoch in what they hear: see
// tests/CMakeLists.txt.
#include "model/sessions_model.hpp"
#include "model/worlds.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace grove::model {
namespace {

/// b goes on to send in a session that a has lost, and a takes it for the next one's.
TEST(SessionsModelUnguarded, FindsABatchOfAFormerSession) {
  const Explored explored = explore(SessionsModel{{.breaks = 1, .one_dials = true}}, 1'000'000);
  const std::string way = text_of(explored.way);
  EXPECT_EQ(explored.broken, "what was said in another session is heard") << way;
  EXPECT_TRUE(std::any_of(explored.way.begin(), explored.way.end(), [](const std::string& step) {
    return step.find("breaks") != std::string::npos;
  })) << way;
}

}  // namespace
}  // namespace grove::model
