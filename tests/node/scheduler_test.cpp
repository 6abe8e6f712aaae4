// SPDX-License-Identifier: Apache-2.0
//
// The scheduler by itself, with runnables that are no processes. Nothing here waits for time to
// pass: who has to be stuck waits on a latch, or for the watchdog's word that it is.
#include "grove/core/scheduler.hpp"

#include "grove/testkit/local_world.hpp"

#include "support/work.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <functional>
#include <future>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;

using testkit::held_by;
using testkit::once;
using testkit::Work;

/// Says that it is stuck as soon as the watchdog does.
class Told {
 public:
  explicit Told(Work& work) {
    work.on_stuck = [this](Clock::Duration) {
      told_.store(true);
      told_.notify_all();
    };
  }
  void wait() const { told_.wait(false); }
  [[nodiscard]] bool yet() const { return told_.load(); }

 private:
  std::atomic<bool> told_{false};
};

constexpr ThreadSchedulerOptions k_quick{.stuck_after = 1ms};

std::unique_ptr<Scheduler> quick_scheduler(unsigned workers) {
  ThreadSchedulerOptions options = k_quick;
  options.workers = workers;
  return make_thread_scheduler(options);
}

// -- the watchdog ---------------------------------------------------------------------------

class Watchdog : public testing::TestWithParam<unsigned> {
 protected:
  std::unique_ptr<Scheduler> scheduler_ = quick_scheduler(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Workers, Watchdog, testing::Values(1U, 2U, 4U),
                         testing::PrintToStringParamName());

TEST_P(Watchdog, WhatDoesNotReturnStallsOnlyItself) {
  constexpr int k_others = 20;
  std::latch release{1};
  std::latch others_ran{k_others};
  std::latch stuck_one_returned{1};
  std::deque<Work> others;
  for (int i = 0; i < k_others; ++i) others.emplace_back(once([&] { others_ran.count_down(); }));
  Work stuck{[&](Turn& turn) {
    for (Work& other : others) scheduler_->submit(other);  // the last one stays in the slot
    held_by(release)(turn);
    stuck_one_returned.count_down();
    return false;
  }};
  scheduler_->submit(stuck);
  others_ran.wait();
  release.count_down();
  stuck_one_returned.wait();
  scheduler_->stop();
}

TEST_P(Watchdog, MoreRunnablesThanWorkersMayBeStuckAtOnce) {
  const auto count = static_cast<std::ptrdiff_t>(GetParam()) + 3;
  std::latch all_inside{count};
  std::latch release{1};
  std::latch other_ran{1};
  std::deque<Work> stuck;
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    stuck.emplace_back([&](Turn& turn) {
      const UserCode inside{turn};
      all_inside.arrive_and_wait();
      release.wait();
      return false;
    });
  }
  for (Work& work : stuck) scheduler_->submit(work);
  all_inside.wait();
  Work other{once([&] { other_ran.count_down(); })};
  scheduler_->submit(other);
  other_ran.wait();
  release.count_down();
  scheduler_->stop();
}

TEST_P(Watchdog, WhoComesBackHasNoWorkerAndItsWorkGoesOn) {
  std::promise<unsigned> worker_after;
  std::promise<unsigned> worker_of_second_run;
  std::latch submitted_ran{1};
  Work submitted{once([&] { submitted_ran.count_down(); })};
  Told* told = nullptr;
  Work work{[&, runs = 0](Turn& turn) mutable {
    if (++runs == 2) {
      worker_of_second_run.set_value(turn.worker());
      return false;
    }
    EXPECT_LT(turn.worker(), scheduler_->workers());
    turn.enter_user_code();
    told->wait();
    scheduler_->submit(submitted);  // from user code, by a thread that has lost its seat
    turn.leave_user_code();
    worker_after.set_value(turn.worker());
    return true;
  }};
  Told hears{work};
  told = &hears;
  scheduler_->submit(work);
  EXPECT_EQ(worker_after.get_future().get(), k_no_worker);
  submitted_ran.wait();
  EXPECT_LT(worker_of_second_run.get_future().get(), scheduler_->workers());
  scheduler_->stop();
}

