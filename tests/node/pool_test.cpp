// SPDX-License-Identifier: Apache-2.0
//
// Pools as processes. P-numbers in the names are the steps of the walk-through of PoolToy.
#include "grove/node/pool.hpp"

#include "grove/node/inspect.hpp"
#include "grove/node/sys.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

struct Double {
  using Reply = int;
  int number = 0;
};

class Doubler : public GenServer {
 public:
  using Handles = grove::Handles<Double>;
  /// When *broken it does not start.
  explicit Doubler(std::shared_ptr<bool> broken = {}) {
    if (broken && *broken) throw ProcessExit{ExitReason::symbol("broken")};
  }
  Task<int> handle_call(Double request) {
    co_await context().sleep_for(10ms);
    co_return 2 * request.number;
  }
};

Task<int> double_seven(Context& context, Pid worker) {
  const int seven = 7;
  co_return co_await context.call<Double>(worker, seven);
}

struct Leave {
  ExitReason reason;
};

class Pool : public testing::Test {
 protected:
  /// What came of a client's checkout.
  struct Client {
    Pid pid;
    std::shared_ptr<std::string> got = std::make_shared<std::string>("waits");
    std::shared_ptr<Pid> worker = std::make_shared<Pid>();
  };

  Pool() {
    world.run([](Context& context) -> Task<> {
      ServerOptions options = named("top");
      options.link = false;
      SupervisorSpec spec;
      spec.children.push_back(pools());
      const StartResult started = co_await start_supervisor(context, spec, options);
      EXPECT_TRUE(started.ok());
    });
  }

  StartResult start(PoolSpec spec) {
    return world.run([spec](Context& context) -> Task<StartResult> {
      co_return co_await start_pool(context, spec);
    });
  }
  StartResult start(const std::string& name, int size, int max_overflow = 0,
                    std::chrono::milliseconds cool_down = 0ms) {
    return start({name, child<Doubler>("doubler"), size, max_overflow, cool_down});
  }
  Result<void> stop(const std::string& name) {
    return world.run([name](Context& context) -> Task<Result<void>> {
      co_return co_await stop_pool(context, name);
    });
  }
  std::string status(const std::string& name) {
    world.settle();
    const PoolStatus status = world.run([name](Context& context) -> Task<PoolStatus> {
      co_return co_await pool_status(context, name);
    });
    return std::to_string(status.idle) + " idle " + std::to_string(status.lent) + " lent " +
           std::to_string(status.overflow) + " overflow " + std::to_string(status.waiting) +
           " waiting";
  }
  std::vector<Pid> workers(const std::string& name) {
    const auto rows = world.run([name](Context& context) -> Task<std::vector<ChildInfo>> {
      co_return co_await which_children(context, name);
    });
    std::vector<Pid> pids;
    for (const ChildInfo& row : rows) pids.push_back(row.pid);
    return pids;
  }
  Pid whereis(const std::string& name) { return world.node().whereis(name).value_or(Pid{}); }

  /// Starts a client that borrows a worker, and keeps it until it is told to leave.
  Client client(const std::string& pool, Timeout timeout = 5s) {
    Client client;
    client.pid = world.node().spawn([pool, timeout, client](Context& context) -> Task<> {
      try {
        const Result<Pid> worker = co_await checkout(context, pool, timeout);
        *client.got = worker ? "worker" : std::string{to_string(worker.error().code)};
        if (worker) *client.worker = *worker;
      } catch (const ProcessExit& exit) {
        *client.got = "exit " + to_string(exit.reason());
      }
      const Leave leave = co_await context.receive<Leave>();
      context.exit(leave.reason);
    });
    world.settle();
    return client;
  }
  void check_in(const std::string& pool, Pid worker) {
    act([&](Context& context) { checkin(context, pool, worker); });
  }
  void leave(const Client& client, ExitReason reason = ExitReason::normal()) {
    act([&](Context& context) { context.send(client.pid, Leave{reason}); });
  }
  void kill(Pid pid) {
    act([&](Context& context) { context.exit(pid, ExitReason::kill()); });
  }
  void act(const std::function<void(Context&)>& action) {
    world.run([action](Context& context) -> Task<> {
      action(context);
      co_return;
    });
    world.settle();
  }

