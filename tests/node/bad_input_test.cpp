// SPDX-License-Identifier: Apache-2.0
//
// What programs do wrong: pids that are nobody's, messages nobody handles, exceptions from
// everywhere. One process may end of it; its node lives on. Each case names OTP's outcome, or says
// that ours differs.
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

struct Note {
  int number = 0;
};
struct Other {};
struct Ask {
  using Reply = int;
};

Task<> wait_for_ever(Context& context) {
  for (;;) co_await context.receive_any();
}
Task<> do_nothing(Context&) { co_return; }

Task<Pid> dead_pid(Context& context) {
  const Spawned dead = context.spawn_monitor(do_nothing);
  const auto is_it = [dead](const Down& down) { return down.ref == dead.ref; };
  co_await context.receive<Down>(is_it);
  co_return dead.pid;
}

/// Pids that are no living process of this node, and what monitors and links of them say.
struct NoOne {
  Pid pid;
  ExitReason reason;
};
std::vector<NoOne> no_ones(Context& context, Pid dead) {
  const NodeId here = context.node().id();
  Pid between_lives = dead;
  ++between_lives.generation;
  return {{Pid{}, ExitReason::noproc()},
          {dead, ExitReason::noproc()},
          {between_lives, ExitReason::noproc()},
          {Pid{here, 9999999, 1}, ExitReason::noproc()},
          {Pid{here, 0xFFFFFFFFU, 0xFFFFFFFFU}, ExitReason::noproc()},
          {Pid{here, 0, 1}, ExitReason::noproc()},
          {Pid{intern_node(context.node().name(), Life{7}), 1, 1}, ExitReason::noproc()},
          {Pid{intern_node("elsewhere", Life{7}), 1, 1}, ExitReason::noconnection()}};
}

/// How a process that runs `code` ends.
Task<ExitReason> end_of(Context& context, std::function<Task<>(Context&)> code) {
  const Spawned child = context.spawn_monitor(std::move(code));
  const auto is_it = [child](const Down& down) { return down.ref == child.ref; };
  const auto down = co_await context.receive_for<Down>(1min, is_it);
  co_return down ? down->reason : ExitReason::symbol("still there");
}

// -- pids that are nobody's -----------------------------------------------------------------

// OTP: sends, casts, exits and replies to a dead or unreachable pid return normally and do nothing.
TEST(NoSuchProcess, SendsExitsAndRepliesDoNothingAndAreCounted) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid dead = co_await dead_pid(context);
    for (const NoOne& no_one : no_ones(context, dead)) {
      context.send(no_one.pid, Note{});
      context.cast(no_one.pid, Note{});
      context.node().send(no_one.pid, Note{});
      context.reply(From{no_one.pid, 3}, 1);
      context.exit(no_one.pid, ExitReason::kill());
      context.node().exit(no_one.pid, ExitReason::kill());
    }
    const EnvelopePtr nothing = co_await context.receive_any(1s);
    EXPECT_EQ(nothing, nullptr);
  });
  const Metrics& metrics = world.node().metrics();
  EXPECT_EQ(metrics.get(Metric::dead_letters_no_process) +
                metrics.get(Metric::dead_letters_late_reply) +
                metrics.get(Metric::dead_letters_no_connection),
            8U * 4U);
}

// OTP: monitor gives DOWN noproc, or noconnection; demonitor twice is fine.
TEST(NoSuchProcess, AMonitorSaysSo) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid dead = co_await dead_pid(context);
    for (const NoOne& no_one : no_ones(context, dead)) {
      const Ref ref = context.monitor(no_one.pid);
      const Down down = co_await context.receive<Down>();
      EXPECT_EQ(down.ref, ref);
      EXPECT_EQ(down.pid, no_one.pid);
      EXPECT_EQ(down.reason, no_one.reason) << to_string(down.reason);
      EXPECT_FALSE(context.demonitor(ref));
      const Ref dropped = context.monitor(no_one.pid, AliasMode::demonitor);
      context.demonitor(dropped, Flush::yes);  // true, or its Down was here
      context.unlink(no_one.pid);
    }
    EXPECT_FALSE(context.demonitor(Ref{}));
    EXPECT_FALSE(context.demonitor(Ref{intern_node("elsewhere", Life{7}), 1, 1}));
    const auto late = co_await context.receive_for<Down>(1s);
    EXPECT_FALSE(late.has_value());
  });
}