TEST_P(Watchdog, TellsWithGrowingDurationsAndNeverBesideRuntimeCode) {
  constexpr std::size_t k_tellings = 5;
  // Shared by stuck() and by run() outside user code, without a lock: a race is tsan's to find.
  std::vector<Clock::Duration> durations;
  std::atomic<std::size_t> count{0};
  std::promise<std::vector<Clock::Duration>> result;
  Work work{[&](Turn& turn) {
    for (int episode = 0; episode < 2; ++episode) {
      durations.push_back(Clock::Duration::zero());
      count.store(0);
      const UserCode inside{turn};
      for (std::size_t seen = 0; seen < k_tellings; seen = count.load()) {
        count.wait(seen);
        const RuntimeSection section{turn};  // does not begin a new piece of user code
        durations.shrink_to_fit();
      }
    }
    result.set_value(durations);
    return false;
  }};
  work.on_stuck = [&](Clock::Duration duration) {
    durations.push_back(duration);
    ++count;
    count.notify_all();
  };
  scheduler_->submit(work);
  durations = result.get_future().get();
  int episodes = 0;
  for (std::size_t i = 0; i < durations.size(); ++i) {
    if (durations[i] == Clock::Duration::zero()) {
      ++episodes;
    } else if (durations[i - 1] == Clock::Duration::zero()) {
      EXPECT_GE(durations[i], k_quick.stuck_after);
    } else {
      EXPECT_GT(durations[i], durations[i - 1]);
    }
  }
  EXPECT_EQ(episodes, 2);
  EXPECT_GE(durations.size(), 2 * k_tellings);
  scheduler_->stop();
}

TEST_P(Watchdog, IsWokenFromItsDoze) {
  for (int round = 0; round < 20; ++round) {
    Told* told = nullptr;
    std::latch returned{1};
    Work work{[&](Turn& turn) {
      {
        const UserCode inside{turn};
        told->wait();
      }
      returned.count_down();
      return false;
    }};
    Told hears{work};
    told = &hears;
    scheduler_->submit(work);
    returned.wait();
    // Long enough for it to doze off, mostly; when not, this round shows less.
    std::promise<void> never;
    never.get_future().wait_for(std::chrono::milliseconds{20});
  }
  scheduler_->stop();
}

TEST(WatchdogWithoutSpares, TheOtherWorkerGetsWhatTheStuckOneHas) {
  constexpr int k_others = 10;
  ThreadSchedulerOptions options = k_quick;
  options.workers = 2;
  options.spare_threads_max = 0;
  const auto scheduler = make_thread_scheduler(options);
  std::latch release{1};
  std::latch others_ran{k_others};
  std::deque<Work> others;
  for (int i = 0; i < k_others; ++i) others.emplace_back(once([&] { others_ran.count_down(); }));
  std::atomic<bool> done{false};
  std::latch busy_one_runs{1};
  // Keeps the other worker busy: it takes nothing from queues, only what is laid before all.
  Work busy{[&, first = true](Turn&) mutable {
    if (std::exchange(first, false)) busy_one_runs.count_down();
    return !done.load();
  }};
  Work stuck{[&](Turn& turn) {
    for (Work& other : others) scheduler->submit(other);
    return held_by(release)(turn);
  }};
  scheduler->submit(busy);
  busy_one_runs.wait();
  scheduler->submit(stuck);
  others_ran.wait();
  done.store(true);
  release.count_down();
  scheduler->stop();
}

TEST(WatchdogWithoutSpares, TheOnlyWorkerGoesOnWhenItComesBack) {
  ThreadSchedulerOptions options = k_quick;
  options.workers = 1;
  options.spare_threads_max = 0;
  const auto scheduler = make_thread_scheduler(options);
  std::latch other_ran{1};
  Work other{once([&] { other_ran.count_down(); })};
  Told* told = nullptr;
  Work stuck{[&](Turn& turn) {
    scheduler->submit(other);
    const UserCode inside{turn};
    told->wait();
    return false;
  }};
  Told hears{stuck};
  told = &hears;
  scheduler->submit(stuck);
  other_ran.wait();
  scheduler->stop();
}

