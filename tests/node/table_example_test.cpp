// SPDX-License-Identifier: Apache-2.0
//
// A table as a pool manager of the seeds uses one: for its monitors.
#include "grove/node/gen_server.hpp"
#include "grove/node/table.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace grove {
namespace {

using testkit::LocalWorld;

struct Go {};

Task<> wait_for_ever(Context& context) {
  for (;;) co_await context.receive_any();
}

struct CheckOut {
  using Reply = Pid;
};
struct CheckIn {
  Pid worker;
};
struct Idle {
  using Reply = int;
};

class PoolManager : public GenServer {
 public:
  using Handles = grove::Handles<CheckOut, CheckIn, Idle>;
  explicit PoolManager(int size) {
    for (int i = 0; i < size; ++i) idle_.push_back(context().spawn(wait_for_ever));
  }
  Init init() {
    auto table = context().new_table<Pid, Ref>("monitors");
    if (!table) return Init::stop(ExitReason::symbol(std::string{to_string(table.error().code)}));
    monitors_ = *table;
    return Init::ok();
  }
  Pid handle_call(CheckOut) {
    const Pid worker = idle_.back();
    idle_.pop_back();
    EXPECT_TRUE(monitors_.insert(worker, context().monitor(from().pid)));
    return worker;
  }
  int handle_call(Idle) { return static_cast<int>(idle_.size()); }
  void handle_cast(CheckIn back) {
    const auto ref = monitors_.take(back.worker);
    if (!ref) return;
    context().demonitor(*ref, Flush::yes);
    idle_.push_back(back.worker);
  }
  void handle_info(const Down& down) {
    auto lent = monitors_.find_first([&](const Pid&, const Ref& ref) { return ref == down.ref; });
    if (lent && monitors_.erase(lent->key)) idle_.push_back(lent->key);
  }

 private:
  Table<Pid, Ref> monitors_;
  std::vector<Pid> idle_;
};

Task<> check_out(Context& context, Pid pool, Pid boss, bool back) {
  const Pid worker = co_await context.call<CheckOut>(pool);
  if (back) context.cast(pool, CheckIn{worker});
  if (back) context.cast(pool, CheckIn{worker});
  context.send(boss, worker);
  co_await context.receive<Go>();
}

TEST(TableExample, APoolManagerKeepsItsMonitorsInOne) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult pool = co_await start_link<PoolManager>(context, 3);
    EXPECT_TRUE(pool.ok());
    const auto monitors = context.node().find_table<Pid, Ref>("monitors").value();
    for (const bool back : {false, true}) {
      const Spawned client = context.spawn_monitor(check_out, pool.pid, context.self(), back);
      const Pid worker = co_await context.receive<Pid>();
      int idle = co_await context.call<Idle>(pool.pid);
      EXPECT_EQ(idle, back ? 3 : 2);
      EXPECT_EQ(monitors.contains(worker), !back);
      context.exit(client.pid, ExitReason::kill());
      co_await context.receive<Down>();
      idle = co_await context.call<Idle>(pool.pid);
      EXPECT_EQ(idle, 3);
      EXPECT_EQ(monitors.size(), 0U);
    }
    context.trap_exit(true);
    const StartResult second = co_await start_link<PoolManager>(context, 3);
    EXPECT_EQ(to_string(second.reason), "name_taken");
  });
}

}  // namespace
}  // namespace grove
