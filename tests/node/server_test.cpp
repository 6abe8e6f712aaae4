// SPDX-License-Identifier: Apache-2.0
//
// What a server asks for when a handler returns: to go on, to be woken, to end; who refers to it.
// C-*: the steps of the article on handle_continue.
#include "grove/node/gen_server.hpp"
#include "grove/node/inspect.hpp"
#include "grove/node/sys.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

struct IsReady {
  using Reply = bool;
};
struct Prepare {};

/// Takes 200 ms to be ready, after its start: by handle_continue, or by a message to itself.
class SlowStarter : public GenServer {
 public:
  using Handles = grove::Handles<IsReady, Prepare>;
  SlowStarter(bool continues, Clock::Duration init_time)
      : continues_{continues}, init_time_{init_time} {}
  Task<> init() {
    co_await context().sleep_for(init_time_);
    if (continues_) {
      continue_with(Prepare{});
    } else {
      context().send(self(), Prepare{});
    }
  }
  Task<> handle_continue(Prepare) { return handle_info(Prepare{}); }
  Task<> handle_info(Prepare) {
    co_await context().sleep_for(200ms);
    ready_ = true;
  }
  bool handle_call(IsReady) { return ready_; }

 private:
  bool continues_;
  Clock::Duration init_time_;
  bool ready_ = false;
};

// GEN-7.
TEST(GenServerStart, ThatTakesTooLongLeavesNothing) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    for (const bool link : {true, false}) {
      const std::size_t before = context.node().processes().size();
      ServerOptions options;
      options.link = link;
      options.timeout = 100ms;
      const StartResult result = co_await start_server<SlowStarter>(context, options, true, 10min);
      EXPECT_EQ(to_string(result), "failed: timeout");
      const EnvelopePtr nothing = co_await context.receive_any(15min);
      EXPECT_EQ(nothing, nullptr);
      EXPECT_EQ(context.node().processes().size(), before);
    }
  });
}

struct Words {
  using Reply = std::string;
  std::string text;
};

/// Its coroutines take messages by reference, and use them when the sender has long gone on.
class Quotes : public GenServer {
 public:
  using Handles = grove::Handles<Words>;
  Task<std::string> handle_call(const Words& words) {
    co_await context().sleep_for(10ms);
    co_return words.text;
  }
  Task<> handle_cast(Words&& words) {
    co_await context().sleep_for(10ms);
    said_ += words.text;
    continue_with(std::move(words));
  }
  Task<> handle_continue(const Words& words) {
    co_await context().sleep_for(10ms);
    said_ += words.text;
  }
  Task<> handle_info(const Words& words) {
    co_await context().sleep_for(10ms);
    said_ += words.text;
    *out_ = said_;
  }
  explicit Quotes(std::string* out) : out_{out} {}

 private:
  std::string* out_;
  std::string said_;
};

TEST(Handlers, MayTakeAMessageByReferenceAsCoroutinesToo) {
  const std::string text(100, 'x');
  std::string said;
  LocalWorld world;
  world.run([&](Context& context) -> Task<> {
    const StartResult server = co_await start_link<Quotes>(context, &said);
    const std::string quoted = co_await context.call<Words>(server.pid, text);
    EXPECT_EQ(quoted, text);
    context.cast(server.pid, Words{text});
    context.send(server.pid, Words{text});
    co_await context.sleep_for(1s);
  });
  EXPECT_EQ(said, text + text + text);
}

TEST(Continue, C1_StartReturnsBeforeTheSlowPartAndACallWaitsForIt) {
  LocalWorld world;
  world.run([&world](Context& context) -> Task<> {
    const auto begin = world.clock().now();
    const StartResult server = co_await start_link<SlowStarter>(context, true, 0ms);
    EXPECT_EQ(world.clock().now() - begin, 0ms);
    const bool ready = co_await context.call<IsReady>(server.pid);
    EXPECT_TRUE(ready);
    EXPECT_EQ(world.clock().now() - begin, 200ms);
  });
}

/// Asks the server of a name as soon as somebody has the name.
Task<> impatient(Context& context, std::shared_ptr<std::optional<bool>> answer) {
  while (!context.whereis("slow")) co_await context.sleep_for(1ms);
  *answer = co_await context.call<IsReady>("slow");
}

