// SPDX-License-Identifier: Apache-2.0
//
// When the net thread runs what it has woken itself.
#include "lending.hpp"

#include <gtest/gtest.h>

namespace grove::transport {
namespace {

using namespace std::chrono_literals;

class LendingTest : public testing::Test {
 protected:
  /// A round in which frames of these sizes arrive. Returns: whether the thread is lent after it.
  bool round(std::initializer_list<std::size_t> frames) {
    lending_.begin_round(now_);
    for (const std::size_t bytes : frames) lending_.heard(bytes);
    return lending_.end_round(now_);
  }
  void pass(Clock::Duration time) { now_ += time; }

 private:
  Lending lending_;
  Clock::TimePoint now_{1h};
};

TEST_F(LendingTest, AfterOneSmallFrame) {
  EXPECT_TRUE(round({100}));
  EXPECT_TRUE(round({512}));
  EXPECT_FALSE(round({}));
  EXPECT_FALSE(round({513}));
  EXPECT_FALSE(round({10, 10}));
  EXPECT_TRUE(round({100})) << "each round counts its own";
}

TEST_F(LendingTest, NotForAHundredTimesAsLongAsTheLastTook) {
  EXPECT_TRUE(round({100}));
  pass(1ms);
  EXPECT_FALSE(round({100}));
  pass(99ms);
  EXPECT_FALSE(round({100}));
  pass(1ms);
  EXPECT_TRUE(round({100}));
  pass(50us);
  EXPECT_TRUE(round({100})) << "that was short";
}

TEST_F(LendingTest, TimeSpentWaitingForFramesDoesNotCount) {
  EXPECT_FALSE(round({}));
  pass(1s);
  EXPECT_TRUE(round({100}));
}

}  // namespace
}  // namespace grove::transport
