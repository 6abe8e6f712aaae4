// SPDX-License-Identifier: Apache-2.0
#include "grove/node/dynamic_supervisor.hpp"
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>

struct Greeting {
  std::string text;
  std::vector<int> numbers;
};
GROVE_MESSAGE(Greeting, "test.greeting", text, numbers)

struct Ask {
  using Reply = int;
  int number = 0;
};
GROVE_MESSAGE(Ask, "test.ask", number)

struct Answer {
  int number = 0;
};
GROVE_MESSAGE(Answer, "test.answer", number)
GROVE_MESSAGE(grove::Exit, "test.exit", from, reason)

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::SimWorld;

struct LocalOnly {
  int number = 0;
};

class Doubler : public GenServer {
 public:
  using Handles = grove::Handles<Ask>;
  int handle_call(Ask ask) { return 2 * ask.number; }
};

class SlowToStart : public GenServer {
 public:
  using Handles = grove::Handles<>;
  Task<Init> init() {
    co_await context().sleep_for(100ms);
    co_return Init::ok();
  }
};

Task<> sit(Context& context) {
  for (;;) co_await context.receive_any();
}

Task<Pid> start_doubler(Context& context) {
  ServerOptions options = named("doubler");
  options.link = false;
  const StartResult result = co_await start_server<Doubler>(context, options);
  co_return result.pid;
}

class Remote : public testing::Test {
 protected:
  Remote() {
    world.add_node("a");
    world.add_node("b");
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  }
  Pid spawn_on(const std::string& name) { return world[name].node().spawn(sit); }
  SimWorld world{7};
};

TEST_F(Remote, ATypedMessageArrivesWhole) {
  Pid receiver;
  auto received = world["b"].node().async([&receiver](Context& context) -> Task<Greeting> {
    receiver = context.self();
    co_return co_await context.receive<Greeting>();
  });
  world.run_for(1ms);
  Greeting greeting{"hello over there", {1, 2, 3}};
  world["a"].node().send(receiver, greeting);
  world.run_for(1s);
  const Greeting arrived = SimWorld::ready(received);
  EXPECT_EQ(arrived.text, greeting.text);
  EXPECT_EQ(arrived.numbers, greeting.numbers);
}

TEST_F(Remote, CallsAreAnswered) {
  const Pid doubler = world.run("b", start_doubler);
  const int answer = world.run("a", [doubler](Context& context) -> Task<int> {
    co_return co_await context.call<Ask>(doubler, 21);
  });
  EXPECT_EQ(answer, 42);
}

TEST_F(Remote, ACallToADeadServerIsNoproc) {
  const Pid doubler = world.run("b", start_doubler);
  world["b"].node().exit(doubler, ExitReason::kill());
  world.run_for(1ms);
  const auto call = [doubler](Context& context) -> Task<int> {
    co_return co_await context.call<Ask>(doubler, 21);
  };
  try {
    world.run("a", call);
    FAIL() << "the call came back";
  } catch (const ProcessExit& exit) {
    EXPECT_EQ(exit.reason(), ExitReason::noproc());
  }
}

TEST_F(Remote, LinksCarryExitsBothWays) {
  const Pid there = spawn_on("b");
  const auto reason = world.run("a", [there](Context& context) -> Task<ExitReason> {
    context.trap_exit(true);
    context.link(there);
    context.exit(there, ExitReason{Value::tuple({Value::symbol("went"), Value{"wrong"}})});
    const Exit exit = co_await context.receive<Exit>();
    co_return exit.reason;
  });
  EXPECT_EQ(to_string(reason), "{went,\"wrong\"}");
  const Pid other = spawn_on("b");
  world["a"].node().spawn([other](Context& context) -> Task<> {
    context.link(other);
    co_await context.sleep_for(100ms);
    context.exit(ExitReason::symbol("bang"));
  });
  world.run_for(1s);
  EXPECT_FALSE(world["b"].node().is_alive(other));
}

TEST_F(Remote, UnlinkStopsTheExit) {
  const Pid there = spawn_on("b");
  world.run("a", [there](Context& context) -> Task<> {
    context.link(there);
    context.unlink(there);
    context.exit(there, ExitReason::symbol("boom"));
    co_await context.sleep_for(1s);
  });
  EXPECT_FALSE(world["b"].node().is_alive(there));
}

