// SPDX-License-Identifier: Apache-2.0
#include "grove/node/sys.hpp"

#include "grove/node/gen_server.hpp"
#include "grove/node/supervisor.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace grove::sys_test {

struct Total {
  int sum = 0;
  std::string note;
  friend bool operator==(const Total&, const Total&) = default;
};

}  // namespace grove::sys_test

GROVE_MESSAGE(grove::sys_test::Total, "test.total", sum, note)

namespace grove::sys_test {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;
using Kind = sys::TraceEvent::Kind;

struct Read {
  using Reply = int;
};
struct Add {
  int by = 0;
};
struct Ended {
  ExitReason reason;
};

class Adder : public GenServer {
 public:
  using Handles = grove::Handles<Read, Add>;
  explicit Adder(Pid watcher = {}, bool trap = false) : watcher_{watcher} {
    context().trap_exit(trap);
  }
  int handle_call(Read) { return total_.sum; }
  void handle_cast(Add add) { total_.sum = total_.sum * 10 + add.by; }
  void terminate(const ExitReason& reason) {
    if (watcher_) context().send<Ended>(watcher_, reason);
  }
  Total& state() { return total_; }

 private:
  Pid watcher_;
  Total total_;
};

class Showing : public GenServer {
 public:
  using Handles = grove::Handles<Read>;
  int handle_call(Read) { return 0; }
  Value debug_state() const {
    if (asked_) throw std::runtime_error("no more");
    asked_ = true;
    return Value::tuple({Value::symbol("shown"), 7});
  }

 private:
  mutable bool asked_ = false;
};

class Silent : public GenServer {
 public:
  using Handles = grove::Handles<>;
};

/// Its state has no wire form.
class Local : public GenServer {
 public:
  using Handles = grove::Handles<>;
  std::vector<Add>& state() { return state_; }

 private:
  std::vector<Add> state_{{1}, {2}};
};

/// It can be looked at, and not replaced.
class Lent : public GenServer {
 public:
  using Handles = grove::Handles<>;
  const Total& state() const { return state_; }

 private:
  Total state_{3, {}};
};
class Told : public GenServer {
 public:
  using Handles = grove::Handles<>;
  Value state() const { return Value::symbol("told"); }
};

template <class Server, class... Args>
Task<Pid> start(Context& context, Args... args) {
  ServerOptions options;
  options.link = false;
  const StartResult started = co_await start_server<Server>(context, options, args...);
  co_return started.pid;
}

/// What a task ends with, when it fails.
template <class T>
Task<std::string> failure_of(Task<T> task) {
  try {
    (void)co_await task;
  } catch (const ProcessExit& failed) {
    co_return to_string(failed.reason());
  }
  co_return "none";
}
Task<std::string> failure_of(Task<> task) {
  try {
    co_await task;
  } catch (const ProcessExit& failed) {
    co_return to_string(failed.reason());
  }
  co_return "none";
}

TEST(Sys, AStateThatIsConstOrAValueIsShownAndNotReplaced) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid lent = co_await start<Lent>(context);
    const Pid told = co_await start<Told>(context);
    const Value text = co_await sys::get_state(context, lent);
    EXPECT_EQ(text, Value{"test.total{3,\"\"}"});
    const Total total = co_await sys::get_state<Total>(context, lent);
    EXPECT_EQ(total.sum, 3);
    const Value word = co_await sys::get_state<Value>(context, told);
    EXPECT_EQ(word, Value::symbol("told"));
    const Value shown = co_await sys::get_state(context, told);
    EXPECT_EQ(shown, Value::symbol("told"));
    const Total fresh{1, {}};
    EXPECT_EQ(co_await failure_of(sys::replace_state(context, lent, fresh)), "no_state");
  });
}

TEST(Sys, GetStateShowsWhatTheServerShows) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid adder = co_await start<Adder>(context);
    context.cast<Add>(adder, {4});
    const Value text = co_await sys::get_state(context, adder);
    EXPECT_EQ(text, Value{"test.total{4,\"\"}"});
    const Total total = co_await sys::get_state<Total>(context, adder);
    EXPECT_EQ(total.sum, 4);
    const Pid showing = co_await start<Showing>(context);
    const Value shown = co_await sys::get_state(context, showing);
    EXPECT_EQ(to_string(shown), "{shown,7}");
    const std::string threw = co_await failure_of(sys::get_state(context, showing));
    EXPECT_TRUE(threw.starts_with("{callback_failed,")) << threw;
    const int answer = co_await context.call<Read>(showing);
    EXPECT_EQ(answer, 0);
  });
}

