// SPDX-License-Identifier: Apache-2.0
//
// Process groups in whole simulated clusters: partitions, heals, deaths, restarts.
#include "grove/node/pg.hpp"
#include "grove/testkit/sim_world.hpp"

#include "group_control.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace grove {
namespace {

using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;
using testkit::SimWorld;
using Pids = std::vector<Pid>;

constexpr std::string_view k_scope = pg::k_scope;

Task<> idle(Context& context) {
  for (;;) co_await context.receive_any();
}

class GroupsInACluster : public ::testing::Test {
 protected:
  explicit GroupsInACluster(std::vector<std::string> names = {"a", "b", "c"})
      : names_{std::move(names)} {
    for (const std::string& name : names_) world.add_node(name);
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  }
  Node& node(const std::string& name) { return world[name].node(); }
  Pid spawn(const std::string& on) { return node(on).spawn(idle); }
  /// A new process of that node that has joined.
  Pid member(const std::string& on, const Value& group = "g", int times = 1) {
    const Pid pid = spawn(on);
    EXPECT_TRUE(node(on).groups().join(k_scope, group, Pids(static_cast<std::size_t>(times), pid)));
    return pid;
  }
  Pids seen(const std::string& by, const Value& group = "g") {
    Pids pids = node(by).groups().members(k_scope, group);
    std::ranges::sort(pids);
    return pids;
  }
  static Pids sorted(Pids pids) {
    std::ranges::sort(pids);
    return pids;
  }
  void disconnect(const std::string& one, const std::string& other) {
    world.cut(one, other);
    world.cut(other, one);
    world.run_for(10s);
  }
  void heal() {
    world.heal();
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 60s));
    world.run_for(1s);
  }

  std::vector<std::string> names_;
  SimWorld world{7};
};

TEST_F(GroupsInACluster, JoinsLeavesAndDeathsAreSeenEverywhere) {
  const Pid a = member("a", "g", 2);
  const Pid b = member("b");
  world.run_for(100ms);
  for (const char* by : {"a", "b", "c"}) EXPECT_EQ(seen(by), sorted({a, a, b})) << by;
  EXPECT_EQ(node("b").groups().local_members(k_scope, "g"), Pids{b});
  EXPECT_TRUE(node("a").groups().leave(k_scope, "g", {a}));
  node("b").exit(b, ExitReason::kill());
  world.run_for(100ms);
  for (const char* by : {"a", "b", "c"}) EXPECT_EQ(seen(by), Pids{a}) << by;
  EXPECT_TRUE(node("a").groups().leave(k_scope, "g", {a}));
  world.run_for(100ms);
  for (const char* by : {"a", "b", "c"}) EXPECT_TRUE(node(by).groups().scopes().empty()) << by;
}

TEST_F(GroupsInACluster, ForeignProcessesCannotBeJoinedAndNothingChanges) {
  const Pid a = spawn("a");
  EXPECT_EQ(node("b").groups().join(k_scope, "g", {spawn("b"), a}).error().code,
            Errc::bad_argument);
  EXPECT_EQ(node("b").groups().leave(k_scope, "g", {a}).error().code, Errc::bad_argument);
  world.run_for(100ms);
  EXPECT_TRUE(node("a").groups().scopes().empty());
  EXPECT_TRUE(node("b").groups().scopes().empty());
}

TEST_F(GroupsInACluster, AKilledNodeTakesItsMembersAndItsNextLifeHasNone) {
  const Pid a = member("a");
  member("b");
  world.run_for(100ms);
  world.kill("b");
  world.run_for(10s);
  EXPECT_EQ(seen("c"), Pids{a});
  world.add_node("b");
  heal();
  for (const char* by : {"a", "b", "c"}) EXPECT_EQ(seen(by), Pids{a}) << by;
  const Pid again = member("b");
  world.run_for(100ms);
  EXPECT_EQ(seen("c"), sorted({a, again}));
}

TEST_F(GroupsInACluster, EachSideOfAPartitionSeesItsOwnAndAllIsSeenAfterIt) {
  const Pid a = member("a");
  const Pid b = member("b");
  const Pid c = member("c", "g", 2);
  world.run_for(100ms);
  world.partition({{"a", "b"}, {"c"}});
  world.run_for(10s);
  EXPECT_EQ(seen("a"), sorted({a, b}));
  EXPECT_EQ(seen("c"), sorted({c, c}));
  EXPECT_TRUE(node("c").groups().leave(k_scope, "g", {c}));
  const Pid late = member("b", "late");
  node("a").exit(a, ExitReason::kill());
  world.run_for(1s);
  EXPECT_EQ(seen("a"), Pids{b});
  EXPECT_TRUE(seen("c", "late").empty());
  heal();
  for (const char* by : {"a", "b", "c"}) {
    EXPECT_EQ(seen(by), sorted({b, c})) << by;
    EXPECT_EQ(seen(by, "late"), Pids{late}) << by;
  }
}

TEST_F(GroupsInACluster, NobodySpeaksForAnotherNode) {
  const Pid a = member("a");
  const Pid b = member("b");
  world.run_for(100ms);
  disconnect("a", "b");
  EXPECT_EQ(seen("a"), Pids{a});
  EXPECT_EQ(seen("b"), Pids{b});
  EXPECT_EQ(seen("c"), sorted({a, b}));
  heal();
  EXPECT_EQ(seen("a"), sorted({a, b}));
}

class FourNodes : public GroupsInACluster {
 protected:
  FourNodes() : GroupsInACluster{{"a", "b", "c", "d"}} {}
};