// OTP: a call exits with noproc or {nodedown, Node}.
TEST(NoSuchProcess, ACallFailsAtOnce) {
  LocalWorld world;
  world.run([&world](Context& context) -> Task<> {
    const Pid dead = co_await dead_pid(context);
    for (const NoOne& no_one : no_ones(context, dead)) {
      const auto before = world.clock().now();
      try {
        co_await context.call<Ask>(no_one.pid);
        ADD_FAILURE() << "it has answered";
      } catch (const ProcessExit& exit) {
        const bool away = no_one.reason == ExitReason::noconnection();
        EXPECT_EQ(to_string(exit.reason()),
                  away ? "{nodedown,elsewhere}" : to_string(no_one.reason));
      }
      EXPECT_EQ(world.clock().now(), before);
    }
  });
}

// OTP, LNK-5: while trapping, EXIT noproc (noconnection), and no link stays.
TEST(NoSuchProcess, ALinkOfWhoTrapsExitsGivesAnExit) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const Pid dead = co_await dead_pid(context);
    for (const NoOne& no_one : no_ones(context, dead)) {
      context.link(no_one.pid);
      const Exit exit = co_await context.receive<Exit>();
      EXPECT_EQ(exit.from, no_one.pid);
      EXPECT_EQ(exit.reason, no_one.reason) << to_string(exit.reason);
      std::vector<ProcessInfo> rows;
      context.node().inspect({context.self()},
                             [&](std::vector<ProcessInfo> all) { rows = std::move(all); });
      co_await context.sleep_for(1ms);
      EXPECT_EQ(rows.size(), 1U);
      EXPECT_TRUE(rows.at(0).links.empty());
    }
  });
}

// OTP, LNK-7: no EXIT of a link comes after unlink() has returned, unless it was there before; that
// of a local dead pid is there when link() returns.
TEST(NoSuchProcess, AfterUnlinkNoExitOfTheLinkComes) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const Pid dead = co_await dead_pid(context);
    for (const NoOne& no_one : no_ones(context, dead)) {
      context.link(no_one.pid);
      context.unlink(no_one.pid);
      const auto exit = co_await context.receive_for<Exit>(1s);
      EXPECT_EQ(exit.has_value(), no_one.reason == ExitReason::noproc());
      const auto another = co_await context.receive_for<Exit>(1s);
      EXPECT_FALSE(another.has_value());
    }
  });
}

// OTP: it is a message by then, and EXT-10 says that such a one stays.
TEST(NoSuchProcess, ALinkOfWhoTrapsExitsDoesNotEndItWhenItNoLongerDoes) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid dead = co_await dead_pid(context);
    context.node().send(context.self(), Note{1});  // that was sent before, so it comes before
    context.trap_exit(true);
    context.link(dead);
    context.trap_exit(false);
    const EnvelopePtr first = co_await context.receive_any();
    EXPECT_TRUE(first->message.is<Note>());
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, dead);
    EXPECT_EQ(exit.reason, ExitReason::noproc());
  });
}

// OTP, LNK-6: not trapping, a local dead pid is an error in link(); a remote one kills.
TEST(NoSuchProcess, ALinkOfWhoDoesNotTrapEndsIt) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid dead = co_await dead_pid(context);
    for (const NoOne& no_one : no_ones(context, dead)) {
      const Spawned child = context.spawn_monitor([no_one](Context& own) -> Task<> {
        own.link(no_one.pid);
        co_await own.receive<Note>();
      });
      const Down down = co_await context.receive<Down>();
      EXPECT_EQ(down.ref, child.ref);
      const ExitReason& reason = down.reason;
      EXPECT_EQ(reason, no_one.reason) << to_string(reason);
    }
  });
}

// What a Message was that has been forwarded. OTP has no such value; a wrong argument is badarg.
TEST(NoMessage, IsNeitherSentNorAnAnswer) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid here = context.self();
    const auto forward_twice = [here](Context& own) -> Task<> {
      const EnvelopePtr letter = co_await own.receive_any();
      own.forward(here, std::move(letter->message));
      own.forward(here, std::move(letter->message));
    };
    const Spawned forwarder = context.spawn_monitor(forward_twice);
    context.send(forwarder.pid, Note{7});
    const EnvelopePtr first = co_await context.receive_any();
    EXPECT_TRUE(first->message.is<Note>());
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::symbol("badarg"));

    const auto answer_by_nothing = [](Context& own) -> Task<> {
      const EnvelopePtr question = co_await own.receive_any();
      own.reply_message({question->from, question->serial}, Message{});
    };
    const Pid server = context.spawn(answer_by_nothing);
    const auto ask = [server](Context& own) -> Task<> { (void)co_await own.call<Ask>(server); };
    const ExitReason reason = co_await end_of(context, ask);
    EXPECT_EQ(reason, ExitReason::symbol("badarg"));
  });
  EXPECT_THROW(world.node().send_message(Pid{}, Message{}), ProcessExit);
}

