// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a node's own processes while it is in the minority of a partition.
#include "grove/node/cluster_names.hpp"
#include "grove/node/supervisor.hpp"
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;

class Idle : public GenServer {
 public:
  using Handles = grove::Handles<>;
};

class Minority : public testing::Test {
 protected:
  Minority() {
    world.configure([](ClusterConfig& config) { config.partition.policy = keep_majority(); });
    for (const char* name : {"a", "b", "c"}) world.add_node(name);
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
    world.run_for(10s);
    supervisor = world.run("c", [](Context& context) -> Task<Pid> {
      SupervisorSpec spec;  // with OTP's intensity: one restart in 5 s
      spec.children.push_back(child<Idle>("named").as(Global{"named"}));
      spec.children.push_back(global::singleton("leader", child<Idle>("leader")));
      ServerOptions options;
      options.link = false;
      const StartResult started = co_await start_supervisor(context, spec, options);
      EXPECT_TRUE(started.ok());
      co_return started.pid;
    });
    world.run_for(1s);
  }
  void lose_the_others() {
    for (const char* name : {"a", "b"}) world.kill(name);
    ASSERT_TRUE(
        world.run_until([this] { return world["c"].cluster().side() == Side::minority; }, 60s));
  }
  void get_them_back() {
    for (const char* name : {"a", "b"}) world.add_node(name);
    ASSERT_TRUE(
        world.run_until([this] { return world["c"].cluster().side() == Side::majority; }, 60s));
    world.run_for(2s);
  }
  std::optional<Pid> seen(const std::string& from, const std::string& name) {
    return world[from].node().whereis(name, Scope::cluster);
  }
  /// In the minority: the name is gone, and the supervisor lives.
  void crash(const std::string& name) {
    lose_the_others();
    const auto pid = seen("c", name);
    ASSERT_TRUE(pid);
    world["c"].node().exit(*pid, ExitReason::symbol("crash"));
    world.run_for(10s);  // a restart in 5 s is allowed
    EXPECT_TRUE(runs(supervisor));
    EXPECT_FALSE(seen("c", name));
  }
  bool runs(const Pid& pid) { return world["c"].node().is_alive(pid); }

  testkit::SimWorld world{7};
  Pid supervisor;
};

TEST_F(Minority, AChildWhoseNameIsRefusedCountsAsIgnoredAndItsSupervisorLives) {
  crash("named");
  get_them_back();
  const StartResult again = world.run("c", [this](Context& context) -> Task<StartResult> {
    co_return co_await restart_child(context, supervisor, "named");
  });
  EXPECT_TRUE(again.ok()) << to_string(again);
  world.run_for(1s);
  EXPECT_EQ(seen("a", "named"), again.pid);
}

TEST_F(Minority, WhoStartsAChildIsToldThatItsNameIsRefused) {
  lose_the_others();
  world.run("c", [this](Context& context) -> Task<> {
    const ChildSpec spec = child<Idle>("another").as(Global{"another"});
    const ChildCounts before = co_await count_children(context, supervisor);
    const StartResult started = co_await start_child(context, supervisor, spec);
    EXPECT_EQ(started.status, StartResult::Status::failed);
    const ChildCounts after = co_await count_children(context, supervisor);
    EXPECT_EQ(after.specs, before.specs);
  });
}

TEST_F(Minority, ASingletonWaitsUntilItsNameIsTakenAgain) {
  crash("leader");
  get_them_back();
  ASSERT_TRUE(seen("a", "leader"));
  EXPECT_TRUE(runs(*seen("a", "leader")));
}

TEST_F(Minority, AServerStartedByHandIsToldWhyItHasNoName) {
  lose_the_others();
  const StartResult started = world.run("c", [](Context& context) -> Task<StartResult> {
    ServerOptions options;
    options.name = Global{"another"};
    options.link = false;
    co_return co_await start_server<Idle>(context, options);
  });
  EXPECT_EQ(started.status, StartResult::Status::failed);
  EXPECT_EQ(to_string(started.reason),
            R"({shutdown,{name_refused,"this node is in the minority of a partition"}})");
}

TEST_F(Minority, IsNotWhereANodeIsThatHasLeft) {
  world["c"].cluster().leave([] {});
  world.run_for(120s);
  EXPECT_EQ(world["c"].cluster().side(), Side::majority);
  EXPECT_EQ(world["a"].cluster().side(), Side::majority);
}

}  // namespace
}  // namespace grove
