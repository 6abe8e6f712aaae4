// SPDX-License-Identifier: Apache-2.0
//
// Supervisors with real processes below them: in which order they start and end, and what they
// make of children that hang, unlink, or cannot be restarted.
#include "grove/testkit/local_world.hpp"

#include "support/supervised.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <ostream>
#include <set>
#include <string>
#include <string_view>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::crash;
using testkit::LocalWorld;
using testkit::settle;
using testkit::Story;
using testkit::supervised;

SupervisorSpec supervisor_of(Story& story, Strategy strategy, std::string_view ids) {
  SupervisorSpec spec{.strategy = strategy};
  for (const char id : ids) spec.children.push_back(supervised(story, std::string{id}));
  return spec;
}

/// Ends a supervisor as its parent does.
Task<> shut_down(Context& context, Pid supervisor) {
  context.trap_exit(true);
  context.exit(supervisor, ExitReason::shutdown());
  const auto is_its = [supervisor](const Exit& exit) { return exit.from == supervisor; };
  const Exit exit = co_await context.receive<Exit>(is_its);
  EXPECT_EQ(exit.reason, ExitReason::shutdown());
}

// -- order ----------------------------------------------------------------------------------

struct OrderRow {
  Strategy strategy;
  const char* restart;  // what the crash of the third child leads to
};
void PrintTo(const OrderRow& row, std::ostream* out) { *out << row.restart; }

class Order : public testing::TestWithParam<OrderRow> {};

TEST_P(Order, OfStartsRestartsAndEndsIsTheSpecs) {
  Story story;
  LocalWorld world;
  world.run([&story, row = GetParam()](Context& context) -> Task<> {
    SupervisorSpec spec = supervisor_of(story, row.strategy, "bacde");
    const StartResult top = co_await start_supervisor(context, spec);
    EXPECT_EQ(story.take(), "+b, +a, +c, +d, +e");
    co_await crash(context, story, "c");
    co_await settle(context);
    EXPECT_EQ(story.take(), row.restart);
    co_await shut_down(context, top.pid);
    EXPECT_EQ(story.take(), "-e shutdown, -d shutdown, -c shutdown, -a shutdown, -b shutdown");
  });
}

std::string row_name(const testing::TestParamInfo<OrderRow>& row) {
  const char* names[] = {"one_for_one", "rest_for_one", "one_for_all"};
  return names[static_cast<int>(row.param.strategy)];
}

INSTANTIATE_TEST_SUITE_P(Strategies, Order,
                         testing::Values(OrderRow{one_for_one, "-c boom, +c"},
                                         OrderRow{rest_for_one,
                                                  "-c boom, -e shutdown, -d shutdown, +c, +d, +e"},
                                         OrderRow{one_for_all,
                                                  "-c boom, -e shutdown, -d shutdown, -a shutdown, "
                                                  "-b shutdown, +b, +a, +c, +d, +e"}),
                         row_name);

TEST(OneForAll, RestartsAllWhenAllDieAtOnce) {
  Story story;
  LocalWorld world;
  world.run([&story](Context& context) -> Task<> {
    SupervisorSpec spec = supervisor_of(story, one_for_all, "abc");
    const StartResult top = co_await start_supervisor(context, spec);
    for (const char* id : {"a", "b", "c"}) context.exit(story.pids.at(id), ExitReason::kill());
    co_await settle(context);
    const ChildCounts counts = co_await count_children(context, top.pid);
    EXPECT_EQ(counts.active, 3U);
    EXPECT_LE(story.starts["a"], 4);
  });
}

// -- restarts that fail ---------------------------------------------------------------------

TEST(FailedRestart, LeavesTheSupervisorFreeForRequests) {
  Story story;
  LocalWorld world;
  world.run([&story](Context& context) -> Task<> {
    SupervisorSpec spec = supervisor_of(story, rest_for_one, "abc");
    spec.intensity.restarts = 1'000'000;
    const StartResult top = co_await start_supervisor(context, spec);
    const Pid a = story.pids.at("a");
    story.failing = {"b"};
    co_await crash(context, story, "b");
    while (story.starts["b"] < 5) (void)co_await count_children(context, top.pid);
    const auto children = co_await which_children(context, top.pid);
    EXPECT_EQ(children.at(0).id, "c");
    EXPECT_FALSE(children.at(0).pid || children.at(0).restarting);
    EXPECT_TRUE(!children.at(1).pid && children.at(1).restarting);
    EXPECT_EQ(children.at(2).pid, a);
    const ChildCounts counts = co_await count_children(context, top.pid);
    EXPECT_EQ(counts.specs, 3U);
    EXPECT_EQ(counts.active, 1U);
    EXPECT_EQ(counts.workers, 3U);
    const StartResult again = co_await restart_child(context, top.pid, "b");
    EXPECT_EQ(to_string(again), "failed: restarting");
    const auto forgotten = co_await delete_child(context, top.pid, "b");
    EXPECT_EQ(forgotten.error().code, Errc::unavailable);
    const StartResult added = co_await start_child(context, top.pid, supervised(story, "b"));
    EXPECT_EQ(to_string(added), "failed: already_present");
    const auto ended = co_await terminate_child(context, top.pid, "b");
    EXPECT_TRUE(ended.has_value());
    co_await settle(context);  // the retries are over: else this would not come back
    story.failing = {};
    for (const char* id : {"b", "c"}) {
      const StartResult started = co_await restart_child(context, top.pid, id);
      EXPECT_TRUE(started.ok());
    }
  });
}