TEST(Continue, C2_OvertakesACallByNameThatCameDuringInit) {
  LocalWorld world;
  const auto by_message = std::make_shared<std::optional<bool>>();
  const auto by_continue = std::make_shared<std::optional<bool>>();
  world.run([&](Context& context) -> Task<> {
    context.spawn(impatient, by_message);
    const StartResult first =
        co_await start_server<SlowStarter>(context, named("slow"), false, 10ms);
    co_await context.sleep_for(1s);
    co_await stop_server(context, first.pid);
    context.spawn(impatient, by_continue);
    const StartResult second =
        co_await start_server<SlowStarter>(context, named("slow"), true, 10ms);
    EXPECT_TRUE(second.ok());
    co_await context.sleep_for(1s);
  });
  EXPECT_EQ(*by_message, false);
  EXPECT_EQ(*by_continue, true);
}

struct Step {
  using Reply = int;
  std::string name;
};
struct Chain {
  int left = 0;
};
using Steps = std::shared_ptr<std::vector<std::string>>;

class Recording : public GenServer {
 public:
  using Handles = grove::Handles<Step, Chain>;
  explicit Recording(Steps steps) : steps_{std::move(steps)} {
    context().send(self(), Step{"queued in init"});
    continue_with(Chain{2});
  }
  void handle_info(Step step) { steps_->push_back(step.name); }
  int handle_call(Step step) {
    steps_->push_back(step.name);
    if (step.name == "crash") continue_with(Chain{-1});
    if (step.name == "stop") continue_with(Chain{-2});
    if (step.name == "go on") continue_with(Chain{0});
    if (step.name == "end") stop();
    return 1;
  }
  void handle_continue(Chain chain) {
    steps_->push_back("continue " + std::to_string(chain.left));
    if (chain.left > 0) continue_with(Chain{chain.left - 1});
    if (chain.left == -1) throw std::runtime_error("in continue");
    if (chain.left == -2) stop();
  }
  void terminate(const ExitReason&) { steps_->push_back("terminate"); }

 private:
  Steps steps_;
};

TEST(Continue, C4_ComesBeforeAllThatIsQueuedAndMayChain) {
  LocalWorld world;
  const auto steps = std::make_shared<std::vector<std::string>>();
  world.run([&](Context& context) -> Task<> {
    const StartResult server = co_await start_link<Recording>(context, steps);
    co_await context.call<Step>(server.pid, "call");
  });
  const std::vector<std::string> wanted{"continue 2", "continue 1", "continue 0", "queued in init",
                                        "call"};
  EXPECT_EQ(*steps, wanted);
}

TEST(Continue, C4_AfterACallComesAfterTheReplyAndBeforeOlderMessages) {
  LocalWorld world;
  const auto steps = std::make_shared<std::vector<std::string>>();
  world.run([&](Context& context) -> Task<> {
    const StartResult server = co_await start_link<Recording>(context, steps);
    co_await context.call<Step>(server.pid, "before");
    steps->clear();
    Request<int> call = context.send_request<Step>(server.pid, std::string{"go on"});
    context.send(server.pid, Step{"older message"});
    const int reply = co_await context.receive_response(std::move(call));
    EXPECT_EQ(reply, 1);
    co_await context.call<Step>(server.pid, "last");
  });
  const std::vector<std::string> wanted{"go on", "continue 0", "older message", "last"};
  EXPECT_EQ(*steps, wanted);
}

TEST(Continue, C4_ACrashInItComesAfterTheStartAndAStopIsNormal) {
  LocalWorld world;
  const auto steps = std::make_shared<std::vector<std::string>>();
  world.run([&](Context& context) -> Task<> {
    context.trap_exit(true);
    for (const std::string how : {"crash", "stop"}) {
      const StartResult server = co_await start_link<Recording>(context, steps);
      const int reply = co_await context.call<Step>(server.pid, how);
      EXPECT_EQ(reply, 1);  // it went out before
      const Exit exit = co_await context.receive<Exit>();
      EXPECT_EQ(to_string(exit.reason),
                how == "stop" ? "normal" : "{error,\"std::runtime_error\",\"in continue\"}");
      EXPECT_EQ(steps->back(), "terminate");
    }
  });
}