TEST_F(Remote, MonitorsSeeReasonsNoprocAndNoconnection) {
  const Pid there = spawn_on("b");
  world.run("a", [there](Context& context) -> Task<> {
    const Ref first = context.monitor(there);
    context.exit(there, ExitReason::symbol("boom"));
    const Down boom = co_await context.receive<Down>();
    EXPECT_EQ(boom.ref, first);
    EXPECT_EQ(boom.pid, there);
    EXPECT_EQ(boom.reason, ExitReason::symbol("boom"));
    context.monitor(there);
    const Down gone = co_await context.receive<Down>();
    EXPECT_EQ(gone.reason, ExitReason::noproc());
    context.monitor(RemoteName{"nobody", "b"});
    const Down nobody = co_await context.receive<Down>();
    EXPECT_EQ(nobody.reason, ExitReason::noproc());
    EXPECT_EQ(nobody.name, "nobody");
    context.monitor(RemoteName{"anybody", "elsewhere"});
    const Down elsewhere = co_await context.receive<Down>();
    EXPECT_EQ(elsewhere.reason, ExitReason::noconnection());
  });
}

TEST_F(Remote, ADeadNodeGivesOneNoconnectionForEachMonitorAndLink) {
  const Pid doubler = world.run("b", start_doubler);
  auto ends = world["a"].node().async([doubler](Context& context) -> Task<std::vector<int>> {
    context.trap_exit(true);
    std::vector<int> counts(2);
    for (int i = 0; i < 3; ++i) context.monitor(doubler);
    context.monitor(RemoteName{"doubler", "b"});
    context.link(doubler);
    while (const EnvelopePtr next = co_await context.receive_any(60s)) {
      if (const Down* down = next->message.get<Down>()) {
        EXPECT_EQ(down->reason, ExitReason::noconnection());
        ++counts[0];
      } else if (const Exit* exit = next->message.get<Exit>()) {
        EXPECT_EQ(exit->reason, ExitReason::noconnection());
        ++counts[1];
      }
    }
    co_return counts;
  });
  world.run_for(1s);
  world.kill("b");
  world.run_for(120s);
  EXPECT_EQ(SimWorld::ready(ends), (std::vector<int>{4, 1}));
  EXPECT_EQ(world["a"].node().metrics().get(Metric::downs_noconnection), 4U);
}

TEST_F(Remote, ASilentPartitionIsNoticedAndHealsByItself) {
  const Pid there = spawn_on("b");
  auto down = world["a"].node().async([there](Context& context) -> Task<ExitReason> {
    context.monitor(there);
    const Down lost = co_await context.receive<Down>();
    co_return lost.reason;
  });
  world.run_for(1s);
  world.partition({{"a"}, {"b"}});
  world.run_for(5s);
  EXPECT_EQ(SimWorld::ready(down), ExitReason::noconnection());
  world.heal();
  EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 30s));
  EXPECT_TRUE(world["b"].node().is_alive(there));  // it was never dead
}

// The three promises of a life: a message to a pid of the first is lost, a monitor of it gives a
// DOWN, and a name that it held is free.
TEST_F(Remote, TwoLivesOfOneNodeAreToldApart) {
  const Pid first_life = spawn_on("b");
  ASSERT_TRUE(world["b"].node().register_name("held", first_life, Scope::cluster));
  world.run_for(1s);
  ASSERT_EQ(world["a"].node().whereis("held", Scope::cluster), first_life);
  world.kill("b");
  world.run_for(1s);
  EXPECT_EQ(world["a"].node().whereis("held", Scope::cluster), std::nullopt);
  world.add_node("b");
  ASSERT_TRUE(world.run_until([this] { return world.all_connected(); }, 30s));
  const Pid second_life = spawn_on("b");
  EXPECT_EQ(first_life.index, second_life.index);
  EXPECT_EQ(first_life.generation, second_life.generation);
  EXPECT_NE(first_life, second_life);

  int reached = 0;
  Pid counting;
  world["b"].node().spawn([&](Context& context) -> Task<> {
    counting = context.self();
    for (;;) {
      co_await context.receive<Answer>();
      ++reached;
    }
  });
  world.run_for(1ms);
  const Pid its_former_life{first_life.node, counting.index, counting.generation};
  world.run("a", [its_former_life](Context& context) -> Task<> {
    context.send(its_former_life, Answer{1});
    context.exit(its_former_life, ExitReason::kill());
    context.monitor(its_former_life);
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::noproc());
    co_await context.sleep_for(1s);
  });
  EXPECT_EQ(reached, 0);
  EXPECT_TRUE(world["b"].node().is_alive(counting));
  EXPECT_TRUE(world["b"].node().register_name("held", second_life, Scope::cluster));
}

