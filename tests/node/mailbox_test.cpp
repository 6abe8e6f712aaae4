// SPDX-License-Identifier: Apache-2.0
//
// Bounded mailboxes. OTP has none: a mailbox there holds whatever is sent.
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

struct Note {
  int number = 0;
};
struct Go {};  // lets a Gate take what waits for it
struct Ask {
  using Reply = int;
};
struct Sent {
  int number = 0;
};

constexpr auto k_suspend = MailboxPolicy::suspend_sender;
constexpr auto k_newest = MailboxPolicy::drop_newest;
constexpr auto k_oldest = MailboxPolicy::drop_oldest;
constexpr auto k_fail = MailboxPolicy::fail;

SpawnOptions bounded(std::uint32_t messages, MailboxPolicy policy) {
  return {.trap_exit = true, .mailbox = {messages, policy}};
}

/// Takes nothing.
Task<> hold(Context& context) {
  for (;;) co_await context.sleep_for(1h);
}

/// Takes notes once it gets an exit signal, and sends them on until `count` have come.
Task<> gate(Context& context, Pid to, int count) {
  co_await context.receive<Exit>();
  for (int i = 0; i < count; ++i) {
    const Note note = co_await context.receive<Note>();
    context.send(to, Sent{note.number});
  }
}

void open(Context& context, Pid gate) { context.exit(gate, ExitReason::symbol("open")); }

Task<> quit(Context& context, Pid pid) {
  const Ref ref = context.monitor(pid);
  context.exit(pid, ExitReason::kill());
  const auto is_it = [ref](const Down& down) { return down.ref == ref; };
  co_await context.receive<Down>(is_it);
}

Task<std::uint64_t> messages_of(Context& context, Pid pid) {
  std::uint64_t found = ~0ULL;
  context.node().inspect({pid}, [&found](std::vector<ProcessInfo> rows) {
    if (!rows.empty()) found = rows[0].mailbox;
  });
  co_await context.sleep_for(1ms);
  co_return found;
}

std::uint64_t full(Node& node) { return node.metrics().get(Metric::dead_letters_mailbox_full); }
Task<std::vector<int>> next_numbers(Context& context, int count) {
  std::vector<int> numbers;
  for (int i = 0; i < count; ++i) {
    const auto sent = co_await context.receive_for<Sent>(1min);
    if (!sent) break;
    numbers.push_back(sent->number);
  }
  co_return numbers;
}

std::vector<int> from_to(int first, int last) {
  std::vector<int> numbers;
  for (int i = first; i <= last; ++i) numbers.push_back(i);
  return numbers;
}

// -- suspend_sender -------------------------------------------------------------------------

/// Sends `count` notes, and says so after each await that it gets past.
Task<> write(Context& context, Pid to, Pid tell, int count) {
  for (int i = 1; i <= count; ++i) {
    context.send(to, Note{i});
    co_await context.sleep_for(0s);
    context.send(tell, Sent{i});
  }
}

TEST(SuspendSender, TheSenderWaitsUntilThereIsRoom) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid last = context.spawn_opt(bounded(2, k_suspend), gate, context.self(), 3).pid;
    context.spawn(write, last, context.self(), 5);
    std::vector<int> written = co_await next_numbers(context, 5);
    EXPECT_EQ(written, from_to(1, 2));  // the third was let in, and its sender waits
    std::uint64_t waiting = co_await messages_of(context, last);
    EXPECT_EQ(waiting, 3U);
    open(context, last);
    int sum = 0;
    written = co_await next_numbers(context, 6);  // three taken, three written on
    for (const int number : written) sum += number;
    EXPECT_EQ(sum, 1 + 2 + 3 + 3 + 4 + 5);
  });
  EXPECT_EQ(full(world.node()), 0U);
}

TEST(SuspendSender, AHandlerHandlesNothingWhileItWaits) {
  struct Forwarder final : Handler {
    explicit Forwarder(Pid to, Pid tell) : to_{to}, tell_{tell} {}
    void handle(Context& context, Envelope& envelope) override {
      if (const Note* note = envelope.message.get<Note>()) {
        context.send(to_, Note{note->number});
        context.send(tell_, Sent{note->number});
      }
    }

   private:
    Pid to_;
    Pid tell_;
  };
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn_opt(bounded(1, k_suspend), hold).pid;
    const Pid forwarder = context.spawn<Forwarder>(target, context.self());
    for (int i = 1; i <= 4; ++i) context.send(forwarder, Note{i});
    std::vector<int> handled = co_await next_numbers(context, 4);
    EXPECT_EQ(handled, from_to(1, 2));
    const std::uint64_t left = co_await messages_of(context, forwarder);  // it still answers
    EXPECT_EQ(left, 2U);
    co_await quit(context, target);  // who waits goes on when the target ends
    handled = co_await next_numbers(context, 2);
    EXPECT_EQ(handled, from_to(3, 4));
  });
}

