// SPDX-License-Identifier: Apache-2.0
//
// The three servers of examples/parent_jobs. R-numbers in the names are the steps of the
// walk-through of what they were in Elixir.
#include "grove/testkit/local_world.hpp"

#include "examples/parent_jobs/cancellable.hpp"
#include "examples/parent_jobs/periodic.hpp"
#include "examples/parent_jobs/queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using jobs::Cancellable;
using jobs::Job;
using jobs::Periodic;
using jobs::Queue;
using testkit::LocalWorld;
using Lines = std::vector<std::string>;

/// A job that takes so long.
Job sleep_for(Clock::Duration time) {
  return [time](Context& context, Random) -> Task<> {
    context.node().log().info("start");
    co_await context.sleep_for(time);
  };
}
Task<> fail(Context& context, Random) {
  context.node().log().info("start");
  throw std::runtime_error{"error"};
  co_return;
}

/// What was printed.
Lines printed(LocalWorld& world) {
  Lines lines;
  for (const auto& [level, text] : world.log().lines()) {
    if (level == LogLevel::info) lines.push_back(text);
  }
  return lines;
}
std::ptrdiff_t count(LocalWorld& world, std::string_view line) {
  const Lines lines = printed(world);
  return std::count(lines.begin(), lines.end(), line);
}

/// Lets time pass. Returns: what is printed meanwhile, after the time in ms.
Lines follow(LocalWorld& world, Clock::Duration time) {
  Lines lines;
  const Clock::TimePoint end = world.clock().now() + time;
  for (std::size_t seen = printed(world).size(); world.clock().now() < end;) {
    world.run_for(50ms);
    const Lines all = printed(world);
    const auto now = world.clock().now().time_since_epoch() / 1ms;
    for (; seen < all.size(); ++seen) lines.push_back(std::to_string(now) + ' ' + all[seen]);
  }
  return lines;
}

/// Starts a server that nobody is linked to.
template <class Impl>
Pid start(LocalWorld& world, Job job) {
  return world.run([job](Context& context) -> Task<Pid> {
    ServerOptions options;
    options.link = false;
    const StartResult started = co_await start_server<Impl>(context, options, 1U, job);
    co_return started.pid;
  });
}

void stop(LocalWorld& world, Pid server) {
  world.run([server](Context& context) -> Task<> { co_await stop_server(context, server); });
}

std::vector<ChildInfo> children_of(LocalWorld& world, Pid server) {
  return world.run([server](Context& context) -> Task<std::vector<ChildInfo>> {
    co_return co_await which_children(context, server);
  });
}

/// Waits until a server ends. Returns: why.
std::string end_of(LocalWorld& world, Pid server) {
  return world.run([server](Context& context) -> Task<std::string> {
    context.monitor(server);
    const Down down = co_await context.receive<Down>();
    co_return to_string(down.reason);
  });
}

const std::string k_error = "{error,\"std::runtime_error\",\"error\"}";

// -- periodic -------------------------------------------------------------------------------

TEST(Periodic, R1_RunsAJobEverySecondNotAtOnce) {
  LocalWorld world;
  start<Periodic>(world, sleep_for(300ms));
  EXPECT_EQ(follow(world, 3500ms), (Lines{"1000 start", "2000 start", "3000 start"}));
}

TEST(Periodic, R2_JobsNeitherOverlapNorDrift) {
  LocalWorld world;
  start<Periodic>(world, sleep_for(1500ms));
  const std::string running = "previous job already running";
  EXPECT_EQ(follow(world, 5s), (Lines{"1000 start", "2000 " + running, "3000 start",
                                      "4000 " + running, "5000 start"}));
}

TEST(Periodic, R3_SurvivesJobsThatFail) {
  LocalWorld world;
  auto runs = std::make_shared<int>(0);
  const Pid ticker = start<Periodic>(world, [runs](Context& context, Random) -> Task<> {
    context.node().log().info("start");
    if (++*runs == 1) throw std::runtime_error{"error"};
    context.exit(ExitReason::symbol("y"));
    co_return;
  });
  EXPECT_EQ(follow(world, 3s), (Lines{"1000 start", "2000 start", "3000 start"}));
  EXPECT_TRUE(world.node().is_alive(ticker));
  EXPECT_EQ(world.log().count(LogLevel::error), 3U);  // the jobs', none of the ticker
}

TEST(Periodic, R3b_APlainLoopEndsWithItsJob) {
  LocalWorld world;
  const Pid loop = world.node().spawn([](Context& context) -> Task<> {
    const Random chance{1};
    for (;;) {
      co_await context.sleep_for(1s);
      co_await fail(context, chance);
    }
  });
  EXPECT_EQ(end_of(world, loop), k_error);
}

