// SPDX-License-Identifier: Apache-2.0
//
// R-numbers in the names are the steps of the walk-through of the Elixir library parent, 0.5.
#include "grove/node/parent.hpp"

#include "grove/testkit/local_world.hpp"

#include "node/family.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using namespace testkit;

// -- children as a registry -----------------------------------------------------------------

TEST(Parent, R12_KnowsAChildByIdAndByPidWithItsMeta) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid family = co_await start_family(context);
    co_await ask(context, family, [](Family& own) -> Task<> {
      const StartResult a = own.start_child(job("a", sleep_long), "m1");
      EXPECT_TRUE(a.ok());
      EXPECT_TRUE(own.is_child("a"));
      EXPECT_EQ(own.child_pid("a"), a.pid);
      EXPECT_EQ(own.child_id(a.pid), Value{"a"});
      EXPECT_EQ(own.child_meta("a"), Value{"m1"});
      EXPECT_EQ(own.num_children(), 1U);
      EXPECT_EQ(own.children().size(), 1U);
      EXPECT_EQ(own.children()[0].id, Value{"a"});
      EXPECT_EQ(own.children()[0].pid, a.pid);
      EXPECT_EQ(own.children()[0].meta, Value{"m1"});

      EXPECT_FALSE(own.is_child("b"));
      EXPECT_EQ(own.child_pid("b"), std::nullopt);
      EXPECT_EQ(own.child_id(own.context().self()), std::nullopt);
      EXPECT_EQ(own.child_meta("b"), std::nullopt);

      const auto more = [](const Value& meta) { return Value::tuple({meta, 2}); };
      EXPECT_TRUE(own.update_child_meta("a", more));
      EXPECT_EQ(own.child_meta("a"), Value::tuple({"m1", 2}));
      EXPECT_FALSE(own.update_child_meta("b", more));
      co_return;
    });
  });
}

class Nope : public GenServer {
 public:
  Init init() { return Init::stop(ExitReason::symbol("nope")); }
};

TEST(Parent, R12_AChildThatFailsToStartIsNone) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid family = co_await start_family(context);
    co_await ask(context, family, [](Family& own) -> Task<> {
      const StartResult nope = co_await own.start_child(child<Nope>("a"));
      EXPECT_EQ(to_string(nope), "failed: nope");
      const ChildSpec::Start throws = [](Context&, ServerOptions) -> Task<StartResult> {
        throw std::runtime_error{"no luck"};
        co_return StartResult{};
      };
      const StartResult thrown = co_await own.start_child(ChildSpec("b", throws));
      EXPECT_EQ(to_string(thrown), "failed: {error,\"std::runtime_error\",\"no luck\"}");
      EXPECT_EQ(own.num_children(), 0U);
    });
  });
}

TEST(Parent, R12b_ShutdownChildEndsItWithoutACallback) {
  LocalWorld world;
  const Story story = new_story();
  world.run([&](Context& context) -> Task<> {
    const Pid family = co_await start_family(context, story);
    const std::vector<Pid> jobs = co_await start_jobs(context, family, 2);
    const Ref ref = context.monitor(jobs[0]);
    co_await ask(context, family, [](Family& own) -> Task<> {
      const Pid pid = *own.child_pid(1);
      const bool known = co_await own.shutdown_child(1);
      EXPECT_TRUE(known);
      EXPECT_FALSE(own.context().node().is_alive(pid));
      EXPECT_FALSE(own.is_child(1));
      EXPECT_TRUE(own.is_child(2));
      const bool again = co_await own.shutdown_child(1);
      EXPECT_FALSE(again);
    });
    EXPECT_EQ(co_await reason_of(context, ref), "shutdown");
    EXPECT_EQ(*story, std::vector<std::string>{});
  });
}

TEST(Parent, R12c_AKilledChildIsToldOnceWhenItIsNoneAnyMore) {
  LocalWorld world;
  const Story story = new_story();
  world.run([&](Context& context) -> Task<> {
    const Pid family = co_await start_family(context, story);
    Pid pid;
    std::function<Task<>(Family&)> start = [&pid](Family& own) -> Task<> {
      pid = own.start_child(job("a", sleep_long), Value::symbol("m")).pid;
      co_return;
    };
    co_await ask(context, family, std::move(start));
    context.exit(pid, ExitReason::kill());
    co_await context.sleep_for(1ms);
    EXPECT_EQ(*story, std::vector<std::string>{"\"a\" m killed, left 0"});
  });
}

