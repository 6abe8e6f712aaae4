// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the models share: how a world is judged, and how many can be afforded.
#pragma once

#include "model/explorer.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

namespace grove::model {

// Under a sanitizer each state takes ten times as long: only the first worlds are seen then.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool k_most = false;
#else
inline constexpr bool k_most = true;
#endif
// Those of millions of states are too slow where nothing is optimised.
#ifdef __OPTIMIZE__
inline constexpr bool k_largest = k_most;
#else
inline constexpr bool k_largest = false;
#endif

/// The steps to what is broken, a line each.
inline std::string text_of(const std::vector<std::string>& way) {
  std::string text;
  for (const std::string& step : way) text += "\n  " + step;
  return text;
}

/// Nothing is broken in any state of the model's world, and all were seen.
template <class Model>
void expect_sound(const Model& model, std::size_t states_max) {
  const Explored explored = explore(model, states_max);
  EXPECT_EQ(explored.broken, "") << text_of(explored.way);
  EXPECT_TRUE(explored.complete) << "of more than " << states_max << " states";
  testing::Test::RecordProperty("states", std::to_string(explored.states));
}

}  // namespace grove::model
