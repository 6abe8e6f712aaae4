// SPDX-License-Identifier: Apache-2.0
//
// Loops on a ThreadScheduler: who runs what they have woken, and who goes their rounds meanwhile.
#include "grove/core/clock.hpp"
#include "grove/core/scheduler.hpp"
#include "grove/core/submit_together.hpp"
#include "grove/node/node.hpp"

#include "support/wait_until.hpp"
#include "support/work.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <latch>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;

using testkit::held_by;
using testkit::once;
using testkit::Work;

struct Continue {};

/// Each round waits for a step and takes it.
class Steps final : public Loop {
 public:
  using Step = std::function<Next()>;

  void add(Step step) {
    const std::lock_guard lock{mutex_};
    steps_.push_back(std::move(step));
    wake_.notify_all();
  }
  /// Takes one, and returns when it has been taken.
  void take(const Step& step) {
    std::latch taken{1};
    add([&] {
      const Next next = step();
      taken.count_down();
      return next;
    });
    taken.wait();
  }
  void await_end() {
    std::unique_lock lock{mutex_};
    wake_.wait(lock, [this] { return ends_ > 0; });
    EXPECT_EQ(ends_, 1);
  }

  Next round() override {
    EXPECT_FALSE(inside_.exchange(true)) << "two threads are in it";
    Step step;
    {
      std::unique_lock lock{mutex_};
      wake_.wait(lock, [this] { return interrupted_ || !steps_.empty(); });
      interrupted_ = false;
      if (!steps_.empty()) {
        step = std::move(steps_.front());
        steps_.pop_front();
      }
    }
    const Next next = step ? step() : Next::hand_over;
    inside_.store(false);
    return next;
  }
  void interrupt() noexcept override {
    const std::lock_guard lock{mutex_};
    interrupted_ = true;
    wake_.notify_all();
  }
  void ended() noexcept override {
    const std::lock_guard lock{mutex_};
    ++ends_;
    wake_.notify_all();
  }

 private:
  std::atomic<bool> inside_{false};
  std::mutex mutex_;  // guards the next
  std::condition_variable wake_;
  std::deque<Step> steps_;
  bool interrupted_ = false;
  int ends_ = 0;
};

class Loops : public testing::TestWithParam<unsigned> {
 protected:
  /// A step that submits `work`, as what arrives does.
  Steps::Step waking(Work& work, Loop::Next next) {
    return [this, &work, next] {
      const SubmitTogether together;
      scheduler->submit(work);
      return next;
    };
  }
  /// Has the loop run something itself, which asks the workers to sleep first.
  [[nodiscard]] bool runs_here(const std::function<void(Turn&)>& here) {
    return testkit::wait_until(*clock, [&] {
      std::latch ran{1};
      std::thread::id loops;
      bool on_loop = false;
      Work work{[&](Turn& turn) {
        on_loop = std::this_thread::get_id() == loops;
        if (on_loop) here(turn);
        ran.count_down();
        return false;
      }};
      steps.add([&] {
        loops = std::this_thread::get_id();
        return waking(work, Loop::Next::run_here)();
      });
      ran.wait();
      return on_loop;
    });
  }

  std::unique_ptr<Clock> clock = make_system_clock();
  Steps steps;
  std::unique_ptr<Scheduler> scheduler =
      make_thread_scheduler({.workers = GetParam(), .stuck_after = 1ms});
};

INSTANTIATE_TEST_SUITE_P(Workers, Loops, testing::Values(1U, 2U, 4U),
                         testing::PrintToStringParamName());

TEST_P(Loops, RunWhatTheyHaveWokenWhileTheWorkersSleep) {
  scheduler->run_loop(steps);
  EXPECT_TRUE(runs_here([](Turn& turn) { EXPECT_EQ(turn.worker(), k_no_worker); }));
  scheduler->stop();
}

TEST_P(Loops, LeaveItToTheWorkersWhenTheySaySo) {
  scheduler->run_loop(steps);
  for (int round = 0; round < 200; ++round) {
    std::latch ran{1};
    std::thread::id loops;
    Work work{once([&] {
      EXPECT_NE(std::this_thread::get_id(), loops);
      ran.count_down();
    })};
    steps.add([&] {
      loops = std::this_thread::get_id();
      return waking(work, Loop::Next::hand_over)();
    });
    ran.wait();
  }
  scheduler->stop();
}