// OTP: register of a dead or remote pid is badarg; a timer for a remote pid is badarg, for a dead
// one it never fires.
TEST(NoSuchProcess, GetsNoNameAndNoTimer) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid dead = co_await dead_pid(context);
    for (const NoOne& no_one : no_ones(context, dead)) {
      EXPECT_FALSE(context.register_name("ghost", no_one.pid));
      EXPECT_FALSE(context.whereis("ghost").has_value());
      if (no_one.pid.node == context.node().id()) {
        context.send_after(1ms, no_one.pid, Note{});
      } else {
        EXPECT_THROW(context.send_after(1ms, no_one.pid, Note{}), ProcessExit);
      }
    }
    co_await context.sleep_for(1s);
  });
  EXPECT_EQ(world.node().timer_count(), 0U);
}

// OTP: a send to an unknown local name is badarg in the sender. Ours differs: a dead letter, as
// for {name, node}. Monitors of one give DOWN noproc, as OTP's.
TEST(NoSuchName, IsADeadLetterAndAMonitorOfItSaysNoproc) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.send("nobody", Note{});
    context.send_after(1ms, "nobody", Note{});
    EXPECT_FALSE(context.unregister_name("nobody"));
    EXPECT_FALSE(context.register_name("", context.self()));
    EXPECT_FALSE(context.register_name(std::string(256, 'x'), context.self()));
    const Ref ref = context.monitor("nobody");
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, ref);
    EXPECT_EQ(down.name, "nobody");
    EXPECT_EQ(down.reason, ExitReason::noproc());
  });
  EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_no_name), 1U);
}

// -- messages nobody handles ------------------------------------------------------------------

class OnlyAsk : public GenServer {
 public:
  using Handles = grove::Handles<Ask>;
  int handle_call(Ask) { return 1; }
};

// OTP's default handle_info logs each. Ours: each server process logs each type once, or a flood
// of messages were a flood of lines; all are counted.
TEST(UnhandledMessage, IsLoggedOncePerTypeAndCountedEachTime) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult server = co_await start_link<OnlyAsk>(context);
    for (int i = 0; i < 10; ++i) context.send(server.pid, Note{i});
    for (int i = 0; i < 10; ++i) context.send(server.pid, Other{});
    const int answer = co_await context.call<Ask>(server.pid);
    EXPECT_EQ(answer, 1);
  });
  EXPECT_EQ(world.log().count(LogLevel::warning), 2U);
  const std::string line = world.log().lines().back().second;
  EXPECT_NE(line.find("no handle_info() of it takes: "), std::string::npos) << line;
  EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_unhandled), 20U);
}

// OTP: a cast or call that matches no clause ends the server with function_clause.
TEST(UnhandledMessage, EndsItsServerWhenItWasACastOrACall) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    for (const bool by_call : {false, true}) {
      const StartResult server = co_await start_link<OnlyAsk>(context);
      if (by_call) {
        EXPECT_THROW(co_await context.call<Note>(server.pid), ProcessExit);
      } else {
        context.cast(server.pid, Note{});
      }
      const Exit exit = co_await context.receive<Exit>();
      EXPECT_EQ(exit.reason, ExitReason::error("unhandled", k_message_type<Note>.name));
    }
  });
  EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_unhandled), 2U);
}

// -- what one does to oneself -------------------------------------------------------------------

class Impatient : public GenServer {
 public:
  using Handles = grove::Handles<Note>;
  explicit Impatient(Pid watcher) : watcher_{watcher} {}
  void handle_cast(const Note& note) { timeout_after(std::chrono::seconds{note.number}); }
  void terminate(const ExitReason& reason) { context().send(watcher_, reason); }

 private:
  Pid watcher_;
};

