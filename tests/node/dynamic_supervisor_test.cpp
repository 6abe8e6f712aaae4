// SPDX-License-Identifier: Apache-2.0
#include "grove/node/dynamic_supervisor.hpp"

#include "grove/testkit/local_world.hpp"

#include "dynamic_children.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <stdexcept>
#include <tuple>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

class Worker : public GenServer {};

/// Traps exits and takes its time to end.
class Slow : public GenServer {
 public:
  explicit Slow(Clock::Duration time) : time_{time} { context().trap_exit(true); }
  Task<> terminate(ExitReason) { co_await context().sleep_for(time_); }

 private:
  Clock::Duration time_;
};

/// Ends with a reason of its own, whatever it is told.
class Headstrong : public GenServer {
 public:
  Headstrong() { context().trap_exit(true); }
  void terminate(const ExitReason&) { throw ProcessExit{ExitReason::symbol("mine")}; }
};

/// What the starts of a Scripted are to come to, one after the other; then ok.
struct Script {
  std::vector<std::string> outcomes;
  std::size_t starts = 0;
};

class Scripted : public GenServer {
 public:
  explicit Scripted(std::shared_ptr<Script> script) : script_{std::move(script)} {}
  Init init() {
    const std::size_t at = script_->starts++;
    const std::string outcome = at < script_->outcomes.size() ? script_->outcomes[at] : "ok";
    if (outcome == "ignore") return Init::ignore();
    if (outcome == "throw") throw std::runtime_error("cannot start");
    return outcome == "ok" ? Init::ok() : Init::stop(ExitReason::symbol(outcome));
  }

 private:
  std::shared_ptr<Script> script_;
};

ChildSpec scripted(std::shared_ptr<Script> script) { return child<Scripted>("s", script); }

std::shared_ptr<Script> outcomes(std::vector<std::string> list) {
  return std::make_shared<Script>(Script{std::move(list)});
}

/// specs active supervisors workers
Task<std::string> counted(Context& context, ServerRef sup) {
  const ChildCounts counts = co_await count_children(context, sup);
  std::string text;
  for (const std::size_t number :
       {counts.specs, counts.active, counts.supervisors, counts.workers}) {
    text += (text.empty() ? "" : " ") + std::to_string(number);
  }
  co_return text;
}

Task<Pid> started(Context& context, DynamicSpec spec) {
  context.trap_exit(true);
  const StartResult result = co_await start_dynamic_supervisor(context, spec);
  EXPECT_TRUE(result.ok());
  co_return result.pid;
}

Task<Pid> start_worker(Context& context, Pid sup, Restart restart) {
  const StartResult result = co_await start_child(context, sup, child<Worker>("w").with(restart));
  EXPECT_TRUE(result.ok()) << to_string(result);
  co_return result.pid;
}

/// Ends a process and waits until it has, and its supervisor has dealt with that.
Task<> end(Context& context, Pid pid, Pid sup, ExitReason reason) {
  const Ref ref = context.monitor(pid);
  context.exit(pid, reason);
  const auto is_its_end = [ref](const Down& down) { return down.ref == ref; };
  co_await context.receive<Down>(is_its_end);
  co_await context.sleep_for(1ms);
  co_await count_children(context, sup);
}

// -- starts -----------------------------------------------------------------------------------

TEST(DynamicSupervisor, StartsChildrenOfAnySpecAndTheSameIdTwice) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {});
    const Pid one = co_await start_worker(context, sup, permanent);
    const Pid two = co_await start_worker(context, sup, temporary);
    EXPECT_NE(one, two);
    const StartResult inner = co_await start_child(context, sup, dynamic_supervisor("inner"));
    EXPECT_TRUE(inner.ok());
    const std::vector<ChildInfo> rows = co_await which_children(context, sup);
    EXPECT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].pid, one);
    EXPECT_EQ(rows[1].id, "w");
    EXPECT_TRUE(rows[2].supervisor);
    EXPECT_EQ(co_await counted(context, sup), "3 3 1 2");
  });
}