TEST_F(Remote, ATypeWithoutAWireFormIsACountedDeadLetter) {
  const Pid there = spawn_on("b");
  world["a"].node().send(there, LocalOnly{1});
  world["a"].node().send(there, LocalOnly{2});
  world.run_for(1s);
  EXPECT_EQ(world["a"].node().metrics().get(Metric::dead_letters_no_wire_form), 2U);
  EXPECT_EQ(world["a"].log().count(LogLevel::warning), 1U);
}

TEST_F(Remote, SignalsOfAllKindsKeepTheirOrder) {
  Pid receiver;
  auto last = world["b"].node().async([&receiver](Context& context) -> Task<int> {
    receiver = context.self();
    int highest = 0;
    for (;;) {
      const auto answer = co_await context.receive_for<Answer>(10s);
      if (!answer) co_return highest;
      EXPECT_EQ(answer->number, highest + 1);
      highest = answer->number;
    }
  });
  world.run_for(1ms);
  world.run("a", [&](Context& context) -> Task<> {
    for (int i = 1; i <= 1000; ++i) {
      context.send(receiver, Answer{i});
      if (i % 100 == 0) co_await context.sleep_for(1ms);
    }
    const Ref ref = context.monitor(receiver);
    context.exit(receiver, ExitReason::symbol("done"));
    context.send(receiver, Answer{5000});
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, ref);
    EXPECT_EQ(down.reason, ExitReason::symbol("done"));
  });
  EXPECT_THROW(SimWorld::ready(last),
               std::future_error);  // it died of the exit, before it could answer
}

TEST_F(Remote, AMonitorByNameIsTakenBackAtItsTarget) {
  const Pid doubler = world.run("b", start_doubler);
  world.run("a", [](Context& context) -> Task<> {
    for (int i = 0; i < 50; ++i) {
      const Ref ref = context.monitor(RemoteName{"doubler", "b"});
      co_await context.sleep_for(10ms);
      EXPECT_TRUE(context.demonitor(ref));
    }
    context.monitor(RemoteName{"doubler", "b"});  // left to this process's end
    co_await context.sleep_for(10ms);
  });
  world.run_for(1s);
  std::size_t watchers = 99;
  world["b"].node().inspect({doubler}, [&watchers](std::vector<ProcessInfo> rows) {
    watchers = rows.at(0).monitored_by.size();
  });
  world.run_for(1ms);
  EXPECT_EQ(watchers, 0U);
}

TEST_F(Remote, WhatCannotBeWrittenNeverEndsTheSession) {
  const Pid there = spawn_on("b");
  Value deep;
  for (int i = 0; i < 40; ++i) deep = Value::list({deep});
  world["a"].node().send(there, deep);
  const ExitReason reason{deep};
  auto down = world["b"].node().async([this, reason](Context& context) -> Task<ExitReason> {
    const Pid dying = world["a"].node().spawn([reason](Context& inner) -> Task<> {
      co_await inner.sleep_for(1s);
      inner.exit(reason);
    });
    context.monitor(dying);
    const Down end = co_await context.receive<Down>();
    co_return end.reason;
  });
  world.run_for(5s);
  EXPECT_EQ(to_string(SimWorld::ready(down)), "{error,\"unsendable\",\"exit reason\"}");
  EXPECT_EQ(world.total(Metric::sessions_down), 0U);
  EXPECT_EQ(world["a"].node().metrics().get(Metric::dead_letters_unsendable), 2U);
}

TEST_F(Remote, AReplyWithoutAWireFormFailsTheCallAtOnce) {
  const Pid server = world["b"].node().spawn([](Context& context) -> Task<> {
    const EnvelopePtr request = co_await context.receive_any();
    context.reply(From{request->from, request->serial}, LocalOnly{1});
    co_await context.receive_any();
  });
  const auto before = world.clock().now();
  const auto call = [server](Context& context) -> Task<int> {
    co_return co_await context.call<Ask>(server, 1);
  };
  EXPECT_THROW(world.run("a", call), ProcessExit);
  EXPECT_LT(world.clock().now() - before, 1s);
}

TEST_F(Remote, APidThatNeverWasIsNoproc) {
  const Pid there = spawn_on("b");
  const Pid never{there.node, 999, 1};
  world.run("a", [never](Context& context) -> Task<> {
    context.monitor(never);
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::noproc());
  });
}

class Names : public Remote {
 protected:
  Names() {
    world.add_node("c");
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  }
  std::optional<Pid> seen_from(const std::string& node, const std::string& name) {
    return world[node].node().whereis(name, Scope::cluster);
  }
};

