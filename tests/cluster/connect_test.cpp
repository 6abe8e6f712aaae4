// SPDX-License-Identifier: Apache-2.0
//
// Clusters whose nodes are connected by hand (AutoConnect::never).
#include "grove/testkit/sim_world.hpp"

#include "cluster/told_of_end.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::SimWorld;
using transport::AutoConnect;

class ConnectedByHand : public testing::Test {
 protected:
  ConnectedByHand() {
    for (const char* name : {"a", "b", "c"}) world.add_node(name);
  }
  bool connect(const std::string& from, const std::string& to) {
    return world.connect(from, world[to].address());
  }
  std::vector<std::string> nodes(const std::string& name) {
    std::vector<std::string> names;
    world[name].cluster().nodes([&](const auto& all) { names = all; });
    world.run_for(1ms);
    return names;
  }
  std::size_t sessions(const std::string& name) { return world[name].cluster().sessions(); }
  /// A process of `name` that reports what ends it sees of `target`'s process.
  std::future<std::vector<ExitReason>> watch(const std::string& name, Pid target) {
    auto seen = testkit::told_of_end(world[name].node(), target);
    world.run_for(1s);
    return seen;
  }
  Pid spawn_on(const std::string& name) {
    return world[name].node().spawn([](Context& context) -> Task<> {
      context.trap_exit(true);
      for (;;) co_await context.receive_any();
    });
  }
  SimWorld world{1, AutoConnect::never};
  const std::vector<ExitReason> both_lost{ExitReason::noconnection(), ExitReason::noconnection()};
};

TEST_F(ConnectedByHand, ConnectionsExistOnlyAsMade) {
  EXPECT_TRUE(connect("a", "b"));
  EXPECT_TRUE(connect("b", "c"));
  world.run_for(1min);
  EXPECT_EQ(nodes("a"), std::vector<std::string>{"b"}) << "b has told it of c, to no avail";
  EXPECT_EQ(nodes("b"), (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(nodes("c"), std::vector<std::string>{"b"});
}

TEST_F(ConnectedByHand, ToConnectTwiceOrToOneselfIsFine) {
  EXPECT_TRUE(connect("a", "b"));
  EXPECT_TRUE(connect("a", "b"));
  EXPECT_TRUE(world.connect("a", "b"));
  EXPECT_TRUE(connect("b", "a"));
  EXPECT_TRUE(world.connect("a", "a"));
  EXPECT_EQ(sessions("a"), 1U);
  EXPECT_EQ(world.total(Metric::sessions_up), 2U);
}

TEST_F(ConnectedByHand, ADeadNodeIsFalse) {
  EXPECT_TRUE(connect("a", "b"));
  world.kill("b");
  world.run_for(1s);  // until a has noticed
  EXPECT_FALSE(world.connect("a", "b"));
  EXPECT_FALSE(world.connect("a", "nobody"));
  EXPECT_FALSE(world.connect("a", "no node's name"));
}

TEST_F(ConnectedByHand, DisconnectIsHeardOnBothSidesAndNothingHealsIt) {
  EXPECT_TRUE(connect("a", "b"));
  auto at_a = watch("a", spawn_on("b"));
  auto at_b = watch("b", spawn_on("a"));
  EXPECT_TRUE(world.disconnect("a", "b"));
  world.run_for(1min);
  EXPECT_EQ(SimWorld::ready(at_a), both_lost);
  EXPECT_EQ(SimWorld::ready(at_b), both_lost);
  EXPECT_EQ(sessions("a") + sessions("b"), 0U);
  EXPECT_FALSE(world.disconnect("a", "b"));
  EXPECT_FALSE(world.disconnect("a", "nobody"));
}

TEST_F(ConnectedByHand, WhatWasLostStaysLostAfterReconnecting) {
  EXPECT_TRUE(connect("a", "b"));
  const Pid target = spawn_on("b");
  auto first = watch("a", target);
  EXPECT_TRUE(world.disconnect("b", "a"));
  EXPECT_TRUE(world.connect("b", "a"));
  world.run_for(1s);  // until a knows of it, too
  EXPECT_EQ(SimWorld::ready(first), both_lost);
  auto second = watch("a", target);
  world["b"].node().exit(target, ExitReason::symbol("kill"));
  world.run_for(1s);
  EXPECT_EQ(SimWorld::ready(second), (std::vector{ExitReason::killed(), ExitReason::killed()}));
}

TEST_F(ConnectedByHand, JoiningIsRefused) {
  const auto joined = world["a"].cluster().join("b:1");
  ASSERT_FALSE(joined.has_value());
  EXPECT_EQ(joined.error().code, Errc::refused);
}

TEST(ConnectedByThemselves, NodesDialAgainAfterADisconnect) {
  SimWorld world{1};
  world.add_node("a");
  world.add_node("b");
  ASSERT_TRUE(world.run_until([&] { return world.all_connected(); }, 10s));
  EXPECT_TRUE(world.disconnect("a", "b"));
  EXPECT_TRUE(world.run_until([&] { return world.all_connected(); }, 10s));
  EXPECT_EQ(world.total(Metric::sessions_down), 2U);
}

TEST(AnAddress, WithoutAPortHasThatOfTheConfigurationInCode) {
  SimWorld world{1, AutoConnect::never};
  world.configure([](ClusterConfig& config) { config.port = 1; });  // where they are
  for (const char* name : {"a", "b"}) world.add_node(name);
  EXPECT_TRUE(world.connect("a", "b.sim"));
  EXPECT_TRUE(world.connect("a", "b"));

  SimWorld seeking{1};
  seeking.configure([](ClusterConfig& config) { config.port = 1; });
  seeking.add_node("a");
  Cluster& a = seeking["a"].cluster();
  EXPECT_TRUE(a.join("b.sim"));
  std::vector<std::string> seeds;
  a.seeds([&](const auto& all) {
    for (const auto& seed : all) seeds.push_back(seed.address);
  });
  bool forgotten = false;
  a.forget_seed("b.sim", [&](const Result<void>& done) { forgotten = static_cast<bool>(done); });
  seeking.run_for(1ms);
  EXPECT_EQ(seeds, (std::vector<std::string>{"a.sim:1", "b.sim:1"}));
  EXPECT_TRUE(forgotten);
}

}  // namespace
}  // namespace grove