TEST(DynamicSupervisor, AFailedStartIsAnErrorAndLeavesNothing) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {});
    auto script = outcomes({"ignore", "boom", "throw"});
    const StartResult ignored = co_await start_child(context, sup, scripted(script));
    EXPECT_EQ(to_string(ignored), "ignore");
    const StartResult failed = co_await start_child(context, sup, scripted(script));
    EXPECT_EQ(to_string(failed), "failed: boom");
    const StartResult thrown = co_await start_child(context, sup, scripted(script));
    EXPECT_EQ(to_string(thrown), "failed: {error,\"std::runtime_error\",\"cannot start\"}");
    ChildSpec never{"never", [](Context&, ServerOptions) -> Task<StartResult> {
                      throw ProcessExit{ExitReason::symbol("never")};
                    }};
    const StartResult refused = co_await start_child(context, sup, never);
    EXPECT_EQ(to_string(refused), "failed: never");
    EXPECT_EQ(co_await counted(context, sup), "0 0 0 0");
  });
}

TEST(DynamicSupervisor, HasNoUseForSignificantChildren) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {});
    ChildSpec spec = child<Worker>("w").with(transient).significant();
    const StartResult result = co_await start_child(context, sup, spec);
    EXPECT_EQ(to_string(result), "failed: {invalid_significant,true}");
  });
}

TEST(DynamicSupervisor, RefusesWhatNoSupervisorTakes) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const Pid sup = co_await started(context, {});
    ChildSpec spec = child<Worker>("w");
    spec.shutdown.wait = -1ms;
    const StartResult negative = co_await start_child(context, sup, spec);
    EXPECT_EQ(to_string(negative), "failed: {invalid_shutdown,-1}");
    spec = child<Worker>("w");
    spec.start = nullptr;
    const StartResult nothing = co_await start_child(context, sup, spec);
    EXPECT_EQ(to_string(nothing), "failed: missing_start");
    EXPECT_EQ(co_await counted(context, sup), "0 0 0 0");
    DynamicSpec no_time;
    no_time.intensity.period = 0s;
    const StartResult refused = co_await start_dynamic_supervisor(context, no_time);
    EXPECT_EQ(to_string(refused), "failed: {supervisor_data,{invalid_period,0}}");
  });
}

TEST(DynamicSupervisor, ANameThatIsTakenIsAnError) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {});
    const StartResult first = co_await start_child(context, sup, child<Worker>("w").as("name"));
    const StartResult second = co_await start_child(context, sup, child<Worker>("w").as("name"));
    EXPECT_EQ(second.status, StartResult::Status::already_started);
    EXPECT_EQ(second.pid, first.pid);
    EXPECT_EQ(co_await counted(context, sup), "1 1 0 1");
  });
}

TEST(DynamicSupervisor, RefusesChildrenBeyondItsMaximumUntilOneIsGone) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {.max_children = 2});
    const Pid one = co_await start_worker(context, sup, temporary);
    auto script = outcomes({"ignore", "ok"});
    co_await start_child(context, sup, scripted(script));  // not counted
    const Pid two = co_await start_worker(context, sup, temporary);
    const StartResult full = co_await start_child(context, sup, child<Worker>("w"));
    EXPECT_EQ(to_string(full), "failed: max_children");
    co_await end(context, one, sup, ExitReason::shutdown());
    const Pid three = co_await start_worker(context, sup, temporary);
    EXPECT_TRUE(co_await terminate_child(context, sup, two));
    co_await start_worker(context, sup, temporary);
    EXPECT_TRUE(context.node().is_alive(three));
  });
}