TEST(Parent, R12d_AnIdThatIsTakenStartsNothing) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid family = co_await start_family(context);
    co_await ask(context, family, [](Family& own) -> Task<> {
      const Pid first = own.start_child(job("a", sleep_long)).pid;
      const std::uint64_t spawned = own.context().node().processes_spawned();
      const StartResult again = own.start_child(job("a", sleep_long));
      EXPECT_EQ(again.status, StartResult::Status::already_started);
      EXPECT_EQ(again.pid, first);
      const StartResult server = co_await own.start_child(child<Family>("a"));
      EXPECT_EQ(server.status, StartResult::Status::already_started);
      EXPECT_EQ(own.context().node().processes_spawned(), spawned);
    });
  });
}

TEST(Parent, R12e_TheExitOfAStrangerIsAnOrdinaryMessage) {
  LocalWorld world;
  const Story story = new_story();
  world.run([&](Context& context) -> Task<> {
    const Pid family = co_await start_family(context, story);
    co_await ask(context, family, [](Family& own) -> Task<> {
      own.context().spawn_link(fail);
      co_return;
    });
    co_await context.sleep_for(1ms);
    EXPECT_TRUE(context.node().is_alive(family));
    EXPECT_EQ(*story, std::vector<std::string>{"exit {error,\"std::runtime_error\",\"no luck\"}"});
  });
}

TEST(Parent, R12f_AwaitsAChildsEndWithoutACallback) {
  LocalWorld world;
  const Story story = new_story();
  world.run([&](Context& context) -> Task<> {
    const Pid family = co_await start_family(context, story);
    co_await ask(context, family, [](Family& own) -> Task<> {
      const Pid pid = own.start_child(job("a", sleep_and_end, 50ms), "m").pid;
      const Result<ChildEnd> early = co_await own.await_child_termination("a", 5ms);
      EXPECT_EQ(early.error().code, Errc::timeout);
      EXPECT_TRUE(own.is_child("a"));
      const Result<ChildEnd> end = co_await own.await_child_termination("a", 1000ms);
      EXPECT_EQ(end->id, Value{"a"});
      EXPECT_EQ(end->pid, pid);
      EXPECT_EQ(end->meta, Value{"m"});
      EXPECT_TRUE(end->reason.is_normal());
      const Result<ChildEnd> unknown = co_await own.await_child_termination("a", std::nullopt);
      EXPECT_EQ(unknown.error().code, Errc::not_found);
      EXPECT_EQ(own.num_children(), 0U);
    });
    EXPECT_EQ(*story, std::vector<std::string>{});
  });
}

TEST(Parent, R12g_AChildWhoseTimeIsUpIsKilledAndToldAsATimeout) {
  LocalWorld world;
  const Story story = new_story();
  world.run([&](Context& context) -> Task<> {
    const Pid family = co_await start_family(context, story);
    Ref ref;
    std::function<Task<>(Family&)> start = [&](Family& own) -> Task<> {
      ref = context.monitor(own.start_child(job("long", never_end), {}, 50ms).pid);
      own.start_child(job("short", sleep_and_end, 20ms), {}, 50ms);
      co_return;
    };
    co_await ask(context, family, std::move(start));
    co_await context.sleep_for(49ms);
    EXPECT_EQ(*story, std::vector<std::string>{"\"short\" nil normal, left 1"});
    EXPECT_EQ(context.node().timer_count(), 1U);
    EXPECT_EQ(co_await reason_of(context, ref), "killed");
    co_await context.sleep_for(1ms);
    EXPECT_EQ(context.node().timer_count(), 0U);
    EXPECT_EQ(story->back(), "\"long\" nil timeout, left 0");
  });
}