TEST_F(Names, AreFoundFromEveryNodeAndGoWithTheirProcess) {
  const Pid holder = spawn_on("b");
  ASSERT_TRUE(world["b"].node().register_name("x", holder, Scope::cluster));
  world.run_for(1s);
  for (const char* node : {"a", "b", "c"}) EXPECT_EQ(seen_from(node, "x"), holder);
  EXPECT_EQ(world["a"].node().register_name("x", spawn_on("a"), Scope::cluster).error().code,
            Errc::name_taken);
  world["b"].node().exit(holder, ExitReason::symbol("boom"));
  world.run_for(1s);
  for (const char* node : {"a", "b", "c"}) EXPECT_EQ(seen_from(node, "x"), std::nullopt);
}

TEST_F(Names, ALateNodeLearnsThem) {
  const Pid holder = spawn_on("b");
  ASSERT_TRUE(world["b"].node().register_name("x", holder, Scope::cluster));
  world.add_node("d");
  ASSERT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  world.run_for(1s);
  EXPECT_EQ(seen_from("d", "x"), holder);
}

TEST_F(Names, AConflictAfterAPartitionHasOneLoserWhoIsToldOnce) {
  world.partition({{"a"}, {"b", "c"}});
  world.run_for(6s);
  const Pid older = spawn_on("a");
  ASSERT_TRUE(world["a"].node().register_name("x", older, Scope::cluster));
  world.run_for(1s);
  Pid newer;
  using Reasons = std::vector<ExitReason>;
  auto told = world["b"].node().async([&newer](Context& context) -> Task<Reasons> {
    context.trap_exit(true);
    newer = context.self();
    EXPECT_TRUE(context.register_name("x", context.self(), Scope::cluster));
    std::vector<ExitReason> reasons;
    while (const auto exit = co_await context.receive_for<Exit>(60s)) {
      reasons.push_back(exit->reason);
    }
    co_return reasons;
  });
  world.run_for(1s);
  EXPECT_EQ(seen_from("c", "x"), newer);
  world.heal();
  ASSERT_TRUE(world.run_until([this] { return world.all_connected(); }, 30s));
  world.run_for(1s);
  for (const char* node : {"a", "b", "c"}) EXPECT_EQ(seen_from(node, "x"), older);
  world.run_for(120s);
  const std::vector<ExitReason> reasons = SimWorld::ready(told);
  ASSERT_EQ(reasons.size(), 1U);
  EXPECT_EQ(to_string(reasons[0]), "{name_conflict,\"x\"," + to_string(older) + "}");
}

TEST_F(Names, AGlobalMonitorSeesTheNodesEnd) {
  const Pid holder = spawn_on("c");
  ASSERT_TRUE(world["c"].node().register_name("x", holder, Scope::cluster));
  world.run_for(1s);
  auto taken_over = world["a"].node().async([](Context& context) -> Task<bool> {
    context.monitor(Global{"x"});
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.name, "x");
    EXPECT_EQ(down.reason, ExitReason::noconnection());
    // The name is free as soon as the DOWN is there.
    co_return context.register_name("x", context.self(), Scope::cluster).has_value();
  });
  world.run_for(1s);
  world.kill("c");
  world.run_for(1s);
  EXPECT_TRUE(SimWorld::ready(taken_over));
}

// Or else it would start, lose and start again until its supervisor gave up.
TEST_F(Names, APermanentChildWhoseNameIsHeldElsewhereCountsAsIgnored) {
  const Pid holder = spawn_on("a");
  ASSERT_TRUE(world["a"].node().register_name("x", holder, Scope::cluster));
  world.run_for(1s);
  const auto children = world.run("b", [](Context& context) -> Task<std::vector<ChildInfo>> {
    SupervisorSpec spec;
    spec.children.push_back(child<Doubler>("held").as(Global{"x"}));
    spec.children.push_back(child<Doubler>("free").as(Global{"y"}));
    const StartResult started = co_await start_supervisor(context, spec);
    EXPECT_TRUE(started.ok());
    co_return co_await which_children(context, started.pid);
  });
  ASSERT_EQ(children.size(), 2U);
  EXPECT_EQ(children[0].id, "free");
  EXPECT_TRUE(children[0].pid);
  EXPECT_FALSE(children[1].pid);
  EXPECT_EQ(seen_from("b", "x"), holder);
}

