// SPDX-License-Identifier: Apache-2.0
#include "grove/node/parent.hpp"

#include "support/real_world.hpp"
#include "support/wait_until.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::RealWorld;

/// What is known of one parent's jobs, from outside.
struct Count {
  std::atomic<int> alive{0};
  std::atomic<int> told{0};
  std::atomic<int> strangers{0};
};
using Counted = std::shared_ptr<Count>;

struct Alive {
  explicit Alive(Counted jobs) : count{std::move(jobs)} { ++count->alive; }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;
  ~Alive() { --count->alive; }
  Counted count;
};

Task<> work(Context& context, Counted count, int number) {
  const Alive alive{std::move(count)};
  context.trap_exit(number % 3 == 0);
  if (number % 2 == 0) co_return;
  for (;;) co_await context.receive_any();
}

class Parent : public ParentServer {
 public:
  explicit Parent(Counted count) : count_{std::move(count)} {
    const auto soon = Shutdown::within(1ms);
    for (int number = 0; number < 10; ++number) {
      start_child(job(number, work, count_, number).with(soon));
    }
  }
  void handle_info(const Exit&) { ++count_->strangers; }
  void handle_child_terminated(const Value&, const Value&, Pid, const ExitReason&) {
    ++count_->told;
  }

 private:
  Counted count_;
};

TEST(ParentStress, NoJobOutlivesItsParentHoweverThatEnds) {
  // Whom the machine does not let run is not stuck: one that is dies before its frames do.
  RealWorld world{{.workers = 4, .stuck_after = std::chrono::hours{1}}};
  std::vector<Counted> counts;
  world.run([&counts](Context& context) -> Task<> {
    context.trap_exit(true);
    for (int round = 0; round < 300; ++round) {
      counts.push_back(std::make_shared<Count>());
      const Counted count = counts.back();
      const StartResult parent = co_await start_link<Parent>(context, count);
      if (round % 3 == 0) co_await context.sleep_for(1ms);
      if (round % 2 == 0) {
        context.exit(parent.pid, ExitReason::kill());
      } else {
        co_await stop_server(context, parent.pid);
        EXPECT_EQ(count->alive, 0);
      }
    }
  });
  for (const Counted& count : counts) {
    EXPECT_TRUE(testkit::wait_until(world.node().clock(), [&] { return count->alive == 0; }));
    EXPECT_LE(count->told, 5);  // those that end by themselves
    EXPECT_EQ(count->strangers, 0);
  }
}

struct ShutDownTheDead {
  using Reply = int;
};

/// Kills its children, and shuts them down when their exits wait for it.
class Undertaker : public ParentServer {
 public:
  using Handles = grove::Handles<ShutDownTheDead>;
  static constexpr int k_children = 100'000;

  Task<int> handle_call(ShutDownTheDead) {
    for (int number = 0; number < k_children; ++number) start_child(job(number, rest));
    for (const Child& child : children()) context().exit(child.pid, ExitReason::kill());
    const Pid last = children().back().pid;
    const Ref ref = context().monitor(last);
    const auto is_its_end = [ref](const Down& down) { return down.ref == ref; };
    co_await context().receive<Down>(is_its_end);
    co_await shutdown_all(ExitReason::shutdown());
    co_return told_;
  }
  void handle_info(const Exit&) { ++told_; }
  void handle_child_terminated(const Value&, const Value&, Pid, const ExitReason&) { ++told_; }

 private:
  static Task<> rest(Context& context) {
    for (;;) co_await context.receive_any();
  }
  int told_ = 0;
};

// To go through the exits of all for each child would be ten billion steps.
TEST(ParentStress, HowManyChildrenAreDeadAlreadyCostsNoMoreForEach) {
  RealWorld world{1};
  world.run([](Context& context) -> Task<> {
    const StartResult parent = co_await start_link<Undertaker>(context);
    EXPECT_EQ(co_await context.call_for<ShutDownTheDead>(std::nullopt, parent.pid), 0);
    EXPECT_EQ(co_await context.call_for<ShutDownTheDead>(std::nullopt, parent.pid), 0);
  });
}

}  // namespace
}  // namespace grove
