// SPDX-License-Identifier: Apache-2.0
#include "grove/node/async.hpp"

#include "grove/node/registry.hpp"
#include "grove/node/task_supervisor.hpp"
#include "grove/testkit/local_world.hpp"

#include "support/tasks.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::fails;
using testkit::failure_of;
using testkit::has_nothing;
using testkit::later;
using testkit::LocalWorld;
using testkit::mailbox;

struct Hello {};

Task<int> stubborn(Context& context) {
  context.trap_exit(true);
  co_await context.sleep_for(1h);
  co_return 0;
}

// -- one task ---------------------------------------------------------------------------------

TEST(AsyncTask, AwaitsTheValueOfAnyFunction) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    // [snippet async]
    AsyncTask<int> sum = async(
        context, [](int a, int b) { return a + b; }, 40, 2);
    AsyncTask<int> slow = async(context, later, 1s, 7);
    const int both = co_await sum.await() + co_await slow.await();
    // [/snippet async]
    EXPECT_EQ(both, 49);
    AsyncTask<std::unique_ptr<int>> moved = async(context, [] { return std::make_unique<int>(1); });
    const std::unique_ptr<int> pointer = co_await moved.await();
    EXPECT_EQ(*pointer, 1);
    AsyncTask<void> nothing = async(context, [](Context&) -> Task<> { co_return; });
    co_await nothing.await();
    auto captured = std::make_shared<int>(3);
    AsyncTask<int> closure = async(
        context, [captured](Context&, int by) -> Task<int> { co_return *captured* by; }, 2);
    EXPECT_EQ(co_await closure.await(), 6);
    EXPECT_TRUE(co_await has_nothing(context));
  });
}

TEST(AsyncTask, SaysItsValueAndThenItsEndToAnOwnerWhoDoesNotWait) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    AsyncTask<int> task = async(context, [] { return 7; });
    const TaskReply<int> reply = co_await context.receive<TaskReply<int>>();
    EXPECT_EQ(reply.ref, task.ref());
    EXPECT_EQ(reply.value, 7);
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, task.ref());
    EXPECT_EQ(down.pid, task.pid());
    EXPECT_EQ(down.reason, ExitReason::normal());
  });
}

TEST(AsyncTask, ItsValueNeedsNoRoomInAFullMailbox) {
  for (const MailboxPolicy policy : {MailboxPolicy::suspend_sender, MailboxPolicy::drop_newest,
                                     MailboxPolicy::drop_oldest, MailboxPolicy::fail}) {
    SCOPED_TRACE(static_cast<int>(policy));
    LocalWorld{}.run([policy](Context& context) -> Task<> {
      const auto fill = [](Context& full) {
        for (int i = 0; i < 3; ++i) full.node().send(full.self(), Hello{});
      };
      const auto owns = [fill](Context& owner) -> Task<> {
        fill(owner);
        AsyncTask<int> task = async(owner, later, 1ms, 7);
        co_await owner.sleep_for(10ms);
        fill(owner);
        EXPECT_EQ(co_await task.await(1s), 7);

        const StartResult tasks = co_await start_dynamic_supervisor(owner);
        AsyncTask<int> supervised = co_await async_nolink(owner, tasks.pid, later, 1ms, 8);
        EXPECT_EQ(co_await supervised.await(1s), 8);
        owner.exit(ExitReason::symbol("done"));
      };
      SpawnOptions options{.monitor = true};
      options.mailbox = {.messages = 2, .policy = policy};
      context.spawn_opt(options, owns);
      const Down down = co_await context.receive<Down>();
      EXPECT_EQ(to_string(down.reason), "done");
    });
  }
}

