// SPDX-License-Identifier: Apache-2.0
//
// The runtime's promises under real threads and real time, with 1, 2 and 4 workers. Nothing here
// sleeps or looks at the clock: a test waits for messages, futures and latches, and a lost wake-up
// shows as a test that never ends.
#include "grove/node/gen_server.hpp"
#include "grove/node/node.hpp"

#include "support/real_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <latch>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::RealWorld;

class Stress : public testing::TestWithParam<unsigned> {};

INSTANTIATE_TEST_SUITE_P(Workers, Stress, testing::Values(1U, 2U, 4U),
                         testing::PrintToStringParamName());

struct Ping {
  int number = 0;
};
struct Pong {
  int number = 0;
};
struct Target {
  Pid pid;
};
struct Done {};

Task<> wait_for_ever(Context& context) {
  for (;;) co_await context.receive_any();
}

Task<> quit(Context& context, ExitReason reason) {
  context.exit(reason);
  co_return;
}

Task<> kill_each(Context& context) {
  for (;;) {
    const Target victim = co_await context.receive<Target>();
    context.exit(victim.pid, ExitReason::kill());
  }
}

/// Keeps its worker busy for ever, one message at a time.
class Busy final : public Handler {
 public:
  explicit Busy(std::atomic<std::uint64_t>* turns) : turns_{turns} {}
  void handle(Context& context, Envelope&) override {
    turns_->fetch_add(1, std::memory_order_relaxed);
    context.send(context.self(), Ping{});
  }

 private:
  std::atomic<std::uint64_t>* turns_;
};

// -- links, monitors, names -----------------------------------------------------------------

TEST_P(Stress, EveryMonitorOfAKilledChildFiresOnceAndItsLinkToo) {
  RealWorld world{GetParam()};
  const std::size_t leftovers = world.run([](Context& context) -> Task<std::size_t> {
    context.trap_exit(true);
    const std::array killers{context.spawn(kill_each), context.spawn(kill_each)};
    for (int round = 0; round < 10; ++round) {
      std::set<Ref> armed;
      std::set<Pid> linked;
      for (int i = 0; i < 50; ++i) {
        const Pid child = context.spawn_link(wait_for_ever);
        linked.insert(child);
        armed.insert(context.monitor(child));
        for (const Pid& killer : killers) context.send(killer, Target{child});
        armed.insert(context.monitor(child));  // races with its death
      }
      while (!armed.empty()) {
        const Down down = co_await context.receive<Down>();
        EXPECT_EQ(armed.erase(down.ref), 1U) << "a monitor fired twice";
        EXPECT_TRUE(down.reason == ExitReason::killed() || down.reason == ExitReason::noproc());
      }
      while (!linked.empty()) {
        const Exit exit = co_await context.receive<Exit>();
        EXPECT_EQ(linked.erase(exit.from), 1U) << "a link fired twice";
        EXPECT_EQ(exit.reason, ExitReason::killed());
      }
    }
    std::size_t found = 0;
    while (co_await context.receive_any(Clock::Duration::zero())) ++found;
    co_return found;
  });
  EXPECT_EQ(leftovers, 0U);
}

/// Links to and unlinks from its peer at random, then answers pings.
Task<> wavering_peer(Context& context, Pid boss, std::uint64_t seed) {
  Random random{seed};
  const Target peer = co_await context.receive<Target>();
  for (int i = 0; i < 1000; ++i) {
    if (random.percent(50)) {
      context.link(peer.pid);
    } else {
      context.unlink(peer.pid);
    }
    if (i % 16 != 15) continue;
    context.send(context.self(), Ping{i});  // a chance to hear what the peer did
    co_await context.receive<Ping>();
  }
  context.send(boss, Done{});
  for (;;) {
    const Ping ping = co_await context.receive<Ping>();
    context.send(boss, Pong{ping.number});
  }
}

bool lists(const std::vector<ProcessInfo>& rows, const Pid& of, const Pid& pid) {
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const ProcessInfo& info) { return info.pid == of; });
  return row != rows.end() &&
         std::find(row->links.begin(), row->links.end(), pid) != row->links.end();
}

