// SPDX-License-Identifier: Apache-2.0
#include "grove/node/gen_server.hpp"

#include "grove/core/utf8.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

struct Read {
  using Reply = int;
};
struct Bump {
  int by = 0;
};
struct Crash {
  using Reply = int;
};
struct Never {
  using Reply = int;
};
struct Unknown {
  using Reply = int;
};

class Counter : public GenServer {
 public:
  using Handles = grove::Handles<Read, Bump, Crash, Never>;
  explicit Counter(int start) : count_{start} {}
  int handle_call(Read) { return count_; }
  int handle_call(Crash) { throw std::runtime_error("boom"); }
  NoReply handle_call(Never) { return {}; }
  void handle_cast(Bump bump) { count_ += bump.by; }

 private:
  int count_;
};

/// Asks another server while its own caller waits.
class Proxy : public GenServer {
 public:
  using Handles = grove::Handles<Read>;
  explicit Proxy(Pid behind) : behind_{behind} {}
  Task<int> handle_call(Read) {
    const int value = co_await context().call<Read>(behind_);
    co_return value + 1;
  }

 private:
  Pid behind_;
};

class Refusing : public GenServer {
 public:
  explicit Refusing(Init answer) : answer_{std::move(answer)} {}
  Init init() { return answer_; }

 private:
  Init answer_;
};

class BadConstructor : public GenServer {
 public:
  BadConstructor() { throw std::runtime_error("no"); }
};

struct Terminated {
  ExitReason reason;
};

class Reporting : public GenServer {
 public:
  using Handles = grove::Handles<Crash, Read>;
  Reporting(Pid to, bool trap) : to_{to} { context().trap_exit(trap); }
  int handle_call(Crash) { throw std::runtime_error("boom"); }
  int handle_call(Read) {
    stop(ExitReason::symbol("done"));
    return 1;
  }
  void terminate(const ExitReason& reason) { context().send(to_, Terminated{reason}); }

 private:
  Pid to_;
};

Task<std::string> failure_of(Task<int> call) {
  try {
    co_await call;
  } catch (const ProcessExit& exit) {
    co_return to_string(exit.reason());
  }
  co_return "";
}

Task<int> read(Context& context, Pid server, Timeout timeout = 5s) {
  co_return co_await context.call_for<Read>(timeout, server);
}
Task<int> crash(Context& context, Pid server) { co_return co_await context.call<Crash>(server); }

TEST(GenServer, AnswersCallsAndHandlesCastsInOrder) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult counter = co_await start_link<Counter>(context, 5);
    EXPECT_TRUE(counter.ok());
    context.cast(counter.pid, Bump{2});
    context.cast(counter.pid, Bump{3});
    EXPECT_EQ(co_await context.call<Read>(counter.pid), 10);
  });
}

TEST(GenServer, ACoroutineHandlerMayAskAnotherServer) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult counter = co_await start_link<Counter>(context, 41);
    const StartResult proxy = co_await start_link<Proxy>(context, counter.pid);
    EXPECT_EQ(co_await context.call<Read>(proxy.pid), 42);
  });
}

TEST(GenServer, CallFailuresAreTheCallersExit) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const StartResult counter = co_await start_link<Counter>(context, 0);
    Task<int> crashing = crash(context, counter.pid);
    EXPECT_EQ(co_await failure_of(std::move(crashing)), "{error,\"std::runtime_error\",\"boom\"}");
    Task<int> dead = read(context, counter.pid);
    EXPECT_EQ(co_await failure_of(std::move(dead)), "noproc");
    Task<int> nobody = read(context, Pid{});
    EXPECT_EQ(co_await failure_of(std::move(nobody)), "noproc");
    Task<int> self = read(context, context.self());
    EXPECT_EQ(co_await failure_of(std::move(self)), "calling_self");
  });
}

TEST(GenServer, ALateReplyNeverReachesTheMailbox) {
  LocalWorld world;
  world.run([&world](Context& context) -> Task<> {
    const Pid slow = context.spawn([](Context& server) -> Task<> {
      const EnvelopePtr request = co_await server.receive_any();
      co_await server.sleep_for(1s);
      server.reply(From{request->from, request->serial}, 7);
      co_await server.receive_any();
    });
    Task<int> asking = read(context, slow, 500ms);
    EXPECT_EQ(co_await failure_of(std::move(asking)), "timeout");
    EXPECT_EQ(co_await context.receive_any(2s), nullptr);
    EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_late_reply), 1U);
  });
}

TEST(GenServer, AnUnknownCallCrashesTheServer) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const StartResult counter = co_await start_link<Counter>(context, 0);
    EXPECT_THROW(co_await context.call<Unknown>(counter.pid), ProcessExit);
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, counter.pid);
    EXPECT_FALSE(exit.reason.is_clean());
  });
}