TEST(Periodic, R4_StaysReadyWhileAJobNeverEnds) {
  LocalWorld world;
  const Pid ticker = start<Periodic>(world, sleep_for(1h));
  follow(world, 4s);
  EXPECT_EQ(count(world, "start"), 1);
  EXPECT_EQ(count(world, "previous job already running"), 3);
  const std::vector<ChildInfo> rows = children_of(world, ticker);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].id, "job");
  const Clock::TimePoint before = world.clock().now();
  stop(world, ticker);
  EXPECT_EQ(world.clock().now(), before);
  EXPECT_FALSE(world.node().is_alive(rows[0].pid));
}

// -- cancellable ----------------------------------------------------------------------------

TEST(Cancellable, R5_EndsNormalWithAJobThatSucceeds) {
  LocalWorld world;
  const Pid parent = start<Cancellable>(world, sleep_for(200ms));
  EXPECT_EQ(end_of(world, parent), "normal");
  EXPECT_EQ(world.clock().now().time_since_epoch(), 200ms);
  EXPECT_EQ(printed(world), (Lines{"start", "job succeeded"}));
  EXPECT_EQ(world.log().count(LogLevel::error), 0U);
}

TEST(Cancellable, R6_EndsWithTheErrorOfItsJob) {
  LocalWorld world;
  const Pid parent = start<Cancellable>(world, [](Context& context, Random) -> Task<> {
    co_await context.sleep_for(10ms);
    throw std::runtime_error{"error"};
  });
  EXPECT_EQ(end_of(world, parent), k_error);
  EXPECT_EQ(printed(world), Lines{"job failed"});
  EXPECT_EQ(world.log().count(LogLevel::error), 2U);  // the job's and its own
}

TEST(Cancellable, R7_EndsAJobThatTakesTooLong) {
  LocalWorld world;
  const Pid parent = start<Cancellable>(world, sleep_for(1500ms));
  const Pid job = children_of(world, parent).at(0).pid;
  EXPECT_EQ(end_of(world, parent), "timeout");
  EXPECT_EQ(world.clock().now().time_since_epoch(), 1000ms);
  EXPECT_FALSE(world.node().is_alive(job));
  EXPECT_EQ(printed(world), (Lines{"start", "timeout"}));
  EXPECT_EQ(world.log().count(LogLevel::error), 1U);
}

TEST(Cancellable, R8_IsCancelledByAStop) {
  LocalWorld world;
  const Pid parent = start<Cancellable>(world, sleep_for(800ms));
  const Pid job = children_of(world, parent).at(0).pid;
  world.run_for(100ms);
  world.run([&](Context& context) -> Task<> {
    context.monitor(job);
    co_await stop_server(context, parent);
    EXPECT_FALSE(context.node().is_alive(job));
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::shutdown());
  });
  EXPECT_EQ(world.clock().now().time_since_epoch(), 100ms);
  world.run_for(2s);
  EXPECT_EQ(printed(world), Lines{"start"});
  EXPECT_EQ(world.log().lines().size(), 1U);
}

TEST(Cancellable, R8b_AStopAfterItsEndIsNoproc) {
  LocalWorld world;
  const Pid parent = start<Cancellable>(world, sleep_for(10ms));
  world.run_for(20ms);
  try {
    stop(world, parent);
    ADD_FAILURE() << "there is nothing to stop";
  } catch (const ProcessExit& exit) {
    EXPECT_EQ(exit.reason(), ExitReason::noproc());
  }
}

TEST(Cancellable, R15_IsRestartedUntilItsJobSucceeds) {
  LocalWorld world;
  auto runs = std::make_shared<int>(0);
  const Job job = [runs](Context& context, Random) -> Task<> {
    if (++*runs == 1) throw std::runtime_error{"error"};
    co_await context.sleep_for(100ms);
  };
  world.run([job](Context& context) -> Task<> {
    SupervisorSpec spec;
    spec.children.push_back(child<Cancellable>("job", 1U, job).with(transient));
    const StartResult sup = co_await start_supervisor(context, spec);
    co_await context.sleep_for(2s);
    const ChildCounts counts = co_await count_children(context, sup.pid);
    EXPECT_EQ(counts.active, 0U);
  });
  EXPECT_EQ(*runs, 2);
  EXPECT_EQ(printed(world), (Lines{"job failed", "job succeeded"}));
}

