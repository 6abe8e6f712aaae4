// SPDX-License-Identifier: Apache-2.0
//
// The trackers of examples/transaction_tracker, on one node and on three. T-numbers in the names
// are the steps of the walk-through of what they were in Elixir.
#include "grove/testkit/sim_world.hpp"

#include "examples/example_world.hpp"
#include "examples/transaction_tracker/local.hpp"
#include "examples/transaction_tracker/standby.hpp"
#include "examples/transaction_tracker/watcher.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::literals;
using testkit::Lines;
using testkit::LocalWorld;
using testkit::settle;
using testkit::SimWorld;
using tracker::GetStatus;
using tracker::Tracker;
namespace local = tracker::local;

const std::string k_id = "txn_01dp371w0fnjhf9z2tjebx4vr4";

/// The application runs; its tests are processes beside it.
class LocalTrackers : public testing::Test {
 protected:
  LocalTrackers() {
    const StartResult started = testkit::start(world, local::application());
    EXPECT_TRUE(started.ok()) << to_string(started);
    top = started.pid;
  }
  [[nodiscard]] std::size_t errors() { return world.log().count(LogLevel::error); }

  LocalWorld world;
  Pid top;
};

Task<Pid> start(Context& context, std::string id = k_id) {
  const StartResult started = co_await local::start(context, id);
  EXPECT_TRUE(started.ok()) << to_string(started);
  co_return started.pid;
}
Task<std::size_t> children(Context& context) {
  const ChildCounts counts = co_await count_children(context, local::k_supervisor);
  co_return counts.active;
}
/// What a call by the transaction's id comes to: the id again, or how the caller exits.
Task<std::string> ask(Context& context, std::string id = k_id) {
  const Via name{local::k_registry, id};
  try {
    const tracker::Status status = co_await context.call<GetStatus>(name);
    co_return status.transaction_id;
  } catch (const ProcessExit& exit) {
    co_return to_string(exit.reason());
  }
}
bool is_unknown(Context& context, std::string id = k_id) {
  const Result<Pid> found = local::lookup(context, id);
  return !found && found.error().code == Errc::not_found;
}
/// Ends a process from outside, and waits until it has.
Task<> end(Context& context, Pid pid, ExitReason reason) {
  const Ref ref = context.monitor(pid);
  context.exit(pid, reason);
  const auto is_it = [ref](const Down& down) { return down.ref == ref; };
  co_await context.receive<Down>(is_it);
}

TEST_F(LocalTrackers, T1_AStartedTrackerLives) {
  world.run([](Context& context) -> Task<> {
    const Pid pid = co_await start(context);
    EXPECT_TRUE(context.node().is_alive(pid));
    EXPECT_EQ(co_await children(context), 1U);
    EXPECT_EQ(co_await ask(context), k_id);
  });
}

TEST_F(LocalTrackers, T2_IsLookedUpByItsId) {
  world.run([](Context& context) -> Task<> {
    const Pid pid = co_await start(context);
    EXPECT_EQ(local::lookup(context, k_id).value(), pid);
    EXPECT_TRUE(is_unknown(context, "unknown"));
  });
}

TEST_F(LocalTrackers, T3_ACrashedTrackerIsFoundAgain) {
  Pid pid;
  world.run([&pid](Context& context) -> Task<> {
    pid = co_await start(context);
    const auto crash = ExitReason::symbol("its_a_crash");
    co_await stop_server(context, pid, crash);
    co_await settle(context);
    const Pid again = local::lookup(context, k_id).value();
    EXPECT_NE(again, pid);
    EXPECT_FALSE(context.node().is_alive(pid));
    EXPECT_EQ(co_await ask(context), k_id);
    EXPECT_EQ(co_await children(context), 1U);
  });
  const Lines records = testkit::logged(world, LogLevel::error);
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].find("process " + to_string(pid) + " (tracker_registry:\"" + k_id), 0U);
  EXPECT_NE(records[0].find("terminated: its_a_crash"), std::string::npos);
  EXPECT_NE(records[0].find(", state \"" + k_id), std::string::npos);
}

TEST_F(LocalTrackers, T3b_TheDeadOneIsNeverFound) {
  world.run([](Context& context) -> Task<> {
    const Pid pid = co_await start(context);
    const auto crash = ExitReason::symbol("its_a_crash");
    co_await stop_server(context, pid, crash);
    const Result<Pid> found = local::lookup(context, k_id);
    EXPECT_TRUE(!found || *found != pid);
  });
}