// OTP: {bad_return_value, {noreply, State, -1}}, and it terminates.
TEST(ServerTimeout, ThatIsNegativeEndsItsServerThroughTerminate) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const StartResult server = co_await start_link<Impatient>(context, context.self());
    context.cast(server.pid, Note{-1});
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.reason, ExitReason::symbol("badarg"));
    const auto terminated = co_await context.receive_for<ExitReason>(0ms);
    EXPECT_EQ(terminated, ExitReason::symbol("badarg"));
  });
}

TEST(Oneself, IsNeitherLinkedNorMonitored) {  // OTP: LNK-2, MON-5
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.link(context.self());
    context.unlink(context.self());
    const Ref ref = context.monitor(context.self());
    EXPECT_TRUE(ref);
    EXPECT_TRUE(context.register_name("me", context.self()));
    context.monitor("me");
    const EnvelopePtr nothing = co_await context.receive_any(1s);
    EXPECT_EQ(nothing, nullptr);
  });
}

TEST(Oneself, CannotBeCalled) {  // OTP: exit calling_self
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const ExitReason reason = co_await end_of(
        context, [](Context& own) -> Task<> { co_await own.call<Ask>(own.self()); });
    EXPECT_EQ(reason, ExitReason::symbol("calling_self"));
  });
}

/// An exit signal to oneself, and its end: EXT-3, EXT-4, EXT-5.
struct ExitSelf {
  bool traps;
  ExitReason signal;
  bool ends;
  ExitReason reason;
};

TEST(Oneself, EndsAtOnceByAnExitSignalUnlessItTraps) {
  const ExitReason boom = ExitReason::symbol("boom");
  const std::vector<ExitSelf> cases{
      {false, ExitReason::normal(), true, ExitReason::normal()},
      {false, boom, true, boom},
      {false, ExitReason::kill(), true, ExitReason::killed()},
      {true, ExitReason::normal(), false, ExitReason::normal()},
      {true, boom, false, boom},
      {true, ExitReason::kill(), true, ExitReason::killed()},
  };
  for (const ExitSelf& one : cases) {
    LocalWorld world;
    bool went_on = false;
    const ExitReason reason = world.run([&](Context& context) -> Task<ExitReason> {
      co_return co_await end_of(context, [&](Context& own) -> Task<> {
        own.trap_exit(one.traps);
        try {
          own.exit(own.self(), one.signal);
          went_on = true;
        } catch (const ProcessExit&) {  // of no use: it ends at its next await
        }
        const Exit exit = co_await own.receive<Exit>();
        EXPECT_EQ(exit.reason, one.signal);
        own.exit(exit.reason);
      });
    });
    EXPECT_EQ(went_on, !one.ends);
    EXPECT_EQ(reason, one.reason) << to_string(reason);
  }
}

struct ExitsItself final : Handler {
  void handle(Context& context, Envelope&) override {
    context.exit(context.self(), ExitReason::symbol("boom"));
    ADD_FAILURE() << "it went on";
  }
};

TEST(Oneself, EndsAtOnceInAHandler) {  // EXT-4
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Spawned child = context.spawn_monitor<ExitsItself>();
    context.send(child.pid, Note{});
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::symbol("boom"));
  });
}

struct ExitsAtItsEnd {
  explicit ExitsAtItsEnd(Context& of) : context{of} {}
  ExitsAtItsEnd(const ExitsAtItsEnd&) = delete;
  ~ExitsAtItsEnd() { context.exit(context.self(), ExitReason::symbol("again")); }
  Context& context;
};

// The first reason counts (EXT-9). In a scope that ends while its process does not, exit(self)
// must not be called: it throws, and most destructors are noexcept.
TEST(Oneself, MayBeToldToExitInTheDestructorsOfItsEnd) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    ExitReason reason = co_await end_of(context, [](Context& own) -> Task<> {
      const ExitsAtItsEnd last{own};
      own.exit(ExitReason::symbol("first"));
      co_return;
    });
    EXPECT_TRUE(reason == ExitReason::symbol("first") || reason == ExitReason::symbol("again"));
    const Spawned waiting = context.spawn_monitor([](Context& own) -> Task<> {
      const ExitsAtItsEnd last{own};
      co_await own.receive<Note>();
    });
    co_await context.sleep_for(1ms);
    context.exit(waiting.pid, ExitReason::symbol("first"));
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::symbol("first"));
  });
}

// -- replies ------------------------------------------------------------------------------------