TEST(StoppedScheduler, WaitsForWhatIsStuck) {
  const auto scheduler = quick_scheduler(1);
  std::latch release{1};
  std::latch inside{1};
  std::atomic<bool> returned{false};
  Work stuck{[&](Turn& turn) {
    inside.count_down();
    held_by(release)(turn);
    returned.store(true);
    return false;
  }};
  Told told{stuck};
  scheduler->submit(stuck);
  inside.wait();
  told.wait();
  std::thread stopper{[&] {
    scheduler->stop();
    EXPECT_TRUE(returned.load());
  }};
  release.count_down();
  stopper.join();
}

// Every runnable is now and then stuck, for about as long as the watchdog waits: claims are laid,
// taken back and acknowledged all the time. `touched` is run()'s outside user code and stuck()'s.
void run_in_and_out_of_user_code(bool use_membarrier, unsigned workers) {
  constexpr int k_runnables = 12;
  constexpr int k_turns = 60;
  const auto scheduler = make_thread_scheduler({.workers = workers,
                                                .stuck_after = 100us,
                                                .spare_threads_max = 6,
                                                .use_membarrier = use_membarrier});
  std::latch done{k_runnables};
  std::deque<Work> runnables;
  std::deque<std::uint64_t> touched(k_runnables);
  std::deque<Work> children;
  std::mutex children_mutex;
  std::atomic<int> children_run{0};
  for (int i = 0; i < k_runnables; ++i) {
    auto& mine = touched[static_cast<std::size_t>(i)];
    runnables.emplace_back([&, left = k_turns, random = Random{static_cast<std::uint64_t>(i) + 1}](
                               Turn& turn) mutable {
      for (int piece = 0; piece < 4; ++piece) {
        ++mine;
        const UserCode inside{turn};
        const auto spins = random.percent(10) ? random.below(400) : 0;
        for (std::uint64_t spin = 0; spin < spins; ++spin) std::this_thread::yield();
        if (random.percent(20)) {
          const RuntimeSection section{turn};
          ++mine;
          const std::lock_guard lock{children_mutex};
          scheduler->submit(children.emplace_back(once([&] { ++children_run; })));
        }
      }
      if (--left > 0) return true;
      done.count_down();
      return false;
    });
    runnables.back().on_stuck = [&mine](Clock::Duration) { ++mine; };
  }
  for (Work& work : runnables) scheduler->submit(work);
  done.wait();
  while (children_run.load() < static_cast<int>(children.size())) std::this_thread::yield();
  scheduler->stop();
}

TEST_P(Watchdog, ClaimsComeAndGoWhileRunnablesDo) { run_in_and_out_of_user_code(true, GetParam()); }
TEST_P(Watchdog, NeedsNoMembarrier) { run_in_and_out_of_user_code(false, GetParam()); }

// -- priorities -----------------------------------------------------------------------------

/// Runnables that write down their names when they run.
struct Recorder {
  Work& add(char name, Priority priority, int runs = 1) {
    return works.emplace_back(
        [this, name, left = runs](Turn&) mutable {
          order.push_back(name);
          return --left > 0;
        },
        priority);
  }
  std::string order;
  std::deque<Work> works;
};

TEST(Priorities, TheHighestOfAllThatAreReadyGoesFirst) {
  SeededScheduler scheduler{nullptr};
  Recorder record;
  scheduler.submit(record.add('l', Priority::low));
  scheduler.submit(record.add('n', Priority::normal, 2));
  scheduler.submit(record.add('h', Priority::high, 2));
  scheduler.submit(record.add('m', Priority::max));
  scheduler.run_until_idle();
  EXPECT_EQ(record.order, "mhhnnl");
}