TEST_F(LocalTrackers, T4_AKilledTrackerIsFoundAgainAndNothingIsLogged) {
  world.run([](Context& context) -> Task<> {
    const Pid pid = co_await start(context);
    co_await end(context, pid, ExitReason::kill());
    co_await settle(context);
    EXPECT_NE(local::lookup(context, k_id).value(), pid);
    EXPECT_EQ(co_await ask(context), k_id);
  });
  EXPECT_EQ(errors(), 0U);
}

TEST_F(LocalTrackers, T6_AStoppedTrackerIsGone) {
  world.run([](Context& context) -> Task<> {
    const Pid pid = co_await start(context);
    const Result<void> stopped = co_await local::stop(context, pid);
    EXPECT_TRUE(stopped);
    EXPECT_TRUE(is_unknown(context));
    EXPECT_EQ(co_await children(context), 0U);
    const Result<void> again = co_await local::stop(context, pid);
    EXPECT_EQ(again.error().code, Errc::not_found);
    co_await settle(context);
    EXPECT_EQ((Registry{context, local::k_registry}.count()), 0U);
  });
  EXPECT_EQ(errors(), 0U);
}

TEST_F(LocalTrackers, T6b_ATransientTrackerIsRestartedAfterACrashOnly) {
  world.run([](Context& context) -> Task<> {
    const std::vector<ExitReason> reasons{ExitReason::normal(), ExitReason::shutdown(Value{"x"}),
                                          ExitReason::symbol("its_a_crash")};
    for (const ExitReason& reason : reasons) {
      ChildSpec spec = child<Tracker>("tracker", k_id).with(transient);
      spec.options.name = Via{local::k_registry, k_id};
      const StartResult started = co_await start_child(context, local::k_supervisor, spec);
      EXPECT_TRUE(started.ok());
      co_await stop_server(context, started.pid, reason);
      co_await settle(context);
      EXPECT_EQ(is_unknown(context), reason.is_clean()) << to_string(reason);
    }
  });
}

TEST_F(LocalTrackers, T7_AreCalledByTheirIds) {
  world.run([](Context& context) -> Task<> {
    co_await start(context);
    EXPECT_EQ(co_await ask(context), k_id);
    EXPECT_EQ(co_await ask(context, "unknown"), "noproc");
  });
}

TEST_F(LocalTrackers, T8_ASecondStartNamesTheFirst) {
  world.run([](Context& context) -> Task<> {
    const Pid pid = co_await start(context);
    const StartResult again = co_await local::start(context, k_id);
    EXPECT_EQ(again.status, StartResult::Status::already_started);
    EXPECT_EQ(again.pid, pid);
    EXPECT_EQ(co_await children(context), 1U);
  });
  EXPECT_EQ(errors(), 0U);
}

TEST_F(LocalTrackers, T10_T11_AThousandDoNotDisturbEachOther) {
  world.run([](Context& context) -> Task<> {
    std::vector<Pid> pids;
    for (int i = 0; i < 1000; ++i) pids.push_back(co_await start(context, std::to_string(i)));
    EXPECT_EQ(std::set(pids.begin(), pids.end()).size(), 1000U);
    const auto crash = ExitReason::symbol("its_a_crash");
    co_await stop_server(context, pids[500], crash);
    co_await settle(context);
    for (std::size_t i = 0; i < pids.size(); ++i) {
      const Pid found = local::lookup(context, std::to_string(i)).value();
      EXPECT_EQ(found == pids[i], i != 500);
    }
  });
}

TEST_F(LocalTrackers, T12c_TooManyFailuresOfTheirSupervisorEndTheApplication) {
  world.run([this](Context& context) -> Task<> {
    context.monitor(top);
    for (int kills = 0; kills < 4; ++kills) {
      const Pid victim = *context.whereis(local::k_supervisor);
      co_await end(context, victim, ExitReason::kill());
      if (kills < 3) co_await settle(context);
    }
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::shutdown());
    try {
      co_await local::start(context, k_id);
      ADD_FAILURE() << "nobody is there to start it";
    } catch (const ProcessExit& exit) {
      EXPECT_EQ(exit.reason(), ExitReason::noproc());
    }
    try {
      EXPECT_TRUE(is_unknown(context)) << "there is no registry";
      ADD_FAILURE() << "there is no registry";
    } catch (const ProcessExit& exit) {
      EXPECT_EQ(to_string(exit.reason()), "{unknown_registry,\"tracker_registry\"}");
    }
  });
}

