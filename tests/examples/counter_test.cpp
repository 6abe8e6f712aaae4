// SPDX-License-Identifier: Apache-2.0
//
// The three counters of examples/counter. S-numbers in the names are the steps of the walk-through
// of what they were in Elixir.
#include "examples/counter/counter.hpp"

#include "examples/example_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

namespace grove {
namespace {

using namespace std::chrono_literals;
using counters::three_counters;
using testkit::follow;
using testkit::Lines;
using testkit::LocalWorld;
using testkit::logged;
using testkit::with;

const std::string k_one = "Counter.One";
const std::string k_two = "Counter.Two";
const std::string k_three = "Counter.Three";
const std::string k_error =
    "{error,\"std::runtime_error\",\"I'm Counter.Three and I'm gonna error now\"}";

std::string tells(const std::string& name, int state) {
  return name + ": working and my state is " + std::to_string(state);
}
Lines start_of(const std::string& name) {
  return {name + ": starting", tells(name, 0), name + ": started"};
}

/// The counters under their supervisor.
class Counters : public testing::Test {
 protected:
  void start(Strategy strategy) {
    const StartResult started = testkit::start(world, three_counters(strategy));
    ASSERT_TRUE(started.ok()) << to_string(started);
    top = started.pid;
  }
  [[nodiscard]] std::map<std::string, Pid> pids() {
    return world.run([this](Context& context) -> Task<std::map<std::string, Pid>> {
      std::map<std::string, Pid> found;
      for (const ChildInfo& row : co_await which_children(context, top)) found[row.id] = row.pid;
      co_return found;
    });
  }
  [[nodiscard]] Value state(const std::string& name) {
    const Pid counter = pids().at(name);
    return world.run([counter](Context& context) -> Task<Value> {
      co_return co_await sys::get_state(context, counter);
    });
  }
  /// Does `what` and waits for the ends of so many counters. Returns: who ended, and how.
  template <class F>
  Lines ends_of(std::size_t count, F what) {
    const auto before = pids();
    return world.run([=](Context& context) -> Task<Lines> {
      for (const auto& [name, pid] : before) context.monitor(pid);
      what(context);
      Lines ends;
      while (ends.size() < count) {
        const Down down = co_await context.receive<Down>();
        for (const auto& [name, pid] : before) {
          if (pid == down.pid) ends.push_back(name + ' ' + to_string(down.reason));
        }
      }
      co_return ends;
    });
  }
  /// The same, by a kill of `victim`.
  Lines ends_by_kill(std::size_t count, const std::string& victim) {
    const Pid pid = pids().at(victim);
    return ends_of(count, [pid](Context& context) { context.exit(pid, ExitReason::kill()); });
  }

