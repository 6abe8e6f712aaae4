// SPDX-License-Identifier: Apache-2.0
//
// Code that does not return, on real threads. OTP preempts, so there it holds up nobody and its
// process can be killed at any instruction; here the watchdog acts in its place, and its frames
// stay until it returns. Nothing depends on how fast: who has to be stuck waits at a gate.
#include "grove/node/supervisor.hpp"
#include "grove/testkit/local_world.hpp"

#include "support/wait_until.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;

struct Hold {};
struct Note {
  int number = 0;
};
struct Ask {
  using Reply = int;
};

/// Where code gets stuck until the test lets it go.
class Gate {
 public:
  void pass() {
    inside_.count_down();
    open_.wait();
  }
  /// Blocks until somebody is at the gate.
  void await_stuck() { inside_.wait(); }
  void open() {
    if (!opened_.exchange(true)) open_.count_down();
  }

 private:
  std::latch inside_{1};
  std::latch open_{1};
  std::atomic<bool> opened_{false};
};
using GatePtr = std::shared_ptr<Gate>;

/// One node on real threads with an impatient watchdog. The parameter: how many workers.
class Stuck : public testing::TestWithParam<unsigned> {
 protected:
  Stuck()
      : clock_{make_system_clock()},
        scheduler_{make_thread_scheduler(
            ThreadSchedulerOptions{.workers = GetParam(), .stuck_after = 1ms})},
        log_{std::make_shared<testkit::RecordingLog>()},
        node_{std::make_unique<Node>(NodeConfig{
            .name = "stuck", .clock = clock_.get(), .scheduler = scheduler_.get(), .log = log_})} {}
  ~Stuck() override {
    gate_->open();
    node_->kill_all();
    EXPECT_TRUE(node_->wait_until_empty(1min));
    node_.reset();
  }

  Node& node() { return *node_; }
  template <class F>
  auto run(F function) {
    auto result = node_->async(std::move(function));
    return testkit::value_of(result);
  }
  bool eventually(const std::function<bool()>& done) { return testkit::wait_until(*clock_, done); }
  [[nodiscard]] bool gone(const Pid& pid) {
    for (const Pid& other : node_->processes()) {
      if (other.index == pid.index) return false;
    }
    return node_->process_count() == 0;
  }
  /// Kills `pid` and waits for its DOWN.
  ExitReason kill(const Pid& pid, const ExitReason& reason = ExitReason::kill()) {
    return run([pid, reason](Context& context) -> Task<ExitReason> {
      context.monitor(pid);
      context.exit(pid, reason);
      const Down down = co_await context.receive<Down>();
      co_return down.reason;
    });
  }
  [[nodiscard]] std::size_t lines_with(std::string_view text) const {
    std::size_t found = 0;
    for (const auto& [level, line] : log_->lines()) {
      found += line.find(text) != std::string::npos ? 1 : 0;
    }
    return found;
  }

  GatePtr gate_ = std::make_shared<Gate>();

 private:
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Scheduler> scheduler_;
  std::shared_ptr<testkit::RecordingLog> log_;
  std::unique_ptr<Node> node_;
};

/// Gets stuck on a Hold, does `after` then; tells of notes and exits in the order they are handled.
class Holder final : public Handler {
 public:
  using After = std::function<void(Context&)>;
  Holder(GatePtr gate, Pid tell, After after)
      : gate_{std::move(gate)}, tell_{tell}, after_{std::move(after)} {}
  void handle(Context& context, Envelope& envelope) override {
    if (envelope.message.is<Hold>()) {
      gate_->pass();
      if (after_) after_(context);
    } else if (const Note* note = envelope.message.get<Note>()) {
      context.send(tell_, Note{note->number});
    } else if (envelope.message.is<Exit>()) {
      context.send(tell_, Note{-1});
    }
  }

 private:
  GatePtr gate_;
  Pid tell_;
  After after_;
};