TEST(Parent, AChildsTimeIsUpWhileItIsAwaitedToo) {
  LocalWorld world;
  const Story story = new_story();
  world.run([&](Context& context) -> Task<> {
    const Pid family = co_await start_family(context, story);
    co_await ask(context, family, [](Family& own) -> Task<> {
      own.start_child(job("a", sleep_long), {}, 50ms);
      const Result<ChildEnd> end = co_await own.await_child_termination("a", std::nullopt);
      EXPECT_EQ(to_string(end->reason), "timeout");
      own.start_child(job("b", sleep_long), {}, 50ms);
      co_await own.context().sleep_for(60ms);  // its message is in the mailbox now
      const Result<ChildEnd> late = co_await own.await_child_termination("b", 1ms);
      EXPECT_EQ(to_string(late->reason), "timeout");
      own.start_child(job("c", never_end).with(Shutdown::brutal_kill()), {}, 1h);
      co_await own.shutdown_child("c");
      EXPECT_EQ(own.context().node().timer_count(), 1U);  // the one of the call
    });
    co_await context.sleep_for(1ms);
    EXPECT_EQ(*story, std::vector<std::string>{});
  });
}

// -- the end of a parent --------------------------------------------------------------------

TEST(Parent, R4_AJobThatNeverEndsIsDeadWhenStopReturns) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid family = co_await start_family(context);
    const std::vector<Pid> jobs = co_await start_jobs(context, family, 1);
    const Clock::TimePoint before = context.node().clock().now();
    co_await stop_server(context, family);
    EXPECT_FALSE(context.node().is_alive(jobs[0]));
    EXPECT_EQ(context.node().clock().now(), before);
  });
}

TEST(Parent, R8_StopEndsTheJobWithShutdownAndTheParentWithNormal) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid family = co_await start_family(context);
    const std::vector<Pid> jobs = co_await start_jobs(context, family, 1);
    const Ref parent = context.monitor(family);
    const Ref job = context.monitor(jobs[0]);
    co_await stop_server(context, family);
    EXPECT_EQ(co_await reason_of(context, job), "shutdown");
    EXPECT_EQ(co_await reason_of(context, parent), "normal");
  });
  EXPECT_EQ(world.log().count(LogLevel::error), 0U);
}

TEST(Parent, R10b_EndsWithItsStarterAndItsChildrenWithIt) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    std::vector<Pid> pids;
    std::function<Task<>(Context&)> starter = [&](Context& own) -> Task<> {
      pids.push_back((co_await start_link<Family>(own)).pid);
      const std::vector<Pid> jobs = co_await start_jobs(own, pids[0], 1);
      pids.push_back(jobs[0]);
      co_await own.sleep_for(10ms);
      own.exit(ExitReason::symbol("boom"));
    };
    context.spawn(starter);
    co_await context.sleep_for(1ms);
    const Ref parent = context.monitor(pids[0]);
    const Ref job = context.monitor(pids[1]);
    EXPECT_EQ(co_await reason_of(context, parent), "boom");
    EXPECT_EQ(co_await reason_of(context, job), "boom");
  });
}

/// Ends a family of three with `reason`.
/// Returns: what it told, and each child's number and reason, in the order of their ends.
std::vector<std::string> end_of_three(const ExitReason& reason) {
  LocalWorld world;
  const Story story = new_story();
  world.run([&](Context& context) -> Task<> {
    const Pid family = co_await start_family(context, story);
    const std::vector<Pid> jobs = co_await start_jobs(context, family, 3);
    for (const Pid& job : jobs) context.monitor(job);
    try {
      co_await stop_server(context, family, reason);
    } catch (const ProcessExit&) {
    }
    for (const Pid& job : jobs) EXPECT_FALSE(context.node().is_alive(job));
    while (auto down = co_await context.receive_for<Down>(0ms)) {
      const auto place = std::find(jobs.begin(), jobs.end(), down->pid);
      story->push_back(std::to_string(place - jobs.begin() + 1) + ' ' + to_string(down->reason));
    }
  });
  return *story;
}

TEST(Parent, R13_ChildrenLiveInTerminateAndEndWithItsReasonTheLastFirst) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(end_of_three(ExitReason::normal()),
            (Lines{"terminate, alive 3", "3 shutdown", "2 shutdown", "1 shutdown"}));
  EXPECT_EQ(end_of_three(ExitReason::shutdown()),
            (Lines{"terminate, alive 3", "3 shutdown", "2 shutdown", "1 shutdown"}));
  EXPECT_EQ(end_of_three(ExitReason::symbol("boom")),
            (Lines{"terminate, alive 3", "3 boom", "2 boom", "1 boom"}));
}