TEST(FailedRestart, DoesNotKeepASupervisorFromEnding) {
  Story story;
  LocalWorld world;
  world.run([&story](Context& context) -> Task<> {
    SupervisorSpec spec = supervisor_of(story, one_for_all, "ab");
    spec.intensity.restarts = 1'000'000;
    const StartResult top = co_await start_supervisor(context, spec);
    story.failing = {"b"};
    co_await crash(context, story, "a");
    while (story.starts["b"] < 5) (void)co_await count_children(context, top.pid);
    co_await shut_down(context, top.pid);
  });
}

TEST(FailedRestart, CountsUntilTheSupervisorGivesUp) {
  for (const Strategy strategy : {one_for_one, rest_for_one, one_for_all}) {
    Story story;
    LocalWorld world;
    world.run([&story, strategy](Context& context) -> Task<> {
      context.trap_exit(true);
      SupervisorSpec spec = supervisor_of(story, strategy, "ab");
      spec.intensity.restarts = 4;
      const StartResult top = co_await start_supervisor(context, spec);
      story.failing = {"a"};
      context.exit(story.pids.at("a"), ExitReason::kill());
      const Exit exit = co_await context.receive<Exit>();
      EXPECT_EQ(exit.from, top.pid);
      EXPECT_EQ(exit.reason, ExitReason::shutdown());
      EXPECT_EQ(story.starts["a"], 5);
    });
    EXPECT_NE(world.log().lines().back().second.find("gives up: child a"), std::string::npos);
    EXPECT_EQ(world.node().process_count(), 0U);
  }
}

// -- how children end -----------------------------------------------------------------------

/// Is told to shut down, and does not.
class Hung : public GenServer {
 public:
  Hung() { context().trap_exit(true); }
  Task<> terminate(ExitReason) { co_await context().sleep_for(1h); }
};

TEST(ShutdownOfAChild, ThatHangsKillsItWhenItsTimeIsOverAndTheOthersEndInOrder) {
  Story story;
  LocalWorld world;
  world.run([&](Context& context) -> Task<> {
    context.trap_exit(true);
    SupervisorSpec spec{.children = {supervised(story, "a"),
                                     child<Hung>("h").with(Shutdown::within(100ms)),
                                     supervised(story, "b")}};
    const StartResult top = co_await start_supervisor(context, spec);
    const auto children = co_await which_children(context, top.pid);
    const Ref hung = context.monitor(children.at(1).pid);
    const Clock::TimePoint before = world.clock().now();
    co_await shut_down(context, top.pid);
    EXPECT_EQ(world.clock().now() - before, 100ms);
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, hung);
    EXPECT_EQ(down.reason, ExitReason::killed());
    EXPECT_EQ(story.take(), "+a, +b, -b shutdown, -a shutdown");
  });
}

TEST(ShutdownOfAChild, WaitsForEverOrNotAtAllAsItsSpecSays) {
  Story story;
  LocalWorld world;
  world.run([&](Context& context) -> Task<> {
    SupervisorSpec spec{.children = {supervised(story, "k").with(Shutdown::brutal_kill()),
                                     child<Hung>("h").with(Shutdown::infinity())}};
    const StartResult top = co_await start_supervisor(context, spec);
    const Clock::TimePoint before = world.clock().now();
    const auto hung = co_await terminate_child(context, top.pid, "h");
    EXPECT_TRUE(hung.has_value());
    EXPECT_EQ(world.clock().now() - before, 1h);
    const auto killed = co_await terminate_child(context, top.pid, "k");
    EXPECT_TRUE(killed.has_value());
    EXPECT_EQ(story.take(), "+k");  // and no terminate()
  });
}

TEST(AChild, ThatHasUnlinkedDoesNotHangItsSupervisor) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    class Loner : public GenServer {
     public:
      Task<Init> init() {
        context().unlink(context().parent());
        co_return Init::ok();
      }
    };
    SupervisorSpec spec{.children = {child<Loner>("terminated"), child<Loner>("dead")}};
    const StartResult top = co_await start_supervisor(context, spec);
    const auto ended = co_await terminate_child(context, top.pid, "terminated");
    EXPECT_TRUE(ended.has_value());

    auto children = co_await which_children(context, top.pid);
    const Pid dead = children.at(0).pid;
    co_await stop_server(context, dead);
    children = co_await which_children(context, top.pid);
    EXPECT_EQ(children.at(0).pid, dead);  // nobody told: neither restarted nor forgotten
    const ChildCounts counts = co_await count_children(context, top.pid);
    EXPECT_EQ(counts.specs, 2U);
    EXPECT_EQ(counts.active, 0U);
    const auto gone = co_await terminate_child(context, top.pid, "dead");
    EXPECT_TRUE(gone.has_value());
  });
}