TEST(SuspendSender, IsKilledWhileItWaits) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn_opt(bounded(1, k_suspend), gate, context.self(), 3).pid;
    const Pid writer = context.spawn(write, target, context.self(), 5);
    std::vector<int> written = co_await next_numbers(context, 5);
    EXPECT_EQ(written, from_to(1, 1));
    const Ref ref = context.monitor(writer);
    context.exit(writer, ExitReason::kill());
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, ref);
    EXPECT_EQ(down.reason, ExitReason::killed());
    context.spawn(write, target, context.self(), 1);
    open(context, target);  // room for a dead sender is nothing to stumble over
    written = co_await next_numbers(context, 4);
    EXPECT_EQ(written.size(), 4U);
  });
}

TEST(SuspendSender, DoesNotWaitForItself) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto to_itself = [](Context& own, Pid tell) -> Task<> {
      const Ref alias = own.alias();
      for (int i = 1; i <= 10; ++i) own.send(own.self(), Note{i});
      for (int i = 11; i <= 12; ++i) own.send(alias, Note{i});
      for (int i = 1; i <= 12; ++i) {
        const Note note = co_await own.receive<Note>();
        own.send(tell, Sent{note.number});
      }
    };
    context.spawn_opt(bounded(2, k_suspend), to_itself, context.self());
    const std::vector<int> taken = co_await next_numbers(context, 12);
    EXPECT_EQ(taken, from_to(1, 12));
  });
}

TEST(SuspendSender, WaitsForAllThatItHasOverfilled) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto write_to_all = [](Context& own, std::vector<Pid> targets, Pid tell) -> Task<> {
      for (const Pid& target : targets) {
        for (int i = 0; i < 3; ++i) own.send(target, Note{i});
      }
      co_await own.sleep_for(0s);
      own.send(tell, Sent{1});
    };
    std::vector<Pid> targets;
    for (int i = 0; i < 3; ++i)
      targets.push_back(context.spawn_opt(bounded(2, k_suspend), hold).pid);
    context.spawn(write_to_all, targets, context.self());
    for (const Pid& target : targets) {
      const auto early = co_await context.receive_for<Sent>(1s);
      EXPECT_FALSE(early.has_value());
      co_await quit(context, target);
    }
    const auto sent = co_await context.receive_for<Sent>(1s);
    EXPECT_TRUE(sent.has_value());
  });
}

TEST(SuspendSender, AllWhoWaitGoOn) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn_opt(bounded(1, k_suspend), gate, context.self(), 60).pid;
    for (int i = 0; i < 20; ++i) context.spawn(write, target, context.self(), 3);
    open(context, target);
    const std::vector<int> all = co_await next_numbers(context, 120);
    EXPECT_EQ(all.size(), 120U);
  });
}

TEST(SuspendSender, WaitsForWhatItSentThroughAnAliasToo) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto make_alias = [](Context& own, Pid tell) -> Task<> {
      own.send(tell, own.alias());
      co_await own.receive<Go>();
    };
    const Pid target = context.spawn_opt(bounded(1, k_suspend), make_alias, context.self()).pid;
    const Ref alias = co_await context.receive<Ref>();
    context.spawn(
        [alias](Context& own, Pid tell) -> Task<> {
          for (int i = 1; i <= 3; ++i) {
            own.send(alias, Note{i});
            co_await own.sleep_for(0s);
            own.send(tell, Sent{i});
          }
        },
        context.self());
    std::vector<int> sent = co_await next_numbers(context, 3);
    EXPECT_EQ(sent, from_to(1, 1));
    co_await quit(context, target);
    sent = co_await next_numbers(context, 2);
    EXPECT_EQ(sent, from_to(2, 3));
  });
}