TEST(Continue, OfATypeWithoutAHandlerEndsTheServer) {
  struct Unheard {};
  class Careless : public GenServer {
   public:
    Careless() { continue_with(Unheard{}); }
  };
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const StartResult server = co_await start_link<Careless>(context);
    EXPECT_TRUE(server.ok());
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_FALSE(exit.reason.is_clean());
  });
}

struct LastWords {
  using Reply = int;
};

class Parting : public GenServer {
 public:
  using Handles = grove::Handles<LastWords>;
  Parting(Pid witness, bool throws) : witness_{witness}, throws_{throws} {}
  int handle_call(LastWords) {
    stop(ExitReason::symbol("done"));
    return 7;
  }
  Task<> terminate(ExitReason) {
    co_await context().sleep_for(1s);
    context().send(witness_, std::string{"terminated"});
    if (throws_) throw std::runtime_error("in terminate");
  }

 private:
  Pid witness_;
  bool throws_;
};

// GEN-31, GEN-32.
TEST(GenServerStop, AnswersTheCallThatStopsItAfterTerminate) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    for (const bool throws : {false, true}) {
      const StartResult server = co_await start_link<Parting>(context, context.self(), throws);
      const int reply = co_await context.call<LastWords>(server.pid);
      EXPECT_EQ(reply, 7);
      const auto words = co_await context.receive_for<std::string>(0s);
      EXPECT_EQ(words, "terminated");  // it was there before the reply
      const Exit exit = co_await context.receive<Exit>();
      EXPECT_EQ(to_string(exit.reason),
                throws ? "{error,\"std::runtime_error\",\"in terminate\"}" : "done");
    }
  });
}

struct Arm {
  Clock::Duration time{};
};
struct Count {
  using Reply = int;
};

class Timed : public GenServer {
 public:
  using Handles = grove::Handles<Arm, Count>;
  void handle_cast(Arm arm) { timeout_after(arm.time); }
  void handle_info(ServerTimeout) { ++timeouts_; }
  int handle_call(Count) { return timeouts_; }
  int& state() { return timeouts_; }

 private:
  int timeouts_ = 0;
};

// GEN-23, GEN-24.
TEST(ServerTimeout, ComesOnceWhenNothingElseComes) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult server = co_await start_link<Timed>(context);
    context.cast(server.pid, Arm{100ms});
    co_await context.sleep_for(1s);
    EXPECT_EQ(co_await context.call<Count>(server.pid), 1);
    context.cast(server.pid, Arm{100ms});
    co_await context.sleep_for(99ms);
    EXPECT_EQ(co_await context.call<Count>(server.pid), 1);  // this cancels it
    co_await context.sleep_for(1s);
    EXPECT_EQ(co_await context.call<Count>(server.pid), 1);
  });
}

TEST(ServerTimeout, OfZeroDoesNotOvertakeWhatIsQueued) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult server = co_await start_link<Timed>(context);
    context.cast(server.pid, Arm{0ms});
    EXPECT_EQ(co_await context.call<Count>(server.pid), 0);
    co_await context.sleep_for(1s);
    EXPECT_EQ(co_await context.call<Count>(server.pid), 0);
    context.cast(server.pid, Arm{0ms});
    co_await context.sleep_for(1ms);
    EXPECT_EQ(co_await context.call<Count>(server.pid), 1);
  });
}

TEST(ServerTimeout, BeginsAnewAfterASystemMessage) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult server = co_await start_link<Timed>(context);
    context.cast(server.pid, Arm{100ms});
    co_await context.sleep_for(60ms);
    EXPECT_EQ(co_await sys::get_state<int>(context, server.pid), 0);
    co_await context.sleep_for(60ms);
    EXPECT_EQ(co_await sys::get_state<int>(context, server.pid), 0);
    co_await sys::suspend(context, server.pid);
    co_await context.sleep_for(1s);
    co_await sys::resume(context, server.pid);
    co_await context.sleep_for(99ms);
    EXPECT_EQ(co_await sys::get_state<int>(context, server.pid), 0);
    co_await context.sleep_for(101ms);
    EXPECT_EQ(co_await sys::get_state<int>(context, server.pid), 1);
  });
}