TEST(Sys, AnErrorSaysWhyThereIsNoState) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid silent = co_await start<Silent>(context);
    EXPECT_EQ(co_await failure_of(sys::get_state(context, silent)), "no_state");
    EXPECT_EQ(co_await failure_of(sys::get_state<Total>(context, silent)), "no_state");
    const Pid adder = co_await start<Adder>(context);
    EXPECT_EQ(co_await failure_of(sys::get_state<int>(context, adder)),
              "{bad_state,\"test.total\"}");
    const Pid local = co_await start<Local>(context);
    EXPECT_EQ(co_await failure_of(sys::get_state(context, local)), "no_state");
    const auto copy = co_await sys::get_state<std::vector<Add>>(context, local);
    EXPECT_EQ(copy.size(), 2U);
    const Pid plain = context.spawn([](Context& own) -> Task<> { co_await own.sleep_for(1h); });
    EXPECT_EQ(co_await failure_of(sys::get_state(context, plain)), "not_a_server");
    EXPECT_EQ(co_await failure_of(sys::suspend(context, plain)), "not_a_server");
    context.exit(plain, ExitReason::kill());
    EXPECT_EQ(co_await failure_of(sys::suspend(context, plain)), "noproc");
    EXPECT_EQ(co_await failure_of(sys::suspend(context, Pid())), "noproc");
    EXPECT_EQ(co_await failure_of(sys::suspend(context, context.self())), "calling_self");
    const Pid elsewhere{intern_node("other", Life{7}), 1, 1};
    EXPECT_EQ(co_await failure_of(sys::suspend(context, elsewhere)), "{nodedown,other}");
    EXPECT_EQ(co_await failure_of(sys::replace_state(context, elsewhere, 1)), "badarg");
  });
}

TEST(Sys, ReplaceStateInstallsTheNewStateOrLeavesTheOld) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid adder = co_await start<Adder>(context);
    Total fresh;
    fresh.sum = 5;
    co_await sys::replace_state<Total>(context, adder, fresh);
    EXPECT_EQ(co_await context.call<Read>(adder), 5);
    const auto change = [](Total total) {
      total.sum *= 2;
      return total;
    };
    const Total changed = co_await sys::replace_state<Total>(context, adder, change);
    EXPECT_EQ(changed.sum, 10);
    const auto fail = [](Total) -> Total { throw std::runtime_error("boom"); };
    const std::string why = co_await failure_of(sys::replace_state<Total>(context, adder, fail));
    EXPECT_EQ(why, "{callback_failed,{error,\"std::runtime_error\",\"boom\"}}");
    EXPECT_EQ(co_await context.call<Read>(adder), 10);
  });
}

TEST(Sys, AFunctionThatEndsItsServerIsAnsweredByItsEnd) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid adder = co_await start<Adder>(context);
    context.unlink(adder);
    const auto end = [](Total total) {
      Context& own = Context::current();
      own.exit(own.self(), ExitReason::symbol("boom"));
      return total;
    };
    EXPECT_EQ(co_await failure_of(sys::replace_state<Total>(context, adder, end)), "boom");
  });
}

TEST(Sys, ASuspendedServerGetsItsMessagesInOrderAfterResume) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid adder = co_await start<Adder>(context);
    co_await sys::suspend(context, adder);
    co_await sys::suspend(context, adder);
    for (int i = 1; i <= 4; ++i) context.cast<Add>(adder, {i});
    bool timed_out = false;
    try {
      (void)co_await context.call<Read>(adder);
    } catch (const ProcessExit& failed) {
      timed_out = failed.reason() == ExitReason::symbol("timeout");
    }
    EXPECT_TRUE(timed_out);
    const auto info = co_await process_info(context, adder);
    EXPECT_EQ(info->status, "suspended");
    EXPECT_EQ(info->mailbox, 5U);
    const Total before = co_await sys::get_state<Total>(context, adder);
    EXPECT_EQ(before.sum, 0);
    Total fresh;
    fresh.sum = 9;
    co_await sys::replace_state<Total>(context, adder, fresh);
    co_await sys::resume(context, adder);
    co_await sys::resume(context, adder);
    EXPECT_EQ(co_await context.call<Read>(adder), 91234);
    const auto after = co_await process_info(context, adder);
    EXPECT_EQ(after->status, "waiting");
    EXPECT_EQ(after->handling, "");
  });
}

