// SPDX-License-Identifier: Apache-2.0
//
// Trackers of the whole cluster that come and go while it runs. T-numbers in the names are the
// steps of the walk-through of what they were in Elixir.
#include "grove/testkit/sim_world.hpp"

#include "examples/transaction_tracker/shared.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <set>
#include <string>

namespace grove {
namespace {

using namespace std::literals;
using testkit::SimWorld;
using tracker::GetStatus;
namespace shared = tracker::shared;

const std::string k_id = "txn_01dp371w0fnjhf9z2tjebx4vr4";

/// Three nodes whose trackers are started while they run, under a supervisor on each.
class SharedTrackers : public testing::Test {
 protected:
  SharedTrackers() {
    for (const char* name : {"a", "b", "c"}) {
      world.add_node(name);
      tops[name] = world.run(name, [](Context& context) -> Task<Pid> {
        ServerOptions options;
        options.link = false;
        const SupervisorSpec spec{.children = {shared::supervisor()}};
        const StartResult started = co_await start_supervisor(context, spec, options);
        EXPECT_TRUE(started.ok()) << to_string(started);
        co_return started.pid;
      });
    }
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  }
  StartResult start(const std::string& node, const std::string& id) {
    StartResult started = world.run(node, [id](Context& context) -> Task<StartResult> {
      co_return co_await shared::start(context, id);
    });
    world.run_for(100ms);
    return started;
  }
  Result<void> stop(const std::string& node, const Pid& pid) {
    Result<void> stopped = world.run(node, [pid](Context& context) -> Task<Result<void>> {
      co_return co_await shared::stop(context, pid);
    });
    world.run_for(100ms);
    return stopped;
  }
  /// Who has the id on all nodes; nobody when it is known nowhere.
  Pid found(const std::string& id) {
    std::set<Pid> pids;
    for (const char* name : {"a", "b", "c"}) {
      const Result<Pid> pid = world.run(name, [id](Context& context) -> Task<Result<Pid>> {
        co_return shared::lookup(context, id);
      });
      EXPECT_TRUE(pid || pid.error().code == Errc::not_found);
      pids.insert(pid ? *pid : Pid{});
    }
    EXPECT_EQ(pids.size(), 1U) << "they do not agree on " << id;
    return *pids.begin();
  }
  std::size_t children(const std::string& node) {
    return world.run(node, [](Context& context) -> Task<std::size_t> {
      const ChildCounts counts = co_await count_children(context, shared::k_supervisor);
      co_return counts.active;
    });
  }
  std::size_t errors() {
    std::size_t count = 0;
    for (const char* name : {"a", "b", "c"}) count += world[name].log().count(LogLevel::error);
    return count;
  }

  SimWorld world{7};
  std::map<std::string, Pid> tops;
};

TEST_F(SharedTrackers, T1_T2_OneThatIsStartedAnywhereIsLookedUpEverywhere) {
  const StartResult started = start("b", k_id);
  EXPECT_TRUE(started.ok());
  EXPECT_EQ(started.pid.node, tops["b"].node);
  EXPECT_EQ(found(k_id), started.pid);
  EXPECT_EQ(found("unknown"), Pid{});
  EXPECT_EQ(children("b"), 1U);
}

TEST_F(SharedTrackers, T3_T4_OneThatEndsByItselfIsFoundAgain) {
  Pid before = start("b", k_id).pid;
  for (const ExitReason& reason : {ExitReason::symbol("its_a_crash"), ExitReason::kill()}) {
    world.run("a", [before, reason](Context& context) -> Task<> {
      context.exit(before, reason);
      co_return;
    });
    world.run_for(1s);
    const Pid after = found(k_id);
    EXPECT_TRUE(after);
    EXPECT_NE(after, before);
    EXPECT_EQ(children("b"), 1U);
    before = after;
  }
  EXPECT_EQ(errors(), 0U);  // signals from outside are nobody's crash
}

TEST_F(SharedTrackers, T6_OneThatIsStoppedFromAnywhereIsGoneEverywhere) {
  const Pid tracker = start("b", k_id).pid;
  EXPECT_TRUE(stop("c", tracker));
  EXPECT_EQ(found(k_id), Pid{});
  EXPECT_EQ(children("b"), 0U);
  const Result<void> again = stop("a", tracker);
  EXPECT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::not_found);
  EXPECT_EQ(errors(), 0U);
  EXPECT_TRUE(start("a", k_id).ok());
}

TEST_F(SharedTrackers, T7_AreCalledByTheirIdsFromEachNode) {
  start("b", k_id);
  for (const char* from : {"a", "b", "c"}) {
    world.run(from, [](Context& context) -> Task<> {
      const Global name{k_id};
      const tracker::Status status = co_await context.call<GetStatus>(name);
      EXPECT_EQ(status.node, "b");
    });
  }
}

TEST_F(SharedTrackers, T8_ASecondStartNamesTheFirstWhereverItIs) {
  const Pid first = start("b", k_id).pid;
  for (const char* node : {"a", "b"}) {
    const StartResult second = start(node, k_id);
    EXPECT_EQ(second.status, StartResult::Status::already_started);
    EXPECT_EQ(second.pid, first);
  }
  EXPECT_EQ(children("a"), 0U);
  EXPECT_EQ(children("b"), 1U);
  EXPECT_EQ(errors(), 0U);
}

TEST_F(SharedTrackers, T10_T11_ManyDoNotDisturbEachOther) {
  std::map<std::string, Pid> pids;
  for (int i = 0; i < 99; ++i) {
    const std::string id = "txn-" + std::to_string(i);
    pids[id] = start(std::string(1, static_cast<char>('a' + i % 3)), id).pid;
  }
  world.run("c", [victim = pids["txn-0"]](Context& context) -> Task<> {
    context.exit(victim, ExitReason::kill());
    co_return;
  });
  world.run_for(1s);
  for (const auto& [id, pid] : pids) {
    if (id == "txn-0") {
      EXPECT_NE(found(id), pid);
    } else {
      EXPECT_EQ(found(id), pid);
    }
  }
}

TEST_F(SharedTrackers, T16_EndWithTheApplicationOfTheirNode) {
  const Pid here = start("a", "here").pid;
  const Pid there = start("b", "there").pid;
  const std::string reason =
      world.run("a", [there, top = tops["b"]](Context& context) -> Task<std::string> {
        context.monitor(there);
        co_await stop_server(context, top);
        const Down down = co_await context.receive<Down>();
        co_return to_string(down.reason);
      });
  EXPECT_EQ(reason, "shutdown");
  world.run_for(100ms);
  EXPECT_EQ(found("there"), Pid{});
  EXPECT_EQ(found("here"), here);
  EXPECT_EQ(errors(), 0U);
}

TEST_F(SharedTrackers, AreShownOnTheirPage) {
  world.run("a", [](Context& context) -> Task<> {
    // [snippet shared]
    const grove::StartResult started = co_await tracker::shared::start(context, "txn-7");
    const grove::Result<grove::Pid> found = tracker::shared::lookup(context, "txn-7");
    const grove::Global name{"txn-7"};
    const tracker::Status status = co_await context.call<tracker::GetStatus>(name);
    const grove::Result<void> stopped = co_await tracker::shared::stop(context, *found);
    // [/snippet shared]
    EXPECT_EQ(found.value(), started.pid);
    EXPECT_EQ(status.transaction_id, "txn-7");
    EXPECT_TRUE(stopped);
  });
}

}  // namespace
}  // namespace grove
