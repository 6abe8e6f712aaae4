// SPDX-License-Identifier: Apache-2.0
//
// Registries under real threads: entries vanish with their process whatever that races with.
#include "grove/node/registry.hpp"

#include "support/wait_until.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;

class RegistryStress : public testing::TestWithParam<unsigned> {
 protected:
  RegistryStress()
      : clock_{make_system_clock()},
        scheduler_{make_thread_scheduler(GetParam())},
        node_{{.name = "registries", .clock = clock_.get(), .scheduler = scheduler_.get()}} {}
  ~RegistryStress() override {
    node_.kill_all();
    EXPECT_TRUE(node_.wait_until_empty(1min));
  }
  /// A registry that stays until the test ends.
  void start(RegistryKind kind) {
    node_.spawn([kind](Context& context) -> Task<> {
      co_await start_registry(context, "r", kind);
      co_await context.receive<Exit>();
    });
    ASSERT_TRUE(testkit::wait_until(*clock_, [this] { return node_.directory("r") != nullptr; }));
  }

  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Scheduler> scheduler_;
  Node node_;
};

INSTANTIATE_TEST_SUITE_P(Workers, RegistryStress, testing::Values(1U, 2U, 4U),
                         testing::PrintToStringParamName());

/// Registers keys over and over until it is killed.
Task<> churn(Context& context, int number) {
  const Registry r{context, "r"};
  for (int round = 0;; ++round) {
    (void)r.register_key(round % 7, number);
    (void)r.register_key(Value::tuple({number, round % 3}), round);
    if (round % 4 == 3) r.unregister(round % 7);
    if (round % 8 == 7) co_await context.sleep_for(Clock::Duration::zero());
  }
}

// To compare each entry with each would be a trillion steps, with all others kept waiting: CTest
// would end this.
TEST_P(RegistryStress, AProcessMayUnregisterAMillionEntriesOfAKeyAtOnce) {
  start(RegistryKind::duplicate);
  auto left = node_.async([](Context& context) -> Task<std::size_t> {
    const Registry r{context, "r"};
    for (int i = 0; i < 1'000'000; ++i) (void)r.register_key("k", i);
    r.unregister_match("k", [](const Value& value) { return *value.as_integer() % 2 == 0; });
    r.unregister_match("k", [](const Value&) { return true; });
    co_return r.count();
  });
  EXPECT_EQ(testkit::value_of(left), 0U);
}

TEST_P(RegistryStress, NothingStaysOfProcessesKilledWhileTheyRegister) {
  for (const RegistryKind kind : {RegistryKind::unique, RegistryKind::duplicate}) {
    start(kind);
    const Registry r{node_, "r"};
    for (int round = 0; round < 40; ++round) {
      std::vector<Pid> pids;
      for (int number = 0; number < 8; ++number) pids.push_back(node_.spawn(churn, number));
      for (int key = 0; key < 2000; ++key) {
        for (const RegistryEntry& entry : r.lookup(key % 7)) EXPECT_NE(entry.pid, Pid{});
      }
      for (const Pid& pid : pids) node_.exit(pid, ExitReason::kill());
    }
    EXPECT_TRUE(testkit::wait_until(*clock_, [&] { return r.count() == 0; })) << r.count();
    EXPECT_TRUE(r.select([](const auto&...) { return true; }).empty());
    node_.exit(*node_.whereis("r"), ExitReason::kill());
    ASSERT_TRUE(testkit::wait_until(*clock_, [this] { return node_.process_count() == 0; }));
  }
}

TEST_P(RegistryStress, AUniqueKeyHasOneLivingHolderAtATime) {
  start(RegistryKind::unique);
  std::atomic<int> holders{0};
  std::atomic<int> times{0};
  node_
      .async([&](Context& context) -> Task<> {
        for (int i = 0; i < 8; ++i) {
          context.spawn_monitor([&holders, &times](Context& child) -> Task<> {
            const Registry r{child, "r"};
            for (int round = 0; round < 300; ++round) {
              if (r.register_key("the one")) {
                EXPECT_EQ(holders.fetch_add(1), 0);
                EXPECT_EQ(r.whereis("the one"), child.self());
                ++times;
                holders.fetch_sub(1);
                r.unregister("the one");
              }
              co_await child.sleep_for(Clock::Duration::zero());
            }
          });
        }
        for (int i = 0; i < 8; ++i) co_await context.receive<Down>();
      })
      .get();
  EXPECT_GT(times.load(), 0);
}