TEST(Parent, R13d_AfterACrashInACallbackTheChildrenGetItsReason) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid family = co_await start_family(context);
    const std::vector<Pid> jobs = co_await start_jobs(context, family, 1);
    const Ref job = context.monitor(jobs[0]);
    try {
      co_await ask(context, family, [](Family&) -> Task<> {
        throw std::runtime_error{"no luck"};
        co_return;
      });
      ADD_FAILURE() << "the parent should have crashed";
    } catch (const ProcessExit&) {
    }
    EXPECT_EQ(co_await reason_of(context, job), "{error,\"std::runtime_error\",\"no luck\"}");
  });
}

TEST(Parent, R13c_AChildEndsAsItsShutdownSays) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid family = co_await start_family(context);
    std::vector<Ref> refs;
    std::function<Task<>(Family&)> start = [&](Family& own) -> Task<> {
      const auto slow = Shutdown::within(200ms);
      refs.push_back(context.monitor(own.start_child(job("a", never_end).with(slow)).pid));
      const auto brutal = Shutdown::brutal_kill();
      refs.push_back(context.monitor(own.start_child(job("b", never_end).with(brutal)).pid));
      co_return;
    };
    co_await ask(context, family, std::move(start));
    const Clock::TimePoint before = context.node().clock().now();
    co_await stop_server(context, family);
    EXPECT_EQ(context.node().clock().now() - before, 200ms);
    for (const Ref& ref : refs) EXPECT_EQ(co_await reason_of(context, ref), "killed");
  });
}

TEST(Parent, R13f_OneThatIsKilledOrFailsToStartLeavesNoChildBehind) {
  class Stillborn : public ParentServer {
   public:
    explicit Stillborn(Pid* child) {
      *child = start_child(job("a", never_end)).pid;
      throw std::runtime_error{"no luck"};
    }
  };
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid family = co_await start_family(context);
    Pid pid;
    std::function<Task<>(Family&)> start = [&](Family& own) -> Task<> {
      pid = own.start_child(job("a", never_end)).pid;
      co_return;
    };
    co_await ask(context, family, std::move(start));
    Ref ref = context.monitor(pid);
    context.exit(family, ExitReason::kill());
    EXPECT_EQ(co_await reason_of(context, ref), "killed");

    const StartResult started = co_await start_link<Stillborn>(context, &pid);
    EXPECT_EQ(started.status, StartResult::Status::failed);
    ref = context.monitor(pid);
    EXPECT_NE(co_await reason_of(context, ref), "no Down");
  });
}

// -- what children may be, and what a parent is to others -------------------------------------

class Echo : public GenServer {
 public:
  struct Ask {
    using Reply = int;
    int number = 0;
  };
  using Handles = grove::Handles<Ask>;
  int handle_call(Ask ask) { return ask.number; }
};

TEST(Parent, ServersAndSupervisorsMayBeChildrenToo) {
  LocalWorld world;
  const Story story = new_story();
  world.run([&](Context& context) -> Task<> {
    const Pid family = co_await start_family(context, story);
    co_await ask(context, family, [](Family& own) -> Task<> {
      const StartResult echo = co_await own.start_child(child<Echo>("echo"), "m");
      EXPECT_TRUE(echo.ok());
      EXPECT_EQ(co_await own.context().call<Echo::Ask>(echo.pid, 7), 7);
      SupervisorSpec spec;
      spec.children.push_back(child<Echo>("deep").as("deep"));
      const StartResult tree = co_await own.start_child(supervisor("tree", spec));
      EXPECT_TRUE(tree.ok());
    });
    const Ref deep = context.monitor("deep");
    const std::vector<ChildInfo> rows = co_await which_children(context, family);
    context.exit(rows.at(1).pid, ExitReason::symbol("boom"));  // echo
    co_await context.sleep_for(1ms);
    co_await stop_server(context, family);
    EXPECT_EQ(co_await reason_of(context, deep), "shutdown");
  });
  EXPECT_EQ(story->at(0), "\"echo\" \"m\" boom, left 1");
}

