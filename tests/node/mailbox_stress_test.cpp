// SPDX-License-Identifier: Apache-2.0
//
// Bounded mailboxes on real threads: no wake-up of a suspended sender is lost, no count goes wrong.
#include "grove/node/node.hpp"

#include "support/real_world.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace grove {
namespace {

struct Note {
  int number = 0;
};
struct Done {};

constexpr int k_senders = 16;
constexpr int k_each = 500;

class Mailboxes : public testing::TestWithParam<unsigned> {
 protected:
  testkit::RealWorld world_{GetParam()};
};

SpawnOptions bounded(std::uint32_t messages, MailboxPolicy policy) {
  return {.mailbox = {messages, policy}};
}

/// Takes `count` notes, of each sender in order, and says so.
Task<> take(Context& context, Pid tell, int count) {
  std::vector<int> last(k_senders, -1);
  for (int i = 0; i < count; ++i) {
    const Note note = co_await context.receive<Note>();
    int& before = last[static_cast<std::size_t>(note.number / k_each)];
    EXPECT_LT(before, note.number);
    before = note.number;
  }
  context.send(tell, Done{});
}

/// Writes to all of `targets`, and waits after each round for those that were full.
Task<> write(Context& context, std::vector<Pid> targets, Pid tell, int sender) {
  for (int i = 0; i < k_each; ++i) {
    for (const Pid& target : targets) context.send(target, Note{sender * k_each + i});
    co_await context.sleep_for(Clock::Duration::zero());
  }
  context.send(tell, Done{});
}

TEST_P(Mailboxes, NoSuspendedSenderIsForgotten) {
  for (const std::uint32_t limit : {1U, 2U, 7U, 64U}) {
    world_.run([limit](Context& context) -> Task<> {
      std::vector<Pid> targets;
      for (int i = 0; i < 3; ++i) {
        targets.push_back(context
                              .spawn_opt(bounded(limit, MailboxPolicy::suspend_sender), take,
                                         context.self(), k_senders * k_each)
                              .pid);
      }
      for (int i = 0; i < k_senders; ++i) context.spawn(write, targets, context.self(), i);
      for (int i = 0; i < k_senders + 3; ++i) co_await context.receive<Done>();
    });
  }
  EXPECT_EQ(world_.node().metrics().get(Metric::dead_letters_mailbox_full), 0U);
}

// Targets end, and others get their places, while senders wait for room in them.
TEST_P(Mailboxes, SuspendedSendersGoOnWhenTheirTargetsEnd) {
  world_.run([](Context& context) -> Task<> {
    for (int round = 0; round < 50; ++round) {
      std::vector<Pid> targets;
      for (int i = 0; i < 4; ++i) {
        targets.push_back(
            context
                .spawn_opt(bounded(2, MailboxPolicy::suspend_sender), take, context.self(), 10 + i)
                .pid);
      }
      for (int i = 0; i < 4; ++i) {
        const auto flood = [](Context& own, std::vector<Pid> all, Pid tell, int sender) -> Task<> {
          for (int n = 0; n < 20; ++n) {
            for (const Pid& target : all) own.send(target, Note{sender * k_each + n});
            co_await own.sleep_for(Clock::Duration::zero());
          }
          own.send(tell, Done{});
        };
        context.spawn(flood, targets, context.self(), i);
      }
      for (int i = 0; i < 8; ++i) co_await context.receive<Done>();
    }
  });
}

// What was sent was taken or is a dead letter, and none is both.
TEST_P(Mailboxes, WhatIsDroppedAndWhatIsTakenIsAllThatWasSent) {
  for (const MailboxPolicy policy : {MailboxPolicy::drop_newest, MailboxPolicy::drop_oldest}) {
    const Metrics& metrics = world_.node().metrics();
    const std::uint64_t before = metrics.get(Metric::dead_letters_mailbox_full);
    const int taken = world_.run([policy](Context& context) -> Task<int> {
      const auto count = [](Context& own, Pid tell) -> Task<> {
        int notes = 0;
        for (;;) {
          const EnvelopePtr message = co_await own.receive_any();
          if (message->message.is<Note>()) ++notes;
          if (message->message.is<Done>()) own.send(tell, Note{notes});
        }
      };
      const Pid target = context.spawn_opt(bounded(8, policy), count, context.self()).pid;
      const std::vector<Pid> targets{target};
      for (int i = 0; i < k_senders; ++i) context.spawn(write, targets, context.self(), i);
      for (int i = 0; i < k_senders; ++i) co_await context.receive<Done>();
      for (;;) {  // the question may be dropped, too, though not for ever
        context.send(target, Done{});
        const auto answer = co_await context.receive_for<Note>(std::chrono::milliseconds{10});
        if (answer) co_return answer->number;
      }
    });
    const std::uint64_t dropped = metrics.get(Metric::dead_letters_mailbox_full) - before;
    EXPECT_GE(taken + dropped, static_cast<std::uint64_t>(k_senders * k_each));
  }
}

std::string workers_of(const testing::TestParamInfo<unsigned>& info) {
  return std::to_string(info.param);
}
INSTANTIATE_TEST_SUITE_P(Workers, Mailboxes, testing::Values(1U, 2U, 4U), workers_of);

}  // namespace
}  // namespace grove
