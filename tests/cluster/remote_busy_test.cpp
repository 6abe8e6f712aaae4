// SPDX-License-Identifier: Apache-2.0
//
// A peer that takes less than is sent to it: who waits, who is told, what is dropped, and when the
// peer is given up.
#include "grove/node/pool.hpp"
#include "grove/node/remote.hpp"

#include "cluster/flow_world.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace grove::flow_test {

class Fetcher : public GenServer {
 public:
  using Handles = grove::Handles<Fetch>;
  Chunk handle_call(Fetch fetch) { return {0, 0, bytes_of(fetch.size)}; }
};

}  // namespace grove::flow_test

GROVE_REMOTE_CLASS(grove::flow_test::Fetcher, "flow_test.fetcher")

namespace grove::flow_test {
namespace {

constexpr std::size_t k_budget = k_mib;
constexpr std::size_t k_chunk = 100 * k_kib;

/// Sends `count` chunks, one at each of its steps. `sent` counts them; `failures` those refused.
Task<> send_chunks(Context& context, Pid to, std::uint64_t sender, std::uint64_t count,
                   std::shared_ptr<std::uint64_t> sent, std::shared_ptr<std::uint64_t> failures) {
  for (std::uint64_t number = 1; number <= count; ++number) {
    try {
      context.send<Chunk>(to, sender, number, bytes_of(k_chunk));
      ++*sent;
    } catch (const ProcessExit& exit) {
      EXPECT_EQ(exit.reason(), ExitReason::symbol("busy"));
      ++*failures;
    }
    co_await context.sleep_for(1ms);
  }
}

class BusyPeer : public FlowWorld {
 protected:
  void start_with(BusyPolicy policy, Clock::Duration slow_after = 1h) {
    start([policy, slow_after](ClusterConfig& config) {
      config.times.silence = 2h;
      config.flow = {.budget_bytes = k_budget, .when_busy = policy, .slow_after = slow_after};
    });
    diarist = diarist_on_b(diary);
  }
  /// Nothing reaches b any more.
  void clog() { world.cut("a", "b"); }
  Pid send_from_a(std::uint64_t sender, std::uint64_t count) {
    return a().spawn(send_chunks, diarist, sender, count, sent, failures);
  }
  [[nodiscard]] std::vector<std::string> chunks(std::uint64_t sender, std::uint64_t count) const {
    std::vector<std::string> lines;
    for (std::uint64_t number = 1; number <= count; ++number) {
      lines.push_back(std::to_string(sender) + "/" + std::to_string(number));
    }
    return lines;
  }
  [[nodiscard]] std::uint64_t dropped() {
    return a().metrics().get(Metric::dead_letters_peer_busy);
  }
  Diary diary = make_diary();
  Pid diarist;
  std::shared_ptr<std::uint64_t> sent = std::make_shared<std::uint64_t>(0);
  std::shared_ptr<std::uint64_t> failures = std::make_shared<std::uint64_t>(0);
};

// -- suspended senders ----------------------------------------------------------------------

TEST_F(BusyPeer, SuspendsWhoSendsMoreUntilItHasCaughtUp) {
  start_with(BusyPolicy::suspend_sender);
  clog();
  send_from_a(1, 50);
  world.run_for(10s);
  EXPECT_EQ(*sent, 1 + k_budget / k_chunk + 1);  // one was too much, and it went
  world.heal();
  EXPECT_TRUE(world.run_until([&] { return diary->size() == 50; }, 60s));
  EXPECT_EQ(*diary, chunks(1, 50));
  EXPECT_EQ(dropped(), 0U);
}

TEST_F(BusyPeer, ASuspendedSenderIsKilledAtOnce) {
  start_with(BusyPolicy::suspend_sender);
  clog();
  const Pid sender = send_from_a(1, 50);
  world.run_for(1s);
  EXPECT_TRUE(a().is_alive(sender));
  a().exit(sender, ExitReason::kill());
  world.run_for(1ms);
  EXPECT_FALSE(a().is_alive(sender));
  const std::uint64_t until_then = *sent;
  world.heal();
  EXPECT_TRUE(world.run_until([&] { return diary->size() == until_then; }, 60s));
  world.run_for(10s);
  EXPECT_EQ(diary->size(), until_then);
}

TEST_F(BusyPeer, TheEndOfItsSessionLetsTheSuspendedGoOn) {
  start_with(BusyPolicy::suspend_sender);
  clog();
  send_from_a(1, 50);
  world.run_for(1s);
  EXPECT_LT(*sent, 50U);
  world.kill("b");
  world.heal();
  EXPECT_TRUE(world.run_until([&] { return *sent == 50; }, 60s));
  EXPECT_GT(a().metrics().get(Metric::dead_letters_no_connection), 30U);
}

TEST_F(BusyPeer, ACallIsLetInForItsCallerWaitsAnyway) {
  start_with(BusyPolicy::suspend_sender);
  clog();
  send_from_a(1, 50);
  world.run_for(1s);
  auto answer = a().async([to = diarist](Context& context) -> Task<std::string> {
    try {
      co_await context.call_for<Fetch>(2s, to, 1U);
    } catch (const ProcessExit& exit) {
      co_return to_string(exit.reason());
    }
    co_return "";
  });
  world.run_for(3s);
  EXPECT_EQ(SimWorld::ready(answer), "timeout");
  EXPECT_EQ(dropped(), 0U);
}

TEST_F(BusyPeer, WhoIsNoProcessCannotWaitAndIsDroppedAndCounted) {
  start_with(BusyPolicy::suspend_sender);
  clog();
  for (std::uint64_t number = 1; number <= 50; ++number) {
    a().send(diarist, Chunk{1, number, bytes_of(k_chunk)});
  }
  EXPECT_EQ(dropped(), 50 - (1 + k_budget / k_chunk));
  world.heal();
  world.run_for(10s);
  EXPECT_EQ(*diary, chunks(1, 50 - dropped()));
}

// -- told, or dropped -----------------------------------------------------------------------

TEST_F(BusyPeer, TellsTheSenderByFail) {
  start_with(BusyPolicy::fail);
  clog();
  send_from_a(1, 50);
  world.run_for(1s);
  EXPECT_EQ(*sent, 1 + k_budget / k_chunk);
  EXPECT_EQ(*failures, 50 - *sent);
  EXPECT_EQ(dropped(), *failures);
  world.heal();
  EXPECT_TRUE(world.run_until([&] { return diary->size() == *sent; }, 60s));
}

TEST_F(BusyPeer, DropsAndCounts) {
  start_with(BusyPolicy::drop);
  clog();
  send_from_a(1, 50);
  world.run_for(1s);
  EXPECT_EQ(*sent, 50U);
  EXPECT_EQ(*failures, 0U);
  EXPECT_EQ(dropped(), 50 - (1 + k_budget / k_chunk));
}

TEST_F(BusyPeer, ACallThatIsDroppedFailsAtOnce) {
  start_with(BusyPolicy::drop);
  clog();
  send_from_a(1, 50);
  world.run_for(1s);
  auto answer = a().async([to = diarist](Context& context) -> Task<std::string> {
    try {
      co_await context.call<Fetch>(to, 1U);
    } catch (const ProcessExit& exit) {
      co_return to_string(exit.reason());
    }
    co_return "";
  });
  world.run_for(1ms);
  EXPECT_EQ(SimWorld::ready(answer), "busy");
}

TEST_F(BusyPeer, ACallWhoseAnswerIsDroppedFails) {
  start_with(BusyPolicy::drop);
  const Pid server = world.run("a", [](Context& context) -> Task<Pid> {
    ServerOptions options;
    options.link = false;
    const StartResult result = co_await start_server<Fetcher>(context, options);
    co_return result.pid;
  });
  clog();
  send_from_a(1, 50);
  world.run_for(1s);
  auto answer = b().async([server](Context& context) -> Task<std::string> {
    try {
      co_await context.call<Fetch>(server, k_kib);
    } catch (const ProcessExit& exit) {
      co_return to_string(exit.reason());
    }
    co_return "";
  });
  world.run_for(1s);
  world.heal();
  world.run_for(10s);
  EXPECT_EQ(SimWorld::ready(answer), "busy");
}

// -- what the runtime says ------------------------------------------------------------------

const auto k_policies =
    testing::Values(BusyPolicy::suspend_sender, BusyPolicy::fail, BusyPolicy::drop);

std::string name_of_policy(const testing::TestParamInfo<BusyPolicy>& tested) {
  if (tested.param == BusyPolicy::suspend_sender) return "suspend_sender";
  return tested.param == BusyPolicy::fail ? "fail" : "drop";
}

class BusyPeerSignals : public BusyPeer, public testing::WithParamInterface<BusyPolicy> {
 protected:
  /// b takes nothing any more, and has more to take than it may.
  void use_up_budget() {
    clog();
    send_from_a(1, 50);
    world.run_for(1s);
  }
};

TEST_P(BusyPeerSignals, AreNeverDropped) {
  start_with(GetParam());
  const auto watched = [](Context& context) -> Task<> { co_await context.sleep_for(9h); };
  const Pid first = a().spawn(watched);
  const Pid second = a().spawn(watched);
  const Diary watcher = make_diary();
  b().spawn([first, second, watcher](Context& context) -> Task<> {
    context.monitor(first);
    context.trap_exit(true);
    context.link(second);
    co_await keep_diary(context, watcher, false);
  });
  world.run_for(1s);
  clog();
  send_from_a(1, 50);
  world.run_for(1s);
  a().exit(first, ExitReason::symbol("gone"));
  a().exit(second, ExitReason::symbol("went"));
  // Links, monitors and exits of a's own, over the same way.
  const Pid target = b().spawn([](Context& context) -> Task<> { co_await context.sleep_for(9h); });
  const Diary own = make_diary();
  a().spawn([target, own](Context& context) -> Task<> {
    context.trap_exit(true);
    context.link(target);
    context.monitor(target);
    const Ref let_go = context.monitor(target);
    context.demonitor(let_go);
    context.exit(target, ExitReason::symbol("enough"));
    co_await keep_diary(context, own, false);
  });
  world.run_for(1s);
  EXPECT_TRUE(watcher->empty());
  world.heal();
  EXPECT_TRUE(world.run_until([&] { return watcher->size() == 2 && own->size() == 2; }, 60s));
  std::sort(watcher->begin(), watcher->end());
  EXPECT_EQ(*watcher, (std::vector<std::string>{"down:gone", "exit:went"}));
  std::sort(own->begin(), own->end());
  EXPECT_EQ(*own, (std::vector<std::string>{"down:enough", "exit:enough"}));
}

TEST_P(BusyPeerSignals, AreTheAnswerToTheStartOfAServer) {
  start_with(GetParam());
  use_up_budget();
  auto started = b().async([](Context& context) -> Task<StartResult> {
    co_return co_await start_link_on<Fetcher>(context, "a");
  });
  world.run_for(1s);
  world.heal();
  world.run_for(10s);
  EXPECT_TRUE(SimWorld::ready(started).ok());
}

TEST_P(BusyPeerSignals, AreTheRequestThatEndsAServer) {
  start_with(GetParam());
  world.run("b", [](Context& context) -> Task<> {
    for (const std::string name : {"first", "second"}) {
      ServerOptions options{name};
      options.link = false;
      (void)co_await start_server<Fetcher>(context, options);
    }
  });
  const Pid first = b().whereis("first").value();
  use_up_budget();
  const auto stop = [this](ServerRef server) {
    return a().async([server](Context& context) -> Task<std::string> {
      try {
        co_await stop_server(context, server, ExitReason::shutdown());
      } catch (const ProcessExit& failed) {
        co_return to_string(failed.reason());
      }
      co_return "stopped";
    });
  };
  auto by_pid = stop(first);
  auto by_name = stop(RemoteName{"second", "b"});
  world.run_for(1s);
  world.heal();
  world.run_for(10s);
  EXPECT_EQ(SimWorld::ready(by_pid), "stopped");
  EXPECT_EQ(SimWorld::ready(by_name), "stopped");
}

class BusyPeerPools : public BusyPeerSignals {
 protected:
  void start_pool_on(const std::string& node) {
    world.run(node, [](Context& context) -> Task<> {
      SupervisorSpec app;
      app.children.push_back(pool({.name = "fetchers", .worker = child<Fetcher>("w"), .size = 1}));
      ServerOptions options;
      options.link = false;
      const StartResult started = co_await start_supervisor(context, app, options);
      EXPECT_TRUE(started.ok());
    });
  }
  PoolStatus status_at(const std::string& node) {
    return world.run(node, [](Context& context) -> Task<PoolStatus> {
      co_return co_await pool_status(context, "fetchers");
    });
  }
};

TEST_P(BusyPeerPools, LoseNoWorkerThatTheyLend) {
  start_with(GetParam());
  start_pool_on("a");
  use_up_budget();
  auto lent = b().async([](Context& context) -> Task<bool> {
    const RemoteName fetchers{"fetchers", "a"};
    const Result<Pid> worker = co_await checkout(context, fetchers);
    if (worker) checkin(context, fetchers, *worker);
    co_await context.sleep_for(1h);
    co_return worker.has_value();
  });
  world.run_for(1s);
  EXPECT_EQ(status_at("a").lent, 1U);
  world.heal();
  world.run_for(10s);
  EXPECT_EQ(status_at("a").idle, 1U);
  world.run_for(1h);
  EXPECT_TRUE(SimWorld::ready(lent));
}

TEST_P(BusyPeerPools, LoseNoWorkerThatIsGivenBack) {
  start_with(GetParam());
  start_pool_on("b");
  bool went_on = false;
  const Pid client = a().spawn(
      [](Context& context, bool* done) -> Task<> {
        const RemoteName fetchers{"fetchers", "b"};
        const Result<Pid> worker = co_await checkout(context, fetchers);
        co_await context.receive<Chunk>();
        checkin(context, fetchers, worker.value());
        co_await context.sleep_for(1ms);
        *done = true;
        co_await context.sleep_for(1h);
      },
      &went_on);
  world.run_for(1s);
  use_up_budget();
  a().send(client, Chunk{});
  world.run_for(1s);
  EXPECT_TRUE(went_on);
  world.heal();
  world.run_for(10s);
  EXPECT_EQ(status_at("b").idle, 1U);
}

INSTANTIATE_TEST_SUITE_P(All, BusyPeerSignals, k_policies, name_of_policy);
INSTANTIATE_TEST_SUITE_P(All, BusyPeerPools, k_policies, name_of_policy);

TEST_F(BusyPeer, TheEndOfASuspendedSenderIsHeardAtHomeAtOnce) {
  start_with(BusyPolicy::suspend_sender);
  clog();
  const Pid sender = send_from_a(1, 50);
  world.run_for(1s);
  auto down = a().async([sender](Context& context) -> Task<ExitReason> {
    context.monitor(sender);
    const Down one = co_await context.receive<Down>();
    co_return one.reason;
  });
  world.run_for(1ms);
  a().exit(sender, ExitReason::symbol("over"));
  world.run_for(1ms);
  EXPECT_EQ(SimWorld::ready(down), ExitReason::symbol("over"));
}

// -- given up -------------------------------------------------------------------------------

TEST_F(BusyPeer, IsGivenUpWhenItIsTooSlowForTooLong) {
  start_with(BusyPolicy::suspend_sender, 5s);
  const auto watch = [to = diarist](Context& context) -> Task<ExitReason> {
    context.monitor(to);
    const Down one = co_await context.receive<Down>();
    co_return one.reason;
  };
  auto down = a().async(watch);
  world.run_for(1s);
  clog();
  send_from_a(1, 50);
  world.run_for(4s);
  EXPECT_EQ(world.total(Metric::sessions_slow), 0U);
  world.run_for(3s);
  EXPECT_EQ(SimWorld::ready(down), ExitReason::noconnection());
  EXPECT_EQ(a().metrics().get(Metric::sessions_slow), 1U);
  world.run_for(1s);
  EXPECT_EQ(*sent, 50U);  // nobody waits for it any longer
}

TEST_F(BusyPeer, ThatIsSlowButTakesItIsNotGivenUp) {
  start_with(BusyPolicy::suspend_sender, 5s);
  set_rate(2 * k_mib);
  a().spawn([to = diarist](Context& context) -> Task<> {
    context.send<Chunk>(to, 1U, 1U, bytes_of(60 * k_mib));
    co_return;
  });
  EXPECT_TRUE(world.run_until([&] { return diary->size() == 1; }, 60s));
  EXPECT_EQ(world.total(Metric::sessions_down), 0U);
}

}  // namespace
}  // namespace grove::flow_test