TEST(Priorities, LowHasOneTurnInEight) {
  SeededScheduler scheduler{nullptr};
  Recorder record;
  scheduler.submit(record.add('l', Priority::low, 2));
  scheduler.submit(record.add('n', Priority::normal, 15));
  scheduler.submit(record.add('N', Priority::normal, 15));
  for (int i = 0; i < 16; ++i) scheduler.step();
  EXPECT_EQ(record.order, "nNnNnNnlNnNnNnNl");
}

TEST(Priorities, HoldInEveryRandomOrder) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Random random{seed};
    SeededScheduler scheduler{&random};
    Recorder record;
    for (int i = 0; i < 4; ++i) {
      scheduler.submit(record.add('l', Priority::low));
      scheduler.submit(record.add('n', Priority::normal));
      scheduler.submit(record.add('h', Priority::high));
      scheduler.submit(record.add('m', Priority::max));
    }
    scheduler.run_until_idle();
    EXPECT_EQ(record.order.substr(0, 8), "mmmmhhhh") << seed;
    EXPECT_EQ(record.order.size(), 16U);
  }
}

TEST(Priorities, HoldOnARealWorker) {
  const auto scheduler = make_thread_scheduler(1);
  Recorder record;
  std::latch gate_runs{1};
  std::latch all_submitted{1};
  std::latch last_ran{1};
  Work gate{[&](Turn&) {  // outside user code: nobody takes its place
    gate_runs.count_down();
    all_submitted.wait();
    scheduler->submit(record.add('n', Priority::normal));  // into the slot
    scheduler->submit(record.add('h', Priority::high));
    scheduler->submit(record.add('m', Priority::max));
    return false;
  }};
  scheduler->submit(gate);
  gate_runs.wait();
  for (int i = 0; i < 3; ++i) {
    scheduler->submit(record.add('n', Priority::normal));
    scheduler->submit(record.add('h', Priority::high));
    scheduler->submit(record.add('m', Priority::max));
  }
  Work last{once([&] { last_ran.count_down(); }), Priority::low};
  scheduler->submit(last);
  all_submitted.count_down();
  last_ran.wait();
  scheduler->stop();
  EXPECT_EQ(record.order.substr(0, 8), "mmmmhhhh");
}

TEST(Priorities, LowIsNotStarvedOnARealWorker) {
  const auto scheduler = make_thread_scheduler(1);
  std::atomic<bool> done{false};
  Work busy{[&](Turn&) { return !done.load(); }};
  Work other{[&](Turn&) { return !done.load(); }};
  std::latch low_ran{1};
  Work low{once([&] { low_ran.count_down(); }), Priority::low};
  scheduler->submit(busy);
  scheduler->submit(other);
  scheduler->submit(low);
  low_ran.wait();
  done.store(true);
  scheduler->stop();
}

// -- blocking jobs --------------------------------------------------------------------------

TEST(BlockingJobs, MoreThanWorkersRunAtOnce) {
  constexpr int k_jobs = 8;
  const auto scheduler = make_thread_scheduler({.workers = 1, .blocking_threads_max = k_jobs});
  std::latch meeting{k_jobs};
  std::latch over{k_jobs};
  for (int i = 0; i < k_jobs; ++i) {
    scheduler->run_blocking([&] {
      meeting.arrive_and_wait();
      over.count_down();
    });
  }
  over.wait();
  scheduler->stop();
}

TEST(BlockingJobs, WaitTheirTurnWhenAllThreadsAreTaken) {
  constexpr int k_jobs = 50;
  const auto scheduler = make_thread_scheduler({.workers = 1, .blocking_threads_max = 2});
  std::atomic<int> at_once{0};
  std::latch over{k_jobs};
  for (int i = 0; i < k_jobs; ++i) {
    scheduler->run_blocking([&] {
      EXPECT_LE(++at_once, 2);
      std::this_thread::yield();
      --at_once;
      over.count_down();
    });
  }
  over.wait();
  scheduler->stop();
}

