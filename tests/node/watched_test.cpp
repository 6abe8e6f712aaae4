// SPDX-License-Identifier: Apache-2.0
//
// What a process does through its node, as a thread outside could, while it is inside its code for
// so long that the watchdog acts in its place: neither may wait for what the other has locked.
#include "grove/node/pg.hpp"

#include "support/real_world.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace grove {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t k_letters = 50;

struct Note {};
struct Begun {};

class WatchedProcess : public testing::TestWithParam<unsigned> {
 protected:
  std::atomic<int> told_{0};
  testkit::RealWorld world_{ThreadSchedulerOptions{.workers = GetParam(), .stuck_after = 2ms}};
};
INSTANTIATE_TEST_SUITE_P(Workers, WatchedProcess, testing::Values(1U, 2U),
                         testing::PrintToStringParamName());

Task<> take_all(Context& context) {
  for (;;) co_await context.receive_any();
}
Task<> take_nothing(Context& context) { co_await context.receive<Begun>(); }

std::uint64_t late_replies(Node& node) {
  return node.metrics().get(Metric::dead_letters_late_reply);
}

/// Does not return before the watchdog has handled so many letters in its place.
Task<> write_to(Context& context, Pid full) {
  while (late_replies(context.node()) < k_letters) context.node().send(full, Note{});
  co_return;
}

TEST_P(WatchedProcess, WritesToAFullMailboxWhileItsOwnDeadLettersAreTold) {
  world_.run([](Context& context) -> Task<> {
    Node& node = context.node();
    node.subscribe_dead_letters(context.spawn(take_all));
    const SpawnOptions one{.mailbox = {1, MailboxPolicy::drop_newest}};
    const Pid full = context.spawn_opt(one, take_nothing).pid;
    const Spawned writer = context.spawn_monitor(write_to, full);
    for (std::uint64_t told = 0; told < k_letters; ++told) {
      context.reply(From{writer.pid, 1});  // to a call that it has not made
      while (late_replies(node) == told) co_await context.sleep_for(0s);
    }
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::normal());
  });
}

constexpr int k_watchers = 30;

/// Counts what it is told of the group.
Task<> watch_group(Context& context, Pid tell, std::atomic<int>* told) {
  (void)pg::monitor(context, "group");
  context.send(tell, Begun{});
  for (;;) {
    co_await context.receive_any();
    ++*told;
  }
}

/// Joins and leaves until it is killed, each time when all have been told of the time before: these
/// are idle then.
Task<> come_and_go(Context& context, Pid tell, std::atomic<int>* told) {
  context.send(tell, Begun{});
  Groups& groups = context.node().groups();
  for (int begun = *told; !context.doomed(); begun += 2 * k_watchers) {
    (void)groups.join(pg::k_scope, "group", {context.self()});
    (void)groups.leave(pg::k_scope, "group", {context.self()});
    while (*told - begun < 2 * k_watchers && !context.doomed()) {
    }
  }
  co_return;
}

TEST_P(WatchedProcess, JoinsAndLeavesGroupsWhileItIsKilled) {
  world_.run([this](Context& context) -> Task<> {
    for (int i = 0; i < k_watchers; ++i) context.spawn(watch_group, context.self(), &told_);
    for (int i = 0; i < k_watchers; ++i) co_await context.receive<Begun>();
    for (int round = 0; round < 60; ++round) {
      const Spawned member = context.spawn_monitor(come_and_go, context.self(), &told_);
      co_await context.receive<Begun>();
      context.exit(member.pid, ExitReason::kill());
      const Down down = co_await context.receive<Down>();
      EXPECT_EQ(down.reason, ExitReason::killed());
    }
    EXPECT_TRUE(pg::members(context, "group").empty());
  });
}

}  // namespace
}  // namespace grove