TEST(AsyncTask, AnAwaitThatTimesOutLeavesNothingAndTheTaskGoesOn) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    AsyncTask<int> task = async(context, later, 1s, 7);
    EXPECT_EQ(co_await failure_of([&] { return task.await(10ms); }), "timeout");
    EXPECT_TRUE(context.node().is_alive(task.pid()));
    co_await context.sleep_for(2s);
    EXPECT_FALSE(context.node().is_alive(task.pid()));
    EXPECT_TRUE(co_await has_nothing(context));
    AsyncTask<int> quick = async(context, [] { return 1; });
    EXPECT_EQ(co_await quick.await(), 1);
    EXPECT_EQ(co_await failure_of([&] { return quick.await(10ms); }), "timeout") << "a second time";
  });
}

TEST(AsyncTask, AwaitThrowsTheReasonOfATaskThatEndsWithoutAValue) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    AsyncTask<int> task = async(context, fails, "boom");
    EXPECT_EQ(co_await failure_of([&] { return task.await(); }), "boom");
    AsyncTask<int> normal = async(context, fails, "normal");
    EXPECT_EQ(co_await failure_of([&] { return normal.await(); }), "normal");
    const std::vector<std::string> left = co_await mailbox(context);
    EXPECT_EQ(left.size(), 2U);
    EXPECT_EQ(left.at(0), "exit boom");
    EXPECT_EQ(left.at(1), "exit normal");
  });
}

TEST(AsyncTask, ACrashEndsAnOwnerThatDoesNotTrap) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.spawn_monitor([](Context& owner) -> Task<> {
      AsyncTask<int> task = async(owner, fails, "boom");
      co_await owner.sleep_for(1h);
      co_await task.await();
    });
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::symbol("boom"));
  });
}

TEST(AsyncTask, EndsWithAnOwnerThatCrashesAndNotWithOneThatIsDone) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    for (const char* reason : {"boom", "normal"}) {
      Pid started;
      context.spawn_monitor([reason, &started](Context& owner) -> Task<> {
        AsyncTask<int> task = async(owner, later, 1h, 1);
        started = task.pid();
        owner.exit(ExitReason::symbol(reason));
        co_return;
      });
      co_await context.receive<Down>();
      co_await context.sleep_for(1ms);
      EXPECT_EQ(context.node().is_alive(started), std::string{reason} == "normal");
    }
  });
}

TEST(AsyncTask, IsForItsOwnerAlone) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    AsyncTask<int> task = async(context, [] { return 7; });
    AsyncTask<std::string> other = async(context, [task](Context& own) -> Task<std::string> {
      std::string text = co_await failure_of([&] { return task.await(); });
      text += co_await failure_of([&] { return task.yield(); });
      text += co_await failure_of([&] { return task.shutdown(); });
      const std::vector<AsyncTask<int>> tasks{task};
      text += co_await failure_of([&] { return await_many(own, tasks, 1s); });
      text += co_await failure_of([&] { return yield_many(own, tasks, 1s); });
      co_return text;
    });
    EXPECT_EQ(co_await other.await(), "not_ownernot_ownernot_ownernot_ownernot_owner");
  });
}

TEST(AsyncTask, YieldGivesNothingBeforeTheEndAndMayBeRepeated) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    AsyncTask<int> task = async(context, later, 50ms, 7);
    EXPECT_FALSE(co_await task.yield(10ms));
    EXPECT_FALSE(co_await task.yield(0ms));
    const auto outcome = co_await task.yield(1s);
    EXPECT_EQ(outcome->value(), 7);
    AsyncTask<int> failing = async(context, fails, "boom");
    const auto failed = co_await failing.yield();
    EXPECT_EQ(to_string(failed->reason()), "boom");
    co_await mailbox(context);
    AsyncTask<int> queued = async(context, [] { return 8; });
    co_await context.sleep_for(10ms);  // both its reply and its end are there
    const auto both = co_await queued.yield(0ms);
    EXPECT_EQ(both->value(), 8);
    const std::vector<std::string> left = co_await mailbox(context);
    EXPECT_EQ(left.size(), 1U);
    EXPECT_EQ(left.at(0), "exit normal");
  });
}