TEST_F(LocalTrackers, T13_WithoutTheirRegistryTheyEndAsWell) {
  world.run([this](Context& context) -> Task<> {
    const Pid pid = co_await start(context);
    const Pid registry = *context.whereis(local::k_registry);
    co_await end(context, registry, ExitReason::kill());
    co_await context.sleep_for(1s);
    EXPECT_FALSE(context.node().is_alive(pid));
    if (!context.node().is_alive(top)) co_return;  // either is fine: it gave up, or all is new
    EXPECT_NE(context.whereis(local::k_registry), registry);
    const Result<Pid> found = local::lookup(context, k_id);
    EXPECT_TRUE(!found || *found != pid);
  });
}

TEST_F(LocalTrackers, T14_WithoutAnIdNoneIsStarted) {
  world.run([](Context& context) -> Task<> {
    const StartResult started = co_await local::start(context, "");
    EXPECT_EQ(to_string(started),
              "failed: {error,\"std::invalid_argument\",\"no transaction_id\"}");
    EXPECT_TRUE(is_unknown(context, ""));
    EXPECT_EQ(co_await children(context), 0U);
  });
  EXPECT_EQ(errors(), 1U);  // an exception is logged, in init as anywhere
}

TEST_F(LocalTrackers, T15_ACallerExitsAsTheTrackerDoes) {
  struct Unknown {
    using Reply = int;
  };
  world.run([](Context& context) -> Task<> {
    const Pid pid = co_await start(context);
    co_await sys::suspend(context, pid);
    const auto kill_it = [](Context& killer, Pid victim) -> Task<> {
      co_await killer.sleep_for(1ms);
      killer.exit(victim, ExitReason::kill());
    };
    context.spawn(kill_it, pid);
    EXPECT_EQ(co_await ask(context), "killed");
    co_await settle(context);
    try {
      co_await stop_server(context, pid);
      ADD_FAILURE() << "there is nothing to stop";
    } catch (const ProcessExit& exit) {
      EXPECT_EQ(exit.reason(), ExitReason::noproc());
    }
    const Pid second = local::lookup(context, k_id).value();
    try {
      co_await context.call<Unknown>(second);
      ADD_FAILURE() << "it answers what it does not know";
    } catch (const ProcessExit& exit) {
      EXPECT_EQ(to_string(exit.reason()).substr(0, 19), "{error,\"unhandled\",");
    }
    co_await settle(context);
    EXPECT_NE(local::lookup(context, k_id).value(), second);
  });
}

TEST_F(LocalTrackers, T16_EndWithTheApplication) {
  world.run([this](Context& context) -> Task<> {
    for (int i = 0; i < 3; ++i) context.monitor(co_await start(context, std::to_string(i)));
    co_await stop_server(context, top);
    const Lines all(3, "shutdown");
    EXPECT_EQ(co_await testkit::reasons_of_downs(context, 3), all);
    EXPECT_FALSE(context.whereis(local::k_registry));
  });
  EXPECT_EQ(errors(), 0U);
}

// -- the same across three nodes --------------------------------------------------------------

/// Trackers of three transactions on three nodes; a has the standby for the one on c.
class ClusterTrackers : public testing::Test {
 protected:
  ClusterTrackers() {
    const std::vector<std::string> all{"a", "b", "c"};
    for (const std::string& name : all) {
      world.add_node(name);
      SupervisorSpec spec{
          .children = {tracker::tracker_of("txn-" + name), child<tracker::Watcher>("watcher")}};
      if (name == "a") spec.children.push_back(child<tracker::Standby>("standby", "txn-c"s));
      tops[name] = world.run(name, [spec](Context& context) -> Task<Pid> {
        ServerOptions options;
        options.link = false;
        const StartResult started = co_await start_supervisor(context, spec, options);
        EXPECT_TRUE(started.ok());
        co_return started.pid;
      });
    }
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
    world.run_for(1s);
  }
  /// Which node's tracker answers for `id`, and who it is, as seen from `from`.
  [[nodiscard]] std::string holder(const std::string& from, const std::string& id) {
    return world.run(from, [id](Context& context) -> Task<std::string> {
      const Global name{id};
      const tracker::Status status = co_await context.call<GetStatus>(name);
      EXPECT_EQ(status.transaction_id, id);
      co_return status.node;
    });
  }
  [[nodiscard]] Pid pid(const std::string& from, const std::string& id) {
    return world[from].node().whereis(id, Scope::cluster).value_or(Pid{});
  }
  /// What a call from `from` comes to: the tracker's node, or how the caller exits.
  [[nodiscard]] std::string ask(const std::string& from, const ServerRef& tracker) {
    return world.run(from, [tracker](Context& context) -> Task<std::string> {
      try {
        const tracker::Status status = co_await context.call<GetStatus>(tracker);
        co_return status.node;
      } catch (const ProcessExit& exit) {
        co_return to_string(exit.reason());
      }
    });
  }
  [[nodiscard]] std::size_t count_logged(const std::string& node, const std::string& part) {
    std::size_t count = 0;
    for (const auto& [level, line] : world[node].log().lines()) {
      if (line.find(part) != std::string::npos) ++count;
    }
    return count;
  }