TEST(BlockingJobs, StopWaitsForThoseThatHaveBegunAndDropsTheOthers) {
  const auto scheduler = make_thread_scheduler({.workers = 1, .blocking_threads_max = 1});
  std::latch begun{1};
  std::latch release{1};
  std::atomic<bool> ended{false};
  auto dropped = std::make_shared<bool>(false);
  const std::weak_ptr<bool> watch = dropped;
  scheduler->run_blocking([&] {
    begun.count_down();
    release.wait();
    ended.store(true);
  });
  begun.wait();
  scheduler->run_blocking([&release, dropped] {
    *dropped = true;
    release.count_down();
  });
  dropped.reset();
  std::thread stopper{[&] {
    scheduler->stop();
    EXPECT_TRUE(ended.load());
  }};
  while (!watch.expired()) std::this_thread::yield();  // dropped while the first one still runs
  release.count_down();
  stopper.join();
  scheduler->run_blocking([] { ADD_FAILURE() << "ran after stop()"; });
}

TEST(BlockingJobs, AreTurnsOfTheirOwnInASimulation) {
  SeededScheduler scheduler{nullptr};
  Recorder record;
  scheduler.submit(record.add('a', Priority::normal));
  scheduler.run_blocking([&] { record.order.push_back('j'); });
  scheduler.submit(record.add('b', Priority::normal));
  EXPECT_EQ(scheduler.run_until_idle(), 3U);
  EXPECT_EQ(record.order, "ajb");
  scheduler.run_blocking([] { ADD_FAILURE() << "ran after stop()"; });
  scheduler.stop();
  EXPECT_TRUE(scheduler.idle());
}

// -- processes ------------------------------------------------------------------------------

struct Hold {};

class Holder final : public Handler {
 public:
  explicit Holder(const std::latch* until) : until_{until} {}
  void handle(Context&, Envelope&) override { until_->wait(); }

 private:
  const std::latch* until_;
};

/// Waits for the first line about a handler: what begins it may take its time, too.
class FirstWarning final : public Log {
 public:
  void write(LogLevel level, std::string_view text) override {
    if (level != LogLevel::warning || text.find("its handler of") == text.npos) return;
    if (!said_.exchange(true)) text_.set_value(std::string{text});
  }
  std::string get() { return text_.get_future().get(); }

 private:
  std::atomic<bool> said_{false};
  std::promise<std::string> text_;
};

TEST(StuckProcess, TheLogSaysWhoItIsAndWhatItHandles) {
  const auto log = std::make_shared<FirstWarning>();
  const auto clock = make_system_clock();
  const auto scheduler = quick_scheduler(1);
  std::latch release{1};
  Node node{{.name = "stuck", .clock = clock.get(), .scheduler = scheduler.get(), .log = log}};
  const Pid pid = node.spawn<Holder>(&release);
  ASSERT_TRUE(node.register_name("holder", pid));
  node.send(pid, Hold{});
  const std::string text = log->get();
  EXPECT_NE(text.find(to_string(pid)), std::string::npos) << text;
  EXPECT_NE(text.find("(holder)"), std::string::npos) << text;
  EXPECT_NE(text.find("handler of " + std::string{k_message_type<Hold>.name}), std::string::npos)
      << text;
  EXPECT_NE(text.find(" ms"), std::string::npos) << text;
  release.count_down();
  node.kill_all();
  EXPECT_TRUE(node.wait_until_empty(1min));
  scheduler->stop();
}

TEST(Priorities, AProcessChangesItsOwnAndSpawnsWithOne) {
  testkit::LocalWorld world;
  std::string order;
  const auto write = [&order](Context& context, char name) -> Task<> {
    order.push_back(name);
    EXPECT_NE(context.priority(Priority::max), Priority::max);
    EXPECT_EQ(context.priority(Priority::low), Priority::max);
    co_return;
  };
  world.run([&](Context& context) -> Task<> {
    context.spawn_body({.priority = Priority::low}, detail::make_coroutine_body(write, 'l'));
    context.spawn_body({}, detail::make_coroutine_body(write, 'n'));
    context.spawn_body({.priority = Priority::high}, detail::make_coroutine_body(write, 'h'));
    co_return;
  });
  world.settle();
  EXPECT_EQ(order.front(), 'h');
  EXPECT_EQ(order.size(), 3U);
}

}  // namespace
}  // namespace grove