  LocalWorld world;
};

// -- start and stop -------------------------------------------------------------------------

TEST_F(Pool, P1_HasItsWorkersWhenItsStartReturns) {
  EXPECT_TRUE(start("poolio", 3).ok());
  EXPECT_TRUE(start("pooly", 2).ok());
  EXPECT_EQ(status("poolio"), "3 idle 0 lent 0 overflow 0 waiting");
  EXPECT_EQ(status("pooly"), "2 idle 0 lent 0 overflow 0 waiting");
  EXPECT_EQ(workers("poolio").size(), 3U);
  EXPECT_EQ(start("pooly", 2).status, StartResult::Status::already_started);
}

TEST_F(Pool, P3_ArgumentsThatAreWrongFailTheStart) {
  const auto refused = [&](const PoolSpec& spec) { return to_string(start(spec)); };
  const ChildSpec worker = child<Doubler>("doubler");
  const std::string not_positive = "failed: {invalid_args,{size,\"must be a positive integer\"}}";
  EXPECT_EQ(refused({"poolio", worker}), not_positive);
  EXPECT_EQ(refused({"poolio", worker, -1}), not_positive);
  EXPECT_EQ(refused({"poolio", worker, 1, -1}),
            "failed: {invalid_args,{max_overflow,\"must not be negative\"}}");
  EXPECT_EQ(refused({"poolio", worker, 1, 0, -1ms}),
            "failed: {invalid_args,{cool_down,\"must not be negative\"}}");
  EXPECT_EQ(refused({"", worker, 1}), "failed: missing_id");
  EXPECT_EQ(refused({"poolio", child<Doubler>("d", std::make_shared<bool>(true)), 3}),
            "failed: {worker,broken}");
  EXPECT_EQ(whereis("poolio"), Pid{});
  EXPECT_TRUE(start("poolio", 3).ok());
}

TEST_F(Pool, P10_StopPoolEndsItAndItsWorkersAndItsNameIsFree) {
  start("poolio", 1);
  start("pooly", 1);
  const std::vector<Pid> pids = workers("poolio");
  const Client has = client("poolio");
  const Client waits = client("poolio", std::nullopt);
  EXPECT_TRUE(stop("poolio"));
  EXPECT_EQ(*waits.got, "exit shutdown");
  EXPECT_TRUE(world.node().is_alive(has.pid));
  EXPECT_EQ(whereis("poolio"), Pid{});
  EXPECT_FALSE(world.node().is_alive(pids.at(0)));
  EXPECT_EQ(stop("poolio").error().code, Errc::not_found);
  EXPECT_EQ(*client("poolio").got, "exit noproc");
  EXPECT_TRUE(start("poolio", 1).ok());
  EXPECT_EQ(status("pooly"), "1 idle 0 lent 0 overflow 0 waiting");
  EXPECT_EQ(world.log().count(LogLevel::error), 0U);
}

TEST_F(Pool, P9_OneThatIsKilledStartsAnewAndNoOtherIsTouched) {
  start("poolio", 3);
  start("pooly", 2);
  const std::vector<Pid> others = workers("pooly");
  const std::vector<Pid> before = workers("poolio");
  const Client has = client("poolio");
  kill(whereis("poolio"));
  for (const Pid& worker : before) EXPECT_FALSE(world.node().is_alive(worker));
  EXPECT_EQ(status("poolio"), "3 idle 0 lent 0 overflow 0 waiting");
  check_in("poolio", *has.worker);  // late
  leave(has);
  EXPECT_EQ(status("poolio"), "3 idle 0 lent 0 overflow 0 waiting");
  EXPECT_EQ(workers("pooly"), others);
}

