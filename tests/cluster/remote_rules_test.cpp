// SPDX-License-Identifier: Apache-2.0
//
// What holds for two processes of one node holds for two of different nodes.
#include "grove/node/gen_server.hpp"
#include "grove/node/inspect.hpp"
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace remote_rules_test {

struct Order {
  std::string what;
  grove::Pid pid = {};
};

}  // namespace remote_rules_test

GROVE_MESSAGE(remote_rules_test::Order, "test.rules.order", what, pid)

namespace remote_rules_test {
namespace {

using namespace grove;
using namespace std::chrono_literals;
using testkit::SimWorld;

/// Does what it is told.
Task<> obey(Context& context) {
  EXPECT_TRUE(context.register_name("servant", context.self()));
  for (;;) {
    const Order order = co_await context.receive<Order>();
    if (order.what == "link") context.link(order.pid);
    if (order.what == "unlink") context.unlink(order.pid);
    if (order.what == "trap") context.trap_exit(true);
    if (order.what == "end") context.exit(ExitReason::symbol("ended"));
    if (order.what == "name") (void)context.register_name("heir", order.pid);
  }
}
Task<> wait_for_ever(Context& context) {
  for (;;) co_await context.receive_any();
}

class RemoteRules : public testing::Test {
 protected:
  RemoteRules() {
    world.add_node("a");
    world.add_node("b");
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
    servant = world["b"].node().spawn(obey);
    world.run_for(1ms);
  }
  /// Both trap exits, and `context` has linked itself to the servant.
  Task<> trap_and_link(Context& context) {
    context.trap_exit(true);
    context.link(servant);
    const Order trap{"trap"};
    context.send(servant, trap);
    co_await context.sleep_for(1s);
  }
  /// The session ends, and there is another one.
  void change_session() {
    world.disconnect("a", "b");
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 1min));
  }
  SimWorld world{11};
  Pid servant;
};

/// Nothing is in the mailbox, and nothing comes.
Task<> expect_silence(Context& context) {
  const EnvelopePtr nothing = co_await context.receive_any(1min);
  EXPECT_EQ(nothing, nullptr);
}

/// This process and `other` are linked, each with the other alone, and nothing more is heard.
Task<> expect_both_linked(Context& context, Pid other) {
  co_await context.sleep_for(1s);
  const auto there = co_await process_info(context, other);
  const auto here = co_await process_info(context, context.self());
  EXPECT_EQ(there->links, std::vector<Pid>{context.self()});
  EXPECT_EQ(here->links, std::vector<Pid>{other});
  co_await expect_silence(context);
}

// LNK-7, LNK-11.
TEST_F(RemoteRules, AnExitThatCrossesAnUnlinkIsNotHeard) {
  world.run("a", [this](Context& context) -> Task<> {
    context.trap_exit(true);
    context.link(servant);
    co_await context.sleep_for(1s);
    const Order end{"end"};
    context.send(servant, end);
    context.unlink(servant);  // its exit signal may be on the way already
    co_await expect_silence(context);
    EXPECT_FALSE(co_await is_alive(context, servant));
  });
}

// LNK-10, LNK-11.
TEST_F(RemoteRules, LinksAndUnlinksThatCrossLeaveBothOfOneOpinion) {
  world.run("a", [this](Context& context) -> Task<> {
    for (int round = 0; round < 50; ++round) {
      const Order theirs{round % 3 == 0 ? "unlink" : "link", context.self()};
      context.send(servant, theirs);
      if (round % 7 < 3) co_await context.sleep_for(std::chrono::microseconds{100 * round});
      if (round % 2 == 0) {
        context.link(servant);
      } else {
        context.unlink(servant);
      }
      if (round % 5 == 0) {
        co_await context.sleep_for(1s);
        const auto there = co_await process_info(context, servant);
        const auto here = co_await process_info(context, context.self());
        EXPECT_EQ(there && there->links.size() == 1, here && here->links.size() == 1) << round;
      }
    }
  });
}

// LNK-11. The session changes while its code runs: it has not heard of the loss yet.
TEST_F(RemoteRules, AnUnlinkOfALostSessionLeavesTheLinkOfTheNextOne) {
  world.run("a", [this](Context& context) -> Task<> {
    co_await trap_and_link(context);
    change_session();
    world["b"].node().send(servant, Order{"link", context.self()});
    world.run_for(1s);
    context.unlink(servant);
    co_await expect_both_linked(context, servant);
  });
}

