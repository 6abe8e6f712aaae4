// SPDX-License-Identifier: Apache-2.0
//
// Calls by name to other nodes, and to several at once.
#include "grove/cluster/cluster.hpp"
#include "grove/node/gen_server.hpp"
#include "grove/node/inspect.hpp"
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace remote_server_test {

struct WhereAreYou {
  using Reply = std::string;
  int wait_ms = 0;
};
/// To be answered by `answerer`.
struct Refer {
  using Reply = int;
  grove::Pid answerer;
};
struct Referred {
  grove::Pid caller;
  std::uint64_t serial = 0;
};

}  // namespace remote_server_test

GROVE_MESSAGE(remote_server_test::WhereAreYou, "test.where_are_you", wait_ms)
GROVE_MESSAGE(remote_server_test::Refer, "test.refer", answerer)
GROVE_MESSAGE(remote_server_test::Referred, "test.referred", caller, serial)

namespace remote_server_test {
namespace {

using namespace grove;
using namespace std::chrono_literals;
using testkit::SimWorld;

class Here : public GenServer {
 public:
  using Handles = grove::Handles<WhereAreYou>;
  Task<std::string> handle_call(WhereAreYou ask) {
    // Only the node b takes its time.
    const int wait = node().name() == "b" ? ask.wait_ms : 0;
    co_await context().sleep_for(std::chrono::milliseconds{wait});
    co_return node().name();
  }
};

class RemoteServer : public testing::Test {
 protected:
  RemoteServer() {
    for (const char* name : {"a", "b", "c"}) {
      world.add_node(name);
      if (std::string{name} != "c") start(name);  // no server there
    }
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  }
  void start(const std::string& name) {
    world.run(name, [](Context& context) -> Task<> {
      ServerOptions options = named("here");
      options.link = false;
      co_await start_server<Here>(context, options);
    });
  }
  SimWorld world{7};
};

Task<std::string> ask(Context& context, std::string node, int wait_ms = 0) {
  const RemoteName server{"here", node};
  try {
    co_return co_await context.call_for<WhereAreYou>(1s, server, wait_ms);
  } catch (const ProcessExit& failed) {
    co_return to_string(failed.reason());
  }
}

TEST_F(RemoteServer, IsCalledByItsNameThere) {
  world.run("a", [](Context& context) -> Task<> {
    EXPECT_EQ(co_await ask(context, "b"), "b");
    EXPECT_EQ(co_await ask(context, "a"), "a");
    EXPECT_EQ(co_await ask(context, "c"), "noproc");
    EXPECT_EQ(co_await ask(context, "nowhere"), "{nodedown,nowhere}");
    EXPECT_EQ(co_await ask(context, "b", 5000), "timeout");
    co_await context.sleep_for(10s);
    EXPECT_EQ(co_await context.receive_any(0s), nullptr);  // no late answer
    const RemoteName there{"here", "b"};
    co_await stop_server(context, there);
    EXPECT_EQ(co_await ask(context, "b"), "noproc");
  });
}

/// Has another process answer.
class Delegates : public GenServer {
 public:
  using Handles = grove::Handles<WhereAreYou>;
  NoReply handle_call(WhereAreYou) {
    context().spawn([from = from()](Context& other) -> Task<> {
      other.reply<std::string>(from, "elsewhere");
      co_return;
    });
    return {};
  }
};

TEST_F(RemoteServer, ForgetsACallerThatAnotherProcessHasAnswered) {
  world.run("c", [](Context& context) -> Task<> {
    ServerOptions options = named("here");
    options.link = false;
    co_await start_server<Delegates>(context, options);
  });
  const Pid server = world["c"].node().whereis("here").value();
  world.run("a", [server](Context& context) -> Task<> {
    EXPECT_EQ(co_await ask(context, "c"), "elsewhere");
    EXPECT_EQ(co_await context.call<WhereAreYou>(server), "elsewhere");
    co_await context.sleep_for(100ms);
    const auto info = co_await process_info(context, server);
    EXPECT_EQ(info.value().monitored_by, std::vector<Pid>{});
  });
}

class Refers : public GenServer {
 public:
  using Handles = grove::Handles<Refer>;
  NoReply handle_call(Refer refer) {
    const Referred referred{from().pid, from().serial};
    context().send(refer.answerer, referred);
    return {};
  }
};

Task<> answer_the_referred(Context& context) {
  for (;;) {
    const Referred referred = co_await context.receive<Referred>();
    context.reply(From{referred.caller, referred.serial}, 42);
  }
}

TEST_F(RemoteServer, ForgetsACallerWhomAProcessOfAnyNodeHasAnswered) {
  const Pid server = world.run("b", [](Context& context) -> Task<Pid> {
    ServerOptions options = named("refers");
    options.link = false;
    co_return (co_await start_server<Refers>(context, options)).pid;
  });
  for (const std::string node : {"a", "b", "c"}) {
    const Pid answerer = world[node].node().spawn(answer_the_referred);
    world.run("a", [&](Context& context) -> Task<> {
      const RemoteName by_name{"refers", "b"};
      EXPECT_EQ(co_await context.call<Refer>(by_name, answerer), 42);
      EXPECT_EQ(co_await context.call<Refer>(server, answerer), 42);
      co_await context.sleep_for(1s);
      const auto info = co_await process_info(context, server);
      EXPECT_EQ(info.value().monitored_by, std::vector<Pid>{}) << node;
    });
  }
}

class Narcissus : public GenServer {
 public:
  using Handles = grove::Handles<WhereAreYou>;
  Task<std::string> handle_call(WhereAreYou) {
    const Global itself{"narcissus"};
    try {
      co_return co_await context().call<WhereAreYou>(itself);
    } catch (const ProcessExit& failed) {
      co_return to_string(failed.reason());
    }
  }
};

// GEN-15.
TEST_F(RemoteServer, ThatCallsItselfByItsClusterWideNameIsToldSo) {
  const Global name{"narcissus"};
  world.run("b", [name](Context& context) -> Task<> {
    ServerOptions options = named(name);
    options.link = false;
    co_await start_server<Narcissus>(context, options);
  });
  world.run_for(100ms);
  world.run("a", [name](Context& context) -> Task<> {
    EXPECT_EQ(co_await context.call<WhereAreYou>(name), "calling_self");
  });
}

// GEN-14, GEN-33. Whom a monitor tells `noconnection`.
TEST_F(RemoteServer, OutOfReachFailsItsCallersWithItsNode) {
  auto waiting = world["a"].node().async(
      [](Context& context) -> Task<std::string> { co_return co_await ask(context, "b", 900); });
  world.run_for(100ms);
  world.kill("b");
  world.run_for(1s);
  EXPECT_EQ(SimWorld::ready(waiting), "{nodedown,b}");
  world.run("a", [](Context& context) -> Task<> {
    EXPECT_EQ(co_await ask(context, "b"), "{nodedown,b}");
    try {
      const RemoteName there{"here", "b"};
      co_await stop_server(context, there);
      ADD_FAILURE() << "it cannot have stopped";
    } catch (const ProcessExit& failed) {
      EXPECT_EQ(to_string(failed.reason()), "{nodedown,b}");
    }
    context.monitor(RemoteName{"here", "b"});
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::noconnection());
    EXPECT_EQ(node_name(down.pid.node), "b");
  });
}

// As OTP, which does not ask why a server ended so; but one at home is in reach.
TEST_F(RemoteServer, ThatEndsWithNoconnectionIsOutOfReachUnlessItIsAtHome) {
  for (const auto& [caller, seen] : {std::pair{"a", "{nodedown,b}"}, {"b", "noconnection"}}) {
    auto asked = world[caller].node().async(
        [](Context& context) -> Task<std::string> { co_return co_await ask(context, "b", 900); });
    world.run_for(100ms);
    world["b"].node().exit(*world["b"].node().whereis("here"), ExitReason::noconnection());
    world.run_for(1s);
    EXPECT_EQ(SimWorld::ready(asked), seen);
    start("b");
  }
}

/// Takes a second for each of what it is told.
class Slow : public GenServer {
 public:
  using Handles = grove::Handles<WhereAreYou>;
  Task<> handle_info(WhereAreYou) { co_await context().sleep_for(1s); }
};

TEST_F(RemoteServer, IsStoppedThoughItsMailboxIsFull) {
  for (const bool by_name : {false, true}) {
    const Pid full = world.run("b", [](Context& context) -> Task<Pid> {
      ServerOptions options = named("full");
      options.link = false;
      options.mailbox = {.messages = 2, .policy = MailboxPolicy::drop_newest};
      const StartResult server = co_await start_server<Slow>(context, options);
      for (int i = 0; i < 4; ++i) context.send(server.pid, WhereAreYou{});
      co_return server.pid;
    });
    world.run("a", [full, by_name](Context& context) -> Task<> {
      const ServerRef server = by_name ? ServerRef{RemoteName{"full", "b"}} : ServerRef{full};
      co_await stop_server(context, server, ExitReason::normal(), 1min);
    });
  }
}

struct AskAll {
  using Reply = std::vector<std::string>;
};

/// Asks all servers of its own name.
class Asker : public GenServer {
 public:
  using Handles = grove::Handles<AskAll, WhereAreYou>;
  Task<std::vector<std::string>> handle_call(AskAll) {
    const std::vector<std::string> nodes{"a", "b", "nowhere"};
    const WhereAreYou question{};
    const auto all = co_await multi_call(context(), nodes, "asker", 300ms, question);
    std::vector<std::string> told = all.bad_nodes;
    for (const auto& [node, answer] : all.replies) told.push_back(node + " answers");
    co_return told;
  }
  std::string handle_call(WhereAreYou) { return node().name(); }
};

TEST_F(RemoteServer, AServerThatIsAskedByItselfAmongOthersIsABadNode) {
  for (const char* node : {"a", "b"}) {
    world.run(node, [](Context& context) -> Task<> {
      ServerOptions options = named("asker");
      options.link = false;
      (void)co_await start_server<Asker>(context, options);
    });
  }
  const auto told = world.run("a", [](Context& context) -> Task<std::vector<std::string>> {
    co_return co_await context.call<AskAll>("asker");
  });
  EXPECT_EQ(told, (std::vector<std::string>{"a", "nowhere", "b answers"}));
}

// GEN-20.
TEST_F(RemoteServer, MultiCallTellsAnswersFromBadNodes) {
  world.run("a", [](Context& context) -> Task<> {
    const std::vector<std::string> nodes{"a", "b", "c", "nowhere"};
    const WhereAreYou quick{};
    const auto all = co_await multi_call(context, nodes, "here", 1s, quick);
    EXPECT_EQ(all.replies.size(), 2U);
    if (all.replies.size() != 2) co_return;
    EXPECT_EQ(all.replies[0].first, "a");
    EXPECT_EQ(all.replies[1].second, "b");
    EXPECT_EQ(all.bad_nodes, (std::vector<std::string>{"c", "nowhere"}));
    const WhereAreYou slow{5000};
    const auto some = co_await multi_call(context, nodes, "here", 1s, slow);
    EXPECT_EQ(some.replies.size(), 1U);
    EXPECT_EQ(some.bad_nodes, (std::vector<std::string>{"b", "c", "nowhere"}));
    co_await context.sleep_for(10s);
    EXPECT_EQ(co_await context.receive_any(0s), nullptr);
  });
}

}  // namespace
}  // namespace remote_server_test