TEST_F(Pool, P9b_FailsAsOftenAsTheirSupervisorAllows) {
  world.run([](Context& context) -> Task<> {
    ServerOptions options;
    options.link = false;
    SupervisorSpec spec;
    spec.children.push_back(pools("patient", {.restarts = 5}).with(temporary));
    const StartResult top = co_await start_supervisor(context, spec, options);
    const PoolSpec hurt{.name = "hurt", .worker = child<Doubler>("doubler"), .size = 1};
    const StartResult pool = co_await start_pool(context, hurt, "patient");
    EXPECT_TRUE(top.ok() && pool.ok());
  });
  for (int i = 0; i < 5; ++i) kill(whereis("hurt"));
  EXPECT_EQ(status("hurt"), "1 idle 0 lent 0 overflow 0 waiting");
  kill(whereis("hurt"));
  EXPECT_EQ(whereis("hurt"), Pid{});
  EXPECT_EQ(whereis("patient"), Pid{});
  EXPECT_NE(whereis("pools"), Pid{});
}

// -- clients --------------------------------------------------------------------------------

TEST_F(Pool, P4_LendsEachWorkerOnceAndTheLastOneBackFirst) {
  start("poolio", 3);
  std::set<Pid> lent;
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(client("poolio"));
  for (const Client& has : clients) lent.insert(*has.worker);
  EXPECT_EQ(lent.size(), 3U);
  EXPECT_EQ(*client("poolio", 0ms).got, "unavailable");
  check_in("poolio", *clients[0].worker);
  check_in("poolio", *clients[1].worker);
  EXPECT_EQ(*client("poolio").worker, *clients[1].worker);
  EXPECT_EQ(*client("poolio").worker, *clients[0].worker);
  EXPECT_EQ(status("poolio"), "0 idle 3 lent 0 overflow 0 waiting");
}

TEST_F(Pool, ServesThoseWhoWaitInTheirOrder) {
  start("poolio", 1);
  const Client has = client("poolio");
  std::vector<Client> queue;
  for (int i = 0; i < 3; ++i) queue.push_back(client("poolio"));
  EXPECT_EQ(status("poolio"), "0 idle 1 lent 0 overflow 3 waiting");
  check_in("poolio", *has.worker);
  const auto got = [&] { return *queue[0].got + ' ' + *queue[1].got + ' ' + *queue[2].got; };
  EXPECT_EQ(got(), "worker waits waits");
  leave(queue[0]);
  EXPECT_EQ(got(), "worker worker waits");
  leave(queue[1]);
  EXPECT_EQ(got(), "worker worker worker");
  leave(queue[2]);
  EXPECT_EQ(status("poolio"), "1 idle 0 lent 0 overflow 0 waiting");
}

TEST_F(Pool, ATimeoutBelowZeroIsNoWaitAndNobodysEnd) {
  const Pid manager = start("poolio", 1).pid;
  client("poolio");
  EXPECT_EQ(*client("poolio", -1s).got, "unavailable");
  EXPECT_EQ(*client("poolio", Clock::Duration::max()).got, "waits");
  EXPECT_EQ(whereis("poolio"), manager);
}

TEST_F(Pool, AClientThatTimesOutLeavesNothingBehind) {
  start("poolio", 1);
  const Client has = client("poolio");
  const Client late = client("poolio", 2s);
  world.run_for(1999ms);
  EXPECT_EQ(*late.got, "waits");
  world.run_for(1ms);
  EXPECT_EQ(*late.got, "timeout");
  EXPECT_EQ(status("poolio"), "0 idle 1 lent 0 overflow 0 waiting");
  check_in("poolio", *has.worker);
  EXPECT_EQ(status("poolio"), "1 idle 0 lent 0 overflow 0 waiting");
  const Pid manager = whereis("poolio");
  const auto info = world.run([manager](Context& context) -> Task<std::optional<ProcessInfo>> {
    co_return co_await process_info(context, manager);
  });
  ASSERT_TRUE(info);
  EXPECT_TRUE(info->monitors.empty());
}

TEST_F(Pool, AClientThatIsServedInTimeIsNotToldOfATimeoutLater) {
  start("poolio", 1);
  const Client has = client("poolio");
  const Client served = client("poolio", 2s);
  leave(has);
  world.run_for(10s);
  EXPECT_EQ(*served.got, "worker");
  EXPECT_EQ(status("poolio"), "0 idle 1 lent 0 overflow 0 waiting");
}

