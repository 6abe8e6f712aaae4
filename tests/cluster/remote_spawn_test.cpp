// SPDX-License-Identifier: Apache-2.0
//
// Processes and servers that are started on other nodes.
#include "grove/node/inspect.hpp"
#include "grove/node/remote.hpp"
#include "grove/node/router.hpp"
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace remote_spawn_test {

struct Report {
  std::string node;
  std::string text;
  int number = 0;
  grove::Pid pid = {};
  grove::Pid parent = {};
};

}  // namespace remote_spawn_test

GROVE_MESSAGE(remote_spawn_test::Report, "test.report", node, text, number, pid, parent)

namespace remote_spawn_test {

using namespace grove;
using namespace std::chrono_literals;
using testkit::SimWorld;

Task<> report(Context& context, Pid to, std::string text, int number) {
  const Report report{context.node().name(), text, number, context.self(), context.parent()};
  context.send(to, report);
  co_return;
}
Task<> wait_for_ever(Context& context) {
  for (;;) co_await context.receive_any();
}
Task<> quit(Context& context, ExitReason reason) {
  context.exit(reason);
  co_return;
}
/// Tells `to` how its parent has ended.
Task<> mourn(Context& context, Pid to) {
  context.trap_exit(true);
  const Exit exit = co_await context.receive<Exit>();
  const Report report{context.node().name(), to_string(exit.reason), 0, context.self(), exit.from};
  context.send(to, report);
}
/// What the other program has never heard of.
Task<> unknown(Context&) { co_return; }

class Echo final : public Handler {
 public:
  explicit Echo(std::string prefix) : prefix_{std::move(prefix)} {}
  void handle(Context& context, Envelope& envelope) override {
    if (const auto* text = envelope.message.get<std::string>()) {
      context.send(envelope.from, prefix_ + *text);
    }
  }

 private:
  std::string prefix_;
};

}  // namespace remote_spawn_test

GROVE_REMOTE(remote_spawn_test::report, "test.spawn.report")
GROVE_REMOTE(remote_spawn_test::wait_for_ever, "test.spawn.wait_for_ever")
GROVE_REMOTE(remote_spawn_test::quit, "test.spawn.quit")
GROVE_REMOTE(remote_spawn_test::mourn, "test.spawn.mourn")
GROVE_REMOTE_CLASS(remote_spawn_test::Echo, "test.spawn.echo", std::string)

// As GROVE_REMOTE, but for the registration: both nodes of a simulated cluster are one program.
template <>
struct grove::detail::RemoteFunction<remote_spawn_test::unknown> {
  static constexpr bool k_declared = true;
  static constexpr std::string_view k_name = "test.spawn.unknown";
  static constexpr std::string_view k_answer_name = "test.spawn.unknown/answer";
};

namespace remote_spawn_test {
namespace {

class RemoteSpawn : public testing::Test {
 protected:
  RemoteSpawn() {
    world.add_node("a");
    world.add_node("b");
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  }
  /// How many processes of `name` run now.
  std::size_t running(const std::string& name) { return world[name].node().process_count(); }