TEST(SuspendSender, WhatComesThroughAnAliasThatIsOverTakesNoRoom) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto drop_alias = [](Context& own, Pid tell) -> Task<> {
      const Ref alias = own.alias();
      EXPECT_TRUE(own.unalias(alias));
      own.send(tell, alias);
      co_await own.receive<Go>();
    };
    const Pid target = context.spawn_opt(bounded(2, k_newest), drop_alias, context.self()).pid;
    const Ref alias = co_await context.receive<Ref>();
    for (int i = 0; i < 9; ++i) {
      context.send(alias, Note{i});
      co_await context.sleep_for(1ms);
    }
    context.send(target, Note{1});
    context.send(target, Note{2});
    const std::uint64_t waiting = co_await messages_of(context, target);
    EXPECT_EQ(waiting, 2U);
  });
  EXPECT_EQ(full(world.node()), 0U);
  EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_alias), 9U);
}

TEST(SuspendSender, ACallTimesOutAtAServerThatIsFullAndHangs) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn_opt(bounded(1, k_suspend), hold).pid;
    for (int i = 0; i < 2; ++i) {
      try {
        co_await context.call_for<Ask>(1s, target);
        ADD_FAILURE() << "it has answered";
      } catch (const ProcessExit& exit) {
        EXPECT_EQ(exit.reason(), ExitReason::symbol("timeout"));
      }
    }
  });
}

// -- drop_newest, drop_oldest, fail ------------------------------------------------------------

TEST(DropNewest, KeepsThoseThatCameFirst) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn_opt(bounded(3, k_newest), gate, context.self(), 3).pid;
    for (int i = 1; i <= 8; ++i) context.send(target, Note{i});
    open(context, target);
    const std::vector<int> kept = co_await next_numbers(context, 3);
    EXPECT_EQ(kept, from_to(1, 3));
  });
  EXPECT_EQ(full(world.node()), 5U);
}

TEST(DropNewest, HasRoomAgainForEachThatWasTaken) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn_opt(bounded(1, k_newest), gate, context.self(), 100).pid;
    open(context, target);
    for (int i = 1; i <= 100; ++i) {
      context.send(target, Note{i});
      const Sent sent = co_await context.receive<Sent>();
      EXPECT_EQ(sent.number, i);
    }
  });
  EXPECT_EQ(full(world.node()), 0U);
}

TEST(DropOldest, KeepsThoseThatCameLast) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn_opt(bounded(3, k_oldest), gate, context.self(), 3).pid;
    for (int i = 1; i <= 8; ++i) context.send(target, Note{i});
    open(context, target);
    const std::vector<int> kept = co_await next_numbers(context, 3);
    EXPECT_EQ(kept, from_to(6, 8));
  });
  EXPECT_EQ(full(world.node()), 5U);
}

TEST(DropOldest, AReceiveThatHasRefusedMessagesSeesTheRightOnes) {
  for (int rounds = 1; rounds <= 6; ++rounds) {
    LocalWorld world;
    world.run([rounds](Context& context) -> Task<> {
      // Waits for 100 and refuses all others; then takes what was left.
      const auto choosy = [](Context& own, Pid tell) -> Task<> {
        const auto is_it = [](const Note& note) { return note.number == 100; };
        const Note chosen = co_await own.receive<Note>(is_it);
        own.send(tell, Sent{chosen.number});
        while (auto note = co_await own.receive_for<Note>(0s)) {
          own.send(tell, Sent{note->number});
        }
        own.send(tell, Sent{-1});
      };
      const Pid target = context.spawn_opt(bounded(3, k_oldest), choosy, context.self()).pid;
      for (int i = 1; i <= rounds; ++i) {
        context.send(target, Note{i});
        co_await context.sleep_for(1ms);  // it looks at each, and refuses it
      }
      context.send(target, Note{100});
      std::vector<int> expected{100};
      for (int i = std::max(1, rounds - 1); i <= rounds; ++i) expected.push_back(i);
      expected.push_back(-1);
      const std::vector<int> got =
          co_await next_numbers(context, static_cast<int>(expected.size()));
      EXPECT_EQ(got, expected);
    });
  }
}

TEST(DropOldest, TellsTheCallerWhoseCallIsDropped) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn_opt(bounded(1, k_oldest), hold).pid;
    context.spawn([target](Context& own) -> Task<> {
      co_await own.sleep_for(10ms);
      own.send(target, Note{});
    });
    try {
      co_await context.call_for<Ask>(1min, target);
      ADD_FAILURE() << "it has answered";
    } catch (const ProcessExit& exit) {
      EXPECT_EQ(exit.reason(), ExitReason::symbol("mailbox_full"));
    }
  });
  EXPECT_EQ(full(world.node()), 1U);
}