struct Ask {
  using Reply = int;
};
class Answering : public GenServer {
 public:
  using Handles = grove::Handles<Ask>;
  int handle_call(Ask) { return 42; }
};

TEST_P(RegistryStress, ANameIsFreeTheMomentItsServerIsDead) {
  start(RegistryKind::unique);
  node_
      .async([](Context& context) -> Task<> {
        ServerOptions options = named(Via{"r", "k"});
        options.link = false;
        for (int round = 0; round < 300; ++round) {
          const StartResult started = co_await start_server<Answering>(context, options);
          EXPECT_TRUE(started.ok()) << to_string(started);
          const Ref ref = context.monitor(started.pid);
          context.exit(started.pid, round % 2 == 0 ? ExitReason::kill() : ExitReason::shutdown());
          const auto is_it = [ref](const Down& down) { return down.ref == ref; };
          co_await context.receive<Down>(is_it);
        }
      })
      .get();
}

TEST_P(RegistryStress, CallersOfANameAreAnsweredByEachOfItsServersOrTold) {
  start(RegistryKind::unique);
  std::atomic<bool> stop{false};
  auto caller = node_.async([&stop](Context& context) -> Task<int> {
    int answers = 0;
    const Via name{"r", "k"};
    while (!stop) {
      try {
        answers += co_await context.call<Ask>(name) == 42 ? 1 : 0;
      } catch (const ProcessExit&) {
        (void)context.self();  // nobody has it now, or it has just ended
      }
    }
    co_return answers;
  });
  node_
      .async([](Context& context) -> Task<> {
        ServerOptions options = named(Via{"r", "k"});
        options.link = false;
        for (int round = 0; round < 200; ++round) {
          const StartResult started = co_await start_server<Answering>(context, options);
          EXPECT_TRUE(started.ok()) << to_string(started);
          for (int turns = 0; turns < 3; ++turns) {
            co_await context.sleep_for(Clock::Duration::zero());
          }
          co_await stop_server(context, started.pid);
        }
      })
      .get();
  stop = true;
  EXPECT_GE(caller.get(), 0);
}

TEST_P(RegistryStress, WhoHasKeysGoesWithAKilledRegistryAndItsNameIsFree) {
  node_
      .async([](Context& context) -> Task<> {
        context.trap_exit(true);
        for (int round = 0; round < 100; ++round) {
          const StartResult started = co_await start_registry(context, "r", RegistryKind::unique);
          EXPECT_TRUE(started.ok()) << round << ' ' << to_string(started);
          std::vector<Spawned> registrants;
          for (int i = 0; i < 8; ++i) registrants.push_back(context.spawn_monitor(churn, i));
          for (int i = 0; i < round % 5; ++i) {
            co_await context.sleep_for(Clock::Duration::zero());
          }
          context.exit(started.pid, ExitReason::kill());
          for (const Spawned& registrant : registrants) {
            const auto is_it = [&](const Down& down) { return down.ref == registrant.ref; };
            const Down down = co_await context.receive<Down>(is_it);
            EXPECT_FALSE(down.reason.is_normal());
          }
          const auto is_its = [&](const Exit& exit) { return exit.from == started.pid; };
          co_await context.receive<Exit>(is_its);
        }
      })
      .get();
}

TEST_P(RegistryStress, OthersReadWhileEntriesComeAndGo) {
  start(RegistryKind::duplicate);
  std::atomic<bool> stop{false};
  std::thread outside{[&] {
    const Registry r{node_, "r"};
    while (!stop) {
      r.dispatch(3, [](const auto& entries) { EXPECT_FALSE(entries.empty()); });
      for (const RegistryRow& row : r.select([](const auto&...) { return true; })) {
        (void)r.keys(row.pid);
      }
    }
  }};
  node_
      .async([](Context& context) -> Task<> {
        for (int round = 0; round < 100; ++round) {
          const Spawned child = context.spawn_monitor(churn, round);
          for (int turns = 0; turns < 4; ++turns) {
            co_await context.sleep_for(Clock::Duration::zero());
          }
          context.exit(child.pid, ExitReason::kill());
          co_await context.receive<Down>();
        }
      })
      .get();
  stop = true;
  outside.join();
}

}  // namespace
}  // namespace grove
