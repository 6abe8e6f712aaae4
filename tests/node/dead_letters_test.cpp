// SPDX-License-Identifier: Apache-2.0
//
// Subscribers of dead letters. OTP drops what nobody gets without a word.
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

struct Note {
  int number = 0;
};

SpawnOptions bounded(std::uint32_t messages, MailboxPolicy policy) {
  return {.mailbox = {messages, policy}};
}

/// Takes nothing.
Task<> hold(Context& context) {
  for (;;) co_await context.sleep_for(1h);
}

std::uint64_t count(Node& node, Metric metric) { return node.metrics().get(metric); }

struct Letters {
  LocalWorld world;
  std::vector<DeadLetter> all;
  Pid subscriber;

  explicit Letters(SpawnOptions options = {}) {
    subscriber = world.node().spawn_opt(std::move(options), [this](Context& context) -> Task<> {
      for (;;) {
        DeadLetter letter = co_await context.receive<DeadLetter>();
        all.push_back(std::move(letter));
      }
    });
    world.node().subscribe_dead_letters(subscriber);
    world.settle();
  }
  /// Returns: whether exactly one letter has come since the last time, for this reason.
  bool one(Metric reason) {
    world.settle();
    const bool is_so =
        all.size() == 1 && all[0].reason == reason && all[0].type == k_message_type<Note>.name;
    all.clear();
    return is_so;
  }
};

TEST(DeadLetters, SubscribersHearOfEachKind) {
  Letters letters;
  Node& node = letters.world.node();
  letters.world.run([&](Context& context) -> Task<> {
    const Spawned dead = context.spawn_monitor([](Context&) -> Task<> { co_return; });
    co_await context.receive<Down>();
    const Pid crowded = context.spawn_opt(bounded(1, MailboxPolicy::drop_newest), hold).pid;
    context.send(crowded, Note{});
    const NodeId elsewhere = intern_node("elsewhere", Life{7});
    const std::vector<std::pair<Metric, std::function<void()>>> cases{
        {Metric::dead_letters_no_process, [&] { context.send(dead.pid, Note{}); }},
        {Metric::dead_letters_no_process, [&] { context.send(Pid{}, Note{}); }},
        {Metric::dead_letters_no_process, [&] { node.send(dead.pid, Note{}); }},
        {Metric::dead_letters_no_process, [&] { node.send(Pid{}, Note{}); }},
        {Metric::dead_letters_no_process,
         [&] {
           node.send(Pid{node.id(), 9999, 1}, Note{});
         }},
        {Metric::dead_letters_no_name, [&] { context.send("nobody", Note{}); }},
        {Metric::dead_letters_no_name, [&] { context.send(Global{"nobody"}, Note{}); }},
        {Metric::dead_letters_no_connection,
         [&] {
           context.send(RemoteName{"nobody", "elsewhere"}, Note{});
         }},
        {Metric::dead_letters_no_connection,
         [&] {
           context.send(Pid{elsewhere, 1, 1}, Note{});
         }},
        {Metric::dead_letters_no_connection,
         [&] {
           node.send(Pid{elsewhere, 1, 1}, Note{});
         }},
        {Metric::dead_letters_alias, [&] { context.send(context.make_ref(), Note{}); }},
        {Metric::dead_letters_late_reply,
         [&] {
           context.reply(From{context.self(), 99}, Note{});
         }},
        {Metric::dead_letters_late_reply,
         [&] {
           context.reply(From{dead.pid, 99}, Note{});
         }},
        {Metric::dead_letters_mailbox_full, [&] { context.send(crowded, Note{}); }},
    };
    for (std::size_t i = 0; i < cases.size(); ++i) {
      SCOPED_TRACE(i);
      const std::uint64_t before = count(node, cases[i].first);
      cases[i].second();
      co_await context.sleep_for(1ms);
      EXPECT_TRUE(letters.one(cases[i].first));
      EXPECT_EQ(count(node, cases[i].first), before + 1);
    }
  });
}

TEST(DeadLetters, ASubscriberThatEndsIsForgotten) {
  Letters letters;
  letters.world.run([&](Context& context) -> Task<> {
    context.exit(letters.subscriber, ExitReason::kill());
    co_await context.sleep_for(1ms);
    const std::uint64_t before = count(context.node(), Metric::dead_letters_no_process);
    context.send(Pid{}, Note{});
    co_await context.sleep_for(1ms);
    // That one only: none for a letter to the dead subscriber.
    EXPECT_EQ(count(context.node(), Metric::dead_letters_no_process), before + 1);
  });
  EXPECT_TRUE(letters.all.empty());
}

TEST(DeadLetters, ASecondSubscriptionIsTheSameOne) {
  Letters letters;
  letters.world.node().subscribe_dead_letters(letters.subscriber);
  letters.world.node().subscribe_dead_letters(Pid{});
  letters.world.node().send(Pid{letters.world.node().id(), 9999, 1}, Note{});
  EXPECT_TRUE(letters.one(Metric::dead_letters_no_process));
}

// A subscriber whose mailbox is full drops letters; those make no letters, or there were no end.
TEST(DeadLetters, AFloodFillsAMailboxUpToItsBoundAndNoLetterMakesAnother) {
  for (const MailboxPolicy policy :
       {MailboxPolicy::drop_newest, MailboxPolicy::drop_oldest, MailboxPolicy::fail}) {
    LocalWorld world;
    world.run([policy](Context& context) -> Task<> {
      const Pid target = context.spawn_opt(bounded(10, policy), hold).pid;
      context.node().subscribe_dead_letters(target);
      for (int i = 0; i < 1000; ++i) context.send(Pid{}, Note{i});
      std::vector<ProcessInfo> rows;
      context.node().inspect({target},
                             [&](std::vector<ProcessInfo> all) { rows = std::move(all); });
      co_await context.sleep_for(1ms);
      EXPECT_EQ(rows.at(0).mailbox, 10U);
    });
    EXPECT_EQ(count(world.node(), Metric::dead_letters_no_process), 1000U);
    EXPECT_EQ(count(world.node(), Metric::dead_letters_mailbox_full), 990U);
  }
}

}  // namespace
}  // namespace grove
