// SPDX-License-Identifier: Apache-2.0
//
// What docs/testing.md shows.
#include "grove/node/gen_server.hpp"
#include "grove/node/supervisor.hpp"
#include "grove/testkit/checkers.hpp"
#include "grove/testkit/faults.hpp"
#include "grove/testkit/local_world.hpp"
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

// [snippet bank]
struct Deposit {
  using Reply = int;
  int amount = 0;
};
GROVE_MESSAGE(Deposit, "bank.deposit", amount)
struct Ledger : grove::GenServer {
  using Handles = grove::Handles<Deposit>;
  int handle_call(Deposit deposit) { return total += deposit.amount; }
  int total = 0;
};
struct Teller : grove::GenServer {
  using Handles = grove::Handles<Deposit>;
  grove::Task<int> handle_call(Deposit deposit) {
    const grove::RemoteName ledger{"ledger", "a"};
    try {
      co_return co_await context().call<Deposit>(ledger, deposit.amount);
    } catch (const grove::ProcessExit&) {
      co_return 0;  // the ledger is out of reach: the client keeps the money
    }
  }
};
// [/snippet bank]

namespace grove::testkit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// [snippet partition]
TEST(Bank, TakesNoMoneyWhileItsLedgerIsOutOfReach) {
  SimWorld world{42};
  world.start("a", {.children = {child<Ledger>("ledger").as("ledger")}});
  world.start("b", {.children = {child<Teller>("teller").as("teller")}});
  const auto met = [&] { return world.all_connected(); };
  const auto pay = [](Context& context) -> Task<int> {
    co_return co_await context.call_for<Deposit>(seconds{10}, "teller", 5);
  };
  ASSERT_TRUE(world.run_until(met, seconds{10}));
  EXPECT_EQ(world.run("b", pay), 5);
  world.partition({{"a"}, {"b"}});
  EXPECT_EQ(world.run("b", pay), 0);
  world.heal();
  ASSERT_TRUE(world.run_until(met, seconds{60}));
  EXPECT_EQ(world.run("b", pay), 10);
}
// [/snippet partition]

// [snippet local]
TEST(Bank, BeginsAnewWhenItsLedgerIsKilled) {
  LocalWorld world;
  const int total = world.run([](Context& context) -> Task<int> {
    const SupervisorSpec bank{.children = {child<Ledger>("ledger").as("ledger")}};
    co_await start_supervisor(context, bank);
    (void)co_await context.call<Deposit>("ledger", 5);
    context.exit(*context.whereis("ledger"), ExitReason::kill());
    co_await context.sleep_for(seconds{1});  // of virtual time
    co_return co_await context.call<Deposit>("ledger", 7);
  });
  EXPECT_EQ(total, 7);
  EXPECT_EQ(world.log().count(LogLevel::error), 0U);  // a kill is no crash
}
// [/snippet local]

// [snippet steps]
TEST(Bank, BooksADepositWhenItArrivesAndNotBefore) {
  SimWorld world{42};
  world.start("a", {.children = {child<Ledger>("ledger").as("ledger")}});
  world.add_node("b");
  ASSERT_TRUE(world.run_until([&] { return world.all_connected(); }, seconds{10}));
  world.run_for(seconds{10});  // what the nodes have to say to each other first
  auto booked = world["b"].node().async([](Context& context) -> Task<int> {
    const RemoteName ledger{"ledger", "a"};
    co_return co_await context.call<Deposit>(ledger, 5);
  });

  world.cut("b", "a");
  world.run_for(milliseconds{1});
  ASSERT_EQ(world.held("b", "a").size(), 1U);  // the call
  world.cut("a", "b");
  world.deliver_one("b", "a");
  world.run_for(milliseconds{1});
  ASSERT_EQ(world.held("a", "b").size(), 1U);  // its answer
  EXPECT_NE(booked.wait_for(seconds{0}), std::future_status::ready);
  world.deliver_one("a", "b");
  EXPECT_EQ(SimWorld::ready(booked), 5);
}
// [/snippet steps]

// [snippet sweep]
Violations try_the_bank(std::uint64_t seed) {
  SimWorld world{seed};
  Ordeal ordeal{world, 3};
  ordeal.on_start = [&](const std::string& name) {
    if (name == "n1") world.start(name, {.children = {child<Ledger>("ledger").as("ledger")}});
  };
  ordeal.start_all();
  std::uint64_t number = 0;
  const Clock::Duration patience = seconds{5};
  for (const Fault& fault : make_schedule(seed, 3, 10, FaultPlan::everything())) {
    if (world.is_up("n2")) {
      world["n2"].node().spawn([&, call = ++number](Context& context) -> Task<> {
        const Clock::TimePoint deadline = world.clock().now() + patience + milliseconds{10};
        world.note(CallBegan{context.self(), call, deadline});
        try {
          const RemoteName ledger{"ledger", "n1"};
          (void)co_await context.call_for<Deposit>(patience, ledger, 5);
        } catch (const ProcessExit&) {
        }
        world.note(CallEnded{context.self(), call});
      });
    }
    ordeal.suffer(fault);
  }
  ordeal.heal_all();
  world.note(Wanted{"all connect", world.clock().now() + seconds{60}});
  if (world.run_until([&] { return world.all_connected(); }, seconds{60})) {
    world.note(Done{"all connect"});
  }
  world.run_for(seconds{60});
  return check_all(world.history());
}

TEST(Bank, EndsEachCallWhateverGoesWrong) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(try_the_bank(seed), Violations{}) << "seed " << seed;
  }
}
// [/snippet sweep]

}  // namespace
}  // namespace grove::testkit
