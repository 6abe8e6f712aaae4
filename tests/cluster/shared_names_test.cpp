// SPDX-License-Identifier: Apache-2.0
//
// Cluster-wide names in simulated clusters.
#include "grove/node/cluster_names.hpp"
#include "grove/node/supervisor.hpp"
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>

namespace shared_names_test {

struct Sack {
  std::string name;
  std::string load;
};

}  // namespace shared_names_test

GROVE_MESSAGE(shared_names_test::Sack, "shared_names_test.sack", name, load)

namespace grove {
namespace {

using namespace std::chrono_literals;
using global::NameAck;
using global::NameEvent;
using global::NameOptions;
using shared_names_test::Sack;
using testkit::SimWorld;

Task<> sit(Context& context) {
  for (;;) co_await context.receive_any();
}

class Idle : public GenServer {
 public:
  using Handles = grove::Handles<>;
};

class SharedNames : public testing::Test {
 protected:
  void start(NamesConfig names = {}) {
    world.configure([names](ClusterConfig& config) { config.names = names; });
    for (const char* name : {"a", "b", "c"}) world.add_node(name);
    ASSERT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
    world.run_for(1s);
  }
  Node& node(const std::string& name) { return world[name].node(); }
  Pid hold(const std::string& on, const std::string& name) {
    const Pid pid = node(on).spawn(sit);
    const auto given = node(on).register_name(name, pid, Scope::cluster);
    EXPECT_TRUE(given) << given.error().detail;
    return pid;
  }
  std::optional<Pid> seen(const std::string& from, const std::string& name) {
    return node(from).whereis(name, Scope::cluster);
  }
  void expect_seen(const std::string& name, const std::optional<Pid>& pid) {
    for (const char* from : {"a", "b", "c"}) EXPECT_EQ(seen(from, name), pid) << "on " << from;
  }
  void cut_in_two() {
    world.partition({{"a"}, {"b", "c"}});
    world.run_for(6s);
  }
  void heal() {
    world.heal();
    ASSERT_TRUE(world.run_until([this] { return world.all_connected(); }, 30s));
    world.run_for(3s);
  }
  Result<void> give(const std::string& on, const std::string& name, NameOptions options) {
    return world.run(on, [name, options](Context& context) -> Task<Result<void>> {
      const Pid pid = context.spawn(sit);
      co_return co_await global::register_name(context, name, pid, options);
    });
  }
  SimWorld world{7};
};

TEST_F(SharedNames, OfNodesThatOnlyAThirdOneSeesBothOfConverge) {
  start();
  world.cut("a", "b");
  world.cut("b", "a");
  world.run_for(12s);
  const Pid x = hold("a", "x");
  const Pid y = hold("b", "y");
  world.run_for(3s);
  expect_seen("x", x);
  expect_seen("y", y);
  EXPECT_EQ(node("b").register_name("x", node("b").spawn(sit), Scope::cluster).error().code,
            Errc::name_taken);
  node("a").exit(x, ExitReason::kill());
  world.run_for(3s);
  expect_seen("x", std::nullopt);
  heal();
  expect_seen("y", y);
}

TEST_F(SharedNames, OfANodeThatComesBackWithItsLifeAreThereAgain) {
  start();
  const Pid x = hold("a", "x");
  world.run_for(1s);
  world.partition({{"a"}, {"b", "c"}});
  world.run_for(40s);
  EXPECT_EQ(seen("b", "x"), std::nullopt);  // it was declared dead
  EXPECT_EQ(seen("a", "x"), x);
  heal();
  world.run_for(5s);
  expect_seen("x", x);
  EXPECT_TRUE(node("a").is_alive(x));
}

TEST_F(SharedNames, TheNewestClaimStandsWhereThatIsTheOrder) {
  NamesConfig names;
  names.order = NameOrder::keep_newest;
  start(names);
  cut_in_two();
  const Pid older = hold("a", "x");
  world.run_for(1s);
  const Pid newer = hold("b", "x");
  heal();
  expect_seen("x", newer);
  EXPECT_FALSE(node("a").is_alive(older));
  EXPECT_EQ(world.total(Metric::name_conflicts), 1U);
}

TEST_F(SharedNames, AnOrderThatThrowsFreesTheNameAndHarmsNobody) {
  NamesConfig names;
  names.choose = [](const std::string& name, const NameClaim& older, const NameClaim&) -> Pid {
    if (name == "x") throw std::runtime_error{"no idea"};
    return older.pid;
  };
  start(names);
  const Pid other = hold("c", "other");
  cut_in_two();
  const Pid one = hold("a", "x");
  const Pid two = hold("b", "x");
  heal();
  expect_seen("x", std::nullopt);
  expect_seen("other", other);
  EXPECT_TRUE(node("a").is_alive(one));
  EXPECT_TRUE(node("b").is_alive(two));
  EXPECT_EQ(world.total(Metric::name_conflicts_unsettled), 2U);
  expect_seen("x", std::nullopt);
  const Pid next = hold("c", "x");
  world.run_for(1s);
  expect_seen("x", next);
}

// A node that has freed a name keeps its claim until the others are seen to have freed theirs.
TEST_F(SharedNames, ThatAreBeingGivenUpAreRefusedToAServer) {
  NamesConfig names;
  names.choose = [](const std::string&, const NameClaim&, const NameClaim&) { return Pid{}; };
  start(names);
  world.partition({{"a"}, {"b"}, {"c"}});
  world.run_for(6s);
  for (const char* on : {"a", "b", "c"}) hold(on, "x");
  world.heal();
  std::string early;
  ASSERT_TRUE(world.run_until(
      [&] {
        for (const char* on : {"a", "b", "c"}) {
          const bool freed = node(on).metrics().get(Metric::name_conflicts_unsettled) > 0;
          if (freed && !seen(on, "x")) early = on;
        }
        return !early.empty();
      },
      10s));
  std::optional<StartResult> started;
  node(early).spawn([&started](Context& context) -> Task<> {
    ServerOptions options;
    options.name = Global{"x"};
    options.link = false;
    started = co_await start_server<Idle>(context, options);
  });
  world.run_for(5s);
  ASSERT_TRUE(started.has_value());
  EXPECT_EQ(to_string(*started), "failed: {shutdown,{name_refused,\"two claim it\"}}");
  expect_seen("x", std::nullopt);
}

// Five children lose their names at once; a supervisor takes three restarts.
TEST_F(SharedNames, LostToAnotherNodesDoNotCountAgainstTheRestartsOfASupervisor) {
  start();
  cut_in_two();
  const auto tree = [](Context& context) -> Task<Pid> {
    SupervisorSpec spec;
    for (int i = 0; i < 5; ++i) {
      const std::string name = "worker-" + std::to_string(i);
      spec.children.push_back(child<Idle>(name).as(Global{name}));
    }
    ServerOptions options;
    options.link = false;
    const StartResult started = co_await start_supervisor(context, spec, options);
    co_return started.pid;
  };
  const Pid older = world.run("a", tree);
  world.run_for(1s);
  const Pid newer = world.run("b", tree);
  heal();
  EXPECT_EQ(world.total(Metric::name_conflicts), 5U);
  const auto running = [](Pid supervisor) {
    return [supervisor](Context& context) -> Task<std::size_t> {
      const ChildCounts counts = co_await count_children(context, supervisor);
      co_return counts.active;
    };
  };
  EXPECT_EQ(world.run("a", running(older)), 5U);
  EXPECT_EQ(world.run("b", running(newer)), 0U);  // ignored: their names are taken
}

TEST_F(SharedNames, AreAcknowledgedByMembersOrTheirRegistrationTimesOut) {
  start();
  NameOptions options;
  for (const NameAck ack :
       {NameAck::none(), NameAck::nodes(2), NameAck::majority(), NameAck::all()}) {
    options.ack = ack;
    const std::string name = "ack-" + std::to_string(static_cast<int>(ack.kind));
    EXPECT_TRUE(give("a", name, options));
    EXPECT_TRUE(ack.kind == NameAck::Kind::none || (seen("b", name) && seen("c", name)));
  }
  cut_in_two();
  options.timeout = 2s;
  options.ack = NameAck::all();
  EXPECT_EQ(give("a", "all", options).error().code, Errc::timeout);
  EXPECT_TRUE(seen("a", "all"));  // it has the name all the same
  options.ack = NameAck::majority();
  EXPECT_TRUE(give("b", "most", options));
  EXPECT_EQ(give("a", "alone", options).error().code, Errc::timeout);
}

TEST_F(SharedNames, ThatWereMovedBeforeAllHadThemWereNotRegistered) {
  for (const std::string mover : {"a", "b"}) {
    const std::string name = "moved-by-" + mover;
    if (mover == "a") start();
    world.clog("a", "c", 3s);
    NameOptions options;
    options.ack = NameAck::all();
    auto given = node("a").async([options, name](Context& context) -> Task<Result<void>> {
      co_return co_await global::register_name(context, name, context.self(), options);
    });
    world.run_for(500ms);
    const Pid other = node(mover).spawn(sit);
    world.run(mover, [name, other](Context& context) -> Task<> {
      EXPECT_TRUE(global::re_register_name(context, name, other));
      co_return;
    });
    world.run_for(30s);
    const Result<void> result = SimWorld::ready(given);
    ASSERT_FALSE(result) << name;
    EXPECT_EQ(result.error().code, Errc::name_taken) << name;
    expect_seen(name, other);
  }
}

TEST_F(SharedNames, WatchersSeeEachChangeFromTheFirstViewOn) {
  start();
  const Pid first = hold("a", "job-1");
  hold("a", "other");
  world.run_for(1s);
  std::vector<std::string> told;
  node("b").spawn(
      [](Context& context, std::vector<std::string>* out) -> Task<> {
        const global::NameWatch watch = global::watch_names(context, "job-");
        for (const auto& row : watch.view) out->push_back("view " + row.name);
        for (;;) {
          const NameEvent event = co_await context.receive<NameEvent>();
          EXPECT_EQ(event.watch, watch.ref);
          const bool up = event.kind == NameEvent::Kind::up;
          out->push_back((up ? "up " : "down ") + event.row.name + " " +
                         to_string(event.row.metadata));
          if (event.row.name == "job-last" && up) global::unwatch_names(context, watch.ref);
        }
      },
      &told);
  world.run_for(1s);
  node("a").exit(first, ExitReason::kill());
  NameOptions options;
  options.metadata = Value{7};
  world.run_for(1s);
  EXPECT_TRUE(give("c", "job-2", options));
  world.run_for(1s);
  world.kill("c");
  world.run_for(1s);
  hold("b", "job-last");
  world.run_for(1s);
  hold("b", "job-unseen");
  world.run_for(1s);
  const std::vector<std::string> wanted{"view job-1", "down job-1 nil", "up job-2 7",
                                        "down job-2 nil", "up job-last nil"};
  EXPECT_EQ(told, wanted);
}

TEST_F(SharedNames, OfNodesWithOtherRulesAreSaidToStayForked) {
  start();
  world.configure([](ClusterConfig& config) { config.names.order = NameOrder::keep_newest; });
  world.add_node("d");
  ASSERT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  world.run_for(5s);
  const auto said = [this](const std::string& by, const std::string& of) {
    std::size_t lines = 0;
    for (const auto& [level, text] : world[by].log().lines()) {
      lines += text.starts_with("node " + of + " settles conflicts of names by another") ? 1U : 0U;
    }
    return lines;
  };
  for (const char* one : {"a", "b", "c"}) {
    EXPECT_EQ(said(one, "d"), 1U);
    EXPECT_EQ(said("d", one), 1U);
    EXPECT_GT(node(one).metrics().get(Metric::names_rules_differ), 0U);
  }
  EXPECT_EQ(said("a", "b"), 0U);
}

TEST_F(SharedNames, OfANodeWhoseClockIsHoursWrongAreNamesAndItsClockIsInTheLog) {
  start();
  world.set_clock("a", 5h);
  const Pid x = hold("a", "x");
  const Pid y = hold("b", "y");
  world.run_for(5s);
  expect_seen("x", x);
  expect_seen("y", y);
  std::size_t said = 0;
  for (const auto& [level, text] : world["b"].log().lines()) {
    said += text.find("the clock of node a is more than 5 s ahead") != std::string::npos ? 1U : 0U;
  }
  EXPECT_EQ(said, 1U);
  EXPECT_GT(node("b").metrics().get(Metric::clocks_ahead), 0U);
  EXPECT_EQ(node("a").metrics().get(Metric::clocks_ahead), 0U);
  cut_in_two();
  const Pid older = hold("b", "z");  // b has heard of a's time
  world.run_for(1s);
  const Pid newer = hold("a", "z");
  heal();
  expect_seen("z", older);
  EXPECT_FALSE(node("a").is_alive(newer));
}

TEST_F(SharedNames, AReRegistrationElsewhereLeavesTheOldHolderAlone) {
  start();
  const Pid old = hold("a", "x");
  world.run_for(1s);
  const Pid now = world.run("b", [](Context& context) -> Task<Pid> {
    const Pid pid = context.node().spawn(sit);
    EXPECT_TRUE(global::re_register_name(context, "x", pid, Value{"moved"}));
    EXPECT_EQ(context.whereis("x", Scope::cluster), pid);
    co_return pid;
  });
  world.run_for(1s);
  expect_seen("x", now);
  EXPECT_TRUE(node("a").is_alive(old));
  EXPECT_TRUE(node("a").register_name("y", old, Scope::cluster));  // it has no name now
  EXPECT_FALSE(node("c").unregister_name("x", Scope::cluster));    // not of c's processes
  world.run("c", [](Context& context) -> Task<> {
    EXPECT_TRUE(global::unregister_name(context, "x"));
    co_return;
  });
  world.run_for(1s);
  expect_seen("x", std::nullopt);
}

TEST_F(SharedNames, BadOnesAreRefusedWithAWord) {
  start();
  const Pid pid = node("a").spawn(sit);
  const Pid elsewhere = node("b").spawn(sit);
  const Pid dead = node("a").spawn(sit);
  node("a").exit(dead, ExitReason::kill());
  world.run_for(1s);
  const auto code = [&](const std::string& name, const Pid& whom) {
    return node("a").register_name(name, whom, Scope::cluster).error().code;
  };
  EXPECT_EQ(code("", pid), Errc::bad_argument);
  EXPECT_EQ(code(std::string(256, 'x'), pid), Errc::bad_argument);
  EXPECT_EQ(code("\xFF\xFE", pid), Errc::bad_argument);
  EXPECT_EQ(code("\xED\xA0\x80", pid), Errc::bad_argument);  // a surrogate
  EXPECT_EQ(code("x", elsewhere), Errc::bad_argument);
  EXPECT_EQ(code("x", dead), Errc::noproc);
  NameOptions options;
  options.metadata = Value{std::string(2000, 'x')};
  EXPECT_EQ(give("a", "x", options).error().code, Errc::bad_argument);
  EXPECT_TRUE(node("a").register_name("Größe", pid, Scope::cluster));
  EXPECT_EQ(code("x", pid), Errc::already_started);
  EXPECT_EQ(code("Größe", node("a").spawn(sit)), Errc::name_taken);
}

TEST_F(SharedNames, AFloodOfThemReachesAllAndHoldsNobodyUp) {
  start();
  constexpr int k_names = 5'000;
  node("b").spawn([](Context& context) -> Task<> {
    for (int i = 0; i < k_names; ++i) {
      const Pid pid = context.spawn(sit);
      EXPECT_TRUE(context.register_name("flood-" + std::to_string(i), pid, Scope::cluster));
    }
    co_return;
  });
  world.run_for(100ms);
  const Pid x = hold("a", "x");
  world.run_for(1s);
  expect_seen("x", x);
  world.add_node("d");
  ASSERT_TRUE(world.run_until(
      [this] { return world["d"].node().global_names().size() == k_names + 1; }, 20s));
  world.kill("b");
  world.run_for(1s);
  EXPECT_EQ(world["d"].node().global_names().size(), 1U);
}

// Each message is a frame of its own, and its receiver looks as soon as that has come.
TEST_F(SharedNames, OfATurnAreFoundByWhoeverGetsALaterMessageOfIt) {
  start();
  std::vector<std::string> found;
  const Pid looker = node("b").spawn(
      [](Context& context, std::vector<std::string>* out) -> Task<> {
        for (;;) {
          const Sack sack = co_await context.receive<Sack>();
          if (context.whereis(sack.name, Scope::cluster)) out->push_back(sack.name);
        }
      },
      &found);
  node("a").spawn(
      [](Context& context, Pid to) -> Task<> {
        for (const char* name : {"one", "two", "three"}) {
          EXPECT_TRUE(context.register_name(name, context.spawn(sit), Scope::cluster));
          context.send(to, Sack{name, std::string(100'000, 'x')});
        }
        co_return;
      },
      looker);
  world.run_for(1s);
  EXPECT_EQ(found, (std::vector<std::string>{"one", "two", "three"}));
}

TEST_F(SharedNames, OfAServerAreGivenOnceHoweverManyAskForIt) {
  start();
  const auto ask = [](Context& context) -> Task<StartResult> {
    ChildSpec spec = child<Idle>("idle");
    spec.options.link = false;
    StartResult started = co_await global::start_or_get(context, "one", std::move(spec));
    context.unlink(started.pid);
    co_return started;
  };
  const StartResult first = world.run("a", ask);
  ASSERT_TRUE(first.ok());
  world.run_for(1s);
  const StartResult second = world.run("b", ask);
  EXPECT_EQ(second.status, StartResult::Status::already_started);
  EXPECT_EQ(second.pid, first.pid);
}

TEST_F(SharedNames, OfAServerThatSeveralStartAtOnceOneIsLeft) {
  start();
  std::vector<StartResult> starts;
  std::vector<Exit> exits;
  const auto start_on = [&](const std::string& on, const std::string& name) {
    node(on).spawn([&, name](Context& context) -> Task<> {
      context.trap_exit(true);
      starts.push_back(co_await global::start_or_get(context, name, child<Idle>("idle")));
      exits.push_back(co_await context.receive<Exit>());
    });
  };
  start_on("a", "here");
  start_on("a", "here");
  world.run_for(1s);
  ASSERT_EQ(starts.size(), 2U);
  EXPECT_EQ(starts[0].pid, starts[1].pid);
  EXPECT_NE(starts[0].ok(), starts[1].ok());
  expect_seen("here", starts[0].pid);
  EXPECT_TRUE(exits.empty());

  starts.clear();
  start_on("a", "two");
  start_on("b", "two");
  world.run_for(1s);
  ASSERT_EQ(starts.size(), 2U);
  EXPECT_TRUE(starts[0].ok() && starts[1].ok());  // neither knew of the other
  const auto left = seen("a", "two");
  expect_seen("two", left);
  ASSERT_EQ(exits.size(), 1U);  // who started the other one has a link to it
  EXPECT_NE(exits[0].from, left);
  EXPECT_TRUE(to_string(exits[0].reason).starts_with("{name_conflict,\"two\","));
}

TEST_F(SharedNames, OfAServerThatLosesItInItsInitAreItsWinnersForWhoHasStartedIt) {
  struct SlowToStart : Idle {
    Task<Init> init() {
      co_await context().sleep_for(100ms);
      co_return Init::ok();
    }
  };
  start();
  std::vector<StartResult> starts;
  for (const char* on : {"a", "b"}) {
    node(on).spawn([&starts](Context& context) -> Task<> {
      ChildSpec spec = child<SlowToStart>("slow");
      spec.options.link = false;
      starts.push_back(co_await global::start_or_get(context, "slow", std::move(spec)));
    });
  }
  world.run_for(1s);
  ASSERT_EQ(starts.size(), 2U);
  EXPECT_NE(starts[0].ok(), starts[1].ok());
  EXPECT_NE(starts[0].status, StartResult::Status::failed);
  EXPECT_NE(starts[1].status, StartResult::Status::failed);
  EXPECT_EQ(starts[0].pid, starts[1].pid);
}

TEST_F(SharedNames, OfAPeerThatTellsOfTooManyCountForNothingThereAndNowhereElse) {
  for (const char* name : {"a", "b", "c"}) {
    world.configure(
        [name](ClusterConfig& config) { config.names.per_node_max = *name == 'b' ? 10 : 1000; });
    world.add_node(name);
  }
  ASSERT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  const Pid own = hold("b", "b's own");
  for (int i = 0; i < 30; ++i) hold("a", "flood-" + std::to_string(i));
  const Pid other = hold("c", "c's");
  world.run_for(15s);
  EXPECT_FALSE(seen("b", "flood-1"));
  EXPECT_TRUE(seen("c", "flood-1"));
  EXPECT_GE(node("b").metrics().get(Metric::names_refused), 1U);
  EXPECT_EQ(node("a").metrics().get(Metric::names_refused), 0U);
  EXPECT_EQ(node("c").metrics().get(Metric::names_refused), 0U);
  expect_seen("b's own", own);
  expect_seen("c's", other);
  EXPECT_TRUE(world.all_connected());
}

Task<> run_a_singleton(Context& context) {
  SupervisorSpec spec;
  spec.children.push_back(global::singleton("leader", child<Idle>("leader")));
  ServerOptions options;
  options.link = false;
  const StartResult started = co_await start_supervisor(context, spec, options);
  EXPECT_TRUE(started.ok());
}

TEST_F(SharedNames, OfASingletonAreTakenOverWhereItsHolderEnds) {
  start();
  for (const char* on : {"a", "b", "c"}) {
    world.run(on, run_a_singleton);
    world.run_for(1s);
  }
  EXPECT_EQ(seen("c", "leader")->node, node("a").id());
  cut_in_two();
  world.run_for(2s);
  EXPECT_EQ(seen("a", "leader")->node, node("a").id());
  ASSERT_TRUE(seen("b", "leader"));  // one on each side
  EXPECT_NE(seen("b", "leader")->node, node("a").id());
  heal();
  expect_seen("leader", seen("a", "leader"));
  EXPECT_EQ(seen("a", "leader")->node, node("a").id());
  world.kill("a");
  world.run_for(3s);
  ASSERT_TRUE(seen("b", "leader"));
  EXPECT_EQ(seen("b", "leader"), seen("c", "leader"));
}

/// When the parts of a cluster meet, each learns of claims that are over by the time they arrive.
/// Who loses a name to one of those must not take it again at once, or all go on so by the
/// thousand.
TEST(Singletons, OfManyPartsAreDecidedInFewTriesWhenTheyMeet) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    testkit::SimWorld world{seed};
    std::vector<std::vector<std::string>> parts{{"a"}, {"b"}, {"c"}, {"d"}, {"e"}};
    for (const auto& part : parts) world.add_node(part.front());
    const auto met = [&] { return world.all_connected(); };
    ASSERT_TRUE(world.run_until(met, 10s));
    for (const auto& part : parts) world.run(part.front(), run_a_singleton);
    world.partition(parts);
    world.run_for(10s);
    for (const auto& part : parts) {  // one after the other, so that the newer ones lose
      Node& node = world[part.front()].node();
      const auto leader = node.whereis("leader", Scope::cluster);
      ASSERT_TRUE(leader) << seed;
      node.exit(*leader, ExitReason::symbol("crash"));
      world.run_for(1s);
    }
    const auto lost = world.total(Metric::name_conflicts);
    world.heal();
    ASSERT_TRUE(world.run_until(met, 60s));
    world.run_for(5s);
    EXPECT_LE(world.total(Metric::name_conflicts) - lost, 3 * parts.size()) << "seed " << seed;
    for (const auto& part : parts) {
      Node& node = world[part.front()].node();
      EXPECT_EQ(node.whereis("leader", Scope::cluster),
                world["a"].node().whereis("leader", Scope::cluster));
    }
  }
}

}  // namespace
}  // namespace grove