class StuckProcess : public Stuck {
 protected:
  /// A holder that is stuck.
  Pid stuck_one(Pid tell = {}, SpawnOptions options = {}, Holder::After after = {}) {
    const Pid pid = node().spawn_opt<Holder>(std::move(options), gate_, tell, std::move(after));
    EXPECT_TRUE(node().register_name("holder", pid));
    node().send(pid, Hold{});
    gate_->await_stuck();
    return pid;
  }
};

Task<> echo(Context& context) {
  for (;;) {
    const EnvelopePtr ask = co_await context.receive_any();
    context.reply(From{ask->from, ask->serial}, 1);
  }
}

TEST_P(StuckProcess, HoldsUpNobodyAndIsNamedInTheLog) {
  const Pid pid = stuck_one();
  run([](Context& context) -> Task<> {
    const Pid other = context.spawn_link(echo);
    for (int i = 0; i < 1000; ++i) co_await context.call<Ask>(other);
  });
  const std::string who = to_string(pid) + " (holder) has been inside its handler of " +
                          std::string{k_message_type<Hold>.name};
  EXPECT_TRUE(eventually([&] { return lines_with(who) > 0; }));
  EXPECT_TRUE(node().is_alive(pid));
}

TEST_P(StuckProcess, IsDeadToAllAtOnceWhenItIsKilled) {
  const Pid pid = stuck_one();
  run([pid](Context& context) -> Task<> {
    context.trap_exit(true);
    context.link(pid);
    context.monitor(pid);
    context.exit(pid, ExitReason::kill());
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, pid);
    EXPECT_EQ(exit.reason, ExitReason::killed());
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::killed());
    EXPECT_FALSE(context.whereis("holder").has_value());
    EXPECT_TRUE(context.register_name("holder", context.self()));
    EXPECT_FALSE(context.node().is_alive(pid));
    try {
      co_await context.call<Ask>(pid);
      ADD_FAILURE() << "it has answered";
    } catch (const ProcessExit& failed) {
      EXPECT_EQ(failed.reason(), ExitReason::noproc());
    }
    // Its place is its own until its code has returned.
    for (int i = 0; i < 500; ++i) {
      const Spawned other = context.spawn_monitor([](Context&) -> Task<> { co_return; });
      EXPECT_NE(other.pid.index, pid.index);
      const auto is_it = [other](const Down& end) { return end.ref == other.ref; };
      co_await context.receive<Down>(is_it);
    }
  });
  EXPECT_GE(node().process_count(), 1U);
  gate_->open();
  EXPECT_TRUE(eventually([&] { return gone(pid); }));
}

class HoldingServer : public GenServer {
 public:
  using Handles = grove::Handles<Hold, Ask>;
  explicit HoldingServer(GatePtr gate) : gate_{std::move(gate)} {}
  void handle_cast(Hold) { gate_->pass(); }
  int handle_call(Ask) { return 7; }

 private:
  GatePtr gate_;
};

TEST_P(StuckProcess, IsReplacedByItsSupervisor) {
  std::promise<std::pair<Pid, Pid>> first;
  auto done = node().async([&](Context& context) -> Task<int> {
    SupervisorSpec spec;
    spec.children.push_back(child<HoldingServer>("one", gate_).as("one"));
    const StartResult supervisor = co_await start_supervisor(context, std::move(spec));
    EXPECT_TRUE(supervisor.ok());
    const Pid old = *context.whereis("one");
    context.cast(old, Hold{});
    first.set_value({context.self(), old});
    co_await context.receive<Note>();  // it is stuck
    context.exit(old, ExitReason::kill());
    for (;;) {
      const auto now = context.whereis("one");
      if (now && *now != old) co_return co_await context.call<Ask>(*now);
      co_await context.sleep_for(1ms);
    }
  });
  auto was = first.get_future();
  const auto [starter, old] = testkit::value_of(was);
  gate_->await_stuck();
  node().send(starter, Note{});
  EXPECT_EQ(testkit::value_of(done), 7);  // while the gate is still closed
  EXPECT_FALSE(node().is_alive(old));
}

