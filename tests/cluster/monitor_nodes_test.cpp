// SPDX-License-Identifier: Apache-2.0
//
// Context::monitor_nodes and monitor_node, Cluster::monitor_members: what they bring, how often,
// and before and after what.
#include "grove/node/node_events.hpp"
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace monitor_nodes_test {
struct Greeting {
  std::string text;
};
}  // namespace monitor_nodes_test

GROVE_MESSAGE(monitor_nodes_test::Greeting, "monitor_nodes_test.greeting", text)

namespace grove {
namespace {

using namespace std::chrono_literals;
using monitor_nodes_test::Greeting;
using testkit::SimWorld;
using Words = std::vector<std::string>;

/// What comes to a process, in words; and whether what is told of nodes is so already.
Task<> write_down(Context& context, Words& heard) {
  for (;;) {
    const EnvelopePtr envelope = co_await context.receive_any();
    const Message& message = envelope->message;
    const auto connected = [&](const std::string& node) {
      return context.node().router()->connected(node) != NodeId{};
    };
    if (const auto* up = message.get<NodeUp>()) {
      heard.push_back("up " + up->node + (connected(up->node) ? "" : ", but it is not"));
    } else if (const auto* down = message.get<NodeDown>()) {
      heard.push_back("down " + down->node + ' ' + to_string(down->reason) +
                      (connected(down->node) ? ", but it is up" : ""));
    } else if (message.is<Down>()) {
      heard.emplace_back("DOWN");
    } else if (message.is<Exit>()) {
      heard.emplace_back("EXIT");
    } else if (const auto* greeting = message.get<Greeting>()) {
      heard.push_back(greeting->text);
    }
  }
}

class NodeEvents : public testing::Test {
 protected:
  explicit NodeEvents(std::uint64_t seed = 1) : world{seed, transport::AutoConnect::never} {
    for (const char* name : {"a", "b", "c"}) world.add_node(name);
  }
  bool connect(const std::string& from, const std::string& to) {
    return world.connect(from, world[to].address());
  }
  /// A process of `name` that does `first` and then writes down what comes.
  Pid listener(const std::string& name, Words& words, std::function<void(Context&)> first) {
    const Pid pid = world[name].node().spawn([&words, first = std::move(first)](Context& context) {
      context.trap_exit(true);
      first(context);
      return write_down(context, words);
    });
    world.run_for(1ms);
    return pid;
  }
  Pid subscriber(const std::string& name, Words& words) {
    return listener(name, words, [](Context& context) { context.monitor_nodes(true); });
  }
  SimWorld world;
  Words heard;
};

// -- order, for many orders of processes and messages ---------------------------------------

class MonitorNodes : public NodeEvents, public testing::WithParamInterface<std::uint64_t> {
 protected:
  MonitorNodes() : NodeEvents{GetParam()} {}
};

TEST_P(MonitorNodes, UpComesBeforeAnythingOfTheNewConnection) {
  listener("a", heard, [](Context& context) {
    context.monitor_nodes(true);
    ASSERT_TRUE(context.register_name("greeted", context.self()).has_value());
  });
  world["b"].node().spawn([](Context& context) -> Task<> {
    context.monitor_nodes(true);
    co_await context.receive<NodeUp>();
    context.send(RemoteName{"greeted", "a"}, Greeting{"hello"});
  });
  world.run_for(1ms);
  ASSERT_TRUE(GetParam() % 2 == 0 ? connect("a", "b") : connect("b", "a"));
  world.run_for(1s);
  EXPECT_EQ(heard, (Words{"up b", "hello"}));
}

TEST_P(MonitorNodes, DownComesAfterAllThatTheConnectionBroughtAndBroke) {
  ASSERT_TRUE(connect("a", "b"));
  const Pid target = world["b"].node().spawn([](Context& context) -> Task<> {
    const Greeting greeting = co_await context.receive<Greeting>();
    context.send(RemoteName{"greeted", "a"}, greeting);
    co_await context.receive_any();
  });
  listener("a", heard, [target](Context& context) {
    ASSERT_TRUE(context.register_name("greeted", context.self()).has_value());
    context.monitor_nodes(true);
    context.monitor_node("b", true);
    context.monitor(target);
    context.link(target);
    context.send<Greeting>(target, "the last");
  });
  world.run_for(100ms);
  world.kill("b");
  world.run_for(10s);
  const std::string down = "down b connection_closed";
  ASSERT_EQ(heard.size(), 5U);
  EXPECT_EQ(heard.front(), "the last");
  EXPECT_EQ(Words(heard.begin() + 3, heard.end()), (Words{down, down}));
}

TEST_P(MonitorNodes, UpAndDownAlternateHoweverFastTheyFollow) {
  subscriber("a", heard);
  for (int i = 0; i < 10; ++i) {
    connect(i % 2 == 0 ? "a" : "b", i % 2 == 0 ? "b" : "a");
    world.disconnect(i % 3 == 0 ? "a" : "b", i % 3 == 0 ? "b" : "a");
  }
  world.run_for(10s);
  ASSERT_GE(heard.size(), 10U);
  for (std::size_t i = 0; i < heard.size(); ++i) {
    EXPECT_EQ(heard[i].substr(0, heard[i].find(' ')), i % 2 == 0 ? "up" : "down");
    EXPECT_EQ(heard[i].find(','), std::string::npos) << heard[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, MonitorNodes, testing::Range<std::uint64_t>(1, 11));

// -- how often ------------------------------------------------------------------------------

TEST_F(NodeEvents, ComeAsOftenAsAskedForAndOneOffEndsAll) {
  listener("a", heard, [](Context& context) {
    for (int i = 0; i < 3; ++i) context.monitor_nodes(true);
  });
  Words stopped;
  listener("a", stopped, [](Context& context) {
    for (int i = 0; i < 3; ++i) context.monitor_nodes(true);
    context.monitor_nodes(false);
  });
  ASSERT_TRUE(connect("a", "b"));
  EXPECT_EQ(heard, (Words{"up b", "up b", "up b"}));
  EXPECT_EQ(stopped, Words{});
}

TEST_F(NodeEvents, EndWithTheirSubscriber) {
  const Pid gone = listener("a", heard, [](Context& context) {
    context.monitor_nodes(true);
    context.monitor_node("b", true);
    context.monitor_node("c", true);
  });
  ASSERT_TRUE(connect("a", "b"));
  ASSERT_TRUE(connect("a", "c"));
  heard.clear();
  world["a"].node().exit(gone, ExitReason::symbol("kill"));
  world.run_for(1ms);
  ASSERT_FALSE(world["a"].node().is_alive(gone));
  world.kill("b");
  world.run_for(1s);
  EXPECT_EQ(heard, Words{});
  EXPECT_EQ(world.total(Metric::dead_letters_no_process), 0U) << "somebody still tells the dead";
}

TEST_F(NodeEvents, OfOneNodeComeOnceForEachTimeAskedForAndNoMore) {
  ASSERT_TRUE(connect("a", "b"));
  ASSERT_TRUE(connect("a", "c"));
  listener("a", heard, [](Context& context) {
    for (int i = 0; i < 3; ++i) context.monitor_node("b", true);
    context.monitor_node("b", false);
    context.monitor_node("c", false);  // it was not on
    context.monitor_node("a", true);   // oneself
  });
  world.disconnect("a", "b");
  world.disconnect("a", "c");
  connect("a", "b");
  world.disconnect("a", "b");
  EXPECT_EQ(heard, (Words{"down b disconnect", "down b disconnect"}));
}

TEST_F(NodeEvents, OfANodeOutOfReachComeAtOnce) {
  const auto begun = world.clock().now();
  listener("a", heard, [](Context& context) { context.monitor_node("b", true); });
  EXPECT_EQ(heard, Words{"down b noconnection"});
  EXPECT_LE(world.clock().now() - begun, 1ms);
}

TEST(NodeEventsAlone, ANodeWithoutAClusterHasNobodyToTellOf) {
  testkit::LocalWorld world;
  Words heard;
  world.node().spawn([&heard](Context& context) {
    context.monitor_nodes(true);
    context.monitor_nodes(false);
    context.monitor_node("b", true);
    context.monitor_node("b", false);
    context.monitor_node(context.node().name(), true);
    return [](Context& self, Words& words) -> Task<> {
      const auto down = co_await self.receive<NodeDown>();
      words.push_back(down.node + ' ' + to_string(down.reason));
    }(context, heard);
  });
  world.settle();
  EXPECT_EQ(heard, Words{"b noconnection"});
}

// -- why ------------------------------------------------------------------------------------

TEST_F(NodeEvents, SayHowTheSessionEnded) {
  Words at_b;
  subscriber("a", heard);
  subscriber("b", at_b);
  connect("a", "b");
  world.disconnect("a", "b");
  world.run_for(1s);
  EXPECT_EQ(heard.back(), "down b disconnect");
  EXPECT_EQ(at_b.back(), "down a connection_closed");
  connect("a", "b");
  world.cut("b", "a");
  world.run_for(10s);
  EXPECT_EQ(heard.back(), "down b net_tick_timeout");
  EXPECT_EQ(at_b.back(), "down a connection_closed") << "a has said so";
  world.heal();
  connect("a", "b");
  world.kill("b");
  world.run_for(1s);
  EXPECT_EQ(heard.back(), "down b connection_closed");
}

TEST_F(NodeEvents, TellTheLivesOfANodeApart) {
  std::vector<Life> lives;
  world["a"].node().spawn([&lives](Context& context) -> Task<> {
    context.monitor_nodes(true);
    for (int i = 0; i < 2; ++i) {
      const NodeUp up = co_await context.receive<NodeUp>();
      const NodeDown down = co_await context.receive<NodeDown>();
      lives.insert(lives.end(), {up.life, down.life});
    }
  });
  world.run_for(1ms);
  std::vector<Life> wanted;
  for (int i = 0; i < 2; ++i) {
    wanted.insert(wanted.end(), 2, world["b"].node().life());
    ASSERT_TRUE(connect("a", "b"));
    world.kill("b");
    world.run_for(1s);
    world.add_node("b");
  }
  EXPECT_EQ(lives, wanted);
  EXPECT_LT(wanted.front(), wanted.back());
}

TEST_F(NodeEvents, NeedNoRoomInAFullMailbox) {
  for (const MailboxPolicy policy :
       {MailboxPolicy::drop_newest, MailboxPolicy::drop_oldest, MailboxPolicy::fail}) {
    SCOPED_TRACE(static_cast<int>(policy));
    heard.clear();
    const auto listen = [this](Context& context) -> Task<> {
      context.monitor_nodes(true);
      context.monitor_node("nowhere", true);
      co_await context.sleep_for(1min);
      co_await write_down(context, heard);
    };
    const SpawnOptions bounded{.mailbox = {.messages = 2, .policy = policy}};
    const Pid pid = world["a"].node().spawn_opt(bounded, listen);
    const auto fill = [&] {
      for (int i = 0; i < 2; ++i) world["a"].node().send(pid, Greeting{"noise"});
      world.run_for(1ms);
    };
    fill();
    ASSERT_TRUE(connect("a", "b"));
    ASSERT_TRUE(world.disconnect("a", "b"));
    world.run_for(1s);
    fill();
    world.run_for(1min);
    std::erase(heard, "noise");
    EXPECT_EQ(heard, (Words{"down nowhere noconnection", "up b, but it is not",  // by now
                            "down b disconnect"}));
    world["a"].node().exit(pid, ExitReason::kill());
    world.run_for(1s);
  }
}

// -- members --------------------------------------------------------------------------------

TEST(MemberEvents, TellOfEachChangeOfAMember) {
  SimWorld world{1};
  Words heard;
  world.add_node("a");
  const Pid listener = world["a"].node().spawn([&heard](Context& context) -> Task<> {
    const char* words[] = {"joined", "suspect", "back", "dead", "left", "changed"};
    for (;;) {  // of b it may hear that c, while it was alone, had lost it, too
      const MemberEvent event = co_await context.receive<MemberEvent>();
      if (event.name == "c") heard.emplace_back(words[static_cast<int>(event.what)]);
    }
  });
  world["a"].cluster().monitor_members(listener, true);
  world.add_node("b");
  world.add_node("c");
  ASSERT_TRUE(world.run_until([&] { return world.all_connected(); }, 10s));
  EXPECT_EQ(heard, Words{"joined"});
  heard.clear();
  world.partition({{"a", "b"}, {"c"}});
  world.run_for(30s);
  world.heal();
  world.run_for(30s);
  EXPECT_EQ(heard, (Words{"suspect", "dead", "back"}));
  heard.clear();
  ASSERT_TRUE(world["c"].cluster().set_metadata({{"spare"}, {}}).has_value());
  world.run_for(5s);
  world["c"].cluster().leave([] {});
  world.run_for(5s);
  EXPECT_EQ(heard, (Words{"changed", "left"}));
  heard.clear();
  world["a"].cluster().monitor_members(listener, false);
  world.kill("c");
  world.add_node("c");
  world.run_for(5s);
  EXPECT_EQ(heard, Words{});
}

TEST(MemberEvents, NeedNoRoomInAFullMailbox) {
  SimWorld world{1};
  std::string heard;
  world.add_node("a");
  const auto listen = [&heard](Context& context) -> Task<> {
    co_await context.sleep_for(1min);
    const auto event = co_await context.receive_for<MemberEvent>(1s);
    heard = event ? event->name : "nothing";
  };
  const SpawnOptions bounded{.mailbox = {.messages = 1, .policy = MailboxPolicy::drop_newest}};
  const Pid listener = world["a"].node().spawn_opt(bounded, listen);
  world["a"].cluster().monitor_members(listener, true);
  world["a"].node().send(listener, Greeting{"noise"});
  world.add_node("b");
  world.run_for(2min);
  EXPECT_EQ(heard, "b");
}

}  // namespace
}  // namespace grove