TEST_F(Pool, P5_TheWorkerOfAClientThatEndsComesBack) {
  start("poolio", 2);
  const std::vector<Pid> pids = workers("poolio");
  leave(client("poolio"));
  leave(client("poolio"), ExitReason::symbol("boom"));
  kill(client("poolio").pid);
  EXPECT_EQ(status("poolio"), "2 idle 0 lent 0 overflow 0 waiting");
  EXPECT_EQ(workers("poolio"), pids);
}

TEST_F(Pool, AClientThatEndsWhileItWaitsIsPassedOver) {
  start("poolio", 1);
  const Client has = client("poolio");
  const Client dies = client("poolio");
  const Client next = client("poolio");
  kill(dies.pid);
  EXPECT_EQ(status("poolio"), "0 idle 1 lent 0 overflow 1 waiting");
  leave(has);
  EXPECT_EQ(*next.got, "worker");
}

TEST_F(Pool, AWorkerHandedToAClientThatHasDiedComesBack) {
  start("poolio", 1);
  const Client has = client("poolio");
  const Client dies = client("poolio");
  act([&](Context& context) {  // at once: the worker may be on its way already
    checkin(context, "poolio", *has.worker);
    context.exit(dies.pid, ExitReason::kill());
  });
  EXPECT_EQ(status("poolio"), "1 idle 0 lent 0 overflow 0 waiting");
}

TEST_F(Pool, P6_P16_WhatAnybodyChecksInComesBackOnceAndIsTheNextClientsAlone) {
  start("poolio", 2);
  const Client first = client("poolio");
  check_in("poolio", *first.worker);
  check_in("poolio", *first.worker);
  check_in("poolio", whereis("poolio"));
  check_in("nobody", *first.worker);
  const Client second = client("poolio");
  EXPECT_EQ(*second.worker, *first.worker);
  leave(first);
  EXPECT_EQ(status("poolio"), "1 idle 1 lent 0 overflow 0 waiting");
}

// -- workers --------------------------------------------------------------------------------

TEST_F(Pool, P7_P14_AWorkerThatEndsIsReplacedHoweverItEnds) {
  start({"poolio", child<Doubler>("doubler").with(permanent), 3});
  const Client has = client("poolio");
  for (const Pid& worker : workers("poolio")) kill(worker);
  EXPECT_EQ(status("poolio"), "3 idle 0 lent 0 overflow 0 waiting");
  EXPECT_TRUE(world.node().is_alive(has.pid));
  const Pid idle = workers("poolio").at(0);
  world.run([idle](Context& context) -> Task<> { co_await stop_server(context, idle); });
  EXPECT_EQ(status("poolio"), "3 idle 0 lent 0 overflow 0 waiting");
  EXPECT_EQ(workers("poolio").size(), 3U);
  EXPECT_EQ(world.log().count(LogLevel::error), 0U);
}

TEST_F(Pool, P7f_AHundredDeadWorkersDoNotCountAgainstIt) {
  const Pid manager = start("poolio", 3).pid;
  Random random{1};
  for (int i = 0; i < 100; ++i) kill(workers("poolio").at(random.below(3)));
  EXPECT_EQ(status("poolio"), "3 idle 0 lent 0 overflow 0 waiting");
  EXPECT_EQ(whereis("poolio"), manager);
}

TEST_F(Pool, AClientThatWaitsGetsTheReplacementOfAWorkerThatEnds) {
  start("poolio", 1);
  const Client has = client("poolio");
  const Client waits = client("poolio");
  kill(*has.worker);
  EXPECT_EQ(*waits.got, "worker");
  EXPECT_NE(*waits.worker, *has.worker);
}

TEST_F(Pool, OverflowWorkersComeWhenNeededAndGoAfterTheCoolDown) {
  start("poolio", 1, 2, 5000ms);
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(client("poolio"));
  EXPECT_EQ(status("poolio"), "0 idle 3 lent 2 overflow 1 waiting");
  for (const Client& has : clients) leave(has);
  EXPECT_EQ(status("poolio"), "3 idle 0 lent 2 overflow 0 waiting");
  world.run_for(4999ms);
  EXPECT_EQ(status("poolio"), "3 idle 0 lent 2 overflow 0 waiting");
  world.run_for(1ms);
  EXPECT_EQ(status("poolio"), "1 idle 0 lent 0 overflow 0 waiting");
  EXPECT_EQ(workers("poolio").size(), 1U);
  EXPECT_EQ(world.log().count(LogLevel::error), 0U);
}

