// SPDX-License-Identifier: Apache-2.0
//
// What is in a bounded mailbox, and when there is room in it.
#include "grove/testkit/local_world.hpp"

#include "mailbox_bounds.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using detail::MailboxBound;
using Entry = MailboxBound::Entry;

TEST(MailboxBound, CountsWhatIsInAndSaysWhatIsTooMuch) {
  MailboxBound bound;
  bound.begin(1, {2, MailboxPolicy::suspend_sender});
  EXPECT_EQ(bound.enter(1), Entry::free);
  EXPECT_EQ(bound.enter(1), Entry::free);
  EXPECT_EQ(bound.enter(1), Entry::over);
  EXPECT_EQ(bound.pending(), 3U);
  EXPECT_EQ(bound.leave(), 2U);
  bound.turn_back(1);
  EXPECT_EQ(bound.pending(), 1U);
}

TEST(MailboxBound, KnowsNothingOfAnotherLife) {
  MailboxBound bound;
  bound.begin(1, {1, MailboxPolicy::fail});
  EXPECT_EQ(bound.enter(1), Entry::free);
  EXPECT_EQ(bound.enter(3), Entry::stale);
  bound.begin(3, {5, MailboxPolicy::drop_oldest});
  EXPECT_EQ(bound.pending(), 0U);
  EXPECT_EQ(bound.limit(), 5U);
  EXPECT_EQ(bound.policy(), MailboxPolicy::drop_oldest);
  EXPECT_EQ(bound.enter(1), Entry::stale);
  bound.turn_back(1);  // by a sender of before
  EXPECT_EQ(bound.pending(), 0U);
}

struct Note {
  int number = 0;
};

/// Takes what is behind the first three notes, and says so.
Task<> take_the_rest(Context& context, Pid tell) {
  const auto is_of_the_rest = [](const Note& note) { return note.number > 3; };
  for (;;) context.send(tell, co_await context.receive<Note>(is_of_the_rest));
}

Task<> write(Context& context, Pid to, int count) {
  for (int i = 1; i <= count; ++i) {
    context.send(to, Note{i});
    co_await context.sleep_for(0s);
  }
}

TEST(SuspendedSender, GoesOnWhenThereIsRoomBesideMoreThanHalfThatStays) {
  testkit::LocalWorld world;
  const int taken = world.run([](Context& context) -> Task<int> {
    const SpawnOptions four{.mailbox = {4, MailboxPolicy::suspend_sender}};
    const Pid target = context.spawn_opt(four, take_the_rest, context.self()).pid;
    context.spawn(write, target, 12);
    int count = 0;
    while (co_await context.receive_for<Note>(1s)) ++count;
    co_return count;
  });
  EXPECT_EQ(taken, 9);
}

Task<> take_all(Context& context) {
  co_await context.sleep_for(1s);
  for (;;) co_await context.receive_any();
}

// Each of them is noted and forgotten at a constant cost: else this takes a quarter of a minute.
TEST(SuspendedSender, MayHaveOverfilledAHundredThousandMailboxes) {
  testkit::LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const SpawnOptions one{.mailbox = {1, MailboxPolicy::suspend_sender}};
    std::vector<Pid> targets;
    for (int i = 0; i < 100'000; ++i) targets.push_back(context.spawn_opt(one, take_all).pid);
    for (const Pid& target : targets) {
      for (int number = 1; number <= 2; ++number) context.send(target, Note{number});
    }
    const Clock& clock = context.node().clock();
    const Clock::TimePoint before = clock.now();
    co_await context.sleep_for(0s);
    EXPECT_EQ(clock.now() - before, 1s);
  });
}

}  // namespace
}  // namespace grove