TEST(AsyncTask, ShutdownEndsATaskAndSaysHow) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    AsyncTask<int> task = async(context, later, 1h, 7);
    EXPECT_FALSE(co_await task.shutdown());
    AsyncTask<int> killed = async(context, later, 1h, 7);
    EXPECT_FALSE(co_await killed.brutal_kill());
    AsyncTask<int> slow = async(context, stubborn);
    co_await context.sleep_for(1ms);
    const auto too_slow = co_await slow.shutdown(10ms);
    EXPECT_EQ(to_string(too_slow->reason()), "killed");
    EXPECT_TRUE(co_await has_nothing(context)) << "no exit signal either";
    AsyncTask<int> done = async(context, [] { return 7; });
    co_await context.sleep_for(1ms);
    const auto value = co_await done.shutdown();
    EXPECT_EQ(value->value(), 7);
    const auto again = co_await done.shutdown();
    EXPECT_EQ(to_string(again->reason()), "noproc");
    AsyncTask<int> failed = async(context, fails, "boom");
    co_await context.sleep_for(1ms);
    const auto reason = co_await failed.shutdown();
    EXPECT_EQ(to_string(reason->reason()), "boom");
    const std::vector<std::string> left = co_await mailbox(context);
    EXPECT_EQ(left.size(), 2U) << "the exits from before the shutdown, as in Elixir";
  });
}

TEST(AsyncTask, IgnoreGivesWhatHasComeAndDropsWhatComes) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    AsyncTask<int> done = async(context, [] { return 7; });
    AsyncTask<int> running = async(context, later, 1s, 8);
    co_await context.sleep_for(1ms);
    const auto outcome = done.ignore();
    EXPECT_EQ(outcome->value(), 7);
    EXPECT_FALSE(running.ignore());
    co_await context.sleep_for(2s);
    EXPECT_FALSE(context.node().is_alive(running.pid()));
    EXPECT_TRUE(co_await has_nothing(context));
  });
}

/// A server that has tasks done and answers its callers when they are.
// [snippet server]
struct Square {
  using Reply = int;
  int of = 0;
};

class Squares : public GenServer {
 public:
  using Handles = grove::Handles<Square, TaskReply<int>>;
  NoReply handle_call(Square square) {
    AsyncTask<int> task = async(
        context(), [](int of) { return of * of; }, square.of);
    waiting_[task.ref()] = from();
    return {};
  }
  void handle_info(TaskReply<int> done) { reply(waiting_.at(done.ref), done.value); }
  void handle_info(Down down) { waiting_.erase(down.ref); }

 private:
  std::map<Ref, From> waiting_;
};
// [/snippet server]

TEST(AsyncTask, AServerHandlesItsResultsAsMessages) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult server = co_await start_link<Squares>(context);
    EXPECT_EQ(co_await context.call<Square>(server.pid, 12), 144);
  });
}

// -- many -------------------------------------------------------------------------------------

TEST(AwaitMany, GivesTheValuesInTheOrderOfTheTasks) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    std::vector<AsyncTask<int>> tasks;
    for (int value = 0; value < 5; ++value) {
      tasks.push_back(async(context, later, Clock::Duration{10ms * (5 - value)}, value));
    }
    context.send(context.self(), Hello{});
    const std::vector<int> values = co_await await_many(context, tasks);
    EXPECT_EQ(values.size(), 5U);
    for (int value = 0; value < 5; ++value)
      EXPECT_EQ(values.at(static_cast<std::size_t>(value)), value);
    const std::vector<std::string> left = co_await mailbox(context);
    EXPECT_EQ(left.size(), 1U);
    EXPECT_EQ(left.at(0), "other");
  });
}