  LocalWorld world;
  Pid top;
};

TEST_F(Counters, S1_StartInOrderAndTellTheirStates) {
  start(one_for_one);
  Lines expected;
  for (const std::string& name : {k_one, k_two, k_three}) {
    for (const std::string& line : start_of(name)) expected.push_back(line);
  }
  EXPECT_EQ(logged(world, LogLevel::info), expected);
  Lines second = follow(world, 1s);
  std::sort(second.begin(), second.end());
  EXPECT_EQ(second, (Lines{"1000 " + tells(k_one, 0), "1000 " + tells(k_three, 0),
                           "1000 " + tells(k_two, 0)}));
}

TEST_F(Counters, S2_OneForOneRestartsTheOneThatFailed) {
  start(one_for_one);
  const Lines lines = follow(world, 32s);
  EXPECT_EQ(with("starting", lines),
            (Lines{"6000 Counter.Three: starting", "12000 Counter.Three: starting",
                   "18000 Counter.Three: starting", "23000 Counter.One: starting",
                   "24000 Counter.Three: starting", "30000 Counter.Three: starting"}));
  EXPECT_EQ(with("7000 " + tells(k_one, 6), lines).size(), 1U);
  EXPECT_EQ(with("7000 " + tells(k_two, 6), lines).size(), 1U);
  EXPECT_EQ(with("7000 " + tells(k_three, 0), lines).size(), 1U);
  EXPECT_EQ(with("23000 " + tells(k_one, 0), lines).size(), 1U);
  EXPECT_EQ(with("23000 " + tells(k_two, 22), lines).size(), 1U);
  EXPECT_EQ(with("24000 " + tells(k_two, 23), lines).size(), 1U);
  EXPECT_EQ(state(k_one), Value{9});
  EXPECT_EQ(state(k_two), Value{32});
  EXPECT_EQ(state(k_three), Value{2});
  EXPECT_TRUE(world.node().is_alive(top));
}

TEST_F(Counters, S3_RestForOneRestartsNobodyBeforeTheOneThatFailed) {
  start(rest_for_one);
  const auto before = pids();
  EXPECT_EQ(with("starting", follow(world, 10s)), Lines{"6000 Counter.Three: starting"});
  const auto after = pids();
  EXPECT_EQ(after.at(k_one), before.at(k_one));
  EXPECT_EQ(after.at(k_two), before.at(k_two));
  EXPECT_NE(after.at(k_three), before.at(k_three));
}

TEST_F(Counters, S4b_RestForOneRestartsThoseAfterTheOneThatFailed) {
  start(rest_for_one);
  world.run_for(2500ms);
  const auto before = pids();
  const std::size_t seen = logged(world, LogLevel::info).size();
  EXPECT_EQ(ends_by_kill(2, k_two), (Lines{k_two + " killed", k_three + " shutdown"}));
  world.settle();
  Lines expected = start_of(k_two);
  for (const std::string& line : start_of(k_three)) expected.push_back(line);
  EXPECT_EQ(logged(world, LogLevel::info, seen), expected);
  EXPECT_EQ(pids().at(k_one), before.at(k_one));
  EXPECT_EQ(state(k_one), Value{2});
}

TEST_F(Counters, S5_OneForAllRestartsAll) {
  start(one_for_all);
  EXPECT_EQ(ends_of(3, [](Context&) {}),
            (Lines{k_three + ' ' + k_error, k_two + " shutdown", k_one + " shutdown"}));
  EXPECT_EQ(world.clock().now().time_since_epoch(), 6s);
  world.settle();
  for (const std::string& name : {k_one, k_two, k_three}) EXPECT_EQ(state(name), Value{0});
  Lines expected;
  for (const char* time : {"12000 ", "18000 ", "24000 ", "30000 "}) {
    for (const std::string& name : {k_one, k_two, k_three}) {
      expected.push_back(time + name + ": starting");
    }
  }
  const Lines lines = follow(world, 26s);
  EXPECT_EQ(with("starting", lines), expected);
  EXPECT_TRUE(with("state is 6", lines).empty());  // so One never comes to 22
  EXPECT_EQ(world.log().count(LogLevel::error), 5U);
}

TEST_F(Counters, S5b_OneForAllEndsTheOthersInReverseOrder) {
  start(one_for_all);
  EXPECT_EQ(ends_by_kill(3, k_one),
            (Lines{k_one + " killed", k_three + " shutdown", k_two + " shutdown"}));
  EXPECT_EQ(ends_by_kill(3, k_two),
            (Lines{k_two + " killed", k_three + " shutdown", k_one + " shutdown"}));
}

TEST_F(Counters, S6_AFailureIsOneRecord) {
  start(one_for_one);
  const Pid three = pids().at(k_three);
  world.run_for(6s);
  EXPECT_EQ(logged(world, LogLevel::error),
            Lines{"process " + to_string(three) + " (Counter.Three) terminated: " + k_error +
                  ", last message counters::Work, state 5"});
}

// -- a child that cannot start ----------------------------------------------------------------

class Reluctant : public GenServer {
 public:
  explicit Reluctant(std::string how) : how_{std::move(how)} {}
  Init init() {
    if (how_ == "throws") throw std::runtime_error{"no"};
    if (how_ == "ignores") return Init::ignore();
    if (how_ == "returns") return Init::stop(ExitReason::symbol("nope"));
    context().exit(ExitReason::symbol("gone"));
  }

 private:
  std::string how_;
};

SupervisorSpec with_reluctant(const std::string& how) {
  return {.children = {counters::counter(k_one, 22), child<Reluctant>("second", how),
                       counters::counter(k_three, 5)}};
}

TEST_F(Counters, S7_WithAChildThatCannotStartNoneStays) {
  const std::map<std::string, std::string> reasons{
      {"returns", "nope"}, {"exits", "gone"}, {"throws", "{error,\"std::runtime_error\",\"no\"}"}};
  for (const auto& [how, reason] : reasons) {
    const std::size_t seen = logged(world, LogLevel::info).size();
    world.run([how = how, reason = reason](Context& context) -> Task<> {
      context.trap_exit(true);
      const StartResult all = co_await start_supervisor(context, with_reluctant(how));
      const std::string expected = "{shutdown,{failed_to_start_child,\"second\"," + reason + "}}";
      EXPECT_EQ(to_string(all), "failed: " + expected);
      const Exit exit = co_await context.receive<Exit>();
      EXPECT_EQ(to_string(exit.reason), expected);
    });
    EXPECT_EQ(logged(world, LogLevel::info, seen), start_of(k_one));
    EXPECT_EQ(follow(world, 2s), Lines{});  // One is gone as well
  }
}

TEST_F(Counters, S7_AChildThatIgnoresIsLeftOut) {
  const StartResult all = testkit::start(world, with_reluctant("ignores"));
  ASSERT_TRUE(all.ok()) << to_string(all);
  top = all.pid;
  EXPECT_FALSE(pids().at("second"));
  EXPECT_EQ(follow(world, 1s).size(), 2U);
}

TEST_F(Counters, S8_ANormalEndIsRestartedTooAndAllEndInReverseOrder) {
  start(one_for_one);
  const Pid one = pids().at(k_one);
  world.run([one](Context& context) -> Task<> { co_await stop_server(context, one); });
  world.settle();
  EXPECT_NE(pids().at(k_one), one);
  const auto stop = [](Context& context, Pid pid) -> Task<> { co_await stop_server(context, pid); };
  EXPECT_EQ(ends_of(3, [&, this](Context& context) { context.spawn(stop, top); }),
            (Lines{k_three + " shutdown", k_two + " shutdown", k_one + " shutdown"}));
}

}  // namespace
}  // namespace grove
