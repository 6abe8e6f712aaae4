// SPDX-License-Identifier: Apache-2.0
//
// The pools of examples/pool. P-numbers in the names are the steps of the walk-through of what they
// were in Elixir.
#include "examples/pool_world.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <stdexcept>

namespace grove {
namespace {

using namespace std::chrono_literals;
using pool_toy::Doubler;
using pool_toy::PoolArgs;
using testkit::LocalWorld;
using testkit::PoolToy;

struct Unknown {
  using Reply = int;
};

// -- start, lend, stop ----------------------------------------------------------------------

TEST_F(PoolToy, P1_TwoPoolsStartBesideEachOther) {
  EXPECT_TRUE(start("poolio", 3).ok());
  EXPECT_TRUE(start("pooly", 2).ok());
  EXPECT_EQ(summary("poolio"), "3/0/3");
  EXPECT_EQ(summary("pooly"), "2/0/2");
  EXPECT_EQ(children(whereis(pool_toy::k_pools_sup)).size(), 2U);
  EXPECT_EQ(Registry(world.node(), pool_toy::k_registry).count(), 2U);
  EXPECT_EQ(tables(), (std::vector<std::string>{"monitors_poolio", "monitors_pooly"}));
}

TEST_F(PoolToy, P1b_ACheckoutRightAfterTheStartGetsAWorker) {
  const int lent = world.run([](Context& context) -> Task<int> {
    int got = 0;
    for (int i = 0; i < 100; ++i) {
      const std::string name = "pool" + std::to_string(i);
      const PoolArgs args{name, child<Doubler>("doubler"), 1};
      co_await pool_toy::start_pool(context, args);
      if (co_await pool_toy::checkout(context, name)) ++got;
    }
    co_return got;
  });
  EXPECT_EQ(lent, 100);
}

TEST_F(PoolToy, P3_ArgumentsThatAreMissingOrWrongFailTheStart) {
  const auto refused = [&](PoolArgs args) { return to_string(start(std::move(args))); };
  const auto failed = [](const std::string& why) {
    return "failed: {shutdown,{failed_to_start_child,\"pool_man\",{" + why + "}}}";
  };
  const ChildSpec spec = child<Doubler>("doubler");
  const std::string bad_size = failed("invalid_args,{size,\"must be a positive integer\"}");
  EXPECT_EQ(refused({"poolio", spec, 0}), bad_size);
  EXPECT_EQ(refused({"poolio", spec, -1}), bad_size);
  EXPECT_EQ(refused({"poolio", spec, {}}),
            failed("missing_args,{size,\"positive integer `size` is required\"}"));
  EXPECT_EQ(refused({"poolio", {}, 3}),
            failed("missing_args,{worker_spec,\"child spec `worker_spec` is required\"}"));
  for (const std::string& no_name : {std::string{}, std::string(1000, 'x')}) {
    EXPECT_NE(refused({no_name, spec, 3}).find("{bad_name,"), std::string::npos);
  }
  world.settle();
  EXPECT_TRUE(children(whereis(pool_toy::k_pools_sup)).empty());
  EXPECT_TRUE(tables().empty());
  EXPECT_TRUE(start("poolio", 3).ok());
}

TEST_F(PoolToy, P4_LendsEachWorkerOnceAndTheLastOneBackFirst) {
  start("poolio", 3);
  const auto client = check_out("poolio", 4);
  ASSERT_EQ(client.workers.size(), 3U);  // the fourth time it was full
  EXPECT_EQ(std::set<Pid>(client.workers.begin(), client.workers.end()).size(), 3U);
  check_in("poolio", client.workers[0]);
  check_in("poolio", client.workers[1]);
  EXPECT_EQ(check_out("poolio").workers.at(0), client.workers[1]);
  EXPECT_EQ(check_out("poolio").workers.at(0), client.workers[0]);
}

TEST_F(PoolToy, P4_AWorkerDoublesOneNumberAtATime) {
  start("poolio", 3);
  const std::vector<Pid> workers = check_out("poolio", 3).workers;
  const auto double_all = [&](std::vector<Pid> of, int count) {
    return world.run([of, count](Context& context) -> Task<std::vector<int>> {
      std::vector<Request<int>> open;
      for (int i = 1; i <= count; ++i) {
        const Pid worker = of[static_cast<std::size_t>(i) % of.size()];
        open.push_back(context.send_request<pool_toy::Compute>(worker, i));
      }
      std::vector<int> doubled;
      for (auto& request : open) {
        doubled.push_back(co_await context.receive_response(std::move(request)));
      }
      co_return doubled;
    });
  };
  const auto timed = [&](Clock::Duration time, auto run) {
    const Clock::TimePoint start = world.clock().now();
    const std::vector<int> result = run();
    EXPECT_EQ(world.clock().now() - start, time);
    return result;
  };
  using Numbers = std::vector<int>;
  EXPECT_EQ(timed(500ms, [&] { return double_all({workers[1]}, 1); }), (Numbers{2}));
  EXPECT_EQ(timed(4500ms, [&] { return double_all({workers[1]}, 9); }),
            (Numbers{2, 4, 6, 8, 10, 12, 14, 16, 18}));
  EXPECT_EQ(timed(500ms, [&] { return double_all(workers, 3); }), (Numbers{2, 4, 6}));
}

TEST_F(PoolToy, P9c_AnUnknownPoolIsNoprocForACheckoutAndNothingForACheckin) {
  EXPECT_EQ(*call<pool_toy::CheckOut>("nobody"), "noproc");
  check_in("nobody", whereis("top"));
}

TEST_F(PoolToy, P10_StopPoolLeavesNothingBehind) {
  start("poolio", 3);
  const std::vector<Pid> pids = workers("poolio");
  EXPECT_TRUE(stop("poolio"));
  EXPECT_EQ(whereis("poolio"), Pid{});
  EXPECT_EQ(pool_sup("poolio"), Pid{});
  EXPECT_TRUE(tables().empty());
  for (const Pid& worker : pids) EXPECT_FALSE(world.node().is_alive(worker));
  EXPECT_LE(errors(), 1U);  // the manager's, when it hears first of its worker supervisor's end
  EXPECT_TRUE(start("poolio", 3).ok());
  EXPECT_EQ(summary("poolio"), "3/0/3");
  EXPECT_THROW(stop("unknown"), std::out_of_range);
}

// -- clients --------------------------------------------------------------------------------

TEST_F(PoolToy, P5_TheWorkerOfAClientThatEndsComesBack) {
  start("poolio", 3);
  const auto came_back = [&](auto end_of) {
    const Client client = check_out("poolio");
    EXPECT_EQ(summary("poolio"), "2/1/3");
    end_of(client.pid);
    EXPECT_EQ(summary("poolio"), "3/0/3");
    EXPECT_TRUE(world.node().is_alive(client.workers.at(0)));
  };
  came_back([&](Pid client) { leave(client); });
  came_back([&](Pid client) { leave(client, ExitReason::symbol("boom")); });
  came_back([&](Pid client) { kill(client); });
}

TEST_F(PoolToy, P6_TheEndOfAFormerClientTakesNothingFromTheNext) {
  start("poolio", 3);
  const Client first = check_out("poolio");
  check_in("poolio", first.workers.at(0));
  const Client second = check_out("poolio");
  EXPECT_EQ(second.workers, first.workers);
  leave(first.pid);
  EXPECT_EQ(summary("poolio"), "2/1/3");
  const Client third = check_out("poolio");
  leave(third.pid, ExitReason::normal(), true);  // checked in, and its DOWN may be on its way
  EXPECT_EQ(summary("poolio"), "2/1/3");
}

TEST_F(PoolToy, P16_AClientMayHaveTwoWorkersAndAnybodyMayCheckIn) {
  start("poolio", 3);
  const Client client = check_out("poolio", 2);
  EXPECT_EQ(summary("poolio"), "1/2/3");
  leave(client.pid);
  EXPECT_EQ(summary("poolio"), "3/0/3");
  check_in("poolio", check_out("poolio").workers.at(0));
  EXPECT_EQ(summary("poolio"), "3/0/3");
}

// -- workers --------------------------------------------------------------------------------

TEST_F(PoolToy, P7_AKilledWorkerIsReplaced) {
  start("poolio", 3);
  const Client client = check_out("poolio");
  kill(workers("poolio").at(0) == client.workers.at(0) ? workers("poolio").at(1)
                                                       : workers("poolio").at(0));
  EXPECT_EQ(summary("poolio"), "2/1/3");
  kill(client.workers.at(0));
  EXPECT_EQ(summary("poolio"), "3/0/3");
  EXPECT_TRUE(world.node().is_alive(client.pid));
  EXPECT_EQ(errors(), 0U);
}

TEST_F(PoolToy, P7c_ACallOfAWorkerThatIsKilledEndsWithThat) {
  start("poolio", 3);
  const Client client = check_out("poolio");
  const auto reason = call<pool_toy::Compute>(client.workers.at(0), 1);
  kill(client.workers.at(0));
  EXPECT_EQ(*reason, "killed");
  EXPECT_EQ(summary("poolio"), "3/0/3");
}

TEST_F(PoolToy, P7d_AWorkerThatEndsNormallyIsReplacedToo) {
  start("poolio", 3);
  end(workers("poolio").at(0), ExitReason::normal());
  EXPECT_EQ(summary("poolio"), "3/0/3");
  end(check_out("poolio").workers.at(0), ExitReason::normal());
  EXPECT_EQ(summary("poolio"), "3/0/3");
  EXPECT_EQ(errors(), 0U);
}

TEST_F(PoolToy, P7e_AnUnknownCallEndsTheWorkerAndTheCall) {
  start("poolio", 3);
  const Client client = check_out("poolio");
  const auto reason = call<Unknown>(client.workers.at(0));
  EXPECT_EQ(reason->substr(0, 19), "{error,\"unhandled\",");
  EXPECT_EQ(summary("poolio"), "3/0/3");
  EXPECT_EQ(errors(), 1U);
}

TEST_F(PoolToy, P7f_AHundredDeadWorkersDoNotCountAgainstThePool) {
  start("poolio", 3);
  const Pid manager = whereis("poolio");
  Random random{1};
  for (int i = 0; i < 100; ++i) {
    kill(workers("poolio").at(random.below(3)));
    world.run_for(5ms);
  }
  EXPECT_EQ(summary("poolio"), "3/0/3");
  EXPECT_EQ(whereis("poolio"), manager);
}

TEST_F(PoolToy, P14_WorkersAreTemporaryWhateverTheirSpecSays) {
  start({"poolio", child<Doubler>("doubler").with(permanent), 3});
  for (int i = 0; i < 5; ++i) {
    kill(workers("poolio").at(0));
    EXPECT_EQ(summary("poolio"), "3/0/3");
  }
}

// -- managers and supervisors ---------------------------------------------------------------

TEST_F(PoolToy, P8_WithoutItsWorkerSupTheManagerEndsAndThePoolStartsAnew) {
  start("poolio", 3);
  const Client client = check_out("poolio");
  const Pid supervisor = pool_sup("poolio");
  const Pid manager = whereis("poolio");
  const auto manager_end = watch(manager);
  const auto worker_end = watch(client.workers.at(0));
  kill(worker_sup("poolio"));
  EXPECT_EQ(*manager_end, "{worker_sup_exit,killed}");
  EXPECT_EQ(*worker_end, "killed");
  EXPECT_EQ(pool_sup("poolio"), supervisor);
  EXPECT_NE(whereis("poolio"), manager);
  EXPECT_EQ(summary("poolio"), "3/0/3");
  EXPECT_EQ(errors(), 1U);
  check_in("poolio", client.workers.at(0));
  EXPECT_EQ(summary("poolio"), "3/0/3");
}

TEST_F(PoolToy, P9_AKilledManagerTakesItsPoolAlongAndNoOther) {
  start("poolio", 3);
  start("pooly", 2);
  const Pid supervisor = pool_sup("poolio");
  const Pid manager = whereis("poolio");
  const Pid other_manager = whereis("pooly");
  const std::vector<Pid> other_workers = workers("pooly");
  const auto worker_end = watch(workers("poolio").at(0));
  const auto worker_sup_end = watch(worker_sup("poolio"));
  kill(manager);
  EXPECT_EQ(*worker_end, "killed");
  EXPECT_EQ(*worker_sup_end, "shutdown");
  EXPECT_EQ(pool_sup("poolio"), supervisor);
  EXPECT_NE(whereis("poolio"), manager);
  EXPECT_EQ(summary("poolio"), "3/0/3");
  EXPECT_EQ(whereis("pooly"), other_manager);
  EXPECT_EQ(workers("pooly"), other_workers);
  EXPECT_EQ(errors(), 0U);
}

TEST_F(PoolToy, P11_APoolWhoseSupervisorWasReplacedIsStoppedByName) {
  const Pid first = start("poolio", 3).pid;
  const Pid pools_sup = whereis(pool_toy::k_pools_sup);
  std::vector<int> replaced;
  for (int i = 1; i <= 15; ++i) {
    const Pid before = pool_sup("poolio");
    world.run_for(100ms);
    kill(whereis("poolio"));
    if (pool_sup("poolio") != before) replaced.push_back(i);
  }
  EXPECT_EQ(replaced, (std::vector<int>{4, 8, 12}));
  EXPECT_EQ(whereis(pool_toy::k_pools_sup), pools_sup);
  EXPECT_EQ(summary("poolio"), "3/0/3");
  const auto by_pid = world.run([first](Context& context) -> Task<Result<void>> {
    co_return co_await terminate_child(context, pool_toy::k_pools_sup, first);
  });
  ASSERT_FALSE(by_pid.has_value());
  EXPECT_EQ(by_pid.error().code, Errc::not_found);
  EXPECT_TRUE(stop("poolio"));
}

TEST_F(PoolToy, P11b_ThePoolSupSurvivesThreeKillsOfItsManager) {
  const Pid supervisor = start("poolio", 3).pid;
  for (int i = 0; i < 3; ++i) {
    kill(whereis("poolio"));
    EXPECT_EQ(pool_sup("poolio"), supervisor);
  }
  kill(whereis("poolio"));
  EXPECT_NE(pool_sup("poolio"), supervisor);
  EXPECT_NE(pool_sup("poolio"), Pid{});
}

TEST_F(PoolToy, P13_WithoutThePoolsSupThePoolsAreGone) {
  start("poolio", 3);
  const Pid registry = whereis(pool_toy::k_registry);
  const Pid pools_sup = whereis(pool_toy::k_pools_sup);
  kill(pools_sup);
  EXPECT_EQ(whereis(pool_toy::k_registry), registry);
  EXPECT_NE(whereis(pool_toy::k_pools_sup), pools_sup);
  EXPECT_TRUE(children(whereis(pool_toy::k_pools_sup)).empty());
  EXPECT_EQ(whereis("poolio"), Pid{});
  EXPECT_EQ(pool_sup("poolio"), Pid{});
  EXPECT_TRUE(start("poolio", 3).ok());
}

TEST_F(PoolToy, P13_WithoutTheRegistryThePoolsSupStartsAnewToo) {
  start("poolio", 3);
  const Pid top = whereis("top");
  const Pid registry = whereis(pool_toy::k_registry);
  const Pid pools_sup = whereis(pool_toy::k_pools_sup);
  end(pool_toy::k_registry, ExitReason::symbol("boom"));
  EXPECT_NE(whereis(pool_toy::k_registry), registry);
  EXPECT_NE(whereis(pool_toy::k_pools_sup), pools_sup);
  EXPECT_TRUE(children(whereis(pool_toy::k_pools_sup)).empty());
  EXPECT_EQ(whereis("poolio"), Pid{});
  EXPECT_EQ(whereis("top"), top);
}

TEST_F(PoolToy, P15_AnUnknownMessageIsToldAndTheManagerGoesOn) {
  start("poolio", 3);
  const Pid manager = whereis("poolio");
  world.run([manager](Context& context) -> Task<> {
    context.send(manager, Unknown{});
    co_return;
  });
  EXPECT_EQ(summary("poolio"), "3/0/3");
  EXPECT_EQ(whereis("poolio"), manager);
  EXPECT_EQ(world.log().count(LogLevel::warning), 1U);
}

}  // namespace
}  // namespace grove