TEST(GenServer, AnUnknownPlainMessageIsLoggedAndCounted) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult counter = co_await start_link<Counter>(context, 1);
    context.send(counter.pid, Unknown{});
    EXPECT_EQ(co_await context.call<Read>(counter.pid), 1);
  });
  EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_unhandled), 1U);
  EXPECT_EQ(world.log().count(LogLevel::warning), 1U);
}

TEST(GenServerStart, ReportsWhatInitSays) {
  LocalWorld world;
  world.run([&world](Context& context) -> Task<> {
    context.trap_exit(true);
    const StartResult ignored = co_await start_link<Refusing>(context, Init::ignore());
    EXPECT_EQ(ignored.status, StartResult::Status::ignored);
    const Init stopping = Init::stop(ExitReason::symbol("no_disk"));
    const StartResult stopped = co_await start_link<Refusing>(context, stopping);
    EXPECT_EQ(stopped.status, StartResult::Status::failed);
    EXPECT_EQ(stopped.reason, ExitReason::symbol("no_disk"));
    const StartResult thrown = co_await start_link<BadConstructor>(context);
    EXPECT_EQ(to_string(thrown), "failed: {error,\"std::runtime_error\",\"no\"}");
    EXPECT_EQ(world.node().process_count(), 1U);  // this process
  });
}

TEST(GenServerStart, ATakenNameGivesItsHolderAndNoExit) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult first = co_await start_server<Counter>(context, named("counter"), 1);
    EXPECT_TRUE(first.ok());
    EXPECT_EQ(context.whereis("counter"), first.pid);
    const StartResult second = co_await start_server<Counter>(context, named("counter"), 2);
    EXPECT_EQ(second.status, StartResult::Status::already_started);
    EXPECT_EQ(second.pid, first.pid);
    co_await context.sleep_for(1s);  // an exit over the link would end this process
    EXPECT_EQ(co_await context.call<Read>(first.pid), 1);
  });
}

TEST(GenServerStop, RunsTerminateThenEndsWithTheReason) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const StartResult server = co_await start_link<Reporting>(context, context.self(), false);
    co_await stop_server(context, server.pid, ExitReason::symbol("bye"));
    const Terminated terminated = co_await context.receive<Terminated>();
    EXPECT_EQ(terminated.reason, ExitReason::symbol("bye"));
    EXPECT_THROW(co_await stop_server(context, server.pid), ProcessExit);
  });
}

TEST(GenServerCrash, IsLoggedWithTheMessageThatItHandledLast) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    ServerOptions options;
    options.link = false;
    const StartResult server = co_await start_server<Counter>(context, options, 1);
    context.cast(server.pid, Bump{1});
    EXPECT_THROW(co_await context.call<Crash>(server.pid), ProcessExit);
  });
  std::vector<std::string> errors;
  for (const auto& [level, line] : world.log().lines()) {
    if (level == LogLevel::error) errors.push_back(line);
  }
  EXPECT_EQ(errors.size(), 1U);
  const std::string end = ", last message " + std::string{k_message_type<Crash>.name};
  EXPECT_TRUE(errors.at(0).ends_with(end)) << errors.at(0);
}

class Showing : public GenServer {
 public:
  using Handles = grove::Handles<Crash>;
  Showing(std::string state, bool fails) : state_{std::move(state)}, fails_{fails} {}
  int handle_call(Crash) { throw ProcessExit{ExitReason::symbol("crash")}; }
  std::string debug_state() const {
    if (fails_) throw std::runtime_error{"unshowable"};
    return state_;
  }

 private:
  std::string state_;
  bool fails_;
};

/// Has room for everybody.
class Anybody final : public Directory {
 public:
  Result<void> register_name(Context&, const Via&) override { return {}; }
  void unregister_name(Context&, const Value&) override {}
  std::optional<Pid> whereis(const Value&) const override { return std::nullopt; }
};

std::string crash_line(std::string state, bool fails = false) {
  LocalWorld world;
  EXPECT_TRUE(world.node().add_directory("any", std::make_shared<Anybody>()));
  world.run([&](Context& context) -> Task<> {
    ServerOptions options = named(Via{"any", "shows"});
    options.link = false;
    const StartResult server = co_await start_server<Showing>(context, options, state, fails);
    EXPECT_THROW(co_await context.call<Crash>(server.pid), ProcessExit);
  });
  std::string last;
  for (const auto& [level, line] : world.log().lines()) {
    if (level == LogLevel::error) last = line;
  }
  return last;
}

TEST(GenServerCrash, IsLoggedWithTheNameAndWhatTheServerShowsOfItsState) {
  const std::string line = crash_line("7 apples");
  EXPECT_NE(line.find(" (any:\"shows\", "), std::string::npos) << line;
  EXPECT_TRUE(line.ends_with(", state \"7 apples\"")) << line;
  std::string long_state = "x";
  for (int i = 0; i < 600; ++i) long_state += "\u00e4";
  const std::string cut = crash_line(long_state);
  EXPECT_TRUE(cut.ends_with("\u00e4... (1203 bytes)")) << cut;
  EXPECT_TRUE(is_utf8(cut));
  const std::string failed = crash_line("never", true);
  EXPECT_NE(failed.find("terminated: crash, "), std::string::npos) << failed;
  EXPECT_NE(failed.find(", its state throws "), std::string::npos) << failed;
}

