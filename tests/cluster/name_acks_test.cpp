// SPDX-License-Identifier: Apache-2.0
//
// Registrations that wait until others know of them.
#include "name_net.hpp"

#include <gtest/gtest.h>

namespace grove::cluster {
namespace {

using global::NameAck;

class NameAcks : public testing::Test {
 protected:
  NameAcks() { start({"a", "b", "c"}); }
  void start(const std::vector<std::string>& names) {
    net = {};
    for (const std::string& name : names) net.add(name);
    net.connect_all();
    net.run();
  }
  NameNet net;
};

TEST_F(NameAcks, AreOfAsManyAsWanted) {
  net.cut("a", "c");
  ASSERT_TRUE(net.give("a", "none", 1));
  ASSERT_TRUE(net.give("a", "one", 2, NameAck::nodes(1)));
  ASSERT_TRUE(net.give("a", "most", 3, NameAck::majority()));
  ASSERT_TRUE(net.give("a", "all", 4, NameAck::all()));
  EXPECT_TRUE(net["a"].answered.empty());
  net.run();
  ASSERT_EQ(net["a"].answered.size(), 2U);
  EXPECT_EQ(net["a"].answered[0].token, 2U);
  EXPECT_EQ(net["a"].answered[1].token, 3U);
  net.connect("a", "c");
  net.run();
  net.tick();
  ASSERT_EQ(net["a"].answered.size(), 3U);
  EXPECT_TRUE(net["a"].answered[2].given);
  start({"alone"});
  ASSERT_TRUE(net.give("alone", "x", 1, NameAck::all()));
  EXPECT_EQ(net["alone"].answered.size(), 1U);
}

TEST_F(NameAcks, ThatAreWaitedForEndWhenTheNameIsLost) {
  net.cut("a", "b");
  net.cut("b", "c");
  ASSERT_TRUE(net.give("a", "x", 1));
  ASSERT_TRUE(net.give("b", "x", 2, NameAck::all()));
  net.connect_all();
  net.run();
  ASSERT_EQ(net["b"].answered.size(), 1U);
  EXPECT_FALSE(net["b"].answered[0].given);
  EXPECT_EQ(net["b"].answered[0].winner, net.pid("a", 1));
}

TEST_F(NameAcks, AMemberThatDiesIsNotWaitedForAnyLonger) {
  net.cut("a", "c");
  ASSERT_TRUE(net.give("a", "x", 1, NameAck::all()));
  net.run();
  EXPECT_TRUE(net["a"].answered.empty());
  net.bury("a", net["c"].id);
  EXPECT_EQ(net["a"].answered.size(), 1U);
}

TEST_F(NameAcks, OfThousandsMayBeWaitedForAtOnce) {
  constexpr std::uint32_t k_names = 20'000;
  net.cut("a", "c");
  for (std::uint32_t i = 1; i <= k_names; ++i) {
    ASSERT_TRUE(net.give("a", std::to_string(i), i, NameAck::all()));
    net.deliver("a", "b");
  }
  net.run();
  EXPECT_TRUE(net["a"].answered.empty());
  net.connect("a", "c");
  net.run();
  EXPECT_EQ(net["a"].answered.size(), k_names);
}

}  // namespace
}  // namespace grove::cluster