TEST(ServerTimeout, IsNotCancelledByASystemMessageWhenItsServerHibernatesByItself) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    ServerOptions options;
    options.hibernate_after = 1h;
    const StartResult server = co_await start_server<Timed>(context, options);
    context.cast(server.pid, Arm{100ms});
    co_await context.sleep_for(60ms);
    EXPECT_EQ(co_await sys::get_state<int>(context, server.pid), 0);
    co_await context.sleep_for(101ms);
    EXPECT_EQ(co_await sys::get_state<int>(context, server.pid), 1);
  });
}

struct Sleep {};

class Sleeper : public GenServer {
 public:
  using Handles = grove::Handles<Sleep, Count>;
  void handle_cast(Sleep) { hibernate(); }
  void handle_hibernate() { ++hibernated_; }
  int handle_call(Count) { return hibernated_; }

 private:
  int hibernated_ = 0;
};

// GEN-25.
TEST(Hibernate, GivesMemoryBackAndWakesWithTheNextMessage) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult server = co_await start_link<Sleeper>(context);
    context.cast(server.pid, Sleep{});
    EXPECT_EQ(co_await context.call<Count>(server.pid), 1);
    co_await sys::suspend(context, server.pid);
    co_await sys::resume(context, server.pid);
    EXPECT_EQ(co_await context.call<Count>(server.pid), 1);
    const Ref last = context.monitor(server.pid);
    for (int i = 0; i < 1000; ++i) context.monitor(server.pid);
    context.cast(server.pid, Sleep{});
    EXPECT_EQ(co_await context.call<Count>(server.pid), 2);  // with its relations as they were
    context.demonitor(last);
    co_await stop_server(context, server.pid);
    for (int i = 0; i < 1000; ++i) co_await context.receive<Down>();
  });
}

TEST(Hibernate, MakesTheProcessSmaller) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult server = co_await start_link<Sleeper>(context);
    std::vector<Ref> monitors;
    for (int i = 0; i < 1000; ++i) monitors.push_back(context.monitor(server.pid));
    for (std::size_t i = 20; i < monitors.size(); ++i) context.demonitor(monitors[i]);
    const auto before = co_await process_info(context, server.pid);
    context.cast(server.pid, Sleep{});
    EXPECT_EQ(co_await context.call<Count>(server.pid), 1);
    const auto after = co_await process_info(context, server.pid);
    EXPECT_LT(after.value().memory_bytes, before.value().memory_bytes / 10);
  });
}

TEST(Hibernate, ComesByItselfWhenTheServerIsIdle) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    ServerOptions options;
    options.hibernate_after = 1s;
    const StartResult server = co_await start_server<Sleeper>(context, options);
    co_await context.sleep_for(900ms);
    EXPECT_EQ(co_await context.call<Count>(server.pid), 0);
    co_await context.sleep_for(900ms);
    EXPECT_EQ(co_await context.call<Count>(server.pid), 0);
    co_await context.sleep_for(1min);
    EXPECT_EQ(co_await context.call<Count>(server.pid), 1);  // once
  });
}

// -- who refers to a server ------------------------------------------------------------------

TEST(ServerRef, ANameIsLookedUpAtEachUse) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    try {
      co_await context.call<Count>("timed");
      ADD_FAILURE();
    } catch (const ProcessExit& failed) {
      EXPECT_EQ(failed.reason(), ExitReason::noproc());
    }
    context.cast("timed", Arm{1s});  // to nobody: a dead letter
    const StartResult first = co_await start_server<Timed>(context, named("timed"));
    EXPECT_EQ(co_await context.call<Count>("timed"), 0);
    co_await stop_server(context, "timed");
    const StartResult second = co_await start_server<Timed>(context, named("timed"));
    EXPECT_NE(first.pid, second.pid);
    context.cast("timed", Arm{1ms});
    co_await context.sleep_for(1s);
    EXPECT_EQ(co_await context.call<Count>("timed"), 1);
    const RemoteName own{"timed", context.node().name()};
    EXPECT_EQ(co_await context.call<Count>(own), 1);
    const RemoteName elsewhere{"timed", "elsewhere"};
    try {
      co_await context.call<Count>(elsewhere);
      ADD_FAILURE();
    } catch (const ProcessExit& failed) {
      EXPECT_EQ(to_string(failed.reason()), "{nodedown,elsewhere}");
    }
    context.cast(elsewhere, Arm{1ms});
  });
  EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_no_name), 1U);
}