TEST_P(Stress, BothEndsAgreeOnALinkAfterRandomLinksAndUnlinks) {
  constexpr int k_pairs = 100;
  RealWorld world{GetParam()};
  world.run([](Context& context) -> Task<> {
    std::vector<Pid> pids;
    for (std::uint64_t i = 0; i < 2 * std::uint64_t{k_pairs}; ++i) {
      pids.push_back(context.spawn(wavering_peer, context.self(), i));
    }
    for (std::size_t i = 0; i < pids.size(); ++i) context.send(pids[i], Target{pids[i ^ 1U]});
    for (std::size_t i = 0; i < pids.size(); ++i) co_await context.receive<Done>();
    std::vector<ProcessInfo> rows;
    context.node().inspect(pids, [&](std::vector<ProcessInfo> answered) {
      rows = std::move(answered);
      context.node().send(context.self(), Done{});
    });
    co_await context.receive<Done>();
    EXPECT_EQ(rows.size(), pids.size());
    const ExitReason boom = ExitReason::symbol("boom");
    for (std::size_t i = 0; i < pids.size(); i += 2) {
      const Pid left = pids[i];
      const Pid right = pids[i + 1];
      const bool linked = lists(rows, left, right);
      EXPECT_EQ(linked, lists(rows, right, left)) << "one-sided link";
      context.monitor(left);
      context.exit(left, boom);
      const Down first = co_await context.receive<Down>();
      EXPECT_EQ(first.pid, left);
      const Ref ref = context.monitor(right);  // these come after the exit signal of a link
      context.send(right, Ping{static_cast<int>(i)});
      const EnvelopePtr second = co_await context.receive_any();
      if (const Down* down = second->message.get<Down>()) {
        EXPECT_TRUE(linked) << "died of a link that both had removed";
        EXPECT_TRUE(down->reason == boom || down->reason == ExitReason::noproc());
      } else {
        EXPECT_TRUE(second->message.is<Pong>() && !linked) << "survived the end of its link";
        context.demonitor(ref);
      }
    }
  });
}

/// Names one victim after the other and kills them; nobody else kills them.
Task<> hammer_name(Context& context, Pid boss, std::string name, int rounds) {
  int taken = 0;
  for (int i = 0; i < rounds; ++i) {
    const Pid victim = context.spawn(wait_for_ever);
    const auto registered = context.register_name(name, victim);
    if (registered) {
      ++taken;
      EXPECT_EQ(context.whereis(name), victim);
    } else {
      EXPECT_EQ(registered.error().code, Errc::name_taken);
    }
    const Ref ref = context.monitor(victim);
    context.exit(victim, ExitReason::kill());
    if (i % 2 == 0) continue;  // the next one meets a name that is about to go
    const auto is_its_end = [ref](const Down& down) { return down.ref == ref; };
    co_await context.receive<Down>(is_its_end);
    EXPECT_NE(context.whereis(name), victim) << "a name outlived the DOWN of its process";
  }
  context.send(boss, Pong{taken});
}

TEST_P(Stress, ANameNeverPointsElsewhereWhileItsHoldersAreKilled) {
  RealWorld world{GetParam()};
  const int taken = world.run([](Context& context) -> Task<int> {
    const std::string name = "hammered";
    for (int i = 0; i < 4; ++i) context.spawn(hammer_name, context.self(), name, 200);
    int total = 0;
    for (int i = 0; i < 4; ++i) {
      const Pong pong = co_await context.receive<Pong>();
      total += pong.number;
    }
    co_return total;
  });
  EXPECT_GT(taken, 0);
}

TEST_P(Stress, ANameIsFreeOnceItsHoldersDownIsSeen) {
  RealWorld world{GetParam()};
  world.run([](Context& context) -> Task<> {
    for (int i = 0; i < 300; ++i) {
      const Spawned holder = context.spawn_monitor(wait_for_ever);
      const auto registered = context.register_name("single", holder.pid);
      EXPECT_TRUE(registered.has_value());
      context.exit(holder.pid, ExitReason::kill());
      co_await context.receive<Down>();
      EXPECT_EQ(context.whereis("single"), std::nullopt);
    }
  });
}