/// Takes a second for each of what it is told.
class Slow : public GenServer {
 public:
  using Handles = grove::Handles<Bump>;
  Task<> handle_info(Bump) { co_await context().sleep_for(1s); }
};

TEST(GenServerStop, NeedsNoRoomInAFullMailbox) {
  for (const MailboxPolicy policy : {MailboxPolicy::suspend_sender, MailboxPolicy::drop_newest,
                                     MailboxPolicy::drop_oldest, MailboxPolicy::fail}) {
    for (const bool by_name : {false, true}) {
      SCOPED_TRACE(static_cast<int>(policy));
      LocalWorld world;
      world.run([&](Context& context) -> Task<> {
        ServerOptions options = named("slow");
        options.link = false;
        options.mailbox = {.messages = 2, .policy = policy};
        const StartResult server = co_await start_server<Slow>(context, options);
        const auto fill = [pid = server.pid](Node& node) {
          for (int i = 0; i < 4; ++i) node.send(pid, Bump{});
        };
        fill(context.node());
        context.spawn([fill](Context& own) -> Task<> {  // what comes behind the request
          co_await own.sleep_for(10ms);
          fill(own.node());
        });
        co_await context.sleep_for(1ms);
        const ServerRef slow = by_name ? ServerRef{"slow"} : ServerRef{server.pid};
        co_await stop_server(context, slow);
      });
    }
  }
}

TEST(GenServerStop, OfOneThatIsNotThereIsNoprocWhateverTheReason) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    ServerOptions options = named("slow");
    options.link = false;
    const StartResult server = co_await start_server<Slow>(context, options);
    co_await stop_server(context, server.pid, ExitReason::noproc());  // of one that is there
    const RemoteName by_node{"slow", context.node().name()};
    for (const ServerRef& gone : {ServerRef{server.pid}, ServerRef{"slow"}, ServerRef{by_node}}) {
      try {
        co_await stop_server(context, gone, ExitReason::noproc());
        ADD_FAILURE() << "there is no server";
      } catch (const ProcessExit& failed) {
        EXPECT_EQ(failed.reason(), ExitReason::noproc());
      }
    }
  });
}

TEST(GenServerTerminate, RunsWhenOtpRunsIt) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const Pid self = context.self();
    const auto reason = [&context]() -> Task<std::string> {
      const auto terminated = co_await context.receive_for<Terminated>(1s);
      co_return terminated ? to_string(terminated->reason) : "not called";
    };
    const StartResult asked = co_await start_link<Reporting>(context, self, false);
    EXPECT_EQ(co_await context.call<Read>(asked.pid), 1);
    EXPECT_EQ(co_await reason(), "done");
    const StartResult crashed = co_await start_link<Reporting>(context, self, false);
    EXPECT_THROW(co_await context.call<Crash>(crashed.pid), ProcessExit);
    EXPECT_EQ(co_await reason(), "{error,\"std::runtime_error\",\"boom\"}");
    const StartResult plain = co_await start_link<Reporting>(context, self, false);
    context.exit(plain.pid, ExitReason::shutdown());
    EXPECT_EQ(co_await reason(), "not called");
    const StartResult trapping = co_await start_link<Reporting>(context, self, true);
    context.exit(trapping.pid, ExitReason::shutdown());
    EXPECT_EQ(co_await reason(), "shutdown");
    const StartResult killed = co_await start_link<Reporting>(context, self, true);
    context.exit(killed.pid, ExitReason::kill());
    EXPECT_EQ(co_await reason(), "not called");
  });
}

/// Lets a process of its own answer each call.
class Delegating : public GenServer {
 public:
  using Handles = grove::Handles<Read>;
  NoReply handle_call(Read) {
    context().spawn(
        [](Context& helper, From caller) -> Task<> {
          helper.reply(caller, 7);
          co_return;
        },
        from());
    return {};
  }
};

TEST(Call, AnsweredBySomebodyElseLeavesNothingAtTheServer) {
  LocalWorld world;
  std::size_t watchers = 99;
  world.run([&](Context& context) -> Task<> {
    const StartResult server = co_await start_link<Delegating>(context);
    for (int i = 0; i < 3; ++i) {
      const int value = co_await context.call<Read>(server.pid);
      EXPECT_EQ(value, 7);
    }
    context.node().inspect({server.pid}, [&](std::vector<ProcessInfo> rows) {
      watchers = rows.at(0).monitored_by.size();
    });
    co_await context.sleep_for(1ms);
  });
  EXPECT_EQ(watchers, 0U);
}

}  // namespace
}  // namespace grove