// The step waits for the first of them, so that only a worker can have run it.
TEST_P(Loops, LeaveItToTheWorkersAsSoonAsThereIsMore) {
  scheduler->run_loop(steps);
  for (int round = 0; round < 200; ++round) {
    std::latch first_ran{1};
    std::latch second_ran{1};
    Work first{once([&] { first_ran.count_down(); })};
    Work second{once([&] { second_ran.count_down(); })};
    steps.take([&] {
      waking(first, Loop::Next::run_here)();
      const Loop::Next next = waking(second, Loop::Next::run_here)();
      first_ran.wait();
      return next;
    });
    second_ran.wait();
  }
  scheduler->stop();
}

TEST_P(Loops, LeaveItToTheWorkersWhenSomethingElseComesFirst) {
  scheduler->run_loop(steps);
  for (int round = 0; round < 200; ++round) {
    std::latch ran{1};
    Work work{once([&] { ran.count_down(); })};
    steps.take([&] {
      const Loop::Next next = waking(work, Loop::Next::run_here)();
      SubmitTogether::let_go();
      ran.wait();
      return next;
    });
  }
  scheduler->stop();
}

/// Sends itself message after message, each of which takes a while, and notes who handles them.
class Slices final : public Handler {
 public:
  explicit Slices(std::vector<std::thread::id>& handled_by) : handled_by_{handled_by} {}
  void handle(Context& context, Envelope&) override {
    handled_by_.push_back(std::this_thread::get_id());
    const Clock& clock = context.node().clock();
    for (const auto until = clock.now() + 1ms; clock.now() < until;) continue;
    if (handled_by_.size() < k_slices) return context.send(context.self(), Continue{});
    context.exit(context.self(), ExitReason::kill());
  }
  static constexpr std::size_t k_slices = 5;

 private:
  std::vector<std::thread::id>& handled_by_;
};

// However short each piece of it is: the watchdog would not see that.
TEST_P(Loops, GoOnAfterTheFirstLongHandlerOfAProcess) {
  Node node{{.name = "loops", .clock = clock.get(), .scheduler = scheduler.get()}};
  scheduler->run_loop(steps);
  EXPECT_TRUE(testkit::wait_until(*clock, [&] {
    std::vector<std::thread::id> handled_by;
    std::thread::id loops;
    const Pid slices = node.spawn<Slices>(std::ref(handled_by));
    std::promise<void> never;
    never.get_future().wait_for(std::chrono::milliseconds{2});  // it has started, and all sleep
    steps.take([&] {
      loops = std::this_thread::get_id();
      const SubmitTogether together;
      node.send(slices, Continue{});
      return Loop::Next::run_here;
    });
    EXPECT_TRUE(node.wait_until_empty(1min));
    EXPECT_EQ(handled_by.size(), Slices::k_slices);
    if (handled_by[0] != loops) return false;
    EXPECT_NE(handled_by[1], loops);
    return true;
  }));
  scheduler->stop();
}

TEST_P(Loops, GoOnWhileWhatTheyRunDoesNotReturn) {
  scheduler->run_loop(steps);
  std::latch release{1};
  std::atomic<int> stuck{0};
  // As many as there are workers, and more: each stalls the thread that it is on, nothing else.
  const int count = static_cast<int>(GetParam()) + 3;
  std::deque<Work> works;
  for (int i = 0; i < count; ++i) {
    works.emplace_back([&](Turn& turn) {
      ++stuck;
      return held_by(release)(turn);
    });
    steps.take(waking(works.back(), Loop::Next::run_here));
    EXPECT_TRUE(testkit::wait_until(*clock, [&] { return stuck.load() == i + 1; }));
  }
  EXPECT_EQ(stuck.load(), count);
  release.count_down();
  EXPECT_TRUE(runs_here([](Turn&) {})) << "the workers sleep again, and so do those who were stuck";
  scheduler->stop();
}