TEST_P(Stress, DemonitorRacingADeathLeavesNoDownBehind) {
  RealWorld world{GetParam()};
  world.run([](Context& context) -> Task<> {
    Random random{GetParam()};
    std::set<Ref> owed;  // demonitor() said that their DOWN is in the mailbox already
    context.trap_exit(true);
    for (int i = 0; i < 1000; ++i) {
      const Pid child = context.spawn_link(quit, ExitReason::symbol("gone"));
      const Ref ref = context.monitor(child);
      if (random.percent(50)) {
        context.send(context.self(), Ping{i});  // lets some time pass
        co_await context.receive<Ping>();
      }
      if (random.percent(50)) {
        context.demonitor(ref, Flush::yes);
      } else if (!context.demonitor(ref)) {
        owed.insert(ref);
      }
      co_await context.receive<Exit>();
    }
    while (const auto down = co_await context.receive_for<Down>(0ms)) {
      EXPECT_EQ(owed.erase(down->ref), 1U) << "a DOWN after its demonitor()";
    }
    EXPECT_TRUE(owed.empty());
  });
}

// -- calls ----------------------------------------------------------------------------------

struct Next {
  using Reply = int;
};

/// Counts up to its limit and ends with `full`.
class Meter : public GenServer {
 public:
  using Handles = grove::Handles<Next>;
  explicit Meter(int limit) : left_{limit} {}
  int handle_call(Next) {
    if (--left_ == 0) stop(ExitReason::symbol("full"));
    return left_;
  }

 private:
  int left_;
};

Task<> call_until_it_fails(Context& context, Pid server, Pid boss) {
  int answered = 0;
  ExitReason end;
  try {
    for (;; ++answered) co_await context.call_for<Next>(std::nullopt, server);
  } catch (const ProcessExit& failed) {
    end = failed.reason();
  }
  EXPECT_TRUE(end == ExitReason::killed() || end == ExitReason::noproc() ||
              end == ExitReason::symbol("full"))
      << to_string(end);
  context.send(boss, Pong{answered});
}

TEST_P(Stress, EveryCallEndsWithAReplyOrTheServersExit) {
  static constexpr int k_limit = 20;
  RealWorld world{GetParam()};
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    for (int round = 0; round < 60; ++round) {
      const StartResult server = co_await start_link<Meter>(context, k_limit);
      for (int i = 0; i < 4; ++i) context.spawn(call_until_it_fails, server.pid, context.self());
      if (round % 2 == 0) context.exit(server.pid, ExitReason::kill());
      int answered = 0;
      for (int i = 0; i < 4; ++i) {
        const Pong pong = co_await context.receive<Pong>();
        answered += pong.number;
      }
      EXPECT_LE(answered, k_limit);
      EXPECT_TRUE(answered == k_limit || round % 2 == 0) << answered;
      co_await context.receive<Exit>();
    }
  });
}

// -- spawning and ending --------------------------------------------------------------------

Task<> spawn_many(Context& context, Pid boss, int count) {
  for (int i = 0; i < count; ++i) context.spawn_monitor(quit, ExitReason::symbol("gone"));
  for (int i = 0; i < count; ++i) {
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::symbol("gone"));  // never noproc
  }
  context.send(boss, Done{});
}

TEST_P(Stress, ManyProcessesSpawnAtOnce) {
  RealWorld world{GetParam()};
  world.run([](Context& context) -> Task<> {
    for (int i = 0; i < 8; ++i) context.spawn(spawn_many, context.self(), 200);
    for (int i = 0; i < 8; ++i) co_await context.receive<Done>();
  });
  EXPECT_EQ(world.node().processes_spawned(), 1U + 8 + 8 * 200);
}

Task<> request_many(Context& context, Pid boss, int count) {
  context.trap_exit(true);
  for (int i = 0; i < count; ++i) {
    context.spawn_request({.link = true, .monitor = true}, quit, ExitReason::symbol("gone"));
    const EnvelopePtr first = co_await context.receive_any();
    EXPECT_TRUE(first->message.is<SpawnReply>());
    const Exit exit = co_await context.receive<Exit>();
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(exit.reason, ExitReason::symbol("gone"));  // never noproc
    EXPECT_EQ(down.reason, ExitReason::symbol("gone"));
  }
  context.send(boss, Done{});
}