TEST_P(StuckProcess, WhatItDoesAfterItsEndIsNothing) {
  const Pid tell = node().spawn([](Context& context) -> Task<> {
    const EnvelopePtr any = co_await context.receive_any();
    ADD_FAILURE() << "it got " << to_string(any->message);
  });
  std::promise<void> done;
  const Pid pid = stuck_one(tell, {}, [&done, tell](Context& context) {
    EXPECT_TRUE(context.doomed());
    context.send(tell, Note{1});
    context.cast(tell, Note{2});
    context.reply(From{tell, 3}, 3);
    context.send(Ref{tell.node, tell.index, 4}, Note{4});
    EXPECT_FALSE(context.spawn_link(echo));
    EXPECT_FALSE(context.spawn<Holder>(nullptr, tell, Holder::After{}));
    context.link(tell);
    context.monitor(tell);
    context.demonitor(context.monitor(tell, AliasMode::demonitor), Flush::yes);
    EXPECT_TRUE(context.unalias(context.alias()));
    EXPECT_FALSE(context.register_name("holder", context.self()));
    EXPECT_EQ(context.send_after(0s, tell, Note{5}), TimerId{});
    EXPECT_EQ(context.start_timer(0s, tell), TimerId{});
    EXPECT_THROW(static_cast<void>(context.call<Ask>(tell)), ProcessExit);
    context.exit(tell, ExitReason::kill());
    context.exit(context.self(), ExitReason::kill());
    context.unlink(tell);
    context.set_label("a ghost");
    context.trap_exit(true);
    context.stop(ExitReason::normal());
    done.set_value();
    throw std::runtime_error("after its end");
  });
  const std::size_t spawned = node().processes_spawned();
  EXPECT_EQ(kill(pid), ExitReason::killed());
  gate_->open();
  auto finished = done.get_future();
  testkit::value_of(finished);
  EXPECT_TRUE(eventually([&] { return node().process_count() == 1; }));
  EXPECT_TRUE(node().is_alive(tell));
  EXPECT_EQ(node().metrics().get(Metric::dead_letters_dead_sender), 4U);
  EXPECT_EQ(node().processes_spawned(), spawned + 1);  // kill()'s own
  EXPECT_EQ(lines_with("terminated"), 0U);
}

TEST_P(StuckProcess, SeesThatItIsDoomedAndKeepsItsPid) {
  std::promise<Pid> seen;
  const Pid pid = stuck_one({}, {}, [&seen](Context& context) {
    while (!context.doomed()) std::this_thread::yield();
    seen.set_value(context.self());
  });
  gate_->open();
  EXPECT_EQ(kill(pid), ExitReason::killed());
  auto last = seen.get_future();
  EXPECT_EQ(testkit::value_of(last), pid);
}

TEST_P(StuckProcess, AnswersInspection) {
  const Pid pid = stuck_one();
  for (int i = 0; i < 5; ++i) node().send(pid, Note{i});
  std::promise<std::vector<ProcessInfo>> rows;
  node().inspect({pid}, [&rows](std::vector<ProcessInfo> all) { rows.set_value(std::move(all)); });
  auto answer = rows.get_future();
  const std::vector<ProcessInfo> all = testkit::value_of(answer);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].name, "holder");
  EXPECT_EQ(all[0].mailbox, 5U);
}

