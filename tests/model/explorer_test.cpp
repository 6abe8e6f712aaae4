// SPDX-License-Identifier: Apache-2.0
#include "model/explorer.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace grove::model {
namespace {

/// Two jugs, of three and of five litres, and a tap. Broken: when there are `wanted` in the larger.
struct Jugs {
  struct State {
    unsigned small = 0;
    unsigned large = 0;
  };
  unsigned wanted = 0;

  [[nodiscard]] State initial() const { return {}; }
  template <class F>
  void for_each_step(const State& state, F&& use) const {
    use("fill small", State{3, state.large});
    use("fill large", State{state.small, 5});
    use("empty small", State{0, state.large});
    use("empty large", State{state.small, 0});
    const unsigned up = std::min(state.small, 5 - state.large);
    use("small to large", State{state.small - up, state.large + up});
    const unsigned down = std::min(state.large, 3 - state.small);
    use("large to small", State{state.small + down, state.large - down});
  }
  [[nodiscard]] std::uint64_t fingerprint(const State& state) const {
    return std::uint64_t{state.small} * 6 + state.large;
  }
  [[nodiscard]] std::optional<std::string> broken(const State& state) const {
    if (state.large == wanted) return "there it is";
    return std::nullopt;
  }
};

TEST(Explorer, FindsTheShortestWay) {
  const Explored explored = explore(Jugs{4}, 1000);
  EXPECT_EQ(explored.broken, "there it is");
  EXPECT_EQ(explored.way,
            (std::vector<std::string>{"fill large", "large to small", "empty small",
                                      "large to small", "fill large", "large to small"}));
  EXPECT_FALSE(explored.complete);
}

TEST(Explorer, SaysThatItHasSeenEverything) {
  const Explored explored = explore(Jugs{6}, 1000);
  EXPECT_TRUE(explored.complete);
  EXPECT_EQ(explored.broken, "");
  EXPECT_EQ(explored.states, 16U);  // one of the two is always full or empty
}

TEST(Explorer, SaysThatItHasNot) {
  const Explored explored = explore(Jugs{6}, 5);
  EXPECT_FALSE(explored.complete);
  EXPECT_EQ(explored.broken, "");
}

}  // namespace
}  // namespace grove::model