TEST(DynamicSupervisor, ItsMaximumCountsChildrenThatAreRestarting) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {.max_children = 1, .intensity = {10'000, 5s}});
    auto script = outcomes(std::vector<std::string>(5'000, "boom"));
    script->outcomes[0] = "ok";
    const StartResult result = co_await start_child(context, sup, scripted(script));
    context.exit(result.pid, ExitReason::kill());
    while (script->starts < 2) co_await count_children(context, sup);
    const StartResult full = co_await start_child(context, sup, child<Worker>("w"));
    EXPECT_EQ(to_string(full), "failed: max_children");
    const std::vector<ChildInfo> rows = co_await which_children(context, sup);
    EXPECT_TRUE(rows.at(0).restarting);
    EXPECT_FALSE(rows.at(0).pid);
    EXPECT_EQ(co_await counted(context, sup), "1 0 0 1");
    EXPECT_TRUE(co_await terminate_child(context, sup, result.pid)) << "by the pid it had";
    const std::size_t starts = script->starts;
    co_await start_worker(context, sup, permanent);
    EXPECT_EQ(script->starts, starts) << "it is not tried again";
  });
}

// -- ends of children -------------------------------------------------------------------------

TEST(DynamicSupervisor, RestartsByTheKindOfTheChildAndItsReason) {
  struct Row {
    Restart restart;
    ExitReason reason;
    bool again;
  };
  const ExitReason boom = ExitReason::symbol("boom");
  const ExitReason done = ExitReason::shutdown(Value{1});
  const std::vector<Row> rows = {{permanent, ExitReason::shutdown(), true},
                                 {permanent, boom, true},
                                 {transient, ExitReason::shutdown(), false},
                                 {transient, done, false},
                                 {transient, boom, true},
                                 {temporary, boom, false},
                                 {temporary, ExitReason::shutdown(), false}};
  LocalWorld world;
  world.run([rows](Context& context) -> Task<> {
    for (const Row& row : rows) {
      const Pid sup = co_await started(context, {});
      const Pid before = co_await start_worker(context, sup, row.restart);
      co_await end(context, before, sup, row.reason);
      const std::vector<ChildInfo> left = co_await which_children(context, sup);
      EXPECT_EQ(left.size(), row.again ? 1U : 0U) << to_string(row.reason);
      for (const ChildInfo& child : left) {
        EXPECT_NE(child.pid, before);
        EXPECT_TRUE(context.node().is_alive(child.pid));
      }
    }
  });
}

TEST(DynamicSupervisor, ARestartThatIsIgnoredDropsTheChild) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {});
    auto script = outcomes({"ok", "ignore"});
    const StartResult result = co_await start_child(context, sup, scripted(script));
    co_await end(context, result.pid, sup, ExitReason::kill());
    EXPECT_EQ(co_await counted(context, sup), "0 0 0 0");
  });
}

TEST(DynamicSupervisor, AFailedRestartIsTriedAgainUntilItSucceeds) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {});
    auto script = outcomes({"ok", "boom", "throw"});
    const StartResult result = co_await start_child(context, sup, scripted(script));
    co_await end(context, result.pid, sup, ExitReason::kill());
    co_await context.sleep_for(1ms);
    EXPECT_EQ(script->starts, 4U);
    EXPECT_EQ(co_await counted(context, sup), "1 1 0 1");
  });
}

TEST(DynamicSupervisor, GivesUpWhenRestartsFailTooOften) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {.intensity = {2, 5s}});
    const Pid other = co_await start_worker(context, sup, permanent);
    const Ref others = context.monitor(other);
    auto script = outcomes({"ok", "boom", "boom", "boom"});
    const StartResult result = co_await start_child(context, sup, scripted(script));
    context.exit(result.pid, ExitReason::kill());
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.reason, ExitReason::shutdown());
    EXPECT_EQ(script->starts, 3U);
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, others);
    EXPECT_EQ(down.reason, ExitReason::shutdown());
  });
}

TEST(DynamicSupervisor, GivesUpAfterTooManyRestartsInThePeriod) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {.intensity = {1, 5s}});
    for (int crash = 0; crash < 3; ++crash) {
      const std::vector<ChildInfo> rows = co_await which_children(context, sup);
      const Pid worker =
          rows.empty() ? co_await start_worker(context, sup, permanent) : rows[0].pid;
      co_await end(context, worker, sup, ExitReason::kill());
      co_await context.sleep_for(6s);  // out of the period
    }
    const std::vector<ChildInfo> rows = co_await which_children(context, sup);
    co_await end(context, rows.at(0).pid, sup, ExitReason::kill());
    const std::vector<ChildInfo> last = co_await which_children(context, sup);
    context.exit(last.at(0).pid, ExitReason::kill());
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, sup);
    EXPECT_EQ(exit.reason, ExitReason::shutdown());
  });
}

TEST(DynamicSupervisor, AStrangersExitSignalDoesNothing) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {});
    context.spawn([sup](Context& stranger) -> Task<> {
      stranger.exit(sup, ExitReason::shutdown());
      co_return;
    });
    co_await context.sleep_for(1ms);
    EXPECT_EQ(co_await counted(context, sup), "0 0 0 0");
  });
}

// -- terminate_child --------------------------------------------------------------------------