// Signals act while it is stuck, messages wait: PRC-8, PRC-3.
TEST_P(StuckProcess, HandlesInOrderWhatCameMeanwhile) {
  std::promise<Pid> started;
  auto result = node().async([&](Context& context) -> Task<> {
    context.trap_exit(true);
    const Pid pid =
        context.spawn_opt<Holder>({.trap_exit = true}, gate_, context.self(), Holder::After{}).pid;
    context.send(pid, Hold{});
    for (int i = 0; i < 100; ++i) context.send(pid, Note{i});
    context.link(pid);
    const Ref ref = context.monitor(pid);
    const Ref dropped = context.monitor(pid);
    context.exit(pid, ExitReason::symbol("trapped"));
    context.exit(pid, ExitReason::normal());
    EXPECT_TRUE(context.demonitor(dropped));
    context.send(pid, Note{100});
    started.set_value(context.self());
    for (int i = 0; i < 100; ++i) {
      const Note note = co_await context.receive<Note>();
      EXPECT_EQ(note.number, i);
    }
    for (const int expected : {-1, -1, 100}) {
      const Note note = co_await context.receive<Note>();
      EXPECT_EQ(note.number, expected);
    }
    context.exit(pid, ExitReason::kill());
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.reason, ExitReason::killed());
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, ref);
    const auto second = co_await context.receive_for<Down>(0s);
    EXPECT_FALSE(second.has_value());
  });
  gate_->await_stuck();
  EXPECT_TRUE(eventually([&] { return lines_with("has been inside") > 0; }));
  auto all_sent = started.get_future();
  testkit::value_of(all_sent);
  gate_->open();
  testkit::value_of(result);
}

TEST_P(StuckProcess, IsNotEndedByNormal) {  // EXT-2
  std::promise<int> told;
  const Pid tell = node().spawn([&told](Context& context) -> Task<> {
    const Note note = co_await context.receive<Note>();
    told.set_value(note.number);
  });
  const Pid pid = stuck_one(tell);
  node().exit(pid, ExitReason::normal());
  node().send(pid, Note{5});
  EXPECT_TRUE(eventually([&] { return lines_with("has been inside") > 0; }));
  gate_->open();
  auto number = told.get_future();
  EXPECT_EQ(testkit::value_of(number), 5);
}

TEST_P(StuckProcess, EndsWithTheReasonOfAnySignalThatItDoesNotTrap) {  // EXT-1
  const Pid pid = stuck_one();
  EXPECT_EQ(kill(pid, ExitReason::symbol("boom")), ExitReason::symbol("boom"));
}

/// Says when it goes.
struct Local {
  explicit Local(std::atomic<bool>* flag) : gone{flag} {}
  Local(const Local&) = delete;
  ~Local() { *gone = true; }
  std::atomic<bool>* gone;
};

TEST_P(StuckProcess, AsACoroutineBetweenTwoAwaitsKeepsItsFramesUntilItReturns) {
  std::atomic<bool> local_gone{false};
  std::atomic<bool> went_on{false};
  const Pid pid = node().spawn([&, gate = gate_](Context& context) -> Task<> {
    const Local local{&local_gone};
    co_await context.receive<Hold>();
    gate->pass();
    co_await context.sleep_for(0s);
    went_on = true;
  });
  node().send(pid, Hold{});
  gate_->await_stuck();
  EXPECT_EQ(kill(pid), ExitReason::killed());
  EXPECT_FALSE(local_gone);
  gate_->open();
  EXPECT_TRUE(eventually([&] { return gone(pid); }));
  EXPECT_TRUE(local_gone);
  EXPECT_FALSE(went_on);
}

// -- destructors --------------------------------------------------------------------------------

struct StuckAtItsEnd {
  explicit StuckAtItsEnd(GatePtr where) : gate{std::move(where)} {}
  StuckAtItsEnd(const StuckAtItsEnd&) = delete;
  ~StuckAtItsEnd() { gate->pass(); }
  GatePtr gate;
};

using StuckDestructor = Stuck;

TEST_P(StuckDestructor, EndsTheLifeOnceAndTheOthersHearAtOnce) {
  std::promise<void> begun;
  const Pid pid = node().spawn([gate = gate_, &begun](Context& context) -> Task<> {
    const StuckAtItsEnd last{gate};
    begun.set_value();
    co_await context.receive<Hold>();
  });
  begun.get_future().wait();
  EXPECT_EQ(kill(pid), ExitReason::killed());
  gate_->await_stuck();
  gate_->open();
  EXPECT_TRUE(eventually([&] { return gone(pid); }));
  EXPECT_TRUE(node().processes().empty());
}

