// SPDX-License-Identifier: Apache-2.0
//
// What PoolToy's articles say of links, tables and monitors. The names begin with the steps of the
// walk-through of what they were in Elixir.
#include "grove/node/table.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

const ExitReason k_boom = ExitReason::symbol("boom");

Task<> wait_for_ever(Context& context) { co_await context.receive_any(); }

/// A is linked to B, which ends for `reason`. Returns: what A gets when it traps exits, else why it
/// ends; "lives" when it does not.
std::string linked_to_one_that_ends(const ExitReason& reason, bool traps = false) {
  LocalWorld world;
  auto end = std::make_shared<std::string>("lives");
  world.node().spawn([reason, traps, end](Context& watcher) -> Task<> {
    const Spawned a = watcher.spawn_monitor([reason, traps, end](Context& context) -> Task<> {
      context.trap_exit(traps);
      context.spawn_link([reason](Context& self) -> Task<> {
        if (reason.is_kill()) self.exit(self.self(), reason);
        self.exit(reason);
        co_return;
      });
      const Exit exit = co_await context.receive<Exit>();
      *end = "EXIT " + to_string(exit.reason);
    });
    const auto down = co_await watcher.receive_for<Down>(1s);
    if (down && *end == "lives") *end = to_string(down->reason);
    EXPECT_TRUE(!down || down->pid == a.pid);
  });
  world.run_for(2s);
  return *end;
}

TEST(Walkthrough, L1_AProcessSurvivesTheNormalEndOfOneItIsLinkedTo) {
  EXPECT_EQ(linked_to_one_that_ends(ExitReason::normal()), "lives");
}

TEST(Walkthrough, L2_AnyOtherEndOfALinkedProcessIsItsOwn) {
  EXPECT_EQ(linked_to_one_that_ends(k_boom), "boom");
  EXPECT_EQ(linked_to_one_that_ends(ExitReason::shutdown()), "shutdown");
}

TEST(Walkthrough, L3_OneThatTrapsExitsGetsThemAsMessages) {
  EXPECT_EQ(linked_to_one_that_ends(ExitReason::kill(), true), "EXIT killed");
  EXPECT_EQ(linked_to_one_that_ends(ExitReason::shutdown(), true), "EXIT shutdown");
  EXPECT_EQ(linked_to_one_that_ends(ExitReason::normal(), true), "EXIT normal");
}

/// Sends an exit signal. Returns: what becomes of its target.
std::string signalled(const ExitReason& reason, bool traps) {
  LocalWorld world;
  return world.run([reason, traps](Context& context) -> Task<std::string> {
    const Pid me = context.self();
    const Spawned target = context.spawn_monitor([traps, me](Context& self) -> Task<> {
      self.trap_exit(traps);
      self.send(me, std::string{"ready"});
      const Exit exit = co_await self.receive<Exit>();
      self.send(me, "EXIT " + to_string(exit.reason));
    });
    co_await context.receive<std::string>();
    context.exit(target.pid, reason);
    if (const auto exit = co_await context.receive_for<std::string>(10ms)) co_return *exit;
    const auto down = co_await context.receive_for<Down>(10ms);
    co_return down ? to_string(down->reason) : "lives";
  });
}

TEST(Walkthrough, L3_ASignalIsTrappedAsALinksEndIsButNotAKill) {
  EXPECT_EQ(signalled(ExitReason::shutdown(), true), "EXIT shutdown");
  EXPECT_EQ(signalled(ExitReason::normal(), true), "EXIT normal");
  EXPECT_EQ(signalled(ExitReason::kill(), true), "killed");
  EXPECT_EQ(signalled(ExitReason::normal(), false), "lives");
}

TEST(Walkthrough, L4_TheEndOfAMonitorIsNothingToWhomItMonitors) {
  LocalWorld world;
  const Pid watched = world.node().spawn(wait_for_ever);
  world.node().spawn([watched](Context& context) -> Task<> {
    context.monitor(watched);
    context.exit(k_boom);
    co_return;
  });
  world.settle();
  EXPECT_TRUE(world.node().is_alive(watched));
}

struct Car {
  std::string make;
  std::string year;
  std::string colour;
};

TEST(Walkthrough, E1_ATableIsWrittenByItsOwnerReadByAllAndGoesWithIt) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    auto shared = std::make_shared<Table<std::string, Car>>();
    const Spawned owner = context.spawn_monitor([shared](Context& self) -> Task<> {
      const auto cars = self.new_table<std::string, Car>("cars").value();
      cars.insert("1ABC", Car{"Tesla", "2018", "red"}).value();
      cars.insert("2DEF", Car{"Ford", "2015", "blue"}).value();
      EXPECT_EQ(cars.erase("no such plate").error().code, Errc::not_found);
      *shared = cars;
      co_await self.receive<std::string>();
    });
    co_await context.sleep_for(1ms);
    const auto red = [](const std::string&, const Car& car) { return car.colour == "red"; };
    const auto found = shared->select(red);
    EXPECT_EQ(found->size(), 1U);
    EXPECT_EQ(found->at(0).value.year + ' ' + found->at(0).value.make, "2018 Tesla");
    EXPECT_EQ(shared->insert("3GHI", Car{}).error().code, Errc::noaccess);
    context.send(owner.pid, std::string{"end"});
    co_await context.receive<Down>();
    EXPECT_EQ(shared->lookup("1ABC").error().code, Errc::noproc);
    EXPECT_TRUE(context.node().tables().empty());
  });
}

TEST(Walkthrough, M1_EachMonitorGivesADownAndFlushTakesAQueuedOneAway) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn([](Context& self) -> Task<> { co_await self.sleep_for(1ms); });
    const Ref first = context.monitor(target);
    const Ref second = context.monitor(target);
    const Ref flushed = context.monitor(target);
    co_await context.sleep_for(2ms);
    context.demonitor(flushed, Flush::yes);
    context.demonitor(second);
    std::vector<Ref> downs;
    while (const auto down = co_await context.receive_for<Down>(0ms)) downs.push_back(down->ref);
    std::sort(downs.begin(), downs.end());
    EXPECT_EQ(downs, (std::vector<Ref>{first, second}));
  });
}

}  // namespace
}  // namespace grove