TEST_P(Stress, TheAnswerToASpawnRequestPrecedesTheChildsEnd) {
  RealWorld world{GetParam()};
  world.run([](Context& context) -> Task<> {
    for (int i = 0; i < 8; ++i) context.spawn(request_many, context.self(), 200);
    for (int i = 0; i < 8; ++i) co_await context.receive<Done>();
  });
}

Task<> spawn_links_for_ever(Context& context, Pid boss) {
  for (;;) {
    context.send(boss, Target{context.spawn_link(wait_for_ever)});
    context.send(context.self(), Ping{});
    co_await context.receive<Ping>();
  }
}

TEST_P(Stress, AParentKilledWhileItSpawnsLinksLeavesNoOrphan) {
  RealWorld world{GetParam()};
  world.run([](Context& context) -> Task<> {
    for (int round = 0; round < 50; ++round) {
      const Spawned parent = context.spawn_monitor(spawn_links_for_ever, context.self());
      for (int i = 0; i < 5; ++i) {
        const Target child = co_await context.receive<Target>();
        context.monitor(child.pid);
      }
      context.exit(parent.pid, ExitReason::kill());
      int pending = 1 + 5;
      // The parent's last messages come before its DOWN.
      while (pending > 0) {
        const Down down = co_await context.receive<Down>();
        --pending;
        if (down.pid != parent.pid) continue;
        while (const auto child = co_await context.receive_for<Target>(0ms)) {
          context.monitor(child->pid);
          ++pending;
        }
      }
    }
  });
}

Task<> spawn_for_ever(Context& context, std::atomic<std::uint64_t>* turns) {
  for (;;) {
    turns->fetch_add(1, std::memory_order_relaxed);
    context.spawn_link(wait_for_ever);
    const Spawned child = context.spawn_monitor(quit, ExitReason::normal());
    co_await context.receive<Down>();
    context.exit(child.pid, ExitReason::kill());  // a signal for a place that may be free
  }
}

/// One worker: nobody answers the late signals before the spawns.
TEST(Stress, SpawnsWhileEveryFreePlaceHasALateSignalToAnswer) {
  RealWorld world{1};
  world.run([](Context& context) -> Task<> {
    std::vector<Pid> dead;
    for (int child = 0; child < 1000; ++child) {
      dead.push_back(context.spawn([](Context&) -> Task<> { co_return; }));
    }
    for (const Pid& pid : dead) context.monitor(pid);
    for (int down = 0; down < 1000; ++down) co_await context.receive<Down>();
    for (const Pid& pid : dead) context.exit(pid, ExitReason::kill());
    for (int child = 0; child < 100; ++child) {
      EXPECT_TRUE(context.spawn([](Context&) -> Task<> { co_return; }));
    }
  });
}

TEST(StressStop, ABusyNodeEndsAndGoesWhileItsWorkersRun) {
  for (const unsigned workers : {1U, 2U, 4U}) {
    const auto clock = make_system_clock();
    const auto scheduler = make_thread_scheduler(workers);
    for (int round = 0; round < 10; ++round) {
      std::atomic<std::uint64_t> turns{0};
      Node node{{.name = "busy", .clock = clock.get(), .scheduler = scheduler.get()}};
      for (int i = 0; i < 4; ++i) node.spawn(spawn_for_ever, &turns);
      for (int i = 0; i < 4; ++i) node.send(node.spawn<Busy>(&turns), Ping{});
      while (turns.load(std::memory_order_relaxed) < 200) std::this_thread::yield();
      node.kill_all();
      EXPECT_TRUE(node.wait_until_empty(1min));
      EXPECT_EQ(node.process_count(), 0U);
      EXPECT_TRUE(node.processes().empty());
    }
  }
}

TEST_P(Stress, ASpawnRacingKillAllIsKilledToo) {
  for (int round = 0; round < 100; ++round) {
    RealWorld world{GetParam()};
    std::latch start{2};
    std::thread spawner{[&] {
      start.arrive_and_wait();
      for (int i = 0; i < 5; ++i) world.node().spawn(wait_for_ever);
    }};
    start.arrive_and_wait();
    world.node().kill_all();
    spawner.join();
  }
}