TEST(Sys, WhatASuspendedServerTellsItselfOfItsIdlenessTakesNoRoomInItsMailbox) {
  for (const MailboxPolicy policy : {MailboxPolicy::drop_oldest, MailboxPolicy::fail}) {
    LocalWorld world;
    world.run([policy](Context& context) -> Task<> {
      ServerOptions options;
      options.hibernate_after = 1s;
      options.mailbox = {1, policy};
      const StartResult adder = co_await start_server<Adder>(context, options);
      co_await sys::suspend(context, adder.pid);
      const bool comes_first = policy == MailboxPolicy::drop_oldest;
      if (comes_first) context.cast<Add>(adder.pid, {7});
      co_await context.sleep_for(2s);
      if (!comes_first) context.cast<Add>(adder.pid, {7});
      co_await sys::resume(context, adder.pid);
      co_await context.sleep_for(1ms);
      EXPECT_EQ(co_await context.call<Read>(adder.pid), 7);
    });
  }
}

TEST(Sys, AServerCanBeSuspendedAgain) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid adder = co_await start<Adder>(context);
    for (int i = 0; i < 3; ++i) {
      co_await sys::suspend(context, adder);
      context.cast<Add>(adder, {1});
      co_await sys::resume(context, adder);
    }
    EXPECT_EQ(co_await context.call<Read>(adder), 111);
  });
}

TEST(Sys, StopEndsASuspendedServerThroughTerminate) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid adder = co_await start<Adder>(context, context.self(), false);
    co_await sys::suspend(context, adder);
    context.cast<Add>(adder, {1});
    co_await stop_server(context, adder, ExitReason::shutdown());
    const Ended ended = co_await context.receive<Ended>();
    EXPECT_EQ(ended.reason, ExitReason::shutdown());
  });
}

TEST(Sys, TheParentsExitEndsASuspendedServerThroughTerminate) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid self = context.self();
    const Pid parent = context.spawn([self](Context& own) -> Task<> {
      const StartResult started = co_await start_link<Adder>(own, self, true);
      co_await sys::suspend(own, started.pid);
      own.send<Pid>(self, started.pid);
      co_await own.sleep_for(1h);
    });
    const Pid server = co_await context.receive<Pid>();
    context.exit(server, ExitReason::symbol("not_from_its_parent"));  // queued, as the rest
    EXPECT_TRUE(co_await is_alive(context, server));
    context.exit(parent, ExitReason::shutdown());
    const Ended ended = co_await context.receive<Ended>();
    EXPECT_EQ(ended.reason, ExitReason::shutdown());
  });
}

TEST(Sys, KillEndsASuspendedServer) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid adder = co_await start<Adder>(context);
    co_await sys::suspend(context, adder);
    context.exit(adder, ExitReason::kill());
    EXPECT_EQ(co_await failure_of(sys::resume(context, adder)), "noproc");
  });
}

TEST(Sys, ASupervisorAnswersToo) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    SupervisorSpec spec;
    spec.children.push_back(child<Adder>("adder"));
    const StartResult started = co_await start_supervisor(context, std::move(spec));
    co_await sys::suspend(context, started.pid);
    co_await sys::resume(context, started.pid);
    const Value state = co_await sys::get_state(context, started.pid);
    const auto* rows = state.as_list();
    EXPECT_TRUE(rows != nullptr && rows->size() == 1) << to_string(state);
    const auto children = co_await which_children(context, started.pid);
    EXPECT_EQ(children.size(), 1U);
  });
}

// -- tracing --------------------------------------------------------------------------------

sys::TraceOptions at_most(std::uint32_t limit, std::size_t text_max = 256) {
  return {.limit = limit, .text_max = text_max};
}

std::string text_of(const sys::TraceEvent& event) {
  return std::string{to_string(event.kind)} + ' ' + event.type + ' ' + event.text;
}

Task<std::vector<std::string>> events(Context& context) {
  std::vector<std::string> all;
  std::optional<Pid> target;
  while (auto event = co_await context.receive_for<sys::TraceEvent>(1s)) {
    EXPECT_EQ(event->pid, target.value_or(event->pid));
    target = event->pid;
    all.push_back(text_of(*event));
  }
  co_return all;
}

Task<> echo(Context& context) {
  for (;;) {
    const Total total = co_await context.receive<Total>();
    if (total.note == "stop") co_return;
    if (total.note == "to") context.send<Total>(context.parent(), total);
  }
}