  SimWorld world{42};
  std::map<std::string, Pid> tops;  // each node's supervisor
};

TEST_F(ClusterTrackers, AreFoundFromEachNode) {
  for (const char* from : {"a", "b", "c"}) {
    for (const std::string node : {"a", "b", "c"}) EXPECT_EQ(holder(from, "txn-" + node), node);
  }
}

TEST_F(ClusterTrackers, AreFoundAgainAfterACrash) {
  const Pid before = pid("a", "txn-b");
  world.run("a", [before](Context& context) -> Task<> {
    const auto crash = ExitReason::symbol("its_a_crash");
    co_await stop_server(context, before, crash);
  });
  world.run_for(1s);
  const Pid after = pid("a", "txn-b");
  EXPECT_TRUE(after);
  EXPECT_NE(after, before);
  for (const char* from : {"a", "b", "c"}) {
    EXPECT_EQ(pid(from, "txn-b"), after);
    EXPECT_EQ(holder(from, "txn-b"), "b");
  }
}

TEST_F(ClusterTrackers, AreGoneEverywhereAfterAnExpectedShutdown) {
  const Pid before = pid("a", "txn-b");
  const Result<void> stopped =
      world.run("a", [top = tops["b"]](Context& context) -> Task<Result<void>> {
        co_return co_await terminate_child(context, top, tracker::tracker_of("txn-b").id);
      });
  EXPECT_TRUE(stopped);
  world.run_for(1s);
  for (const char* from : {"a", "b", "c"}) {
    EXPECT_FALSE(pid(from, "txn-b"));
    EXPECT_EQ(ask(from, Global{"txn-b"}), "noproc");
    EXPECT_EQ(ask(from, before), "noproc");
    EXPECT_EQ(holder(from, "txn-a"), "a");
  }
}

TEST_F(ClusterTrackers, AreCalledByThePidOfAnotherNodesProcess) {
  for (const char* from : {"a", "b", "c"}) {
    for (const std::string node : {"a", "b", "c"}) {
      EXPECT_EQ(ask(from, pid(from, "txn-" + node)), node);
    }
  }
}

TEST_F(ClusterTrackers, AStandbyTakesOverFromALostNode) {
  const std::string lost = "DOWN txn-c " + to_string(pid("a", "txn-c")) + " noconnection";
  world.kill("c");
  world.run_for(30s);
  for (const char* from : {"a", "b"}) {
    EXPECT_EQ(holder(from, "txn-c"), "a");
    EXPECT_EQ(count_logged(from, lost), 1U);
  }
  EXPECT_EQ(count_logged("a", "standby: TAKEOVER txn-c"), 1U);
  world.add_node("c");
  EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 30s));
  world.run_for(1s);
  EXPECT_EQ(holder("c", "txn-c"), "a");
}

// The name is still known, through b, and each monitor of it ends at once.
TEST_F(ClusterTrackers, AStandbyLooksAgainNowAndThenWhileOnlyOthersReachTheNode) {
  world.cut_both("a", "c");
  world.run_for(20s);
  EXPECT_TRUE(pid("a", "txn-c"));
  EXPECT_EQ(holder("b", "txn-c"), "c");
  const std::size_t before = count_logged("a", "standby: MONITOR");
  world.run_for(10s);
  EXPECT_LE(count_logged("a", "standby: MONITOR") - before, 200U);
  world.heal();
  world.run_for(10s);
  EXPECT_EQ(holder("a", "txn-c"), "c");
}

}  // namespace
}  // namespace grove