TEST(ASupervisor, ThatIsKilledTakesItsChildrenAlong) {
  Story story;
  LocalWorld world;
  world.run([&story](Context& context) -> Task<> {
    context.trap_exit(true);
    const SupervisorSpec inner = supervisor_of(story, one_for_one, "b");
    const SupervisorSpec outer{.children = {supervised(story, "a"), supervisor("inner", inner)}};
    const StartResult top = co_await start_supervisor(context, outer);
    const auto children = co_await which_children(context, top.pid);
    EXPECT_TRUE(children.at(0).supervisor);
    context.monitor(children.at(0).pid);
    context.monitor(story.pids.at("a"));
    context.exit(top.pid, ExitReason::kill());
    for (int downs = 0; downs < 2; ++downs) {
      const Down down = co_await context.receive<Down>();
      EXPECT_EQ(down.reason, ExitReason::killed());
    }
    EXPECT_EQ(std::set(story.lines.begin() + 2, story.lines.end()),
              (std::set<std::string>{"-a killed", "-b shutdown"}));  // b: by its own supervisor
  });
  EXPECT_EQ(world.node().process_count(), 0U);
}

TEST(ASupervisor, EndsWithItsParentAndItsReason) {
  Story story;
  LocalWorld world;
  world.run([&story](Context& context) -> Task<> {
    context.trap_exit(true);
    const Pid parent = context.spawn_link([&story](Context& self) -> Task<> {
      SupervisorSpec spec = supervisor_of(story, one_for_one, "ab");
      const StartResult top = co_await start_supervisor(self, spec, named("top"));
      EXPECT_TRUE(top.ok());
      co_await self.receive<int>();
      self.exit(ExitReason::symbol("done"));
    });
    co_await settle(context);
    context.monitor("top");
    context.send(parent, 1);
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::symbol("done"));
    EXPECT_EQ(story.take(), "+a, +b, -b shutdown, -a shutdown");
  });
}

// -- trees ----------------------------------------------------------------------------------

TEST(Escalation, GoesUpOneLevelAtATime) {
  Story story;
  LocalWorld world;
  world.run([&story](Context& context) -> Task<> {
    context.trap_exit(true);
    const auto above = [&story](const char* name, SupervisorSpec below) {
      return SupervisorSpec{.children = {supervised(story, name), supervisor("below", below)},
                            .intensity = {.restarts = 1}};
    };
    SupervisorSpec bottom = supervisor_of(story, one_for_one, "w");
    bottom.intensity.restarts = 1;
    const SupervisorSpec middle = above("m", bottom);
    const SupervisorSpec top = above("t", middle);
    const StartResult started = co_await start_supervisor(context, top);
    EXPECT_EQ(story.take(), "+t, +m, +w");

    const char* expected[] = {"-w boom, +w", "-w boom, +w",  // the supervisor of w is restarted
                              "-w boom, +w", "-w boom, -m shutdown, +m, +w"};
    for (const char* lines : expected) {
      co_await crash(context, story, "w");
      co_await settle(context);
      EXPECT_EQ(story.take(), lines);
    }
    for (int crashes = 0; crashes < 4; ++crashes) {
      co_await crash(context, story, "w");
      co_await settle(context);
    }
    EXPECT_EQ(story.take(),
              "-w boom, +w, -w boom, +w, -w boom, +w, -w boom, -m shutdown, -t shutdown");
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, started.pid);
    EXPECT_EQ(exit.reason, ExitReason::shutdown());
  });
}

TEST(Escalation, OfASignificantSupervisorEndsTheOneAboveIt) {
  for (const bool significant : {true, false}) {
    Story story;
    LocalWorld world;
    world.run([&story, significant](Context& context) -> Task<> {
      context.trap_exit(true);
      const SupervisorSpec inner{.children = {supervised(story, "x").with(transient).significant()},
                                 .auto_shutdown = any_significant};
      SupervisorSpec outer{
          .children = {supervised(story, "y"), supervisor("inner", inner).with(transient)},
          .auto_shutdown = any_significant};
      outer.children.back().is_significant = significant;
      const StartResult top = co_await start_supervisor(context, outer);
      co_await stop_server(context, story.pids.at("x"));
      co_await settle(context);
      EXPECT_EQ(story.take(), significant ? "+y, +x, -x normal, -y shutdown" : "+y, +x, -x normal");
      EXPECT_NE(context.node().is_alive(top.pid), significant);
    });
  }
}

}  // namespace
}  // namespace grove