TEST(DynamicSupervisor, TerminatesAChildByItsPidAlone) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {});
    const Pid worker = co_await start_worker(context, sup, permanent);
    const Pid stranger = context.spawn([](Context& own) -> Task<> { co_await own.sleep_for(1h); });
    const Ref ref = context.monitor(worker);
    EXPECT_TRUE(co_await terminate_child(context, sup, worker));
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, ref);
    EXPECT_EQ(down.reason, ExitReason::shutdown());
    const Result<void> again = co_await terminate_child(context, sup, worker);
    EXPECT_EQ(again.error().code, Errc::not_found);
    const Result<void> unknown = co_await terminate_child(context, sup, stranger);
    EXPECT_EQ(unknown.error().code, Errc::not_found);
    EXPECT_TRUE(context.node().is_alive(stranger));
    const Result<void> by_id = co_await terminate_child(context, sup, "w");
    EXPECT_EQ(by_id.error().code, Errc::bad_argument);
    const Result<void> deleted = co_await delete_child(context, sup, "w");
    EXPECT_EQ(deleted.error().code, Errc::bad_argument);
    const StartResult restarted = co_await restart_child(context, sup, "w");
    EXPECT_EQ(to_string(restarted), "failed: bad_argument");
    EXPECT_EQ(co_await counted(context, sup), "0 0 0 0");
  });
}

TEST(DynamicSupervisor, KillsAChildThatIsToBeTerminatedAndTakesTooLong) {
  LocalWorld world;
  world.run([&world](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {});
    ChildSpec slow = child<Slow>("s", Clock::Duration{1h}).with(Shutdown::within(100ms));
    const StartResult result = co_await start_child(context, sup, slow);
    context.monitor(result.pid);
    const Clock::TimePoint before = world.clock().now();
    EXPECT_TRUE(co_await terminate_child(context, sup, result.pid));
    EXPECT_EQ(world.clock().now() - before, Clock::Duration{100ms});
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::killed());
  });
}

// -- its own end ------------------------------------------------------------------------------

TEST(DynamicSupervisor, EndsAllChildrenAtOnceEachInItsOwnTime) {
  LocalWorld world;
  world.run([&world](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {});
    const auto slow = [](Clock::Duration time, Shutdown shutdown) {
      return child<Slow>("s", time).with(shutdown);
    };
    const std::vector<std::pair<ChildSpec, std::string>> kinds = {
        {slow(1s, Shutdown::within(2s)), "shutdown"},
        {slow(1s, Shutdown::within(2s)), "shutdown"},
        {slow(5s, Shutdown::within(2s)), "killed"},
        {slow(5s, Shutdown::within(1ms)), "killed"},
        {slow(3s, Shutdown::infinity()), "shutdown"},
        {slow(0s, Shutdown::brutal_kill()), "killed"},
        {child<Headstrong>("h"), "mine"},
        {child<Worker>("w"), "shutdown"}};
    std::map<Pid, std::string> expected;
    for (const auto& [spec, reason] : kinds) {
      const StartResult result = co_await start_child(context, sup, spec);
      expected[result.pid] = reason;
      context.monitor(result.pid);
    }
    const Clock::TimePoint before = world.clock().now();
    co_await stop_server(context, sup);
    EXPECT_EQ(world.clock().now() - before, Clock::Duration{3s});
    for (std::size_t at = 0; at < kinds.size(); ++at) {
      const Down down = co_await context.receive<Down>();
      EXPECT_EQ(to_string(down.reason), expected[down.pid]);
    }
  });
}

TEST(DynamicSupervisor, DoesNotWaitForAChildThatUnlinkedItselfAndEnded) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {});
    ChildSpec spec{"loose", [](Context& own, ServerOptions) -> Task<StartResult> {
                     StartResult result;
                     result.status = StartResult::Status::ok;
                     result.pid = own.spawn([](Context&) -> Task<> { co_return; });
                     co_return result;
                   }};
    const StartResult result = co_await start_child(context, sup, spec);
    co_await context.sleep_for(1ms);
    EXPECT_FALSE(context.node().is_alive(result.pid));
    EXPECT_EQ(co_await counted(context, sup), "1 1 0 1");
    co_await stop_server(context, sup);
  });
}

TEST(DynamicSupervisor, WhoAsksItWhileItEndsHearsOfTheEnd) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {});
    ChildSpec slow = child<Slow>("s", Clock::Duration{1s});
    co_await start_child(context, sup, slow);
    context.exit(sup, ExitReason::shutdown());
    try {
      co_await count_children(context, sup);
      ADD_FAILURE();
    } catch (const ProcessExit& failed) {
      EXPECT_EQ(failed.reason(), ExitReason::shutdown());
    }
  });
}