// LNK-11. The same the other way: the UNLINK has come, and has not been heard of either.
TEST_F(RemoteRules, AnUnlinkThatCameByALostSessionLeavesTheLinkOfTheNextOne) {
  world.run("a", [this](Context& context) -> Task<> {
    co_await trap_and_link(context);
    world["b"].node().send(servant, Order{"unlink", context.self()});
    world.run_for(1s);
    context.unlink(servant);
    change_session();
    context.link(servant);
    co_await expect_both_linked(context, servant);
  });
}

// LNK-6.
TEST_F(RemoteRules, ALinkToTheDeadIsNoproc) {
  world.run("a", [this](Context& context) -> Task<> {
    context.exit(servant, ExitReason::kill());
    context.trap_exit(true);
    context.link(servant);
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.reason, ExitReason::noproc());
    const Pid dead = servant;
    const Spawned linker = context.spawn_monitor([dead](Context& own) -> Task<> {
      own.link(dead);
      co_await own.sleep_for(1h);
    });
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, linker.ref);
    EXPECT_EQ(down.reason, ExitReason::noproc());
  });
}

// MON-9, MON-10, MON-12.
TEST_F(RemoteRules, ADemonitorStopsTheDownAndTakesAQueuedOne) {
  world.run("a", [this](Context& context) -> Task<> {
    const Ref first = context.monitor(servant);
    const Ref by_name = context.monitor(RemoteName{"servant", "b"});
    const Ref queued = context.monitor(servant);
    EXPECT_TRUE(context.demonitor(first));
    EXPECT_TRUE(context.demonitor(by_name));
    EXPECT_FALSE(context.demonitor(by_name));
    const Order end{"end"};
    context.send(servant, end);
    co_await context.sleep_for(1s);
    EXPECT_FALSE(context.demonitor(queued, Flush::yes));
    co_await expect_silence(context);
  });
}

// MON-14.
TEST_F(RemoteRules, AMonitorEndsAtItsTargetWithItsMaker) {
  world.run("a", [this](Context& context) -> Task<> {
    const Pid target = servant;
    const Pid watcher = context.spawn([target](Context& own) -> Task<> {
      own.monitor(target);
      co_await own.sleep_for(1s);
    });
    co_await context.sleep_for(500ms);
    auto info = co_await process_info(context, servant);
    EXPECT_EQ(info ? info->monitored_by : std::vector<Pid>{}, std::vector<Pid>{watcher});
    co_await context.sleep_for(2s);
    info = co_await process_info(context, servant);
    EXPECT_TRUE(info && info->monitored_by.empty());
  });
}

// MON-7.
TEST_F(RemoteRules, AMonitorByNameIsTakenBackThoughAnotherHasTheNameNow) {
  const Pid heir = world["b"].node().spawn(wait_for_ever);
  const auto watchers_of_servant = [this](Context& context) -> Task<std::size_t> {
    co_await context.sleep_for(1s);
    co_return (co_await process_info(context, servant)).value().monitored_by.size();
  };
  world.run("a", [&](Context& context) -> Task<> {
    const RemoteName name{"servant", "b"};
    const Ref ref = context.monitor(name);
    EXPECT_EQ(co_await watchers_of_servant(context), 1U);
    EXPECT_TRUE(world["b"].node().unregister_name("servant"));
    EXPECT_TRUE(world["b"].node().register_name("servant", heir));
    EXPECT_TRUE(context.demonitor(ref));
    EXPECT_EQ(co_await watchers_of_servant(context), 0U);
  });
}

// MON-7.
TEST_F(RemoteRules, AMonitorByNameStaysWithWhoHadTheNameThen) {
  const Pid heir = world["b"].node().spawn(wait_for_ever);
  world.run("a", [this, heir](Context& context) -> Task<> {
    const Order name{"name", heir};
    context.send(servant, name);
    co_await context.sleep_for(1s);
    const Ref ref = context.monitor(RemoteName{"heir", "b"});
    co_await context.sleep_for(1s);
    EXPECT_TRUE(co_await is_alive(context, heir));
    context.exit(heir, ExitReason::symbol("boom"));
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, ref);
    EXPECT_EQ(down.reason, ExitReason::symbol("boom"));
    EXPECT_EQ(down.name, "heir");
    const Ref nobody = context.monitor(RemoteName{"heir", "b"});
    const Down gone = co_await context.receive<Down>();
    EXPECT_EQ(gone.ref, nobody);
    EXPECT_EQ(gone.reason, ExitReason::noproc());
  });
}

// EXT-5 to EXT-7.
TEST_F(RemoteRules, KillCannotBeTrappedAndIsSeenAsKilled) {
  world.run("a", [this](Context& context) -> Task<> {
    context.trap_exit(true);
    const Order trap{"trap"};
    context.send(servant, trap);
    context.link(servant);
    co_await context.sleep_for(1s);
    context.exit(servant, ExitReason::symbol("trapped"));
    EXPECT_TRUE(co_await is_alive(context, servant));
    context.exit(servant, ExitReason::kill());
    EXPECT_FALSE(co_await is_alive(context, servant));  // PRC-16
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, servant);
    EXPECT_EQ(exit.reason, ExitReason::killed());
  });
}

