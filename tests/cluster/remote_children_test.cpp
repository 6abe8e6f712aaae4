// SPDX-License-Identifier: Apache-2.0
//
// Servers that are started on other nodes, by hand and by supervisors.
#include "grove/node/cluster_names.hpp"
#include "grove/node/dynamic_supervisor.hpp"
#include "grove/node/inspect.hpp"
#include "grove/node/parent.hpp"
#include "grove/node/remote.hpp"
#include "grove/node/supervisor.hpp"
#include "grove/node/sys.hpp"
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

namespace remote_children_test {

struct Where {
  using Reply = std::string;
};
struct Started {
  int number = 0;
  grove::Pid pid = {};
};
struct Ended {
  int number = 0;
  std::string reason;
};
struct State {
  int number = 0;
  friend bool operator==(const State&, const State&) = default;
};

}  // namespace remote_children_test

GROVE_MESSAGE(remote_children_test::Where, "test.children.where")
GROVE_MESSAGE(remote_children_test::Started, "test.children.started", number, pid)
GROVE_MESSAGE(remote_children_test::Ended, "test.children.ended", number, reason)
GROVE_MESSAGE(remote_children_test::State, "test.children.state", number)

namespace remote_children_test {

using namespace grove;
using namespace std::chrono_literals;
using testkit::SimWorld;

/// How the init of a Worker is to go.
enum class Start { ok, ignore, stop, fail, hang, ask_nobody };

class Worker final : public GenServer {
 public:
  using Handles = grove::Handles<Where>;
  Worker(int number, Pid owner, Start start) : state_{number}, owner_{owner}, start_{start} {
    context().trap_exit(true);
  }
  Task<Init> init() {
    if (start_ == Start::ignore) co_return Init::ignore();
    if (start_ == Start::stop) co_return Init::stop(ExitReason::symbol("no_disk"));
    if (start_ == Start::fail) throw std::runtime_error{"broken"};
    if (start_ == Start::hang) co_await context().sleep_for(1h);
    const RemoteName nobody{"nobody", "nowhere"};
    if (start_ == Start::ask_nobody) (void)co_await context().call<Where>(nobody);
    const Started started{state_.number, self()};
    context().send(owner_, started);
    co_return Init::ok();
  }
  std::string handle_call(Where) { return node().name(); }
  void terminate(const ExitReason& reason) {
    const Ended ended{state_.number, to_string(reason)};
    context().send(owner_, ended);
  }
  State& state() { return state_; }

 private:
  State state_;
  Pid owner_;
  Start start_;
};

/// Not to be told to end.
class Deaf final : public GenServer {
 public:
  Deaf() { context().trap_exit(true); }
  Task<> terminate(ExitReason) { co_await context().sleep_for(1h); }
};

/// Sends its parent an exit signal, and lives on.
class Signaller final : public GenServer {
 public:
  using Handles = grove::Handles<Started>;
  Signaller() { continue_with(Started{}); }
  void handle_continue(Started) {
    context().exit(context().parent(), ExitReason::symbol("only_a_signal"));
  }
};

}  // namespace remote_children_test

GROVE_REMOTE_CLASS(remote_children_test::Worker, "test.children.worker", int, grove::Pid,
                   remote_children_test::Start)
GROVE_REMOTE_CLASS(remote_children_test::Deaf, "test.children.deaf")
GROVE_REMOTE_CLASS(remote_children_test::Signaller, "test.children.signaller")