struct Burden {
  std::unique_ptr<StuckAtItsEnd> held;
};

TEST_P(StuckDestructor, OfAMessageThatWasHandledHoldsUpNobody) {
  class Keeper : public Handler {
   public:
    void handle(Context&, Envelope&) override {}  // the message ends after it
  };
  const Pid keeper = node().spawn<Keeper>();
  node().send(keeper, Burden{std::make_unique<StuckAtItsEnd>(gate_)});
  gate_->await_stuck();
  run([](Context& context) -> Task<> { co_await context.sleep_for(1ms); });
  EXPECT_EQ(kill(keeper), ExitReason::killed());
  gate_->open();
  EXPECT_TRUE(eventually([&] { return gone(keeper); }));
}

TEST_P(StuckDestructor, OfAMessageThatWasNeverReadHoldsUpNobody) {
  const Pid deaf =
      node().spawn([](Context& context) -> Task<> { co_await context.receive<Hold>(); });
  node().send(deaf, Burden{std::make_unique<StuckAtItsEnd>(gate_)});
  EXPECT_EQ(kill(deaf), ExitReason::killed());
  gate_->await_stuck();
  run([](Context& context) -> Task<> { co_await context.sleep_for(1ms); });
  gate_->open();
  EXPECT_TRUE(eventually([&] { return gone(deaf); }));
}

TEST_P(StuckDestructor, OfAMessageForTheDeadHoldsUpNobody) {
  const Pid dead = node().spawn([](Context&) -> Task<> { co_return; });
  EXPECT_TRUE(eventually([&] { return gone(dead); }));
  node().send(dead, Burden{std::make_unique<StuckAtItsEnd>(gate_)});
  gate_->await_stuck();
  EXPECT_EQ(kill(dead), ExitReason::noproc());
}

TEST_P(StuckDestructor, OfAMessageForThePlacesFormerLifeHoldsUpNobody) {
  Pid dead;
  Pid heir;
  run([&](Context& context) -> Task<> {
    do {  // soon, for the last place to be free is the next to be taken
      dead = context.spawn_monitor([](Context&) -> Task<> { co_return; }).pid;
      co_await context.receive<Down>();
      heir = context.spawn(echo);
    } while (heir.index != dead.index);
  });
  node().send(dead, Burden{std::make_unique<StuckAtItsEnd>(gate_)});
  gate_->await_stuck();
  EXPECT_EQ(kill(dead), ExitReason::noproc());
  EXPECT_EQ(kill(heir), ExitReason::killed());
}

TEST_P(StuckDestructor, OfAMessageThroughAnEndedAliasHoldsUpNobody) {
  std::promise<Ref> alias;
  const Pid pid = node().spawn([&alias](Context& context) -> Task<> {
    const Ref ref = context.alias();
    context.unalias(ref);
    alias.set_value(ref);
    co_await context.receive<Hold>();
  });
  run([this, ended = alias.get_future().get()](Context& context) -> Task<> {
    context.send(ended, Burden{std::make_unique<StuckAtItsEnd>(gate_)});
    co_return;
  });
  gate_->await_stuck();
  EXPECT_EQ(kill(pid), ExitReason::killed());
}

TEST_P(StuckDestructor, OfATimersMessageHoldsUpNobody) {
  const Pid pid = node().spawn([gate = gate_](Context& context) -> Task<> {
    context.send_after(1h, context.self(), Burden{std::make_unique<StuckAtItsEnd>(gate)});
    co_await context.receive<Hold>();
    co_await context.receive<Hold>();
  });
  node().send(pid, Hold{});
  EXPECT_TRUE(eventually([&] { return node().timer_count() == 1; }));
  EXPECT_EQ(kill(pid), ExitReason::killed());
  gate_->await_stuck();
  EXPECT_EQ(kill(pid), ExitReason::noproc());
}