TEST_P(Loops, WakeTheWatchdogFromItsDoze) {
  scheduler->run_loop(steps);
  for (int round = 0; round < 20; ++round) {
    EXPECT_TRUE(runs_here([&](Turn& turn) {
      std::latch gone_round{1};
      steps.add([&] {
        gone_round.count_down();
        return Loop::Next::hand_over;
      });
      const UserCode inside{turn};
      gone_round.wait();  // by another thread, for this one is here
    }));
    // Long enough for it to doze off, mostly; when not, this round shows less.
    std::promise<void> never;
    never.get_future().wait_for(std::chrono::milliseconds{20});
  }
  scheduler->stop();
}

TEST_P(Loops, WhatComesBackWithMoreToDoGoesOnWithTheWorkers) {
  scheduler->run_loop(steps);
  std::latch done{1};
  int runs = 0;
  Work work{[&](Turn&) {
    if (++runs < 3) return true;
    done.count_down();
    return false;
  }};
  steps.take(waking(work, Loop::Next::run_here));
  done.wait();
  scheduler->stop();
}

TEST_P(Loops, EndWhenTheySaySo) {
  Steps second;
  scheduler->run_loop(steps);
  std::latch ran{1};
  Work last{once([&] { ran.count_down(); })};
  steps.add(waking(last, Loop::Next::stop));
  steps.await_end();
  ran.wait();
  scheduler->run_loop(second);
  second.take([] { return Loop::Next::hand_over; });
  scheduler->stop();
  second.await_end();
}

TEST_P(Loops, EndWithTheScheduler) {
  Steps second;
  scheduler->run_loop(steps);
  scheduler->run_loop(second);
  scheduler->stop();
  steps.await_end();
  second.await_end();
  EXPECT_THROW(scheduler->run_loop(steps), std::system_error);
}

/// Whether the thread of a loop runs anything else in so many rounds, before which the workers have
/// mostly gone to sleep.
bool lends(const ThreadSchedulerOptions& options, int rounds) {
  Steps steps;
  const auto scheduler = make_thread_scheduler(options);
  scheduler->run_loop(steps);
  bool lends = false;
  for (int round = 0; round < rounds && !lends; ++round) {
    std::promise<void> never;
    never.get_future().wait_for(std::chrono::milliseconds{2});
    std::latch ran{1};
    std::thread::id loops;
    Work work{once([&] {
      lends = std::this_thread::get_id() == loops;
      ran.count_down();
    })};
    steps.take([&] {
      loops = std::this_thread::get_id();
      const SubmitTogether together;
      scheduler->submit(work);
      return Loop::Next::run_here;
    });
    ran.wait();
  }
  scheduler->stop();
  return lends;
}

TEST(LoopsThatNobodyCouldReplace, RunNothingElse) {
  EXPECT_TRUE(lends({.workers = 1}, 5000));
  EXPECT_FALSE(lends({.workers = 1, .spare_threads_max = 0}, 20));
  EXPECT_FALSE(lends({.workers = 1, .stuck_after = 1h}, 20));
}

TEST(LoopsOfAStoppedScheduler, EndAlsoWhenWhatTheyRunIsStuck) {
  for (int round = 0; round < 50; ++round) {
    Steps steps;
    const auto scheduler = make_thread_scheduler({.workers = 1, .stuck_after = 1ms});
    scheduler->run_loop(steps);
    std::latch inside{1};
    std::latch release{1};
    Work stuck{[&](Turn& turn) {
      inside.count_down();
      return held_by(release)(turn);
    }};
    steps.take([&] {
      const SubmitTogether together;
      scheduler->submit(stuck);
      return Loop::Next::run_here;
    });
    inside.wait();
    std::thread stopping{[&] { scheduler->stop(); }};
    while (scheduler->running()) std::this_thread::yield();
    release.count_down();
    stopping.join();
    steps.await_end();
  }
}

TEST(SimulatedScheduler, HasNoThreadForALoop) {
  SeededScheduler scheduler{nullptr};
  Steps steps;
  EXPECT_THROW(scheduler.run_loop(steps), std::system_error);
}

}  // namespace
}  // namespace grove
