// SPDX-License-Identifier: Apache-2.0
//
// What turns leave for their worker to flush: when it does, and who does when it cannot. Nothing
// here waits for time to pass; see scheduler_test.cpp.
#include "grove/core/scheduler.hpp"
#include "grove/testkit/virtual_clock.hpp"

#include "support/work.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <latch>
#include <memory>
#include <thread>

namespace grove {
namespace {

using testkit::held_by;
using testkit::once;
using testkit::Work;
using namespace std::chrono_literals;

/// Counts its flushes.
struct Sink final : Flushable {
  void flush() override {
    ++flushes;
    flushes.notify_all();
  }
  void flush_all() override {
    ++flushes_for_others;
    flushes_for_others.notify_all();
  }
  std::atomic<int> flushes{0};
  std::atomic<int> flushes_for_others{0};
};

class Owing : public testing::Test {
 protected:
  /// Turns on a simulated scheduler, all of them ready at once.
  void run(int turns, const Work::Step& step) {
    std::deque<Work> works;
    for (int i = 0; i < turns; ++i) scheduler_.submit(works.emplace_back(step));
    scheduler_.run_until_idle();
  }
  testkit::VirtualClock clock_;
  SeededScheduler scheduler_{nullptr};
  Sink sink_;
};

TEST_F(Owing, ManyTurnsAreFlushedOnceWhenNothingElseIsReady) {
  run(20, [this](Turn& turn) {
    turn.begin(clock_);
    turn.owe(sink_, clock_);
    EXPECT_EQ(sink_.flushes, 0);
    EXPECT_TRUE(sink_.is_owed());
    return false;
  });
  EXPECT_EQ(sink_.flushes, 1);
  EXPECT_FALSE(sink_.is_owed());
}

TEST_F(Owing, AFlushWaitsForThirtyTwoTurnsAtMost) {
  int begun = 0;
  run(100, [&](Turn& turn) {
    turn.begin(clock_);
    if (++begun == 1) turn.owe(sink_, clock_);
    EXPECT_EQ(sink_.flushes, begun <= 32 ? 0 : 1) << begun;
    return false;
  });
}

TEST_F(Owing, AFlushWaitsForNoTurnAfterOneThatTookLong) {
  int begun = 0;
  run(3, [&](Turn& turn) {
    turn.begin(clock_);
    EXPECT_EQ(sink_.flushes, ++begun == 3 ? 1 : 0);
    if (begun == 1) turn.owe(sink_, clock_);
    if (begun == 2) clock_.advance_to_next(clock_.now() + 1ms);
    return false;
  });
}

TEST_F(Owing, WhoOwesAnotherFlushesTheFirst) {
  Sink other;
  run(1, [&](Turn& turn) {
    turn.owe(sink_, clock_);
    turn.owe(other, clock_);
    EXPECT_EQ(sink_.flushes, 1);
    EXPECT_EQ(other.flushes, 0);
    return false;
  });
  EXPECT_EQ(other.flushes, 1);
}

TEST_F(Owing, AStoppedSimulationFlushesNobody) {
  Work owing{[this](Turn& turn) {
    turn.owe(sink_, clock_);
    return false;
  }};
  Work waiting{once([] {})};
  scheduler_.submit(owing);
  scheduler_.submit(waiting);
  scheduler_.step();
  scheduler_.stop();
  EXPECT_EQ(scheduler_.run_until_idle(), 0U);
  EXPECT_EQ(sink_.flushes, 0);
}

/// On one worker, whose watchdog has so many spare threads.
class OwingWorker : public testing::TestWithParam<unsigned> {
 protected:
  testkit::VirtualClock clock_;
  Sink sink_;
  std::atomic<bool> told_{false};
  std::unique_ptr<Scheduler> scheduler_ = make_thread_scheduler(
      ThreadSchedulerOptions{.workers = 1, .stuck_after = 1ms, .spare_threads_max = GetParam()});
};

INSTANTIATE_TEST_SUITE_P(Spares, OwingWorker, testing::Values(0U, 2U),
                         testing::PrintToStringParamName());

TEST_P(OwingWorker, FlushesBeforeItSleeps) {
  Work work{[this](Turn& turn) {
    turn.owe(sink_, clock_);
    return false;
  }};
  scheduler_->submit(work);
  sink_.flushes.wait(0);
  scheduler_->stop();
  EXPECT_EQ(sink_.flushes, 1);
}

TEST_P(OwingWorker, IsHelpedWhenTheNextTurnNeverReturns) {
  std::latch release{1};
  Work stuck{held_by(release)};
  Work owing{[&](Turn& turn) {
    turn.owe(sink_, clock_);
    scheduler_->submit(stuck);  // into the slot
    return false;
  }};
  scheduler_->submit(owing);
  sink_.flushes_for_others.wait(0);
  EXPECT_TRUE(sink_.is_owed());  // it will look itself, too
  release.count_down();
  scheduler_->stop();
  EXPECT_EQ(sink_.flushes, 1);
  EXPECT_FALSE(sink_.is_owed());
}

TEST_P(OwingWorker, IsHelpedInsideTheTurnThatOwes) {
  std::latch release{1};
  Work work{[&](Turn& turn) {
    turn.owe(sink_, clock_);
    return held_by(release)(turn);
  }};
  scheduler_->submit(work);
  sink_.flushes_for_others.wait(0);
  release.count_down();
  scheduler_->stop();
  EXPECT_EQ(sink_.flushes, 1);
}

TEST_P(OwingWorker, FlushesWhenItHasLostItsPlace) {
  Work work{[this](Turn& turn) {
    turn.enter_user_code();
    while (!told_) std::this_thread::yield();
    turn.leave_user_code();
    turn.owe(sink_, clock_);
    return false;
  }};
  work.on_stuck = [this](Clock::Duration) { told_ = true; };
  scheduler_->submit(work);
  sink_.flushes.wait(0);
  scheduler_->stop();
  EXPECT_EQ(sink_.flushes, 1);
}

TEST_P(OwingWorker, FlushesWhenItIsStopped) {
  std::latch runs{1};
  Work work{[&](Turn& turn) {
    runs.count_down();
    while (scheduler_->running()) std::this_thread::yield();
    turn.owe(sink_, clock_);
    return true;
  }};
  scheduler_->submit(work);
  runs.wait();
  scheduler_->stop();
  EXPECT_EQ(sink_.flushes, 1);
}

}  // namespace
}  // namespace grove