  SimWorld world{3};
};

TEST_F(RemoteSpawn, RunsAFunctionThereWithItsArguments) {
  world.run("a", [](Context& context) -> Task<> {
    const Pid there = co_await spawn_on<report>(context, "b", context.self(), "hello", 7);
    EXPECT_EQ(node_name(there.node), "b");
    const Report seen = co_await context.receive<Report>();
    EXPECT_EQ(seen.node, "b");
    EXPECT_EQ(seen.text, "hello");
    EXPECT_EQ(seen.number, 7);
    EXPECT_EQ(seen.pid, there);
    EXPECT_EQ(seen.parent, context.self());
  });
}

TEST_F(RemoteSpawn, OnTheOwnNodeIsAnOrdinarySpawn) {
  world.run("a", [](Context& context) -> Task<> {
    const Spawned here =
        co_await spawn_monitor_on<report>(context, "a", context.self(), "hello", 7);
    EXPECT_EQ(here.pid.node, context.self().node);
    const Report seen = co_await context.receive<Report>();
    EXPECT_EQ(seen.pid, here.pid);
    EXPECT_EQ(seen.parent, context.self());
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, here.ref);
    const Ref request = spawn_request_on<report>(context, "a", {}, context.self(), "again", 8);
    const SpawnReply reply = co_await context.receive<SpawnReply>();
    EXPECT_EQ(reply.request, request);
  });
}

TEST_F(RemoteSpawn, MakesAHandlerThere) {
  world.run("a", [](Context& context) -> Task<> {
    const Pid echo = co_await spawn_link_on<Echo>(context, "b", "re: ");
    context.send<std::string>(echo, "hello");
    const std::string answer = co_await context.receive<std::string>();
    EXPECT_EQ(answer, "re: hello");
    context.unlink(echo);
    context.exit(echo, ExitReason::kill());
  });
}

// PRC-19.
TEST_F(RemoteSpawn, TiesTheChildBeforeItRuns) {
  world.run("a", [](Context& context) -> Task<> {
    context.trap_exit(true);
    const ExitReason boom = ExitReason::symbol("boom");
    SpawnOptions options;
    options.link = options.monitor = true;
    const Spawned child = co_await spawn_opt_on<quit>(context, "b", options, boom);
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, child.pid);
    EXPECT_EQ(exit.reason, boom);
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, child.ref);
    EXPECT_EQ(down.pid, child.pid);
    EXPECT_EQ(down.reason, boom);
    const EnvelopePtr nothing = co_await context.receive_any(1min);
    EXPECT_EQ(nothing, nullptr);
  });
}

TEST_F(RemoteSpawn, AppliesTheOptionsThere) {
  world.run("a", [](Context& context) -> Task<> {
    SpawnOptions options;
    options.trap_exit = true;
    options.priority = Priority::high;
    options.label = "shown";
    const Spawned child = co_await spawn_opt_on<wait_for_ever>(context, "b", options);
    context.exit(child.pid, ExitReason::symbol("trapped"));
    const auto info = co_await process_info(context, child.pid);
    EXPECT_TRUE(info);
    if (!info) co_return;
    EXPECT_TRUE(info->trap_exit);
    EXPECT_EQ(info->priority, Priority::high);
    EXPECT_EQ(info->label, "shown");
    EXPECT_EQ(info->parent, context.self());
    context.exit(child.pid, ExitReason::kill());
  });
}

TEST_F(RemoteSpawn, ARequestIsAnsweredBeforeAnythingElseOfTheChild) {
  world.run("a", [](Context& context) -> Task<> {
    context.trap_exit(true);
    const ExitReason boom = ExitReason::symbol("boom");
    const SpawnOptions options{.link = true, .monitor = true};
    const Ref request = spawn_request_on<quit>(context, "b", options, boom);
    EXPECT_FALSE(context.demonitor(request));  // PRC-21: none before the reply
    const EnvelopePtr first = co_await context.receive_any();
    const auto* reply = first->message.get<SpawnReply>();
    EXPECT_NE(reply, nullptr);
    if (reply == nullptr) co_return;
    EXPECT_EQ(reply->request, request);
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, reply->pid);
    EXPECT_EQ(exit.reason, boom);
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, request);
  });
}

