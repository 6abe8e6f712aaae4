// SPDX-License-Identifier: Apache-2.0
//
// The programs of docs/pool.md.
#include "grove/node/pool.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace {

using namespace std::chrono_literals;

struct Query {
  using Reply = std::string;
  std::string text;
};

class Connection : public grove::GenServer {
 public:
  using Handles = grove::Handles<Query>;
  std::string handle_call(Query query) { return "rows of " + query.text; }
};

TEST(PoolDoc, APoolOfConnections) {
  grove::testkit::LocalWorld world;
  world.run([](grove::Context& context) -> grove::Task<> {
    // [snippet tree]
    const grove::PoolSpec db{.name = "db",
                             .worker = grove::child<Connection>("connection"),
                             .size = 10,
                             .max_overflow = 5,
                             .cool_down = 30s};
    grove::SupervisorSpec app;
    app.children.push_back(grove::pool(db));  // one that is always there
    app.children.push_back(grove::pools());   // those that come and go
    // [/snippet tree]
    const grove::StartResult top = co_await grove::start_supervisor(context, app);
    EXPECT_TRUE(top.ok());

    // [snippet transaction]
    const auto query = [](grove::Context& client, grove::Pid worker) -> grove::Task<std::string> {
      co_return co_await client.call<Query>(worker, "customers");
    };
    const grove::Result<std::string> rows = co_await grove::transaction(context, "db", query);
    // [/snippet transaction]
    EXPECT_EQ(rows.value(), "rows of customers");

    // [snippet checkout]
    const grove::Result<grove::Pid> worker = co_await grove::checkout(context, "db", 2s);
    if (worker) {
      const auto orders = co_await context.call<Query>(*worker, "orders");
      context.node().log().info(orders);
      grove::checkin(context, "db", *worker);
    } else {
      context.node().log().warning(worker.error().detail);
    }
    // [/snippet checkout]

    // [snippet by_name]
    const grove::PoolSpec reports{
        .name = "reports", .worker = grove::child<Connection>("connection"), .size = 2};
    const grove::StartResult started = co_await grove::start_pool(context, reports);
    const grove::PoolStatus status = co_await grove::pool_status(context, "reports");
    const grove::Result<void> stopped = co_await grove::stop_pool(context, "reports");
    // [/snippet by_name]
    EXPECT_TRUE(started.ok());
    EXPECT_EQ(status.idle, 2U);
    EXPECT_TRUE(stopped.has_value());
  });
  EXPECT_EQ(world.log().lines().size(), 1U);
}

}  // namespace