TEST_F(FourNodes, FourPartsComeTogetherAgain) {
  std::map<std::string, Pid> members;
  for (const std::string& name : names_) members[name] = member(name);
  world.run_for(100ms);
  world.partition({{"a"}, {"b"}, {"c"}, {"d"}});
  world.run_for(10s);
  Pids all;
  for (const std::string& name : names_) {
    EXPECT_EQ(seen(name), Pids{members[name]}) << name;
    EXPECT_TRUE(node(name).groups().leave(k_scope, "g", {members[name]}));
    EXPECT_TRUE(node(name).groups().join(k_scope, "h", {members[name]}));
    all.push_back(members[name]);
  }
  heal();
  for (const std::string& name : names_) {
    EXPECT_TRUE(seen(name).empty()) << name;
    EXPECT_EQ(seen(name, "h"), sorted(all)) << name;
  }
}

/// What a monitor has been told, as the members that follow from it.
struct View {
  std::map<Pid, int> members;
  std::vector<std::string> log;
};
Task<> watcher(Context& context, View* view) {
  const auto [ref, members] = pg::monitor(context, "g");
  for (const Pid& pid : members) ++view->members[pid];
  for (;;) {
    const EnvelopePtr next = co_await context.receive_any();
    if (const auto* join = next->message.get<PgJoin>()) {
      for (const Pid& pid : join->pids) ++view->members[pid];
      view->log.push_back("join " + std::to_string(join->pids.size()));
    } else if (const auto* leave = next->message.get<PgLeave>()) {
      for (const Pid& pid : leave->pids) {
        if (--view->members[pid] == 0) view->members.erase(pid);
      }
      view->log.push_back("leave " + std::to_string(leave->pids.size()));
    }
  }
}

TEST_F(GroupsInACluster, AMonitorsViewFollowsJoinsDeathsAndTheLossOfNodes) {
  const Pid a = member("a");
  const Pid b = member("b", "g", 2);
  world.run_for(100ms);
  View view;
  node("c").spawn(watcher, &view);
  world.run_for(100ms);
  EXPECT_EQ(view.members, (std::map<Pid, int>{{a, 1}, {b, 2}}));
  node("a").exit(a, ExitReason::kill());
  world.run_for(100ms);
  disconnect("b", "c");
  EXPECT_EQ(view.members, (std::map<Pid, int>{}));
  heal();
  EXPECT_EQ(view.members, (std::map<Pid, int>{{b, 2}}));
  EXPECT_EQ(view.log, (std::vector<std::string>{"leave 1", "leave 2", "join 2"}));
}

TEST_F(GroupsInACluster, ManyMembershipsArriveInPiecesAfterAPartition) {
  world.partition({{"a", "b"}, {"c"}});
  world.run_for(10s);
  Pids many;
  for (int i = 0; i < 500; ++i) many.push_back(spawn("a"));
  for (int group = 0; group < 100; ++group) {
    EXPECT_TRUE(node("a").groups().join(k_scope, group, many));
  }
  heal();
  EXPECT_EQ(node("c").groups().which(k_scope).size(), 100U);
  EXPECT_EQ(seen("c", 99).size(), 500U);
  EXPECT_EQ(world.total(Metric::frames_malformed), 0U);
}

TEST_F(GroupsInACluster, WhoIsFarBehindIsNotToldEachChangeButWhatCameOfThem) {
  const Value group{std::string(200, 'g')};
  const Pid stays = member("a", group);
  const Pid moves = spawn("a");
  world.run_for(100ms);
  world.pause("b");
  const std::uint64_t before = world.bytes_sent("a");
  for (int i = 0; i < 30'000; ++i) {  // 15 MB for each of the others
    EXPECT_TRUE(node("a").groups().join(k_scope, group, {moves}));
    if (i % 1000 == 0) world.run_for(1ms);
    EXPECT_TRUE(node("a").groups().leave(k_scope, group, {moves}));
  }
  const Pid last = member("a", group);
  world.run_for(1s);
  EXPECT_EQ(seen("c", group), sorted({stays, last}));
  world.resume("b");
  world.run_for(3s);
  EXPECT_EQ(seen("b", group), sorted({stays, last}));
  EXPECT_EQ(node("b").metrics().get(Metric::sessions_down), 0U);
  EXPECT_LT(world.bytes_sent("a") - before, std::size_t{24} << 20U);
}

/// Says `news` to "b" as if it came from the node "a".
template <class T>
void say(SimWorld& world, const T& news) {
  // Groups of "a" hand it on as their own.
  auto& router = *world["a"].node().router();
  router.groups_changed(news);
  router.flush();
  world.run_for(100ms);
}

TEST_F(GroupsInACluster, ANodeThatBreaksTheRulesLosesItsSessionAndNobodyElseIsHarmed) {
  const Pid a = member("a");
  const Pid c = member("c");
  world.run_for(100ms);
  ASSERT_EQ(seen("b"), sorted({a, c}));
  say(world, detail::GroupsChange{2, {{"pg", "g", {{7, 1, 4'000'000'000U}}}}, {}});
  EXPECT_EQ(node("b").metrics().get(Metric::frames_malformed), 1U);
  EXPECT_GE(node("b").metrics().get(Metric::sessions_down), 1U);
  heal();
  EXPECT_EQ(seen("b"), sorted({a, c}));
}

TEST_F(GroupsInACluster, AMissingVersionIsAskedFor) {
  const Pid a = member("a");
  world.run_for(100ms);
  const Pid stray = spawn("a");
  say(world, detail::GroupsChange{9, {{"pg", "g", {{stray.index, stray.generation, 1}}}}, {}});
  EXPECT_EQ(seen("b"), Pids{a});  // the whole of it has come, and `stray` is not in it
  EXPECT_EQ(world.total(Metric::frames_malformed), 0U);
  const Pid next = member("a");
  world.run_for(100ms);
  EXPECT_EQ(seen("b"), sorted({a, next}));
}

}  // namespace
}  // namespace grove
