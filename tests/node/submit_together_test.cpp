// SPDX-License-Identifier: Apache-2.0
//
// What a thread that is no worker submits together. Nothing here waits for time to pass.
#include "grove/core/submit_together.hpp"

#include "grove/core/scheduler.hpp"

#include "support/work.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <latch>

namespace grove {
namespace {

using testkit::once;
using testkit::Work;

TEST(SubmittedTogether, WaitsUntilTheEndAtMost) {
  const auto scheduler = make_thread_scheduler(1);
  std::latch urgent_ran{1};
  std::latch all_ran{5};
  Work urgent{once([&] { urgent_ran.count_down(); }), Priority::high};
  std::deque<Work> works;
  {
    const SubmitTogether together;
    for (int i = 0; i < 5; ++i) {
      const SubmitTogether inner;
      scheduler->submit(works.emplace_back(once([&] { all_ran.count_down(); })));
    }
    scheduler->submit(urgent);
    urgent_ran.wait();  // what is urgent does not
    EXPECT_FALSE(all_ran.try_wait());
  }
  all_ran.wait();
  scheduler->stop();
}

TEST(SubmittedTogether, GoesInLots) {
  constexpr int k_many = 1'000;
  const auto scheduler = make_thread_scheduler(2);
  std::atomic<int> ran{0};
  std::latch some_ran{1};
  std::latch all_ran{k_many};
  std::deque<Work> works;
  {
    const SubmitTogether together;
    for (int i = 0; i < k_many; ++i) {
      scheduler->submit(works.emplace_back(once([&] {
        if (++ran == k_many / 2) some_ran.count_down();
        all_ran.count_down();
      })));
    }
    some_ran.wait();
  }
  all_ran.wait();
  scheduler->stop();
}

TEST(SubmittedTogether, EachSchedulerGetsItsOwn) {
  const auto one = make_thread_scheduler(1);
  const auto other = make_thread_scheduler(1);
  std::latch one_ran{2};
  std::latch other_ran{1};
  Work work_of_one{once([&] { one_ran.count_down(); })};
  Work more_of_one{once([&] { one_ran.count_down(); })};
  Work work_of_other{once([&] { other_ran.count_down(); })};
  {
    const SubmitTogether together;
    one->submit(work_of_one);
    other->submit(work_of_other);
    one->submit(more_of_one);
  }
  one_ran.wait();
  other_ran.wait();
  one->stop();
  other->stop();
}

}  // namespace
}  // namespace grove