TEST_P(Stress, WaitUntilEmptyNeedsNoKill) {
  RealWorld world{GetParam()};
  for (int i = 0; i < 50; ++i) world.node().spawn(quit, ExitReason::normal());
  EXPECT_TRUE(world.node().wait_until_empty(1h));
}

// -- the scheduler --------------------------------------------------------------------------

TEST_P(Stress, ForeignThreadsSendAndSpawn) {
  constexpr int k_threads = 4;
  constexpr int k_messages = 1000;
  std::promise<bool> in_order;
  RealWorld world{GetParam()};
  const Pid sink = world.node().spawn([&in_order](Context& context) -> Task<> {
    std::array<int, k_threads> next{};
    bool ordered = true;
    for (int i = 0; i < k_threads * k_messages; ++i) {
      const Ping ping = co_await context.receive<Ping>();
      ordered &=
          next[static_cast<std::size_t>(ping.number % k_threads)]++ == ping.number / k_threads;
    }
    in_order.set_value(ordered);
  });
  std::vector<std::thread> threads;
  for (int thread = 0; thread < k_threads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < k_messages; ++i) {
        world.node().send(sink, Ping{i * k_threads + thread});
        if (i % 10 == 0) world.node().spawn(quit, ExitReason::normal());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(in_order.get_future().get());
}

TEST_P(Stress, EveryWorkerGetsWork) {
  RealWorld world{GetParam()};
  for (int round = 0; round < 50; ++round) {
    std::latch everybody{static_cast<std::ptrdiff_t>(GetParam())};
    world.run([&everybody](Context& context) -> Task<> {
      const auto meet = [](Context&, std::latch* latch) -> Task<> {
        latch->arrive_and_wait();  // blocks its worker until all the others run one of us too
        co_return;
      };
      for (unsigned i = 0; i < GetParam(); ++i) context.spawn_monitor(meet, &everybody);
      for (unsigned i = 0; i < GetParam(); ++i) co_await context.receive<Down>();
    });
  }
}

TEST_P(Stress, NoWakeUpIsLostBetweenAThreadAndAProcess) {
  constexpr int k_rounds = 10'000;
  std::atomic<int> seen{0};
  RealWorld world{GetParam()};
  const Pid process = world.node().spawn([&seen](Context& context) -> Task<> {
    for (;;) {
      const Ping ping = co_await context.receive<Ping>();
      seen.store(ping.number);
      seen.notify_one();
    }
  });
  for (int round = 1; round <= k_rounds; ++round) {
    world.node().send(process, Ping{round});
    seen.wait(round - 1);
  }
  EXPECT_EQ(seen.load(), k_rounds);
}

// -- timers ---------------------------------------------------------------------------------

Task<> wait_and_cancel(Context& context, Pid boss, std::uint64_t seed) {
  Random random{seed};
  const auto soon = [&random] { return std::chrono::microseconds{random.below(500)}; };
  for (int i = 0; i < 20; ++i) {
    const auto never = co_await context.receive_for<Pong>(soon());
    EXPECT_FALSE(never.has_value());
    const auto timer = context.send_after(soon(), context.self(), Ping{i});
    if (random.percent(50)) co_await context.sleep_for(soon());
    if (context.cancel_timer(timer)) continue;
    const Ping ping = co_await context.receive<Ping>();  // it was on its way
    EXPECT_EQ(ping.number, i);
  }
  const auto late = co_await context.receive_for<Ping>(1ms);
  EXPECT_FALSE(late.has_value()) << "a cancelled timer fired";
  context.send(boss, Done{});
}

TEST_P(Stress, TimersFireOrAreCancelledWhileEveryWorkerIsBusy) {
  std::atomic<std::uint64_t> turns{0};
  RealWorld world{GetParam()};
  for (unsigned i = 0; i < 2 * GetParam(); ++i) {
    world.node().send(world.node().spawn<Busy>(&turns), Ping{});
  }
  world.run([](Context& context) -> Task<> {
    for (std::uint64_t i = 0; i < 50; ++i) context.spawn(wait_and_cancel, context.self(), i);
    for (int i = 0; i < 50; ++i) co_await context.receive<Done>();
  });
}

}  // namespace
}  // namespace grove