TEST_F(Pool, ACoolDownMayBeForEver) {
  start("poolio", 1, 1, std::chrono::milliseconds::max());
  const Client first = client("poolio");
  const Client second = client("poolio");
  leave(first);
  leave(second);
  world.run_for(24h);
  EXPECT_EQ(status("poolio"), "2 idle 0 lent 1 overflow 0 waiting");
}

TEST_F(Pool, AWorkerThatCannotBeReplacedIsTriedAgainWhileThePoolGoesOn) {
  const auto broken = std::make_shared<bool>(false);
  start({"poolio", child<Doubler>("doubler", broken), 2, 1});
  const Pid manager = whereis("poolio");
  *broken = true;
  for (const Pid& worker : workers("poolio")) kill(worker);
  EXPECT_EQ(status("poolio"), "0 idle 0 lent 0 overflow 0 waiting");
  EXPECT_EQ(*client("poolio", 0ms).got, "unavailable");
  const Client waits = client("poolio", 30s);
  world.run_for(10s);
  EXPECT_EQ(*waits.got, "waits");
  *broken = false;
  world.run_for(1s);
  EXPECT_EQ(*waits.got, "worker");
  EXPECT_EQ(status("poolio"), "1 idle 1 lent 0 overflow 0 waiting");
  EXPECT_EQ(whereis("poolio"), manager);
}

TEST_F(Pool, NothingIsLostWhenClientsAndWorkersEndAtAnyTime) {
  start("poolio", 3, 2, 20ms);
  Random random{7};
  std::vector<Pid> clients;
  for (int round = 0; round < 300; ++round) {
    const Random chance{random.next()};
    clients.push_back(world.node().spawn([chance](Context& context) -> Task<> {
      Random own = chance;
      const Timeout patience = std::chrono::milliseconds{own.below(30)};
      const Result<Pid> worker = co_await checkout(context, "poolio", patience);
      if (!worker) co_return;
      co_await context.sleep_for(std::chrono::milliseconds{own.below(20)});
      if (own.percent(50)) checkin(context, "poolio", *worker);
      if (own.percent(20)) context.exit(*worker, ExitReason::kill());
      if (own.percent(20)) context.exit(ExitReason::symbol("boom"));
    }));
    if (random.percent(70)) world.run_for(std::chrono::milliseconds{random.below(5)});
    if (random.percent(20)) {
      act([&](Context& context) {
        context.exit(clients.at(random.below(clients.size())), ExitReason::kill());
      });
    }
    if (random.percent(10)) {
      const std::vector<Pid> pids = workers("poolio");
      kill(pids.at(random.below(pids.size())));
    }
  }
  world.run_for(1s);
  EXPECT_EQ(status("poolio"), "3 idle 0 lent 0 overflow 0 waiting");
  EXPECT_EQ(workers("poolio").size(), 3U);
}

// -- transaction ----------------------------------------------------------------------------

TEST_F(Pool, ATransactionLendsAWorkerForAsLongAsItRuns) {
  start("poolio", 1);
  const Result<int> doubled = world.run([](Context& context) -> Task<Result<int>> {
    co_return co_await transaction(context, "poolio", double_seven);
  });
  EXPECT_EQ(doubled.value(), 14);
  EXPECT_EQ(status("poolio"), "1 idle 0 lent 0 overflow 0 waiting");
  const auto refused = world.run([](Context& context) -> Task<Result<int>> {
    const Result<Pid> worker = co_await checkout(context, "poolio");
    EXPECT_TRUE(worker.has_value());
    co_return co_await transaction(context, "poolio", double_seven, 0ms);
  });
  EXPECT_EQ(refused.error().code, Errc::unavailable);
}