namespace remote_children_test {
namespace {

class RemoteServers : public testing::Test {
 protected:
  RemoteServers() {
    world.add_node("a");
    world.add_node("b");
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  }
  std::size_t running(const std::string& name) { return world[name].node().process_count(); }
  SimWorld world{9};
};
using RemoteChildren = RemoteServers;

Task<> wait_for_ever(Context& context) {
  for (;;) co_await context.receive_any();
}

Task<std::string> where(Context& context, ServerRef server) {
  try {
    co_return co_await context.call<Where>(server);
  } catch (const ProcessExit& failed) {
    co_return to_string(failed.reason());
  }
}

TEST_F(RemoteServers, AreStartedThereWithTheirInitDone) {
  world.run("a", [](Context& context) -> Task<> {
    for (const std::string node : {"b", "a"}) {
      const StartResult started =
          co_await start_link_on<Worker>(context, node, 1, context.self(), Start::ok);
      EXPECT_TRUE(started.ok()) << to_string(started);
      const auto hello = co_await context.receive_for<Started>(0s);  // sent by its init
      EXPECT_TRUE(hello);
      EXPECT_EQ(co_await where(context, started.pid), node);
      const auto info = co_await process_info(context, started.pid);
      EXPECT_EQ(info ? info->parent : Pid{}, context.self());
      EXPECT_EQ(info ? info->label : "", "remote_children_test::Worker");
      co_await stop_server(context, started.pid);
    }
  });
}

TEST_F(RemoteServers, AFailedInitIsTheStartersToKnow) {
  world.run("a", [](Context& context) -> Task<> {
    context.trap_exit(true);
    for (const std::string node : {"b", "a"}) {
      for (const auto& [start, expected] :
           {std::pair{Start::ignore, "ignore"}, std::pair{Start::stop, "failed: no_disk"},
            std::pair{Start::fail, "failed: {error,\"std::runtime_error\",\"broken\"}"},
            std::pair{Start::ask_nobody, "failed: {nodedown,nowhere}"}}) {
        const StartResult result =
            co_await start_link_on<Worker>(context, node, 1, context.self(), start);
        EXPECT_EQ(to_string(result), expected);
        const Exit exit = co_await context.receive<Exit>();  // GEN-3, GEN-5
        EXPECT_EQ(to_string(exit.reason),
                  start == Start::ignore ? "normal" : to_string(result.reason));
      }
    }
    const StartResult away =
        co_await start_link_on<Worker>(context, "nowhere", 1, context.self(), Start::ok);
    EXPECT_EQ(to_string(away), "failed: noconnection");
    const EnvelopePtr nothing = co_await context.receive_any(1min);
    EXPECT_EQ(nothing, nullptr);
  });
  EXPECT_EQ(running("b"), 0U);
}

// GEN-7.
TEST_F(RemoteServers, AStartThatTakesTooLongLeavesNothing) {
  world.run("a", [](Context& context) -> Task<> {
    context.trap_exit(true);
    for (const bool link : {true, false}) {
      for (const auto patience : {0ms, 1000ms}) {  // before its pid is known here, and after
        ServerOptions options;
        options.link = link;
        options.timeout = patience;
        const StartResult result =
            co_await start_server_on<Worker>(context, "b", options, 1, context.self(), Start::hang);
        EXPECT_EQ(to_string(result), "failed: timeout");
        const EnvelopePtr nothing = co_await context.receive_any(1min);
        EXPECT_EQ(nothing, nullptr);
      }
    }
  });
  EXPECT_EQ(running("b"), 0U);
}

TEST_F(RemoteServers, HaveTheirNamesThereOrInTheCluster) {
  world.run("a", [](Context& context) -> Task<> {
    ServerOptions options = named("worker");
    const StartResult local =
        co_await start_server_on<Worker>(context, "b", options, 1, context.self(), Start::ok);
    EXPECT_TRUE(local.ok());
    const RemoteName there{"worker", "b"};
    EXPECT_EQ(co_await where(context, there), "b");
    const StartResult again =
        co_await start_server_on<Worker>(context, "b", options, 2, context.self(), Start::ok);
    EXPECT_EQ(again.status, StartResult::Status::already_started);
    EXPECT_EQ(again.pid, local.pid);

    ServerOptions global = named(Global{"boss"});
    const StartResult first =
        co_await start_server_on<Worker>(context, "b", global, 3, context.self(), Start::ok);
    EXPECT_TRUE(first.ok());
    co_await context.sleep_for(1s);
    EXPECT_EQ(context.whereis("boss", Scope::cluster), first.pid);
    co_await stop_server(context, local.pid);
    co_await stop_server(context, first.pid);
  });
}

TEST_F(RemoteServers, EndWithTheirStarterAndItsReason) {
  world.run("a", [](Context& context) -> Task<> {
    const Pid boss = context.self();
    context.spawn([boss](Context& own) -> Task<> {
      co_await start_link_on<Worker>(own, "b", 1, boss, Start::ok);
      own.exit(ExitReason::symbol("done"));
    });
    const Ended ended = co_await context.receive<Ended>();
    EXPECT_EQ(ended.reason, "done");
  });
}

TEST_F(RemoteServers, ShowTheirStateAndAreSuspended) {
  world.run("a", [](Context& context) -> Task<> {
    const StartResult started =
        co_await start_link_on<Worker>(context, "b", 42, context.self(), Start::ok);
    const State state = co_await sys::get_state<State>(context, started.pid);
    EXPECT_EQ(state.number, 42);
    const Value shown = co_await sys::get_state(context, started.pid);
    EXPECT_EQ(to_string(shown), "\"test.children.state{42}\"");
    co_await sys::suspend(context, started.pid);
    const auto info = co_await process_info(context, started.pid);
    EXPECT_EQ(info ? info->status : "", "suspended");
    auto request = context.send_request<Where>(started.pid);
    co_await context.sleep_for(1s);
    co_await sys::resume(context, started.pid);
    const std::string answer = co_await context.receive_response(std::move(request));
    EXPECT_EQ(answer, "b");
    co_await stop_server(context, started.pid);
    EXPECT_FALSE(co_await is_alive(context, started.pid));
    EXPECT_FALSE(co_await process_info(context, started.pid));
  });
}

template <class R>
Task<std::string> failure_of(Task<R> task) {
  try {
    co_await task;
  } catch (const ProcessExit& failed) {
    co_return to_string(failed.reason());
  }
  co_return "nothing";
}

/// Has nothing to show.
class Blank final : public GenServer {};
class FailsToShow final : public GenServer {
 public:
  Value debug_state() const { throw std::runtime_error{"broken"}; }
};

template <class Server>
Task<Pid> start_unlinked(Context& context) {
  ServerOptions options;
  options.link = false;
  const StartResult started = co_await start_server<Server>(context, options);
  co_return started.pid;
}

TEST_F(RemoteServers, SayWhyAsThoseAtHomeWhenTheyCannotShowTheirState) {
  const Pid blank = world.run("b", start_unlinked<Blank>);
  const Pid fails = world.run("b", start_unlinked<FailsToShow>);
  const Pid no_server = world["b"].node().spawn([](Context& context) -> Task<> {
    for (;;) co_await context.receive_any();
  });
  for (const char* asker : {"b", "a"}) {
    world.run(asker, [&](Context& context) -> Task<> {
      EXPECT_EQ(co_await failure_of(sys::get_state(context, blank)), "no_state");
      EXPECT_EQ(co_await failure_of(sys::get_state<State>(context, blank)), "no_state");
      EXPECT_EQ(co_await failure_of(sys::get_state(context, fails)),
                "{callback_failed,{error,\"std::runtime_error\",\"broken\"}}");
      EXPECT_EQ(co_await failure_of(sys::suspend(context, no_server)), "not_a_server");
      for (const Pid& pid : {blank, fails, no_server}) {
        const auto info = co_await process_info(context, pid);
        EXPECT_TRUE(info && info->monitored_by.empty());
      }
    });
  }
  EXPECT_EQ(world.total(Metric::dead_letters_no_wire_form), 0U);
}

TEST_F(RemoteServers, WhatIsAskedOfThemFailsWhenTheirNodeIsAway) {
  auto seen = world["a"].node().async([](Context& context) -> Task<std::vector<std::string>> {
    context.trap_exit(true);
    const StartResult started =
        co_await start_link_on<Worker>(context, "b", 1, context.self(), Start::ok);
    std::vector<std::string> failures;
    failures.push_back(co_await failure_of(sys::get_state(context, started.pid, std::nullopt)));
    co_await context.receive<Exit>();
    failures.push_back(co_await failure_of(is_alive(context, started.pid)));
    failures.push_back(co_await failure_of(process_info(context, started.pid)));
    failures.push_back(co_await failure_of(sys::suspend(context, started.pid)));
    sys::TraceOptions trace;
    trace.limit = 10;
    failures.push_back(co_await failure_of(sys::trace(context, started.pid, trace)));
    co_return failures;
  });
  world.run_for(1ms);
  world.partition({{"a"}, {"b"}});
  world.run_for(1min);
  const auto failures = SimWorld::ready(seen);
  ASSERT_EQ(failures.size(), 5U);
  EXPECT_EQ(failures[1], "{nodedown,b}");
  EXPECT_EQ(failures[2], "{nodedown,b}");
  EXPECT_EQ(failures[3], "{nodedown,b}");
  EXPECT_EQ(failures[0], failures[1]);
  EXPECT_EQ(failures[4], "badarg");  // its events could not be told apart from what it sends
}

// -- supervisors ----------------------------------------------------------------------------

TEST_F(RemoteChildren, AreStartedRestartedAndEndedOnTheirNode) {
  world.run("a", [](Context& context) -> Task<> {
    const Pid boss = context.self();
    SupervisorSpec spec;
    spec.strategy = Strategy::rest_for_one;
    spec.children.push_back(child<Worker>("1", 1, boss, Start::ok));
    spec.children.push_back(child<Worker>("2", 2, boss, Start::ok).on("b").as("second"));
    spec.children.push_back(child<Worker>("3", 3, boss, Start::ok));
    const StartResult started = co_await start_supervisor(context, spec);
    EXPECT_TRUE(started.ok());
    std::vector<Started> first(3);
    for (auto& one : first) one = co_await context.receive<Started>();
    EXPECT_EQ(node_name(first[1].pid.node), "b");
    const RemoteName second{"second", "b"};
    EXPECT_EQ(co_await where(context, second), "b");
    const ChildCounts counts = co_await count_children(context, started.pid);
    EXPECT_EQ(counts.active, 3U);

    context.exit(first[1].pid, ExitReason::kill());
    const Ended third = co_await context.receive<Ended>();  // the rest, in reverse order
    EXPECT_EQ(third.number, 3);
    EXPECT_EQ(third.reason, "shutdown");
    const Started again = co_await context.receive<Started>();
    EXPECT_EQ(again.number, 2);
    EXPECT_EQ(node_name(again.pid.node), "b");
    const Started rest = co_await context.receive<Started>();
    EXPECT_EQ(rest.number, 3);

    co_await stop_server(context, started.pid);
    for (const int number : {3, 2, 1}) {
      const Ended ended = co_await context.receive<Ended>();
      EXPECT_EQ(ended.number, number);
      EXPECT_EQ(ended.reason, "shutdown");
    }
  });
  EXPECT_EQ(running("b"), 0U);
}

TEST_F(RemoteChildren, ThatHangAreKilledWhenTheirTimeIsOver) {
  world.run("a", [](Context& context) -> Task<> {
    SupervisorSpec spec;
    spec.children.push_back(child<Deaf>("deaf").on("b").with(Shutdown::within(2s)));
    const StartResult started = co_await start_supervisor(context, spec);
    EXPECT_TRUE(started.ok());
    const Clock::TimePoint before = context.node().clock().now();
    co_await stop_server(context, started.pid);
    const auto took = context.node().clock().now() - before;
    EXPECT_GE(took, Clock::Duration{2s});
    EXPECT_LT(took, Clock::Duration{3s});
  });
  EXPECT_EQ(running("b"), 0U);
}

// The node is lost and comes back: what is started again is on its next life.
TEST_F(RemoteChildren, OfALostNodeHaveEndedAndStartAgainWhenItIsBack) {
  Pid supervisor;
  Pid first;
  const auto start = [&](Context& context) -> Task<> {
    ChildSpec spec = child<Worker>("w", 1, context.self(), Start::ok).on("b").with(temporary);
    const StartResult one = co_await start_child(context, supervisor, spec);
    EXPECT_TRUE(one.ok()) << to_string(one);
    EXPECT_NE(one.pid, first);
    first = one.pid;
  };
  world["a"].node().spawn([&](Context& context) -> Task<> {
    const StartResult started = co_await start_dynamic_supervisor(context);
    supervisor = started.pid;
    co_await wait_for_ever(context);
  });
  world.run_for(1ms);
  world.run("a", start);
  world.kill("b");
  world.run_for(30s);
  const ChildCounts counts = world.run("a", [supervisor](Context& context) -> Task<ChildCounts> {
    co_return co_await count_children(context, supervisor);
  });
  EXPECT_EQ(counts.specs, 0U);
  world.add_node("b");
  ASSERT_TRUE(world.run_until([this] { return world.all_connected(); }, 1min));
  world.run("a", start);
  EXPECT_EQ(running("b"), 1U);
}

TEST_F(RemoteChildren, WhoseNodeStaysAwayUseTheIntensityUp) {
  auto ended = world["a"].node().async([](Context& context) -> Task<std::string> {
    context.trap_exit(true);
    SupervisorSpec spec;
    spec.children.push_back(child<Worker>("w", 1, context.self(), Start::ok).on("b"));
    const StartResult started = co_await start_supervisor(context, spec);
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, started.pid);
    co_return to_string(exit.reason);
  });
  world.run_for(1s);
  world.partition({{"a"}, {"b"}});
  world.run_for(30s);
  EXPECT_EQ(SimWorld::ready(ended), "shutdown");
  EXPECT_EQ(running("b"), 0U);  // it has heard of the loss, too
}

TEST_F(RemoteChildren, OfADynamicSupervisorAreOnAnyNode) {
  world.run("a", [](Context& context) -> Task<> {
    const Pid boss = context.self();
    const StartResult started = co_await start_dynamic_supervisor(context);
    std::vector<Pid> pids;
    for (int number = 0; number < 4; ++number) {
      ChildSpec spec = child<Worker>("w", number, boss, Start::ok).on(number % 2 == 0 ? "a" : "b");
      const StartResult one = co_await start_child(context, started.pid, spec);
      EXPECT_TRUE(one.ok());
      pids.push_back(one.pid);
    }
    EXPECT_EQ(co_await where(context, pids[3]), "b");
    EXPECT_TRUE((co_await terminate_child(context, started.pid, pids[3])).has_value());
    EXPECT_EQ(co_await where(context, pids[3]), "noproc");
    context.exit(pids[1], ExitReason::kill());
    for (int number = 0; number < 4; ++number) co_await context.receive<Started>();
    const Started again = co_await context.receive<Started>();
    EXPECT_EQ(again.number, 1);
    EXPECT_EQ(co_await where(context, again.pid), "b");
    co_await stop_server(context, started.pid);
  });
  EXPECT_EQ(running("b"), 0U);
}

TEST_F(RemoteChildren, OfASupervisorThatIsKilledEndWithIt) {
  world.run("a", [](Context& context) -> Task<> {
    context.trap_exit(true);
    SupervisorSpec spec;
    spec.children.push_back(child<Worker>("w", 1, context.self(), Start::ok).on("b"));
    const StartResult started = co_await start_supervisor(context, spec);
    context.exit(started.pid, ExitReason::kill());
    const Ended ended = co_await context.receive<Ended>();
    EXPECT_EQ(ended.reason, "killed");
  });
  EXPECT_EQ(running("b"), 0U);
}

TEST_F(RemoteChildren, ASupervisorOfAnotherNodeAnswersAllButAStart) {
  const Pid supervisor = world.run("b", [](Context& context) -> Task<Pid> {
    SupervisorSpec spec;
    spec.children.push_back(child<Deaf>("first").with(Shutdown::brutal_kill()));
    spec.children.push_back(child<Deaf>("second").with(Shutdown::brutal_kill()));
    ServerOptions options;
    options.link = false;
    const StartResult started = co_await start_supervisor(context, spec, options);
    co_return started.pid;
  });
  world.run("a", [supervisor](Context& context) -> Task<> {
    const auto rows = co_await which_children(context, supervisor);
    EXPECT_EQ(rows.size(), 2U);
    EXPECT_TRUE(rows.size() == 2 && rows[0].id == "second" && rows[1].pid);
    const auto ended = co_await terminate_child(context, supervisor, "first");
    EXPECT_TRUE(ended);
    const auto unknown = co_await terminate_child(context, supervisor, "third");
    EXPECT_EQ(unknown.error().code, Errc::not_found);
    const ChildCounts counts = co_await count_children(context, supervisor);
    EXPECT_EQ(counts.active, 1U);
    const StartResult again = co_await restart_child(context, supervisor, "first");
    EXPECT_TRUE(again.ok());
    const auto deleted = co_await delete_child(context, supervisor, "first");
    EXPECT_EQ(deleted.error().code, Errc::already_started);
    const ChildSpec spec = child<Deaf>("third");
    const std::string failure = co_await failure_of(start_child(context, supervisor, spec));
    EXPECT_NE(failure.find("no_wire_form"), std::string::npos) << failure;
    context.exit(supervisor, ExitReason::kill());
  });
}

// Elsewhere is not where the child is to be, wherever its supervisor is.
TEST_F(RemoteChildren, CountAsIgnoredWhileAnotherNodeThanTheirsHasTheirName) {
  const Pid holder = world["a"].node().spawn(wait_for_ever);
  ASSERT_TRUE(world["a"].node().register_name("x", holder, Scope::cluster));
  const Pid on_b = world["b"].node().spawn(wait_for_ever);
  ASSERT_TRUE(world["b"].node().register_name("y", on_b, Scope::cluster));
  world.run_for(1s);
  world.run("a", [](Context& context) -> Task<> {
    context.trap_exit(true);
    const auto worker = [&context](const std::string& name) {
      return child<Worker>("w", 1, context.self(), Start::ok).on("b").as(Global{name});
    };
    SupervisorSpec held_elsewhere;
    held_elsewhere.children.push_back(worker("x"));
    const StartResult ignored = co_await start_supervisor(context, held_elsewhere);
    EXPECT_TRUE(ignored.ok()) << to_string(ignored);
    SupervisorSpec held_there;
    held_there.children.push_back(worker("y"));
    const StartResult failed = co_await start_supervisor(context, held_there);
    EXPECT_NE(to_string(failed).find("already_started"), std::string::npos) << to_string(failed);
  });
}

TEST_F(RemoteChildren, WhoseNameWasMovedAwayDoNotEndTheirSupervisor) {
  world.run("a", [](Context& context) -> Task<> {
    context.trap_exit(true);
    const StartResult dynamic = co_await start_dynamic_supervisor(context);
    const ChildSpec spec = child<Worker>("w", 1, context.self(), Start::ok).on("b").as(Global{"x"});
    const StartResult started = co_await start_child(context, dynamic.pid, spec);
    EXPECT_TRUE(started.ok()) << to_string(started);
    co_await context.sleep_for(1s);
    EXPECT_TRUE(global::re_register_name(context, "x", context.self()));
    co_await context.sleep_for(1s);
    context.exit(started.pid, ExitReason::kill());
    const auto ended = co_await context.receive_for<Exit>(10s);
    EXPECT_FALSE(ended) << to_string(ended->reason);
    const ChildCounts counts = co_await count_children(context, dynamic.pid);
    EXPECT_EQ(counts.active, 0U);
  });
}

// -- of a parent server ---------------------------------------------------------------------

class Boss final : public ParentServer {
 public:
  explicit Boss(Pid owner) : owner_{owner} {}
  Task<Init> init() {
    const StartResult started = co_await start_child(child<Signaller>("w").on("b"));
    co_return started.ok() ? Init::ok() : Init::stop(started.reason);
  }
  void handle_info(const Exit& exit) {
    const Ended ended{0, to_string(exit.reason)};
    context().send(owner_, ended);
  }
  void handle_child_terminated(const Value&, const Value&, Pid, const ExitReason& reason) {
    const Ended ended{1, to_string(reason)};
    context().send(owner_, ended);
  }

 private:
  Pid owner_;
};

TEST_F(RemoteChildren, OfAParentServerAreNotHeldForDeadWhenTheySendItAnExitSignal) {
  world.run("a", [](Context& context) -> Task<> {
    const StartResult boss = co_await start_link<Boss>(context, context.self());
    const Ended signal = co_await context.receive<Ended>();
    EXPECT_EQ(signal.reason, "only_a_signal");
    EXPECT_EQ(signal.number, 0);
    const auto rows = co_await which_children(context, boss.pid);
    EXPECT_EQ(rows.size(), 1U);
    if (rows.empty()) co_return;
    context.exit(rows[0].pid, ExitReason::symbol("its_end"));
    const Ended end = co_await context.receive<Ended>();
    EXPECT_EQ(end.reason, "its_end");
    EXPECT_EQ(end.number, 1);
    co_await stop_server(context, boss.pid);
  });
}

}  // namespace
}  // namespace remote_children_test
