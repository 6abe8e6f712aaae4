// SPDX-License-Identifier: Apache-2.0
//
// What docs/cluster.md and docs/nodes.md show.
#include "grove/node/node_events.hpp"
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;

// [snippet quorum]
class StaticQuorum final : public grove::PartitionPolicy {
 public:
  [[nodiscard]] grove::Side side(const grove::PartitionView& view) const override {
    const auto in_reach = std::count_if(view.members.begin(), view.members.end(),
                                        [](const auto& member) { return member.reachable; });
    return in_reach >= 3 ? grove::Side::majority : grove::Side::minority;
  }
};
// [/snippet quorum]

// [snippet monitor_nodes]
grove::Task<> watch_nodes(grove::Context& context) {
  grove::Log& log = context.node().log();
  context.monitor_nodes(true);
  for (;;) {
    const auto event = co_await context.receive_any();
    if (const auto* up = event->message.get<grove::NodeUp>()) {
      log.info("hello " + up->node);
    } else if (const auto* down = event->message.get<grove::NodeDown>()) {
      log.info("good-bye " + down->node + ": " + to_string(down->reason));
    }
  }
}
// [/snippet monitor_nodes]

TEST(MembersDoc, ShowsAPolicyMetadataAndNodeEvents) {
  grove::testkit::SimWorld world{1};
  world.configure([](grove::ClusterConfig& config) {
    // [snippet metadata]
    config.metadata = {{"web", "db"}, grove::Value::map({{"zone", "west"}})};
    // [/snippet metadata]
    config.partition.policy = std::make_shared<StaticQuorum>();
  });
  world.add_node("a").node().spawn(watch_nodes);
  for (const char* name : {"b", "c", "d"}) world.add_node(name);
  ASSERT_TRUE(world.run_until([&] { return world.all_connected(); }, 10s));
  const auto said = [&](const std::string& text) {
    const auto lines = world["a"].log().lines();
    return std::any_of(lines.begin(), lines.end(),
                       [&](const auto& line) { return line.second == text; });
  };
  std::size_t databases = 0;
  world["a"].cluster().members_with_role("db", [&](const auto& members) {
    databases = members.size();
    EXPECT_EQ(members.back().metadata.values, grove::Value::map({{"zone", "west"}}));
  });
  world.run_for(10s);
  EXPECT_EQ(databases, 4U);
  world.partition({{"a", "b"}, {"c", "d"}});
  world.run_for(60s);
  EXPECT_TRUE(said("hello b"));
  EXPECT_TRUE(said("good-bye d: net_tick_timeout"));
  EXPECT_FALSE(said("good-bye b: net_tick_timeout"));
  for (const auto& name : world.names()) {
    EXPECT_EQ(world[name].cluster().side(), grove::Side::minority) << name;
  }
}

}  // namespace
