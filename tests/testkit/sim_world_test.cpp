// SPDX-License-Identifier: Apache-2.0
//
// Every knob of a simulated world does what its name says.
#include "grove/testkit/sim_world.hpp"

#include "grove/core/mark.hpp"
#include "grove/testkit/faults.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

namespace grove::testkit {

struct Note {
  int number = 0;
};

namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

class SimWorldTest : public testing::Test {
 protected:
  SimWorldTest() {
    for (const char* name : {"a", "b", "c"}) world_.add_node(name);
    EXPECT_TRUE(world_.run_until([this] { return world_.all_connected(); }, seconds{10}));
    Node& node = world_["b"].node();
    ear_ = node.spawn([this](Context& context) -> Task<> {
      for (;;) heard_.push_back((co_await context.receive<Note>()).number);
    });
    world_.settle();
  }
  void say(int number) { world_["a"].node().send(ear_, Note{number}); }

  SimWorld world_{1};
  Pid ear_;
  std::vector<int> heard_;
};

TEST_F(SimWorldTest, GoesFrameByFrameWhereADirectionIsHeld) {
  world_.cut("a", "b");
  say(1);
  say(2);
  world_.run_for(milliseconds{1});
  EXPECT_TRUE(heard_.empty());
  std::vector<transport::Frame> held = world_.held("a", "b");
  ASSERT_EQ(held.size(), 2U);
  EXPECT_EQ(transport::kind_of(held[0].bytes), transport::FrameKind::batch);
  EXPECT_TRUE(world_.deliver_one("a", "b"));
  EXPECT_EQ(heard_, std::vector{1});
  EXPECT_TRUE(world_.deliver_one("a", "b"));
  EXPECT_EQ(heard_, (std::vector{1, 2}));
  EXPECT_FALSE(world_.deliver_one("a", "b"));
}

TEST_F(SimWorldTest, LeavesThoseConnectedWhoShareAPart) {
  world_.partition({{"a", "b"}, {"b", "c"}});
  world_.run_for(seconds{10});
  EXPECT_TRUE(world_.connected({"a", "b"}));
  EXPECT_TRUE(world_.connected({"b", "c"}));
  EXPECT_FALSE(world_.connected({"a", "c"}));
}

TEST_F(SimWorldTest, DelaysWhatIsSentIntoAClogAndLosesNothing) {
  world_.clog("a", "b", milliseconds{500});
  say(1);
  world_.run_for(milliseconds{499});
  EXPECT_TRUE(heard_.empty());
  world_.run_for(milliseconds{2});
  EXPECT_EQ(heard_, std::vector{1});
}

TEST_F(SimWorldTest, PausesANodeWithoutALossOrABrokenLink) {
  world_.pause("b");
  say(1);
  world_.run_for(seconds{1});
  EXPECT_TRUE(heard_.empty());
  EXPECT_TRUE(world_.held("a", "b").empty());
  world_.resume("b");
  world_.settle();
  EXPECT_EQ(heard_, std::vector{1});
  EXPECT_TRUE(world_.all_connected());
}

TEST_F(SimWorldTest, StopsTimersOfAPausedNodeUntilItGoesOn) {
  bool fired = false;
  world_["b"].node().spawn([&fired](Context& context) -> Task<> {
    co_await context.sleep_for(milliseconds{100});
    fired = true;
  });
  world_.settle();
  world_.pause("b");
  world_.run_for(milliseconds{300});
  EXPECT_FALSE(fired);
  world_.resume("b");
  world_.settle();
  EXPECT_TRUE(fired);
}

TEST_F(SimWorldTest, AlternatesASlowNodeUntilItIsHealed) {
  world_.slow("b", milliseconds{10}, milliseconds{90});
  int at_once = 0;
  for (int number = 0; number < 50; ++number) {
    say(number);
    world_.run_for(milliseconds{2});
    at_once += heard_.size() == static_cast<std::size_t>(number) + 1 ? 1 : 0;
  }
  EXPECT_GT(at_once, 0);
  EXPECT_LT(at_once, 20);
  world_.heal();
  world_.settle();
  EXPECT_EQ(heard_.size(), 50U);
  EXPECT_FALSE(world_["b"].disturbed());
}

TEST_F(SimWorldTest, ASlowNodeThatWasPausedTooIsDisturbedUntilItIsHealed) {
  const auto resumed = [this] {
    const History& history = world_.history();
    return std::count_if(history.begin(), history.end(), [](const auto& noted) {
      return std::holds_alternative<NodeResumed>(noted.event);
    });
  };
  world_.pause("b");
  world_.slow("b", milliseconds{10}, milliseconds{90});
  world_.resume("b");
  EXPECT_EQ(resumed(), 0);
  world_.heal();
  EXPECT_EQ(resumed(), 1);
}

TEST_F(SimWorldTest, MovesOneNodesWallClockAndNotItsTime) {
  const std::uint64_t ahead = std::chrono::microseconds{hours{3}}.count();
  const std::uint64_t wall = world_["b"].clock().wall_micros();
  world_.set_clock("b", hours{3});
  EXPECT_EQ(world_["b"].clock().wall_micros() - wall, ahead);
  EXPECT_EQ(world_["b"].clock().now(), world_["a"].clock().now());
  world_.kill("b");
  world_.add_node("b");
  EXPECT_GT(world_["b"].node().life().value, wall + ahead);
}

TEST_F(SimWorldTest, LetsASlowNetworkCarrySoMuchASecond) {
  world_.set_network({.bytes_per_second = 1000});
  for (int number = 0; number < 20; ++number) say(number);
  world_.run_for(milliseconds{500});
  EXPECT_GT(heard_.size(), 1U);
  EXPECT_LT(heard_.size(), 10U);
  EXPECT_TRUE(world_.run_until([this] { return heard_.size() == 20; }, seconds{10}));
}

TEST_F(SimWorldTest, SetsAClockBackToTheStartOfItsNodesNewestLifeAndTheNextOneIsLetIn) {
  for (const bool runs : {true, false}) {
    world_.set_clock("b", world_.clock_wrong_by("b") + hours{3});
    world_.run_for(seconds{10});
    EXPECT_GE(world_.clock_past_start("b"), hours{3} + seconds{10});
    const Life before = world_["b"].node().life();
    if (!runs) world_.kill("b");
    world_.set_clock("b", world_.clock_wrong_by("b") - world_.clock_past_start("b"));
    EXPECT_EQ(world_.clock_past_start("b").count(), 0);
    if (runs) world_.kill("b");
    world_.add_node("b");
    EXPECT_GT(world_["b"].node().life(), before);
    EXPECT_LT(world_["b"].node().life().value, before.value + 1'000'000);
    EXPECT_TRUE(world_.run_until([this] { return world_.all_connected(); }, seconds{60}));
  }
}

TEST_F(SimWorldTest, FindsAgainANodeThatHasMoved) {
  const std::string before = world_["a"].address();  // whom the others were told to join
  world_.kill("a");
  world_.run_for(seconds{1});
  world_.add_node_elsewhere("a");
  EXPECT_NE(world_["a"].address(), before);
  EXPECT_TRUE(world_.run_until([this] { return world_.all_connected(); }, seconds{60}));
}

TEST_F(SimWorldTest, KeepsACutFromANodeThatHasMoved) {
  world_.cut_both("a", "b");
  world_.kill("b");
  world_.add_node_elsewhere("b");
  world_.run_for(seconds{30});
  EXPECT_TRUE(world_.connected({"b", "c"}));
  EXPECT_FALSE(world_.connected({"a", "b"}));
}

TEST_F(SimWorldTest, HearsOfAPowerCutBySilenceOnly) {
  std::optional<Down> down;
  world_["a"].node().spawn([this, &down](Context& context) -> Task<> {
    context.monitor(ear_);
    down = co_await context.receive<Down>();
  });
  world_.settle();
  world_.power_off("b");
  world_.run_for(seconds{3});
  EXPECT_FALSE(down);
  world_.run_for(seconds{2});
  ASSERT_TRUE(down);
  EXPECT_EQ(down->reason, ExitReason::noconnection());
}

TEST(SimWorldNames, MayHaveAHost) {
  SimWorld world{1};
  for (const char* name : {"a@west", "a@east", "b@10.0.0.1"}) world.add_node(name);
  EXPECT_TRUE(world.run_until([&] { return world.all_connected(); }, seconds{10}));
  EXPECT_GT(world.bytes_sent("b@10.0.0.1"), 0U);
  world.kill("a@west");
  world.add_node_elsewhere("a@west");
  EXPECT_TRUE(world.run_until([&] { return world.all_connected(); }, seconds{10}));
}

TEST_F(SimWorldTest, LosesRepeatsAndReordersFramesWhenTold) {
  for (const transport::MemoryFaults& faults :
       {transport::MemoryFaults{.lost = 1000}, transport::MemoryFaults{.repeated = 1000},
        transport::MemoryFaults{.overtaken = 500}}) {
    const auto ended = world_.total(Metric::sessions_down);
    world_.set_network(faults);
    for (int number = 0; number < 20; ++number) {
      say(number);
      world_.run_for(std::chrono::microseconds{20});
    }
    world_.run_for(seconds{5});
    EXPECT_GT(world_.total(Metric::sessions_down), ended);  // the session's rules caught it
    world_.heal();
    EXPECT_TRUE(world_.run_until([this] { return world_.all_connected(); }, seconds{60}));
  }
}

TEST_F(SimWorldTest, DelaysEachFrameByTheLeastDelayWhereTheMeanIsLess) {
  world_.set_network({.delay_min = milliseconds{10}});  // the mean is a good network's
  say(1);
  world_.run_for(std::chrono::microseconds{9'999});
  EXPECT_TRUE(heard_.empty());
  world_.run_for(milliseconds{1});
  EXPECT_EQ(heard_, std::vector{1});
}

TEST(Schedule, IsTheSameFromTheSameSeed) {
  const auto text = [](std::uint64_t seed) {
    std::string all;
    for (const Fault& fault : make_schedule(seed, 5, 20, FaultPlan::everything())) {
      all += to_string(fault) + '\n';
    }
    return all;
  };
  EXPECT_EQ(text(1), text(1));
  EXPECT_NE(text(1), text(2));
}

TEST(Schedule, HoldsEveryKindOfFaultAndNoneThatIsLeftOut) {
  std::set<FaultKind> kinds;
  std::set<FaultKind> fewer;
  for (const Fault& fault : make_schedule(1, 5, 500, FaultPlan::everything())) {
    kinds.insert(fault.kind);
  }
  for (const Fault& fault :
       make_schedule(1, 5, 500, FaultPlan::everything().without(FaultKind::kill))) {
    fewer.insert(fault.kind);
  }
  EXPECT_EQ(kinds.size(), static_cast<std::size_t>(FaultKind::k_count));
  EXPECT_EQ(fewer.size() + 1, kinds.size());
  EXPECT_FALSE(fewer.contains(FaultKind::kill));
}

TEST(Schedule, IsSufferedByANodeAloneToo) {
  SimWorld world{1};
  Ordeal ordeal{world, 1};
  ordeal.start_all();
  for (const Fault& fault : make_schedule(1, 1, 100, FaultPlan::everything())) {
    ordeal.suffer(fault);
  }
  ordeal.heal_all();
  EXPECT_TRUE(world.is_up("n1"));
}

TEST(Schedule, APauseEndsAlsoWhenItsOrdealIsOver) {
  SimWorld world{1};
  auto ordeal = std::make_unique<Ordeal>(world, 2);
  ordeal->start_all();
  Fault pause;
  pause.kind = FaultKind::pause;
  pause.lasts = seconds{10};
  ordeal->suffer(pause);
  EXPECT_TRUE(world["n1"].paused());
  ordeal.reset();
  world.run_for(seconds{10});
  EXPECT_FALSE(world["n1"].paused());
}

TEST(Schedule, SetsClocksAheadAndBackAndNoneBeforeItsNodesNewestLife) {
  SimWorld world{1};
  Ordeal ordeal{world, 3};
  ordeal.start_all();
  std::set<bool> ways;
  auto past = world.clock_past_start("n1");
  for (Fault& fault : make_schedule(1, 3, 100, FaultPlan{}.with(FaultKind::set_clock, 1))) {
    fault.node = 0;
    ordeal.suffer(fault);
    EXPECT_GE(world.clock_past_start("n1").count(), 0);
    ways.insert(world.clock_past_start("n1") > std::exchange(past, world.clock_past_start("n1")));
  }
  EXPECT_EQ(ways.size(), 2U);
  world.kill("n1");
  world.add_node("n1");
  EXPECT_TRUE(world.run_until([&] { return world.all_connected(); }, seconds{60}));
}

TEST(Schedule, MakesSomeNetworksSlowByBandwidthAndOthersByDelayAlone) {
  SimWorld world{1};
  Ordeal ordeal{world, 2};
  ordeal.start_all();
  std::set<bool> narrow;
  for (const Fault& fault : make_schedule(1, 2, 20, FaultPlan{}.with(FaultKind::slow_net, 1))) {
    ordeal.suffer(fault);
    narrow.insert(world.network().faults().bytes_per_second > 0);
  }
  EXPECT_EQ(narrow.size(), 2U);
}

TEST(Shrinking, LeavesOnlyTheFaultsThatItTakes) {
  const Schedule schedule = make_schedule(1, 3, 20, FaultPlan::everything());
  const auto takes = [](std::size_t one, std::size_t other) {
    return [one, other](const std::vector<std::size_t>& kept) {
      return std::count(kept.begin(), kept.end(), one) > 0 &&
             std::count(kept.begin(), kept.end(), other) > 0;
    };
  };
  EXPECT_EQ(shrink(schedule, takes(3, 17)), (std::vector<std::size_t>{3, 17}));
  EXPECT_EQ(shrink(schedule, [](const auto&) { return true; }), std::vector<std::size_t>{});
}

TEST(Marks, AreCountedWhenReachedAndListedWhenNot) {
  const auto count = [](std::string_view name) -> std::optional<std::uint64_t> {
    for (const Mark* mark : marks()) {
      if (mark->name == name) return mark->reached.load();
    }
    return std::nullopt;
  };
  const auto pass = [](bool first) {
    if (first) {
      GROVE_MARK("test.first");
    } else {
      GROVE_MARK("test.second");
    }
  };
  for (int i = 0; i < 3; ++i) pass(true);
  EXPECT_EQ(count("test.first"), 3U);
  EXPECT_EQ(count("test.second"), 0U);
  EXPECT_EQ(count("test.third"), std::nullopt);
}

}  // namespace
}  // namespace grove::testkit

GROVE_MESSAGE(grove::testkit::Note, "test.note", number)