TEST(Fail, ThrowsInTheSender) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn_opt(bounded(2, k_fail), gate, context.self(), 3).pid;
    for (int i = 1; i <= 2; ++i) context.send(target, Note{i});
    try {
      context.send(target, Note{3});
      ADD_FAILURE() << "it was let in";
    } catch (const ProcessExit& exit) {
      EXPECT_EQ(exit.reason(), ExitReason::symbol("mailbox_full"));
    }
    EXPECT_THROW(context.cast(target, Note{4}), ProcessExit);
    open(context, target);
    std::vector<int> taken = co_await next_numbers(context, 2);
    context.send(target, Note{5});
    const std::vector<int> after = co_await next_numbers(context, 1);
    EXPECT_EQ(after, from_to(5, 5));
  });
  EXPECT_EQ(full(world.node()), 2U);
}

TEST(Fail, EndsASenderThatDoesNotCatch) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn_opt(bounded(2, k_fail), hold).pid;
    context.spawn_monitor(write, target, context.self(), 5);
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::symbol("mailbox_full"));
  });
}

struct SendsAtItsEnd {
  SendsAtItsEnd(Context& own, Pid target) : context{own}, to{target} {}
  SendsAtItsEnd(const SendsAtItsEnd&) = delete;
  ~SendsAtItsEnd() { context.send(to, Note{7}); }
  Context& context;
  Pid to;
};

TEST(Fail, DoesNotThrowInTheDestructorsOfAProcessThatEnds) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn_opt(bounded(1, k_fail), hold).pid;
    context.send(target, Note{1});
    const auto wait = [target](Context& own) -> Task<> {
      const SendsAtItsEnd last{own, target};
      co_await own.receive<Go>();
    };
    const Spawned sender = context.spawn_monitor(wait);
    co_await context.sleep_for(1ms);
    context.exit(sender.pid, ExitReason::symbol("enough"));
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::symbol("enough"));
  });
  EXPECT_EQ(full(world.node()), 1U);
}

TEST(FullMailbox, FailsACall) {
  for (const MailboxPolicy policy : {k_newest, k_fail}) {
    LocalWorld world;
    world.run([policy](Context& context) -> Task<> {
      const Pid target = context.spawn_opt(bounded(1, policy), hold).pid;
      context.send(target, Note{1});
      try {
        co_await context.call_for<Ask>(1min, target);
        ADD_FAILURE() << "it has answered";
      } catch (const ProcessExit& exit) {
        EXPECT_EQ(exit.reason(), ExitReason::symbol("mailbox_full"));
      }
    });
    EXPECT_EQ(full(world.node()), 1U);
  }
}

TEST(FullMailbox, NeverRefusesWhatTheRuntimeSays) {
  for (const MailboxPolicy policy : {k_suspend, k_newest, k_oldest, k_fail}) {
    LocalWorld world;
    world.run([policy](Context& context) -> Task<> {
      SCOPED_TRACE(static_cast<int>(policy));
      const Spawned dead = context.spawn_monitor([](Context&) -> Task<> { co_return; });
      co_await context.receive<Down>();
      const Pid echo = context.spawn([](Context& own) -> Task<> {
        for (;;) {
          const EnvelopePtr ask = co_await own.receive_any();
          own.reply(From{ask->from, ask->serial}, 42);
        }
      });
      const auto crowded = [dead, echo](Context& own, Pid tell) -> Task<> {
        own.trap_exit(true);
        co_await own.receive<Go>();
        co_await own.sleep_for(10ms);  // now it is full
        own.link(dead.pid);
        own.monitor(dead.pid);
        const Down down = co_await own.receive<Down>();
        EXPECT_EQ(down.reason, ExitReason::noproc());
        const auto exit = co_await own.receive_for<Exit>(1s);
        EXPECT_TRUE(exit.has_value());
        const int answer = co_await own.call<Ask>(echo);
        EXPECT_EQ(answer, 42);
        own.spawn_link([](Context& child) -> Task<> {
          child.exit(ExitReason::symbol("boom"));
          co_return;
        });
        const Exit of_child = co_await own.receive<Exit>();
        EXPECT_EQ(of_child.reason, ExitReason::symbol("boom"));
        own.send(tell, Sent{1});
      };
      const Pid target = context.spawn_opt(bounded(1, policy), crowded, context.self()).pid;
      context.send(target, Go{});
      co_await context.sleep_for(1ms);
      context.node().send(target, Note{1});
      const auto sent = co_await context.receive_for<Sent>(1min);
      EXPECT_TRUE(sent.has_value());
    });
  }
}