TEST(ServerOf, CallsAndCastsWhatItsServerHandles) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult server = co_await start_server<Timed>(context, named("timed"));
    const ServerOf<Timed> by_pid{server.pid};
    const ServerOf<Timed> by_name{"timed"};
    context.cast(by_pid, Arm{1ms});
    co_await context.sleep_for(1s);
    EXPECT_EQ(co_await context.call<Count>(by_name), 1);
    EXPECT_EQ(co_await context.call_for<Count>(1s, by_pid), 1);
    Request<int> request = context.send_request<Count>(by_name);
    EXPECT_EQ(co_await context.receive_response(std::move(request)), 1);
    // context.call<Step>(by_name): see tests/node/refused
  });
}

// -- exit signals to oneself ----------------------------------------------------------------

struct EndYourself {
  ExitReason reason;
};

class Mortal : public GenServer {
 public:
  using Handles = grove::Handles<EndYourself>;
  Mortal(bool traps, std::shared_ptr<int> terminated) : terminated_{std::move(terminated)} {
    context().trap_exit(traps);
  }
  void handle_cast(EndYourself end) { context().exit(self(), end.reason); }
  void terminate(const ExitReason&) { ++*terminated_; }

 private:
  std::shared_ptr<int> terminated_;
};

TEST(Oneself, AServerDoesNotTerminateAfterADeadlySignal) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const auto terminated = std::make_shared<int>(0);
    for (const bool traps : {false, true}) {
      for (const ExitReason& reason :
           {ExitReason::kill(), ExitReason::symbol("boom"), ExitReason::normal()}) {
        const bool dies = !traps || reason == ExitReason::kill();
        const StartResult mortal = co_await start_link<Mortal>(context, traps, terminated);
        const Ref ref = context.monitor(mortal.pid);
        context.cast(mortal.pid, EndYourself{reason});
        const auto down = co_await context.receive_for<Down>(1s);
        EXPECT_EQ(down.has_value(), dies) << traps << to_string(reason);
        EXPECT_EQ(*terminated, 0) << traps << to_string(reason);
        context.demonitor(ref, Flush::yes);
        context.unlink(mortal.pid);
        context.exit(mortal.pid, ExitReason::kill());
      }
    }
  });
}

/// Ends itself while it is ending.
class DiesInTerminate : public GenServer {
 public:
  using Handles = grove::Handles<Count>;
  int handle_call(Count) {
    stop();
    return 42;
  }
  void terminate(const ExitReason&) { context().exit(self(), ExitReason::symbol("boom")); }
};

TEST(ServerEnd, AnExitToItselfInTerminateIsTheCallersAnswer) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    ServerOptions options;
    options.link = false;
    const StartResult server = co_await start_server<DiesInTerminate>(context, options);
    try {
      ADD_FAILURE() << co_await context.call<Count>(server.pid);
    } catch (const ProcessExit& failed) {
      EXPECT_EQ(to_string(failed.reason()), "boom");
    }
  });
}

/// Asks for both, and once for more when it gives memory back.
class Dozer : public GenServer {
 public:
  using Handles = grove::Handles<Arm, Step, Count>;
  void handle_cast(Arm arm) {
    timeout_after(arm.time);
    hibernate();
  }
  void handle_hibernate() {
    if (hibernated_++ == 0) continue_with(Step{});
  }
  void handle_continue(const Step&) {}
  void handle_info(ServerTimeout) { ++timeouts_; }
  int handle_call(Count) { return timeouts_; }

 private:
  int hibernated_ = 0;
  int timeouts_ = 0;
};

TEST(ServerTimeouts, OutlastAContinuationThatHibernationAsksFor) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult server = co_await start_link<Dozer>(context);
    context.cast(server.pid, Arm{1s});
    co_await context.sleep_for(10s);
    EXPECT_EQ(co_await context.call<Count>(server.pid), 1);
  });
}

}  // namespace
}  // namespace grove