TEST_F(Pool, ATransactionGivesTheWorkerBackWhenItThrows) {
  start("poolio", 1);
  const auto run = [](Context& context) -> Task<> {
    const auto fail = [](Context& inner, Pid) -> Task<> {
      co_await inner.sleep_for(1ms);
      throw std::runtime_error{"boom"};
    };
    const Result<void> never = co_await transaction(context, "poolio", fail);
    ADD_FAILURE() << never.has_value();
  };
  EXPECT_THROW(world.run(run), std::runtime_error);
  EXPECT_EQ(status("poolio"), "1 idle 0 lent 0 overflow 0 waiting");
}

TEST_F(Pool, ATransactionGivesTheWorkerBackWhenItsProcessIsKilled) {
  start("poolio", 1);
  const Pid client = world.node().spawn([](Context& context) -> Task<> {
    const auto wait = [](Context& inner, Pid) -> Task<> { co_await inner.sleep_for(1h); };
    const Result<void> never = co_await transaction(context, "poolio", wait);
    ADD_FAILURE() << never.has_value();
  });
  EXPECT_EQ(status("poolio"), "0 idle 1 lent 0 overflow 0 waiting");
  kill(client);
  EXPECT_EQ(status("poolio"), "1 idle 0 lent 0 overflow 0 waiting");
}

TEST_F(Pool, ShowsItsNumbersToInspection) {
  start("poolio", 2);
  client("poolio");
  const Pid manager = whereis("poolio");
  const Value shown =
      world.run([manager](Context& context) { return sys::get_state(context, manager); });
  EXPECT_EQ(to_string(shown), "#{idle => 1,lent => 1,overflow => 0,waiting => 0}");
}

struct Noise {};

TEST(PoolOfALoad, AClientsPatienceEndsThoughThePoolsMailboxIsFull) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    ChildSpec spec = pool({.name = "db", .worker = child<Doubler>("doubler"), .size = 1});
    spec.options.mailbox = {.messages = 2, .policy = MailboxPolicy::drop_newest};
    SupervisorSpec top;
    top.children.push_back(spec);
    const StartResult started = co_await start_supervisor(context, top);
    EXPECT_TRUE(started.ok());
    const Result<Pid> lent = co_await checkout(context, "db");
    EXPECT_TRUE(lent);
    const auto wait = [](Context& own, Pid boss) -> Task<> {
      const Result<Pid> worker = co_await checkout(own, "db", 1s);
      own.send(boss, std::string{worker ? "lent" : worker.error().detail});
    };
    context.spawn(wait, context.self());
    co_await context.sleep_for(500ms);
    const Pid manager = context.whereis("db").value();
    co_await sys::suspend(context, manager);
    for (int i = 0; i < 3; ++i) context.send(manager, Noise{});
    co_await context.sleep_for(1s);
    co_await sys::resume(context, manager);
    const auto told = co_await context.receive_for<std::string>(1s);
    EXPECT_EQ(told.value_or("nothing"), "no worker came back in time");
  });
}

TEST(PoolOfALoad, AWorkerComesBackThoughThePoolsMailboxIsFull) {
  for (const MailboxPolicy policy :
       {MailboxPolicy::drop_newest, MailboxPolicy::drop_oldest, MailboxPolicy::fail}) {
    SCOPED_TRACE(static_cast<int>(policy));
    LocalWorld{}.run([policy](Context& context) -> Task<> {
      ChildSpec spec = pool({.name = "db", .worker = child<Doubler>("doubler"), .size = 1});
      spec.options.mailbox = {.messages = 2, .policy = policy};
      SupervisorSpec top;
      top.children.push_back(spec);
      (void)co_await start_supervisor(context, top);
      const Result<Pid> lent = co_await checkout(context, "db");
      const Pid manager = context.whereis("db").value();
      co_await sys::suspend(context, manager);
      for (int i = 0; i < 3; ++i) context.node().send(manager, Noise{});
      checkin(context, "db", lent.value());
      for (int i = 0; i < 3; ++i) context.node().send(manager, Noise{});
      co_await sys::resume(context, manager);
      const PoolStatus status = co_await pool_status(context, "db");
      EXPECT_EQ(status.idle, 1U);
    });
  }
}

}  // namespace
}  // namespace grove