TEST(Parent, TheCallbackMayBeACoroutineAndMayStopTheServer) {
  class Waits : public ParentServer {
   public:
    explicit Waits(Story story) : story_{std::move(story)} {
      start_child(job("a", sleep_and_end, 10ms), "m");
    }
    Task<> handle_child_terminated(Value id, Value meta, Pid, ExitReason reason) {
      co_await context().sleep_for(10ms);
      story_->push_back(to_string(id) + to_string(meta) + to_string(reason));
      stop(ExitReason::symbol("done"));
    }

   private:
    Story story_;
  };
  LocalWorld world;
  const Story story = new_story();
  world.run([&](Context& context) -> Task<> {
    context.trap_exit(true);
    const StartResult started = co_await start_link<Waits>(context, story);
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, started.pid);
    EXPECT_EQ(to_string(exit.reason), "done");
    EXPECT_EQ(*story, std::vector<std::string>{"\"a\"\"m\"normal"});
  });
}

TEST(Parent, WithoutACallbackTheEndOfAChildIsNothing) {
  class Quiet : public ParentServer {
   public:
    Quiet() { start_child(job("a", fail)); }
  };
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult started = co_await start_link<Quiet>(context);
    co_await context.sleep_for(1ms);
    EXPECT_TRUE(context.node().is_alive(started.pid));
  });
  EXPECT_EQ(world.log().count(LogLevel::error), 1U);  // the job's own
  EXPECT_EQ(world.log().count(LogLevel::warning), 0U);
}

TEST(Parent, R14_IsASupervisorToOthers) {
  class Brief : public Family {
   public:
    static void child_spec(ChildSpec& spec) {
      ParentServer::child_spec(spec);
      spec.restart = Restart::transient;
    }
  };
  const ChildSpec brief = child<Brief>("brief");
  EXPECT_TRUE(brief.supervisor);
  EXPECT_EQ(brief.restart, Restart::transient);
  const ChildSpec spec = child<Family>("family");
  EXPECT_TRUE(spec.supervisor);
  EXPECT_EQ(spec.shutdown.wait, std::nullopt);
  EXPECT_FALSE(spec.shutdown.brutal);
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid family = co_await start_family(context);
    const std::vector<Pid> jobs = co_await start_jobs(context, family, 2);
    co_await ask(context, family, [](Family& own) -> Task<> {
      const StartResult started = co_await own.start_child(child<Family>("grandparent"));
      EXPECT_TRUE(started.ok());
    });
    const std::vector<ChildInfo> rows = co_await which_children(context, family);
    EXPECT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows.at(0).id, "grandparent");
    EXPECT_TRUE(rows.at(0).supervisor);
    EXPECT_EQ(rows.at(1).id, "2");
    EXPECT_EQ(rows.at(1).pid, jobs[1]);
    EXPECT_EQ(rows.at(2).id, "1");
    EXPECT_EQ(rows.at(2).pid, jobs[0]);
    EXPECT_FALSE(rows.at(2).supervisor);
    const ChildCounts counts = co_await count_children(context, family);
    EXPECT_EQ(counts.specs, 3U);
    EXPECT_EQ(counts.active, 3U);
    EXPECT_EQ(counts.supervisors, 1U);
    EXPECT_EQ(counts.workers, 2U);
  });
}

/// Ends with its job, for the same reason.
class OneJob : public ParentServer {
 public:
  explicit OneJob(std::shared_ptr<int> runs) {
    start_child(job("job", ++*runs == 1 ? fail : sleep_shortly));
  }
  void handle_child_terminated(const Value&, const Value&, Pid, const ExitReason& reason) {
    stop(reason);
  }

 private:
  static Task<> sleep_shortly(Context& context) { co_await context.sleep_for(10ms); }
};

TEST(Parent, R15_ItsFailureGoesUpToItsSupervisor) {
  LocalWorld world;
  auto runs = std::make_shared<int>(0);
  world.run([runs](Context& context) -> Task<> {
    SupervisorSpec spec;
    spec.children.push_back(child<OneJob>("one", runs).with(transient));
    const StartResult sup = co_await start_supervisor(context, spec);
    co_await context.sleep_for(1s);
    const ChildCounts counts = co_await count_children(context, sup.pid);
    EXPECT_EQ(counts.active, 0U);
    EXPECT_EQ(counts.specs, 1U);
  });
  EXPECT_EQ(*runs, 2);
}

}  // namespace
}  // namespace grove