TEST(Trace, TellsWhatIsReceivedSentAndTheEnd) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn(echo);
    context.send<Total>(target, 0, "before");
    co_await sys::trace(context, target, at_most(100));
    context.send<Total>(target, 1, "to");
    context.send<Total>(target, 2, "stop");
    const auto all = co_await events(context);
    const std::vector<std::string> expected{
        "received test.total test.total{1,\"to\"}", "sent test.total test.total{1,\"to\"}",
        "received test.total test.total{2,\"stop\"}", "exited  normal"};
    // Both messages may have arrived before the first was handled.
    EXPECT_TRUE(std::is_permutation(all.begin(), all.end(), expected.begin(), expected.end()));
    EXPECT_EQ(all.empty() ? "" : all.back(), expected.back());
  });
}

TEST(Trace, EndsAtItsLimitExactlyAndSaysSo) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn(echo);
    co_await sys::trace(context, target, at_most(3, 5));
    for (int i = 0; i < 3; ++i) context.send<Total>(target, i, "");
    const auto exact = co_await events(context);
    const std::vector<std::string> three{"received test.total test.", "received test.total test.",
                                         "received test.total test.", "limit_reached  "};
    EXPECT_EQ(exact, three);
    for (int i = 0; i < 3; ++i) context.send<Total>(target, i, "");
    const auto later = co_await events(context);
    EXPECT_TRUE(later.empty());
    co_await sys::trace(context, target, at_most(4));
    for (int i = 0; i < 3; ++i) context.send<Total>(target, i, "");
    const auto below = co_await events(context);
    EXPECT_EQ(below.size(), 3U);
  });
}

TEST(Trace, TheLimitIsMandatoryAndBounded) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn(echo);
    sys::TraceOptions options;
    EXPECT_EQ(co_await failure_of(sys::trace(context, target, options)), "badarg");
    options.limit = sys::k_trace_limit_max + 1;
    EXPECT_EQ(co_await failure_of(sys::trace(context, target, options)), "badarg");
    options.limit = sys::k_trace_limit_max;
    EXPECT_EQ(co_await failure_of(sys::trace(context, context.self(), options)), "badarg");
    EXPECT_EQ(co_await failure_of(sys::trace(context, Pid(), options)), "noproc");
    EXPECT_EQ(co_await failure_of(sys::trace(context, target, options)), "none");
  });
}

TEST(Trace, NothingFollowsAfterUntrace) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn(echo);
    co_await sys::trace(context, target, at_most(10));
    co_await sys::untrace(context, target);
    context.send<Total>(target, 1, "");
    const auto all = co_await events(context);
    EXPECT_TRUE(all.empty());
    context.exit(target, ExitReason::kill());
    co_await sys::untrace(context, target);  // of the dead: done already
  });
}

TEST(Trace, EndsWithItsTracerAndThenAnotherMayTrace) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn(echo);
    const Pid self = context.self();
    const Pid first = context.spawn([target, self](Context& own) -> Task<> {
      co_await sys::trace(own, target, at_most(10));
      own.send<int>(self, 1);
      co_await own.sleep_for(1h);
    });
    (void)co_await context.receive<int>();
    sys::TraceOptions options;
    options.limit = 10;
    EXPECT_EQ(co_await failure_of(sys::trace(context, target, options)), "already_traced");
    co_await sys::untrace(context, target);  // not ours: it stays
    EXPECT_EQ(co_await failure_of(sys::trace(context, target, options)), "already_traced");
    context.exit(first, ExitReason::kill());
    EXPECT_FALSE(co_await is_alive(context, first));
    context.send<Total>(target, 1, "");
    EXPECT_EQ(co_await failure_of(sys::trace(context, target, options)), "none");
  });
}

TEST(Trace, TwoThatTraceEachOtherDoNotTalkForEver) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid self = context.self();
    const Pid other = context.spawn([self](Context& own) -> Task<> {
      co_await sys::trace(own, self, at_most(1000));
      own.send<int>(self, 1);
      co_await own.sleep_for(1h);
    });
    (void)co_await context.receive<int>();
    co_await sys::trace(context, other, at_most(1000));
    context.send<Add>(other, 1);
    const auto all = co_await events(context);
    EXPECT_LT(all.size(), 10U);
  });
}

TEST(Trace, ShowsAServersCallsAndAnswers) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid adder = co_await start<Adder>(context);
    co_await sys::trace(context, adder, at_most(10, 0));
    (void)co_await context.call<Read>(adder);
    const auto all = co_await events(context);
    const std::vector<std::string> expected{
        "received " + std::string{k_message_type<Read>.name} + ' ', "sent i32 "};
    EXPECT_EQ(all, expected);
  });
}

}  // namespace
}  // namespace grove::sys_test