// RSG-8.
TEST_F(RemoteSpawn, OnANodeThatIsAwayGivesNobodysPid) {
  world.run("a", [](Context& context) -> Task<> {
    context.trap_exit(true);
    const Pid nobody = co_await spawn_on<wait_for_ever>(context, "nowhere");
    EXPECT_EQ(node_name(nobody.node), "nowhere");
    const Ref ref = context.monitor(nobody);
    const Down gone = co_await context.receive<Down>();
    EXPECT_EQ(gone.ref, ref);
    EXPECT_EQ(gone.reason, ExitReason::noconnection());
    context.link(nobody);
    const Exit linked = co_await context.receive<Exit>();
    EXPECT_EQ(linked.reason, ExitReason::noconnection());

    const Pid child = co_await spawn_link_on<wait_for_ever>(context, "nowhere");
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, child);
    EXPECT_EQ(exit.reason, ExitReason::noconnection());
    const Spawned watched = co_await spawn_monitor_on<wait_for_ever>(context, "nowhere");
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, watched.ref);
    EXPECT_EQ(down.reason, ExitReason::noconnection());

    const SpawnOptions options{.link = true, .monitor = true};
    const Ref request = spawn_request_on<wait_for_ever>(context, "nowhere", options);
    const SpawnReply reply = co_await context.receive<SpawnReply>();
    EXPECT_EQ(reply.request, request);
    EXPECT_FALSE(reply.pid);
    EXPECT_EQ(reply.reason, ExitReason::noconnection());
    const EnvelopePtr nothing = co_await context.receive_any(1min);
    EXPECT_EQ(nothing, nullptr);
    EXPECT_THROW((void)spawn_request_on<wait_for_ever>(context, "no node", {}), ProcessExit);
  });
}

TEST_F(RemoteSpawn, OfWhatIsNotDeclaredThereIsUndefinedAndLogged) {
  world.run("a", [](Context& context) -> Task<> {
    const Ref request = spawn_request_on<unknown>(context, "b", {});
    const SpawnReply reply = co_await context.receive<SpawnReply>();
    EXPECT_EQ(reply.request, request);
    EXPECT_FALSE(reply.pid);
    EXPECT_EQ(to_string(reply.reason), "{undef,\"test.spawn.unknown\"}");
    const Spawned watched = co_await spawn_monitor_on<unknown>(context, "b");
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, watched.ref);
    EXPECT_EQ(down.reason, reply.reason);
  });
  const auto lines = world["b"].log().lines();
  EXPECT_TRUE(std::any_of(lines.begin(), lines.end(), [](const auto& line) {
    return line.first == LogLevel::warning &&
           line.second.find("node a asks for \"test.spawn.unknown\"") != std::string::npos;
  }));
  EXPECT_EQ(world.total(Metric::sessions_down), 0U);
}

TEST_F(RemoteSpawn, OfAParentThatHasEndedNothingIsKeptWhenThereIsNoChild) {
  ExitReason too_deep;
  for (int level = 0; level < 60; ++level) too_deep = ExitReason{Value::list({too_deep.term()})};
  std::vector<Ref> requests;
  for (const bool refused_there : {true, false}) {
    world["a"].node().spawn([&](Context& context) -> Task<> {
      const SpawnOptions options{.link = true};
      requests.push_back(refused_there ? spawn_request_on<unknown>(context, "b", options)
                                       : spawn_request_on<quit>(context, "b", options, too_deep));
      context.exit(ExitReason::symbol("bye"));
      co_return;
    });
    world.run_for(1s);
  }
  ASSERT_EQ(requests.size(), 2U);
  Router& router = *world["a"].node().router();
  for (const Ref& request : requests) {
    EXPECT_EQ(router.take_spawner_end(world["b"].node().id(), request), ExitReason::noproc());
  }
}

// PRC-20, RSG-9.
TEST_F(RemoteSpawn, AParentThatEndsMeanwhileLeavesNoOrphan) {
  const auto heard = world.run("a", [](Context& context) -> Task<Report> {
    const Pid boss = context.self();
    const auto parent = [boss](Context& own) -> Task<> {
      const SpawnOptions options{.link = true};
      spawn_request_on<mourn>(own, "b", options, boss);
      own.exit(ExitReason::error("type", "text"));
      co_return;
    };
    const Pid pid = context.spawn(parent);
    const Report seen = co_await context.receive<Report>();
    EXPECT_EQ(seen.parent, pid);
    co_return seen;
  });
  EXPECT_EQ(heard.text, "{error,\"type\",\"text\"}");
  world.run("a", [](Context& context) -> Task<> {
    for (int round = 0; round < 200; ++round) {
      context.spawn([round](Context& own) -> Task<> {
        const SpawnOptions options{.link = true, .monitor = true};
        for (int child = 0; child <= round % 5; ++child) {
          spawn_request_on<wait_for_ever>(own, "b", options);
        }
        if (round % 3 > 0) co_await own.sleep_for(std::chrono::microseconds{round});
        own.exit(ExitReason::symbol("bye"));
      });
    }
    co_await context.sleep_for(10s);
  });
  EXPECT_EQ(running("b"), 0U);
}