TEST(FullMailbox, ThePlacesNextProcessBeginsEmpty) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid first = context.spawn_opt(bounded(2, k_newest), hold).pid;
    for (int i = 0; i < 5; ++i) context.send(first, Note{i});
    co_await quit(context, first);
    const auto again = [&context, first](SpawnOptions options) {
      Pid next;
      for (int tries = 0; tries < 200 && next.index != first.index; ++tries) {
        next = context.spawn_opt(options, hold).pid;
      }
      EXPECT_EQ(next.index, first.index);
      return next;
    };
    const Pid unbounded = again({});
    for (int i = 0; i < 5; ++i) context.send(unbounded, Note{i});
    std::uint64_t waiting = co_await messages_of(context, unbounded);
    EXPECT_EQ(waiting, 5U);
    co_await quit(context, unbounded);
    const Pid third = again(bounded(3, k_newest));
    for (int i = 0; i < 5; ++i) context.send(third, Note{i});
    waiting = co_await messages_of(context, third);
    EXPECT_EQ(waiting, 3U);
  });
  EXPECT_EQ(full(world.node()), 5U);
}

// -- from outside, from timers ------------------------------------------------------------------

/// How many of `count` messages for a mailbox with room for two come in.
struct OutsideCase {
  MailboxPolicy policy;
  std::uint64_t come_in;
  std::uint64_t dropped;
};
constexpr OutsideCase k_outside[] = {
    {k_suspend, 5, 0}, {k_newest, 2, 3}, {k_oldest, 2, 3}, {k_fail, 2, 3}};

TEST(FullMailbox, HoldsForMessagesFromOutside) {
  for (const OutsideCase& one : k_outside) {
    LocalWorld world;
    const Pid target = world.node().spawn_opt(bounded(2, one.policy), hold);
    for (int i = 0; i < 5; ++i) world.node().send(target, Note{i});
    world.run([&](Context& context) -> Task<> {
      const std::uint64_t waiting = co_await messages_of(context, target);
      EXPECT_EQ(waiting, one.come_in);
    });
    EXPECT_EQ(full(world.node()), one.dropped);
  }
}

TEST(FullMailbox, HoldsForTimers) {
  for (const OutsideCase& one : k_outside) {
    for (const bool by_name : {false, true}) {
      LocalWorld world;
      world.run([&](Context& context) -> Task<> {
        const Pid target = context.spawn_opt(bounded(2, one.policy), hold).pid;
        EXPECT_TRUE(context.register_name("target", target));
        for (int i = 0; i < 5; ++i) {
          if (by_name) {
            context.send_after(1ms, "target", Note{i});
          } else {
            context.send_after(1ms, target, Note{i});
          }
        }
        co_await context.sleep_for(10ms);
        const std::uint64_t waiting = co_await messages_of(context, target);
        EXPECT_EQ(waiting, one.come_in);
      });
      EXPECT_EQ(full(world.node()), one.dropped);
    }
  }
}

/// A message whose end cancels a timer, in the middle of the timers' work.
struct Cancels {
  explicit Cancels(Node& of, TimerId id) : node{&of}, timer{id} {}
  Cancels(Cancels&& other) noexcept
      : node{std::exchange(other.node, nullptr)}, timer{other.timer} {}
  ~Cancels() {
    if (node != nullptr) node->cancel_timer(timer);
  }
  Node* node;
  TimerId timer;
};

TEST(FullMailbox, AMessageThatATimerDropsMayCancelTimers) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn_opt(bounded(1, k_newest), hold).pid;
    context.send(target, Note{});
    const TimerId timer = context.send_after(1h, target, Note{});
    const TimerId same_instant = context.send_after(1ms, target, Note{});
    context.send_after(1ms, target, Cancels{context.node(), same_instant});
    context.send_after(1ms, target, Cancels{context.node(), timer});
    co_await context.sleep_for(10ms);
    EXPECT_FALSE(context.read_timer(timer).has_value());
  });
}

}  // namespace
}  // namespace grove
