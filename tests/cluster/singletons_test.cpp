// SPDX-License-Identifier: Apache-2.0
//
// Singletons whose server is not to run, or runs otherwise than their stand-in thinks. Their part
// in partitions is in shared_names_test.cpp.
#include "grove/node/cluster_names.hpp"
#include "grove/node/supervisor.hpp"
#include "grove/node/task_supervisor.hpp"
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <set>
#include <string>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::SimWorld;

/// On which nodes the server is to run, and how often it was asked on each.
struct Wish {
  std::set<std::string> nodes;
  std::map<std::string, int> asked;
};

class Picky final : public GenServer {
 public:
  using Handles = grove::Handles<>;
  explicit Picky(Wish* wish) : wish_{*wish} {}
  Init init() {
    ++wish_.asked[node().name()];
    return wish_.nodes.contains(node().name()) ? Init::ok() : Init::ignore();
  }

 private:
  Wish& wish_;
};

class ASingleton : public testing::Test {
 protected:
  ASingleton() {
    for (const char* name : {"a", "b", "c"}) world.add_node(name);
    meet();
  }
  void meet() {
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
    world.run_for(1s);
  }
  void start(const std::string& name) {
    SupervisorSpec app;
    app.children.push_back(global::singleton("leader", child<Picky>("leader", &wish)));
    world.start(name, std::move(app));
    world.run_for(1s);
  }
  std::string leads() {
    const auto leader = world["a"].node().whereis("leader", Scope::cluster);
    return leader ? node_name(leader->node) : "nobody";
  }
  Wish wish;
  int running = 0;
  SimWorld world{3};
};

/// Counts itself while it runs.
Task<> counted(Context& context, int* running) {
  struct Running {
    explicit Running(int& number) : count{number} { ++count; }
    ~Running() { --count; }
    int& count;
  } const here{*running};
  (void)co_await context.receive_any();
}

TEST_F(ASingleton, MayBeATaskAndRunsOnOneNodeThen) {
  for (const std::string name : {"a", "b", "c"}) {
    SupervisorSpec app;
    app.children.push_back(
        global::singleton("leader", task_child("leader", {permanent}, counted, &running)));
    world.start(name, std::move(app));
  }
  world.run_for(1s);
  EXPECT_EQ(running, 1);
  EXPECT_EQ(leads(), "a");
  world.kill("b");
  Node& node = world["a"].node();
  node.exit(*node.whereis("leader", Scope::cluster), ExitReason::kill());
  world.run_for(2s);
  EXPECT_EQ(running, 1);
}

TEST_F(ASingleton, IsIgnoredWhereItsServerIgnoresItsStart) {
  wish.nodes = {"b", "c"};
  for (const char* name : {"a", "b", "c"}) start(name);
  EXPECT_EQ(leads(), "b");
  world.kill("b");
  world.run_for(2s);
  EXPECT_EQ(leads(), "c");
  EXPECT_EQ(wish.asked, (std::map<std::string, int>{{"a", 1}, {"b", 1}, {"c", 1}}));
}

TEST_F(ASingleton, ThatNobodyWantsIsAskedForAFewTimesAndNoMore) {
  wish.nodes = {"a"};
  for (const char* name : {"a", "b", "c"}) start(name);
  EXPECT_EQ(leads(), "a");
  wish = {};
  Node& node = world["a"].node();
  node.exit(*node.whereis("leader", Scope::cluster), ExitReason::kill());
  world.run_for(10s);
  EXPECT_EQ(leads(), "nobody");
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_GE(wish.asked[name], 1);
    EXPECT_LE(wish.asked[name], 2);  // when the name was free, and when its stand-in had ended
  }
  wish.nodes = {"c"};
  world.kill("c");
  world.add_node("c");
  meet();
  start("c");
  EXPECT_EQ(leads(), "c");
}

TEST_F(ASingleton, EndsWhereItsNameIsMovedAwayAndIsThereAgainAfterIt) {
  wish.nodes = {"a", "b"};
  for (const char* name : {"a", "b"}) start(name);
  Node& a = world["a"].node();
  const Pid server = *a.whereis("leader", Scope::cluster);
  const Pid other = world.run("c", [](Context& context) -> Task<Pid> {
    const Pid pid = context.spawn([](Context& own) -> Task<> { (void)co_await own.receive_any(); });
    EXPECT_TRUE(global::re_register_name(context, "leader", pid));
    co_return pid;
  });
  world.run_for(100ms);
  EXPECT_EQ(a.whereis("leader", Scope::cluster), other);
  EXPECT_FALSE(a.is_alive(server));
  world["c"].node().exit(other, ExitReason::kill());
  world.run_for(2s);
  EXPECT_EQ(leads(), "b") << "who has just lost it waits a second";
  EXPECT_EQ(wish.asked, (std::map<std::string, int>{{"a", 1}, {"b", 1}}));
}

TEST_F(ASingleton, EndsWhenItsNameIsTakenAwayAndIsStartedAnew) {
  wish.nodes = {"a"};
  start("a");
  Node& a = world["a"].node();
  const Pid server = *a.whereis("leader", Scope::cluster);
  EXPECT_TRUE(world.run("b", [](Context& context) -> Task<bool> {
    co_return global::unregister_name(context, "leader");
  }));
  world.run_for(100ms);
  EXPECT_FALSE(a.is_alive(server));
  world.run_for(2s);
  EXPECT_EQ(leads(), "a");
}

TEST_F(ASingleton, ShowsItsServerAsASupervisorShowsItsChild) {
  wish.nodes = {"a"};
  start("a");
  wish.nodes = {"a", "b"};
  world.run("b", [this](Context& context) -> Task<> {
    SupervisorSpec app;
    app.children.push_back(global::singleton("leader", child<Picky>("waits", &wish)));
    app.children.push_back(global::singleton("other", child<Picky>("runs", &wish)));
    const StartResult started = co_await start_supervisor(context, std::move(app));
    const auto stand_ins = co_await which_children(context, started.pid);
    for (const ChildInfo& stand_in : stand_ins) {
      EXPECT_TRUE(stand_in.supervisor);
      const auto servers = co_await which_children(context, stand_in.pid);
      const ChildCounts counts = co_await count_children(context, stand_in.pid);
      const bool runs = stand_in.id == "runs";
      EXPECT_EQ(servers.size(), 1U);
      EXPECT_EQ(servers.front().id, stand_in.id);
      EXPECT_EQ(servers.front().pid == context.whereis("other", Scope::cluster), runs);
      EXPECT_EQ(counts.active, runs ? 1U : 0U);
      EXPECT_EQ(counts.workers, 1U);
    }
  });
}

}  // namespace
}  // namespace grove