// LNK-4, EXT-2.
TEST_F(RemoteRules, ANormalExitKillsNobody) {
  world.run("a", [this](Context& context) -> Task<> {
    context.exit(servant, ExitReason::normal());
    const Pid target = servant;
    const Spawned linked = context.spawn_monitor([target](Context& own) -> Task<> {
      own.link(target);
      co_await own.sleep_for(1s);
    });
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, linked.ref);
    EXPECT_TRUE(co_await is_alive(context, servant));
  });
}

// ALS-4, ALS-5.
TEST_F(RemoteRules, AMonitorsAliasEndsWithItsFirstMessageOrItsDown) {
  world.run("a", [this](Context& context) -> Task<> {
    const Pid boss = context.self();
    const Ref alias = context.monitor(servant, AliasMode::reply_demonitor);
    const Ref other = context.monitor(servant, AliasMode::demonitor);
    const Order end{"end"};
    context.send(servant, end);
    const Down first = co_await context.receive<Down>();
    const Down second = co_await context.receive<Down>();
    EXPECT_NE(first.ref, second.ref);
    const Order late{"late", boss};
    context.send(alias, late);
    context.send(other, late);
    co_await expect_silence(context);
  });
}

// INC-2, PRC-13, TMR-10.
TEST_F(RemoteRules, NamesAndTimersAreForProcessesOfTheOwnNode) {
  world.run("a", [this](Context& context) -> Task<> {
    const Result<void> named = context.register_name("theirs", servant);
    EXPECT_FALSE(named);
    const Order order{"end"};
    EXPECT_THROW(context.send_after(1s, servant, order), ProcessExit);
    EXPECT_THROW(context.start_timer(1s, servant), ProcessExit);
    co_return;
  });
}

/// Knows processes of all nodes by one name.
class Everywhere final : public Directory {
 public:
  explicit Everywhere(Pid pid) : pid_{pid} {}
  Result<void> register_name(Context&, const Via&) override {
    return Error{Errc::bad_argument, "fixed"};
  }
  void unregister_name(Context&, const Value&) override {}
  std::optional<Pid> whereis(const Value&) const override { return pid_; }

 private:
  Pid pid_;
};

TEST_F(RemoteRules, ADirectoryMayNameProcessesOfOtherNodes) {
  world.run("a", [this](Context& context) -> Task<> {
    EXPECT_TRUE(context.node().add_directory("everywhere", std::make_shared<Everywhere>(servant)));
    const Via name{"everywhere", Value{"servant"}};
    const Ref ref = context.monitor(name);
    const Order end{"end"};
    context.send(name, end);
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, ref);
    EXPECT_EQ(down.reason, ExitReason::symbol("ended"));
  });
}

// RSG-7.
TEST_F(RemoteRules, WhatALostConnectionEndedDoesNotComeBackWithIt) {
  auto told = world["a"].node().async([this](Context& context) -> Task<std::vector<std::string>> {
    context.trap_exit(true);
    std::vector<std::string> heard;
    context.link(servant);
    context.monitor(servant);
    const Ref ended = context.monitor(servant);
    EXPECT_TRUE(context.demonitor(ended));
    for (int i = 0; i < 2; ++i) {
      const EnvelopePtr next = co_await context.receive_any();
      if (const auto* down = next->message.get<Down>()) {
        heard.push_back("down " + to_string(down->reason));
      } else if (const auto* exit = next->message.get<Exit>()) {
        heard.push_back("exit " + to_string(exit->reason));
      }
    }
    std::sort(heard.begin(), heard.end());
    co_await context.sleep_for(1min);  // connected again
    const Ref again = context.monitor(servant);
    const Order end{"end"};
    context.send(servant, end);
    const Down down = co_await context.receive<Down>();
    heard.push_back(down.ref == again ? to_string(down.reason) : "an old monitor");
    co_await expect_silence(context);
    co_return heard;
  });
  const Order trap{"trap"};
  world["b"].node().send(servant, trap);  // or the loss would end it
  world.run_for(1s);
  world.partition({{"a"}, {"b"}});
  world.run_for(10s);
  world.heal();
  world.run_for(5min);
  EXPECT_EQ(SimWorld::ready(told),
            (std::vector<std::string>{"down noconnection", "exit noconnection", "ended"}));
}

}  // namespace
}  // namespace remote_rules_test
