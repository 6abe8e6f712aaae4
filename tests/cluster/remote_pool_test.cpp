// SPDX-License-Identifier: Apache-2.0
//
// A pool on one node, its clients on another.
#include "grove/node/pool.hpp"
#include "grove/node/sys.hpp"
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace remote_pool_test {

struct Double {
  using Reply = int;
  int number = 0;
};

}  // namespace remote_pool_test

GROVE_MESSAGE(remote_pool_test::Double, "test.pool.double", number)

namespace remote_pool_test {
namespace {

using namespace grove;
using namespace std::chrono_literals;
using testkit::SimWorld;

class Doubler : public GenServer {
 public:
  using Handles = grove::Handles<Double>;
  int handle_call(Double request) { return 2 * request.number; }
};

const RemoteName k_pool{"doublers", "a"};

class RemotePool : public testing::Test {
 protected:
  RemotePool() {
    world.add_node("a");
    world.add_node("b");
    world.run("a", [](Context& context) -> Task<> {
      const PoolSpec spec{"doublers", child<Doubler>("doubler"), 2};
      ServerOptions options;
      options.link = false;
      SupervisorSpec app;
      app.children.push_back(pool(spec));
      const StartResult started = co_await start_supervisor(context, app, options);
      EXPECT_TRUE(started.ok());
    });
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  }
  PoolStatus status() {
    return world.run("a", [](Context& context) -> Task<PoolStatus> {
      co_return co_await pool_status(context, "doublers");
    });
  }
  /// Processes of b that borrow and never give back.
  void borrow(int clients) {
    for (int i = 0; i < clients; ++i) {
      world["b"].node().spawn([](Context& context) -> Task<> {
        const auto worker = co_await checkout(context, k_pool, std::nullopt);
        EXPECT_TRUE(worker.has_value());
        co_await context.sleep_for(24h);
      });
    }
    world.run_for(1s);
  }
  SimWorld world{7};
};

TEST_F(RemotePool, LendsToClientsOfOtherNodes) {
  world.run("b", [](Context& context) -> Task<> {
    const auto double_seven = [](Context& client, Pid worker) -> Task<int> {
      const int seven = 7;
      co_return co_await client.call<Double>(worker, seven);
    };
    const Result<int> doubled = co_await transaction(context, k_pool, double_seven);
    EXPECT_EQ(doubled.value(), 14);
    for (int i = 0; i < 2; ++i) {
      const Result<Pid> worker = co_await checkout(context, k_pool);
      EXPECT_TRUE(worker.has_value());
    }
    const Result<Pid> refused = co_await checkout(context, k_pool, 0s);
    EXPECT_EQ(refused.error().code, Errc::unavailable);
    const Result<Pid> late = co_await checkout(context, k_pool, 1s);
    EXPECT_EQ(late.error().code, Errc::timeout);
    const PoolStatus status = co_await pool_status(context, k_pool);
    EXPECT_EQ(status, (PoolStatus{0, 2, 0, 0}));
  });
  world.run_for(1s);
  EXPECT_EQ(status(), (PoolStatus{2, 0, 0, 0}));
}

struct Noise {};

TEST_F(RemotePool, AWorkerComesBackThoughThePoolsMailboxIsFull) {
  world.run("a", [](Context& context) -> Task<> {
    ChildSpec spec = pool({.name = "full", .worker = child<Doubler>("doubler"), .size = 1});
    spec.options.mailbox = {.messages = 2, .policy = MailboxPolicy::drop_newest};
    ServerOptions options;
    options.link = false;
    SupervisorSpec app;
    app.children.push_back(std::move(spec));
    (void)co_await start_supervisor(context, app, options);
  });
  world["b"].node().spawn([](Context& context) -> Task<> {
    const RemoteName full{"full", "a"};
    const Result<Pid> worker = co_await checkout(context, full);
    co_await context.sleep_for(5s);
    checkin(context, full, worker.value());
    co_await context.sleep_for(1h);
  });
  world.run_for(1s);
  world.run("a", [](Context& context) -> Task<> {
    const Pid manager = context.whereis("full").value();
    co_await sys::suspend(context, manager);
    for (int i = 0; i < 3; ++i) context.send(manager, Noise{});
    co_await context.sleep_for(10s);
    co_await sys::resume(context, manager);
    const PoolStatus status = co_await pool_status(context, "full");
    EXPECT_EQ(status.idle, 1U);
  });
}

TEST_F(RemotePool, TheWorkersOfALostNodesClientsComeBack) {
  borrow(4);
  EXPECT_EQ(status(), (PoolStatus{0, 2, 0, 2}));
  world.kill("b");
  world.run_for(1min);
  EXPECT_EQ(status(), (PoolStatus{2, 0, 0, 0}));
}

TEST_F(RemotePool, TheWorkersOfClientsBehindAPartitionComeBack) {
  borrow(4);
  world.partition({{"a"}, {"b"}});
  world.run_for(1min);
  EXPECT_EQ(status(), (PoolStatus{2, 0, 0, 0}));
}

}  // namespace
}  // namespace remote_pool_test