class AnswersTwice : public GenServer {
 public:
  using Handles = grove::Handles<Ask>;
  NoReply handle_call(Ask) {
    reply(from(), 1);
    reply(from(), 2);
    return {};
  }
};

TEST(Replies, TheSecondToOneCallIsDropped) {  // OTP 24 and later: by the call's alias
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult server = co_await start_link<AnswersTwice>(context);
    for (int i = 0; i < 3; ++i) {
      const int answer = co_await context.call<Ask>(server.pid);
      EXPECT_EQ(answer, 1);
    }
    const EnvelopePtr nothing = co_await context.receive_any(1s);
    EXPECT_EQ(nothing, nullptr);
  });
  EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_late_reply), 3U);
}

class AnswersLate : public GenServer {
 public:
  using Handles = grove::Handles<Ask>;
  Task<int> handle_call(Ask) {
    co_await context().sleep_for(1s);
    co_return 1;
  }
};

TEST(Replies, ToACallerThatHasEndedAreDropped) {  // OTP: the same
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult server = co_await start_link<AnswersLate>(context);
    const Pid caller = context.spawn(
        [](Context& own, Pid to) -> Task<> { co_await own.call<Ask>(to); }, server.pid);
    co_await context.sleep_for(1ms);
    context.exit(caller, ExitReason::kill());
    co_await context.sleep_for(2s);
    const int answer = co_await context.call<Ask>(server.pid);
    EXPECT_EQ(answer, 1);
  });
  EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_late_reply), 1U);
}

// -- many, large, at once -----------------------------------------------------------------------

TEST(ExitReasons, Of128KilobytesArriveUnaltered) {  // PRC-18
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const ExitReason huge{Value::tuple({Value::symbol("huge"), std::string(131'072, 'x')})};
    const Pid child = context.spawn_link(wait_for_ever);
    context.monitor(child);
    context.exit(child, huge);
    const Down down = co_await context.receive<Down>();
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(down.reason, huge);
    EXPECT_EQ(exit.reason, huge);
  });
}

TEST(Monitors, AHundredThousandOfOneProcessGiveAsManyDowns) {  // MON-1
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    constexpr int k_count = 100000;
    const Pid target = context.spawn(wait_for_ever);
    std::vector<Ref> refs;
    for (int i = 0; i < k_count; ++i) refs.push_back(context.monitor(target));
    for (std::size_t i = 0; i < refs.size(); i += 2) EXPECT_TRUE(context.demonitor(refs[i]));
    context.exit(target, ExitReason::kill());
    int downs = 0;
    while (co_await context.receive_for<Down>(1s)) ++downs;
    EXPECT_EQ(downs, k_count / 2);
  });
}

// PRC-19: a child that crashes at once gives its real reason, never noproc.
TEST(SpawnLink, AChildThatCrashesAtOnceGivesItsReason) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    for (int i = 0; i < 1000; ++i) {
      const auto crash = [](Context& own) -> Task<> {
        own.exit(ExitReason::symbol("boom"));
        co_return;
      };
      const Spawned child = context.spawn_opt({.link = true, .monitor = true}, crash);
      const Exit exit = co_await context.receive<Exit>();
      EXPECT_EQ(exit.from, child.pid);
      EXPECT_EQ(exit.reason, ExitReason::symbol("boom"));
      const Down down = co_await context.receive<Down>();
      EXPECT_EQ(down.ref, child.ref);
      EXPECT_EQ(down.reason, ExitReason::symbol("boom"));
    }
  });
}

// PRC-20: a child whose parent ends at once gets the parent's reason; none is left behind.
TEST(SpawnLink, AChildGetsTheReasonOfAParentThatEndsAtOnce) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    for (int i = 0; i < 1000; ++i) {
      context.spawn(
          [](Context& parent, Pid watcher) -> Task<> {
            parent.send(watcher, parent.spawn_link(wait_for_ever));
            parent.exit(ExitReason{Value::tuple({Value::symbol("compound"), 1})});
            co_return;
          },
          context.self());
      const Pid child = co_await context.receive<Pid>();
      context.monitor(child);
      const Down down = co_await context.receive<Down>();
      const bool expected =
          down.reason == ExitReason{Value::tuple({Value::symbol("compound"), 1})} ||
          down.reason == ExitReason::noproc();  // gone before we could look
      EXPECT_TRUE(expected) << to_string(down.reason);
    }
    EXPECT_EQ(context.node().process_count(), 1U);
  });
}

}  // namespace
}  // namespace grove