TEST_F(Names, WhoStartsAChildIsToldThatItsNameIsHeldElsewhere) {
  const Pid holder = spawn_on("a");
  ASSERT_TRUE(world["a"].node().register_name("x", holder, Scope::cluster));
  world.run_for(1s);
  world.run("b", [holder](Context& context) -> Task<> {
    const auto held = [] { return child<Doubler>("held").as(Global{"x"}); };
    const SupervisorSpec spec{.children = {held()}};
    const StartResult fixed = co_await start_supervisor(context, spec);
    const StartResult dynamic = co_await start_dynamic_supervisor(context);
    const std::string id = "held";
    const StartResult again = co_await restart_child(context, fixed.pid, id);
    EXPECT_EQ(to_string(again), "already_started " + to_string(holder));
    const Result<void> forgotten = co_await delete_child(context, fixed.pid, id);
    EXPECT_TRUE(forgotten);
    for (const Pid supervisor : {fixed.pid, dynamic.pid}) {
      const StartResult added = co_await start_child(context, supervisor, held());
      EXPECT_EQ(to_string(added), "already_started " + to_string(holder));
      const ChildCounts counts = co_await count_children(context, supervisor);
      EXPECT_EQ(counts.specs, 0U);
    }
  });
}

TEST_F(Names, AChildThatLosesItsNameInItsInitCountsAsIgnoredOrIsToldOf) {
  std::map<std::string, std::string> started;
  for (const std::string node : {"a", "b"}) {
    world[node].node().spawn([&started, node](Context& context) -> Task<> {
      SupervisorSpec spec;
      spec.children.push_back(child<SlowToStart>("of_spec").as(Global{"x"}));
      const StartResult app = co_await start_supervisor(context, spec);
      started[node] = app.ok() ? "ok, " : "failed, ";
      if (!app.ok()) co_return;
      const auto added = child<SlowToStart>("added").as(Global{"y"});
      const StartResult child = co_await start_child(context, app.pid, added);
      started[node] += to_string(child);
      co_await sit(context);
    });
  }
  world.run_for(2s);
  const auto y = seen_from("c", "y");
  ASSERT_TRUE(y);
  for (const std::string node : {"a", "b"}) {
    const bool holds = y->node == world[node].node().id();
    EXPECT_EQ(started[node], (holds ? "ok, ok " : "ok, already_started ") + to_string(*y));
  }
}

TEST_F(Names, WhoLeavesTwiceHearsOfBoth) {
  int first = 0;
  int second = 0;
  world["c"].cluster().leave([&first] { ++first; });
  world["c"].cluster().leave([&second] { ++second; });
  world.run_for(10s);
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 1);
}

TEST_F(Names, LeavingIsToldFromFailing) {
  bool left = false;
  world["c"].cluster().leave([&left] { left = true; });
  ASSERT_TRUE(world.run_until([&left] { return left; }, 10s));
  world.kill("c");
  world.run_for(10s);
  Member::State state = Member::State::up;
  world["a"].cluster().members([&state](std::vector<Member> members) {
    for (const Member& member : members) {
      if (member.name == "c") state = member.state;
    }
  });
  world.run_for(1s);
  EXPECT_EQ(state, Member::State::left);
}

TEST_F(Remote, AMessageComesThroughAnAliasWhileItIsActive) {
  Ref alias;
  auto received = world["b"].node().async([&alias](Context& context) -> Task<std::vector<int>> {
    alias = context.alias(AliasMode::reply);
    std::vector<int> numbers;
    while (const auto ask = co_await context.receive_for<Ask>(2s)) numbers.push_back(ask->number);
    co_return numbers;
  });
  world.run_for(1ms);
  world["a"].node().spawn([alias](Context& context) -> Task<> {
    context.send(alias, Ask{1});
    context.send(alias, Ask{2});  // the first has ended it
    co_return;
  });
  world.run_for(5s);
  EXPECT_EQ(SimWorld::ready(received), std::vector<int>{1});
  EXPECT_EQ(world["b"].node().metrics().get(Metric::dead_letters_alias), 1U);
  EXPECT_EQ(world["b"].node().metrics().get(Metric::frames_malformed), 0U);
}

TEST_F(Remote, ACallThatAFullMailboxRefusesFailsAtOnce) {
  const Pid full = world["b"].node().spawn_opt(
      SpawnOptions{.mailbox = {.messages = 1, .policy = MailboxPolicy::drop_newest}},
      [](Context& context) -> Task<> { co_await context.sleep_for(1h); });
  auto reason = world["a"].node().async([full](Context& context) -> Task<std::string> {
    context.send(full, Ask{1});
    try {
      co_await context.call_for<Ask>(std::nullopt, full, 2);
    } catch (const ProcessExit& exit) {
      co_return to_string(exit.reason());
    }
    co_return "answered";
  });
  world.run_for(5s);
  EXPECT_EQ(SimWorld::ready(reason), "mailbox_full");
}

}  // namespace
}  // namespace grove