TEST_P(StuckDestructor, OfACrashIsReportedOnce) {
  struct Crash final : Handler {
    explicit Crash(GatePtr where) : last{std::move(where)} {}
    void handle(Context&, Envelope&) override { throw std::runtime_error("boom"); }
    StuckAtItsEnd last;
  };
  const Pid pid = node().spawn<Crash>(gate_);
  run([pid](Context& context) -> Task<> {
    context.monitor(pid);
    context.send(pid, Hold{});
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::error("std::runtime_error", "boom"));
  });
  gate_->open();
  EXPECT_TRUE(eventually([&] { return gone(pid); }));
  EXPECT_EQ(lines_with("terminated"), 1U);
  EXPECT_EQ(node().metrics().get(Metric::processes_crashed), 1U);
}

TEST_P(StuckDestructor, OfACoroutineThatHasReturned) {
  const Pid pid = node().spawn([gate = gate_](Context& context) -> Task<> {
    const StuckAtItsEnd last{gate};
    co_await context.receive<Hold>();
    co_return;
  });
  node().send(pid, Hold{});
  gate_->await_stuck();
  EXPECT_EQ(kill(pid), ExitReason::killed());
  gate_->open();
  EXPECT_TRUE(eventually([&] { return gone(pid); }));
}

// -- predicates -----------------------------------------------------------------------------------

using StuckPredicate = Stuck;

TEST_P(StuckPredicate, KeepsItsMessagesWhenItsProcessIsKilled) {
  for (const bool answer : {false, true}) {
    const auto gate = std::make_shared<Gate>();
    std::atomic<bool> went_on{false};
    const Pid pid = node().spawn([&went_on, gate, answer](Context& context) -> Task<> {
      co_await context.receive<Hold>();
      const auto is_it = [gate, answer](const Note& note) {
        if (note.number != 1) return false;
        gate->pass();
        return answer && note.number == 1;  // reads it again
      };
      co_await context.receive<Note>(is_it);
      went_on = true;
    });
    for (int i = 0; i < 4; ++i) node().send(pid, Note{i});
    node().send(pid, Hold{});
    gate->await_stuck();
    EXPECT_EQ(kill(pid), ExitReason::killed());
    gate->open();
    EXPECT_TRUE(eventually([&] { return gone(pid); }));
    EXPECT_FALSE(went_on);
  }
}

TEST_P(StuckPredicate, KeepsItsMessagesWhenTheOldestShouldGo) {
  std::promise<int> told;
  const Pid pid = node().spawn_opt({.mailbox = {2, MailboxPolicy::drop_oldest}},
                                   [&told, gate = gate_](Context& context) -> Task<> {
                                     const auto is_it = [gate](const Note& note) {
                                       if (note.number == 1) gate->pass();
                                       return note.number == 9;
                                     };
                                     const Note note = co_await context.receive<Note>(is_it);
                                     told.set_value(note.number);
                                   });
  for (int i = 0; i < 2; ++i) node().send(pid, Note{i});
  gate_->await_stuck();
  for (int i = 2; i < 9; ++i) node().send(pid, Note{i});
  EXPECT_TRUE(eventually([&] { return lines_with("has been inside") > 0; }));
  gate_->open();
  node().send(pid, Note{9});
  auto number = told.get_future();
  EXPECT_EQ(testkit::value_of(number), 9);
}

std::string workers_of(const testing::TestParamInfo<unsigned>& info) {
  return std::to_string(info.param);
}
INSTANTIATE_TEST_SUITE_P(Workers, StuckProcess, testing::Values(1U, 2U), workers_of);
INSTANTIATE_TEST_SUITE_P(Workers, StuckDestructor, testing::Values(1U, 2U), workers_of);
INSTANTIATE_TEST_SUITE_P(Workers, StuckPredicate, testing::Values(1U, 2U), workers_of);

}  // namespace
}  // namespace grove
