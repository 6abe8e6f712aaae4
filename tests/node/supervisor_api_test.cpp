// SPDX-License-Identifier: Apache-2.0
//
// What a running supervisor can be asked.
#include "grove/testkit/local_world.hpp"

#include "support/supervised.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::crash;
using testkit::LocalWorld;
using testkit::settle;
using testkit::Story;
using testkit::supervised;

TEST(SupervisorApi, FindsTheSupervisorByName) {
  Story story;
  LocalWorld world;
  world.run([&story](Context& context) -> Task<> {
    const SupervisorSpec spec{.children = {supervised(story, "a").as("first")}};
    const StartResult top = co_await start_supervisor(context, spec, named("top"));
    EXPECT_TRUE(top.ok());
    EXPECT_EQ(context.whereis("first"), story.pids.at("a"));
    const StartResult added = co_await start_child(context, "top", supervised(story, "b"));
    EXPECT_EQ(added.pid, story.pids.at("b"));
    const auto ended = co_await terminate_child(context, "top", "a");
    EXPECT_TRUE(ended.has_value());
    const auto forgotten = co_await delete_child(context, "top", "a");
    EXPECT_TRUE(forgotten.has_value());
    const auto children = co_await which_children(context, "top");
    EXPECT_EQ(children.size(), 1U);
    const ChildCounts counts = co_await count_children(context, "top");
    EXPECT_EQ(counts.specs, 1U);
  });
}

TEST(SupervisorApi, OfASupervisorThatIsNotThereExitsNoproc) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    ExitReason reason;
    try {
      (void)co_await which_children(context, "nobody");
    } catch (const ProcessExit& exit) {
      reason = exit.reason();
    }
    EXPECT_EQ(reason, ExitReason::noproc());
  });
}

TEST(SupervisorApi, RestartsAndForgetsOnlyWhatHasEnded) {
  Story story;
  LocalWorld world;
  world.run([&story](Context& context) -> Task<> {
    const SupervisorSpec spec{.children = {supervised(story, "a").with(transient)}};
    const StartResult top = co_await start_supervisor(context, spec);
    StartResult result = co_await restart_child(context, top.pid, "a");
    EXPECT_EQ(to_string(result), "failed: running");
    auto forgotten = co_await delete_child(context, top.pid, "a");
    EXPECT_EQ(forgotten.error().code, Errc::already_started);

    co_await stop_server(context, story.pids.at("a"));
    co_await settle(context);
    const auto children = co_await which_children(context, top.pid);
    EXPECT_FALSE(children.at(0).pid);
    story.failing = {"a"};
    result = co_await restart_child(context, top.pid, "a");
    EXPECT_EQ(to_string(result), "failed: init_failed");
    story.failing = {};
    result = co_await restart_child(context, top.pid, "a");
    EXPECT_EQ(result.pid, story.pids.at("a"));
    EXPECT_EQ(story.starts["a"], 3);

    result = co_await restart_child(context, top.pid, "b");
    EXPECT_EQ(to_string(result), "failed: not_found");
    forgotten = co_await delete_child(context, top.pid, "b");
    EXPECT_EQ(forgotten.error().code, Errc::not_found);
  });
}

TEST(SupervisorApi, CountsSupervisorsAndWorkers) {
  Story story;
  LocalWorld world;
  world.run([&story](Context& context) -> Task<> {
    const SupervisorSpec inner{.children = {supervised(story, "x")}};
    const SupervisorSpec spec{.children = {supervised(story, "a"), supervisor("s", inner),
                                           supervised(story, "b").with(temporary)}};
    const StartResult top = co_await start_supervisor(context, spec);
    const auto ended = co_await terminate_child(context, top.pid, "a");
    EXPECT_TRUE(ended.has_value());
    const ChildCounts counts = co_await count_children(context, top.pid);
    EXPECT_EQ(counts.specs, 3U);
    EXPECT_EQ(counts.active, 2U);
    EXPECT_EQ(counts.supervisors, 1U);
    EXPECT_EQ(counts.workers, 2U);
  });
}

TEST(SupervisorApi, ABadSpecStartsNobodyAndSaysWhy) {
  Story story;
  LocalWorld world;
  world.run([&story](Context& context) -> Task<> {
    context.trap_exit(true);
    const SupervisorSpec spec{.children = {supervised(story, "a"), supervised(story, "a")}};
    const StartResult top = co_await start_supervisor(context, spec);
    EXPECT_EQ(to_string(top), "failed: {start_spec,{duplicate_child_name,\"a\"}}");
    EXPECT_EQ(story.take(), "");
  });
  EXPECT_EQ(world.node().process_count(), 0U);
}

TEST(SupervisorApi, AnExitOfAFormerChildDoesNothing) {
  Story story;
  LocalWorld world;
  world.run([&story](Context& context) -> Task<> {
    const SupervisorSpec spec{.children = {supervised(story, "a")}};
    const StartResult top = co_await start_supervisor(context, spec);
    const Pid former = story.pids.at("a");
    const auto ended = co_await terminate_child(context, top.pid, "a");
    EXPECT_TRUE(ended.has_value());
    const Exit late{former, ExitReason::symbol("boom")};
    context.send(top.pid, late);
    struct Unheard {};
    context.send(top.pid, Unheard{});
    const ChildCounts counts = co_await count_children(context, top.pid);
    EXPECT_EQ(counts.active, 0U);
    EXPECT_EQ(counts.specs, 1U);
  });
}

TEST(AutoShutdown, EndsTheSupervisorAndTheOthersInReverse) {
  Story story;
  LocalWorld world;
  world.run([&story](Context& context) -> Task<> {
    context.trap_exit(true);
    const SupervisorSpec spec{
        .children = {supervised(story, "a").with(transient).significant(), supervised(story, "p"),
                     supervised(story, "b").with(temporary).significant(), supervised(story, "q")},
        .auto_shutdown = all_significant};
    const StartResult top = co_await start_supervisor(context, spec);
    const auto ended = co_await terminate_child(context, top.pid, "a");
    EXPECT_TRUE(ended.has_value());
    EXPECT_EQ(story.take(), "+a, +p, +b, +q, -a shutdown");
    co_await crash(context, story, "b");
    const auto is_its = [top](const Exit& exit) { return exit.from == top.pid; };
    const Exit exit = co_await context.receive<Exit>(is_its);
    EXPECT_EQ(exit.reason, ExitReason::shutdown());
    EXPECT_EQ(story.take(), "-b boom, -q shutdown, -p shutdown");
  });
}

}  // namespace
}  // namespace grove