TEST_F(RemoteSpawn, AnEndOfTheConnectionLeavesNoOrphan) {
  for (int round = 0; round < 20; ++round) {
    auto parent = world["a"].node().async([](Context& context) -> Task<std::vector<std::string>> {
      context.trap_exit(true);
      std::vector<std::string> ends;
      for (int child = 0; child < 3; ++child) {
        const SpawnOptions options{.link = true};
        spawn_request_on<wait_for_ever>(context, "b", options);
      }
      while (ends.size() < 3) {
        const EnvelopePtr next = co_await context.receive_any();
        if (const auto* reply = next->message.get<SpawnReply>()) {
          if (!reply->pid) ends.push_back(to_string(reply->reason));
        } else if (const auto* exit = next->message.get<Exit>()) {
          ends.push_back(to_string(exit->reason));
        }
      }
      co_return ends;
    });
    world.run_for(std::chrono::microseconds{100 * round});
    world.partition({{"a"}, {"b"}});
    world.run_for(30s);
    EXPECT_EQ(SimWorld::ready(parent), (std::vector<std::string>(3, "noconnection")));
    EXPECT_EQ(running("b"), 0U);
    world.heal();
    ASSERT_TRUE(world.run_until([this] { return world.all_connected(); }, 1min));
  }
}

// PRC-21.
TEST_F(RemoteSpawn, ThatIsAbandonedIsNotAnsweredAndALinkedChildIsTold) {
  world.run("a", [](Context& context) -> Task<> {
    context.trap_exit(true);
    const SpawnOptions options{.link = true, .monitor = true};
    const Ref request = spawn_request_on<mourn>(context, "b", options, context.self());
    EXPECT_TRUE(context.abandon_spawn(request));
    EXPECT_FALSE(context.abandon_spawn(request));
    const Report seen = co_await context.receive<Report>();
    EXPECT_EQ(seen.text, "abandoned");
    EXPECT_EQ(seen.parent, context.self());
    const EnvelopePtr nothing = co_await context.receive_any(1min);
    EXPECT_EQ(nothing, nullptr);

    const Ref answered = spawn_request_on<wait_for_ever>(context, "b", {});
    const SpawnReply reply = co_await context.receive<SpawnReply>();
    EXPECT_EQ(reply.request, answered);
    EXPECT_FALSE(context.abandon_spawn(answered));
    const bool alive = co_await is_alive(context, reply.pid);
    EXPECT_TRUE(alive);
    context.exit(reply.pid, ExitReason::kill());
  });
}

TEST_F(RemoteSpawn, ItsChildrenEndWithTheirNodeOnce) {
  auto heard = world["a"].node().async([](Context& context) -> Task<int> {
    context.trap_exit(true);
    const Pid linked = co_await spawn_link_on<wait_for_ever>(context, "b");
    const Spawned watched = co_await spawn_monitor_on<wait_for_ever>(context, "b");
    int ends = 0;
    while (const EnvelopePtr next = co_await context.receive_any(1min)) {
      if (const auto* exit = next->message.get<Exit>()) {
        EXPECT_EQ(exit->from, linked);
        EXPECT_EQ(exit->reason, ExitReason::noconnection());
        ++ends;
      } else if (const auto* down = next->message.get<Down>()) {
        EXPECT_EQ(down->ref, watched.ref);
        EXPECT_EQ(down->reason, ExitReason::noconnection());
        ++ends;
      }
    }
    co_return ends;
  });
  world.run_for(1s);
  world.kill("b");
  world.run_for(2min);
  EXPECT_EQ(SimWorld::ready(heard), 2);
}

}  // namespace
}  // namespace remote_spawn_test