TEST(Cancellable, R16_EndsInOneOfThreeWays) {
  LocalWorld world;
  std::vector<std::string> ends;
  for (std::uint64_t seed = 11; seed <= 22; ++seed) {
    ends.push_back(world.run([seed](Context& context) -> Task<std::string> {
      context.trap_exit(true);
      const StartResult started = co_await start_link<Cancellable>(context, seed);
      const Exit exit = co_await context.receive<Exit>();
      EXPECT_EQ(exit.from, started.pid);
      co_return to_string(exit.reason);
    }));
  }
  const auto ended = [&](std::string_view how) {
    return std::count(ends.begin(), ends.end(), how);
  };
  EXPECT_EQ(count(world, "job succeeded"), ended("normal"));
  EXPECT_EQ(count(world, "job failed"), ended(k_error));
  EXPECT_EQ(count(world, "timeout"), ended("timeout"));
  EXPECT_EQ(ended("normal") + ended(k_error) + ended("timeout"), 12);
  EXPECT_GT(ended("normal"), 0);
  EXPECT_GT(ended(k_error), 0);
  EXPECT_GT(ended("timeout"), 0);
}

// -- queue ----------------------------------------------------------------------------------

struct Load {
  int now = 0;
  int most = 0;
  int runs = 0;
};

/// A job of 50 ms that counts how many run; each `failing`-th fails.
Job counted(std::shared_ptr<Load> load, int failing = 0) {
  return [load, failing](Context& context, Random) -> Task<> {
    const int run = ++load->runs;
    load->most = std::max(load->most, ++load->now);
    co_await context.sleep_for(50ms);
    --load->now;
    if (failing != 0 && run % failing == 0) throw std::runtime_error{"error"};
  };
}

/// Starts a queue and adds jobs, so many each time.
Pid start_queue(LocalWorld& world, Job job, std::vector<int> counts) {
  return world.run([job, counts](Context& context) -> Task<Pid> {
    ServerOptions options = named("queue");
    options.link = false;
    const StartResult started = co_await start_server<Queue>(context, options, 1U, job);
    for (const int count : counts) co_await jobs::add_jobs(context, count);
    co_return started.pid;
  });
}

TEST(Queue, R11_RunsAtMostTenAtATime) {
  LocalWorld world;
  auto load = std::make_shared<Load>();
  const Pid queue = start_queue(world, counted(load), {100});
  EXPECT_EQ(world.clock().now().time_since_epoch(), 0ms);  // adding waits for no job
  world.run_for(499ms);
  EXPECT_EQ(count(world, "job succeeded"), 90);
  world.run_for(1ms);
  EXPECT_EQ(count(world, "job succeeded"), 100);
  EXPECT_EQ(load->most, 10);
  EXPECT_EQ(children_of(world, queue).size(), 0U);
}

TEST(Queue, R11b_GoesOnWhenJobsFail) {
  LocalWorld world;
  const Pid queue = start_queue(world, counted(std::make_shared<Load>(), 5), {100});
  world.run_for(1s);
  EXPECT_EQ(count(world, "job succeeded"), 80);
  EXPECT_EQ(count(world, "job failed"), 20);
  EXPECT_EQ(world.log().count(LogLevel::error), 20U);
  EXPECT_TRUE(world.node().is_alive(queue));
}

TEST(Queue, R11e_RunsAsManyAsWereAdded) {
  for (const auto& [counts, expected] :
       std::vector<std::pair<std::vector<int>, int>>{{{0}, 0}, {{-1}, 0}, {{5, 5}, 10}}) {
    LocalWorld world;
    auto load = std::make_shared<Load>();
    start_queue(world, counted(load), counts);
    world.run_for(1s);
    EXPECT_EQ(load->runs, expected);
  }
}

TEST(Queue, R11f_ThereIsOneOfAName) {
  LocalWorld world;
  const Pid first = start_queue(world, sleep_for(1s), {});
  const StartResult second = world.run([](Context& context) -> Task<StartResult> {
    co_return co_await jobs::queue(2).start(context, named("queue"));
  });
  EXPECT_EQ(second.status, StartResult::Status::already_started);
  EXPECT_EQ(second.pid, first);
}

TEST(Queue, R16_EachOfAHundredJobsSucceedsOrFails) {
  LocalWorld world;
  const Pid queue = world.run([](Context& context) -> Task<Pid> {
    ServerOptions options = named("queue");
    options.link = false;
    const std::uint64_t seed = 1;
    const StartResult started = co_await start_server<Queue>(context, options, seed);
    co_await jobs::add_jobs(context, 100);
    co_return started.pid;
  });
  world.run_for(1min);
  const auto failed = count(world, "job failed");
  EXPECT_EQ(count(world, "job succeeded") + failed, 100);
  EXPECT_GT(failed, 5);
  EXPECT_LT(failed, 40);
  EXPECT_EQ(children_of(world, queue).size(), 0U);
}

}  // namespace
}  // namespace grove