TEST(AwaitMany, FailsAtOnceAndLeavesNothing) {
  LocalWorld world;
  world.run([&world](Context& context) -> Task<> {
    const StartResult sup = co_await start_dynamic_supervisor(context);
    std::vector<AsyncTask<int>> tasks;
    tasks.push_back(co_await async_nolink(context, sup.pid, later, 2s, 1));
    tasks.push_back(co_await async_nolink(context, sup.pid, fails, "boom"));
    const auto three = [] { return 3; };
    tasks.push_back(co_await async_nolink(context, sup.pid, three));
    const Clock::TimePoint before = world.clock().now();
    EXPECT_EQ(co_await failure_of([&] { return await_many(context, tasks); }), "boom");
    EXPECT_EQ(world.clock().now(), before);
    tasks.clear();
    for (int each = 0; each < 3; ++each) tasks.push_back(async(context, later, 1s, 1));
    EXPECT_EQ(co_await failure_of([&] { return await_many(context, tasks, 10ms); }), "timeout");
    co_await context.sleep_for(3s);
    EXPECT_TRUE(co_await has_nothing(context));
  });
}

TEST(YieldMany, GivesEachItsOwnOutcomeAndTheRestLater) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult sup = co_await start_dynamic_supervisor(context);
    std::vector<AsyncTask<int>> tasks;
    tasks.push_back(co_await async_nolink(context, sup.pid, later, 1s, 1));
    tasks.push_back(co_await async_nolink(context, sup.pid, fails, "boom"));
    const auto three = [] { return 3; };
    tasks.push_back(co_await async_nolink(context, sup.pid, three));
    const auto outcomes = co_await yield_many(context, tasks, 10ms);
    EXPECT_FALSE(outcomes.at(0));
    EXPECT_EQ(to_string(outcomes.at(1)->reason()), "boom");
    EXPECT_EQ(outcomes.at(2)->value(), 3);
    EXPECT_EQ(co_await tasks[0].await(), 1);
    EXPECT_TRUE(co_await has_nothing(context));
  });
}

// -- supervised -------------------------------------------------------------------------------

TEST(TaskSupervisor, ItsTasksAreChildrenAndSurviveNobodysCrashButTheirOwn) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult sup = co_await start_dynamic_supervisor(context, {}, named("tasks"));
    AsyncTask<int> task = co_await async_nolink(context, "tasks", later, 1s, 7);
    EXPECT_EQ((co_await count_children(context, "tasks")).active, 1U);
    EXPECT_EQ(co_await task.await(), 7);
    AsyncTask<int> failing = co_await async_nolink(context, "tasks", fails, "boom");
    const auto outcome = co_await failing.yield();
    EXPECT_EQ(to_string(outcome->reason()), "boom");
    EXPECT_TRUE(context.node().is_alive(sup.pid));
    co_await context.sleep_for(1ms);
    EXPECT_EQ((co_await count_children(context, "tasks")).specs, 0U);
    EXPECT_TRUE(co_await has_nothing(context));
  });
}

TEST(TaskSupervisor, ACrashOfALinkedTaskEndsTheOwnerAndNotTheSupervisor) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult sup = co_await start_dynamic_supervisor(context);
    context.spawn_monitor([sup](Context& owner) -> Task<> {
      AsyncTask<int> task = co_await async_under(owner, sup.pid, fails, "boom");
      co_await task.await();
    });
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::symbol("boom"));
    EXPECT_TRUE(context.node().is_alive(sup.pid));
  });
}

TEST(TaskSupervisor, RefusesTasksBeyondItsMaximum) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const DynamicSpec one_task{.max_children = 1};
    const StartResult sup = co_await start_dynamic_supervisor(context, one_task);
    const StartResult first = co_await start_task(context, sup.pid, later, 1h, 1);
    EXPECT_TRUE(first.ok());
    const StartResult second = co_await start_task(context, sup.pid, later, 1h, 1);
    EXPECT_EQ(to_string(second), "failed: max_children");
    EXPECT_EQ(co_await failure_of([&] { return async_nolink(context, sup.pid, [] { return 1; }); }),
              "max_children");
  });
}