TEST(DynamicSupervisor, ItsChildrenGoWithItWhenItIsKilled) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {});
    const Pid worker = co_await start_worker(context, sup, permanent);
    context.monitor(worker);
    context.exit(sup, ExitReason::kill());
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::killed());
  });
}

TEST(DynamicSupervisor, IsAChildLikeAnyOther) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    // [snippet dynamic_supervisor]
    SupervisorSpec tree;
    tree.children.push_back(dynamic_supervisor("workers", {.max_children = 100}).as("workers"));
    co_await start_supervisor(context, tree);

    ChildSpec spec = child<Worker>("worker").with(temporary);
    const StartResult worker = co_await start_child(context, "workers", spec);
    const Result<void> ended = co_await terminate_child(context, "workers", worker.pid);
    // [/snippet dynamic_supervisor]
    EXPECT_TRUE(worker.ok() && ended);
    EXPECT_EQ(co_await counted(context, "workers"), "0 0 0 0");
    EXPECT_TRUE((co_await which_children(context, "workers")).empty());
  });
}

TEST(DynamicSupervisor, ManyChildrenStartAndEndInLittleTime) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid sup = co_await started(context, {});
    const Pid first = co_await start_worker(context, sup, temporary);
    for (int child = 1; child < 10'000; ++child) co_await start_worker(context, sup, temporary);
    EXPECT_TRUE(co_await terminate_child(context, sup, first));
    EXPECT_EQ((co_await count_children(context, sup)).active, 9'999U);
    co_await stop_server(context, sup);
    const std::vector<Pid> left = context.node().processes();
    EXPECT_EQ(left.size(), 1U);
  });
}

// -- decisions --------------------------------------------------------------------------------

class DynamicDecisions : public testing::Test {
 protected:
  using Verdict = detail::DynamicChildren::Verdict;
  static Pid pid(std::uint32_t index) { return {NodeId{1}, index, 1}; }
  static std::shared_ptr<const ChildSpec> spec(Restart restart) {
    return std::make_shared<ChildSpec>(child<Worker>("w").with(restart));
  }
  static StartResult result(StartResult::Status status, Pid pid = {}) {
    StartResult result;
    result.status = status;
    result.pid = pid;
    return result;
  }
  detail::DynamicChildren children_{{.max_children = 2, .intensity = {2, 5s}}};
  Clock::TimePoint now_{};
  ExitReason boom_ = ExitReason::symbol("boom");
};

TEST_F(DynamicDecisions, AnUnknownPidIsNobodysBusiness) {
  EXPECT_EQ(children_.ended(pid(1), boom_, now_), Verdict::nothing);
  EXPECT_EQ(children_.retry(pid(1), now_), Verdict::nothing);
  EXPECT_FALSE(children_.remove(pid(1)));
}

TEST_F(DynamicDecisions, ARestartMovesTheChildToItsNewPid) {
  children_.add(pid(1), spec(permanent));
  EXPECT_EQ(children_.ended(pid(1), boom_, now_), Verdict::restart);
  EXPECT_FALSE(children_.restarted(pid(1), result(StartResult::Status::ok, pid(2))));
  EXPECT_EQ(children_.find(pid(1)), nullptr);
  EXPECT_NE(children_.find(pid(2)), nullptr);
}

TEST_F(DynamicDecisions, AFailedRestartKeepsItsPlaceAndEachTryCounts) {
  children_.add(pid(1), spec(permanent));
  children_.add(pid(2), spec(permanent));
  EXPECT_EQ(children_.ended(pid(1), boom_, now_), Verdict::restart);
  EXPECT_TRUE(children_.restarted(pid(1), result(StartResult::Status::failed)));
  EXPECT_TRUE(children_.full());
  EXPECT_EQ(children_.retry(pid(1), now_), Verdict::restart);
  EXPECT_TRUE(children_.restarted(pid(1), result(StartResult::Status::already_started, pid(9))));
  EXPECT_EQ(children_.retry(pid(1), now_), Verdict::give_up);
  EXPECT_FALSE(children_.full());
}

TEST_F(DynamicDecisions, AnEndWithoutARestartFreesThePlaceAndDoesNotCount) {
  for (std::uint32_t child = 1; child < 10; ++child) {
    children_.add(pid(child), spec(transient));
    EXPECT_EQ(children_.ended(pid(child), ExitReason::normal(), now_), Verdict::nothing);
  }
  EXPECT_TRUE(children_.empty());
}

}  // namespace
}  // namespace grove