TEST(TaskSupervisor, AppliesTheOptionsOfATask) {
  LocalWorld world;
  world.run([&world](Context& context) -> Task<> {
    const StartResult sup = co_await start_dynamic_supervisor(context);
    TaskOptions options;
    options.shutdown = Shutdown::within(200ms);
    const StartResult slow = co_await start_task(context, sup.pid, options, stubborn);
    options.restart = transient;
    auto runs = std::make_shared<int>(0);
    const auto crashes_twice = [runs] {
      if (++*runs < 3) throw ProcessExit{ExitReason::symbol("boom")};
    };
    co_await start_task(context, sup.pid, options, crashes_twice);
    co_await context.sleep_for(1ms);
    EXPECT_EQ(*runs, 3);
    context.monitor(slow.pid);
    const Clock::TimePoint before = world.clock().now();
    co_await stop_server(context, sup.pid);
    EXPECT_EQ(world.clock().now() - before, Clock::Duration{200ms});
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::killed());
  });
}

TEST(TaskSupervisor, IsWrittenDownInATreeAsAnyChild) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    // [snippet task_supervisor]
    SupervisorSpec tree;
    tree.children.push_back(task_supervisor("tasks").as("tasks"));
    co_await start_supervisor(context, tree);

    co_await start_task(context, "tasks", [] { /* nobody waits for this */ });
    AsyncTask<int> task = co_await async_nolink(context, "tasks", later, 1s, 7);
    const std::optional<TaskOutcome<int>> outcome = co_await task.yield(2s);
    // [/snippet task_supervisor]
    EXPECT_EQ(outcome->value(), 7);
  });
}

struct Stop {};

/// Says whether it has `name`, and crashes when it is told to stop.
Task<> named_task(Context& context, Pid told, ServerRef name) {
  context.send(told, context.resolve(name) == context.self());
  (void)co_await context.receive<Stop>();
  throw std::runtime_error("stopped");
}

TEST(TaskSupervisor, ATaskHasTheNameOfItsSpecBeforeItRuns) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    SupervisorSpec tree;
    tree.children.push_back(registry("keys", RegistryKind::unique));
    const Via key{"keys", 7};
    const Pid self = context.self();
    tree.children.push_back(task_child("a", {permanent}, named_task, self, ServerRef{"a"}).as("a"));
    tree.children.push_back(task_child("b", {permanent}, named_task, self, ServerRef{key}).as(key));
    const StartResult started = co_await start_supervisor(context, tree);
    EXPECT_TRUE(started.ok());
    EXPECT_TRUE(co_await context.receive<bool>());
    EXPECT_TRUE(co_await context.receive<bool>());

    const ChildSpec again = task_child("c", {}, named_task, self, ServerRef{"a"}).as("a");
    const StartResult taken = co_await start_child(context, started.pid, again);
    EXPECT_EQ(taken.status, StartResult::Status::already_started);
    EXPECT_EQ(taken.pid, context.whereis("a"));
    const ChildSpec nameless = task_child("d", {}, named_task, self, ServerRef{"d"}).as("");
    const StartResult refused = co_await start_child(context, started.pid, nameless);
    EXPECT_EQ(refused.status, StartResult::Status::failed);

    context.send("a", Stop{});
    context.send(key, Stop{});
    EXPECT_TRUE(co_await context.receive<bool>());  // both are back, under their names
    EXPECT_TRUE(co_await context.receive<bool>());
    EXPECT_FALSE(co_await context.receive_for<bool>(1s));  // nobody else has run
  });
}

TEST(AwaitMany, RefusesATaskThatIsThereTwice) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const AsyncTask<int> task = async(
        context, [](int n) { return n; }, 7);
    const std::vector<AsyncTask<int>> twice{task, task};
    try {
      (void)co_await await_many(context, twice);
      ADD_FAILURE();
    } catch (const ProcessExit& exit) {
      EXPECT_EQ(exit.reason(), ExitReason::symbol("badarg"));
    }
  });
}

}  // namespace
}  // namespace grove
