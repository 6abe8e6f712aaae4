// SPDX-License-Identifier: Apache-2.0
//
// The wheel beside a std::multimap, which keeps the same promises at any cost.
#include "timer_wheel.hpp"

#include "grove/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace grove::detail {
namespace {

using Wheel = TimerWheel<int>;
constexpr Wheel::Time k_second = 1'000'000'000;

Wheel::Index arm(Wheel& wheel, Wheel::Time deadline, int number) {
  const Wheel::Index index = wheel.arm(deadline);
  wheel[index] = number;
  return index;
}

/// All that is due at `now`, in order.
std::vector<int> fire(Wheel& wheel, Wheel::Time now) {
  std::vector<int> fired;
  for (;;) {
    const auto [due, index] = wheel.take_due(now);
    if (due == Wheel::Due::none) return fired;
    if (due == Wheel::Due::more_work) continue;
    EXPECT_LE(wheel.deadline(index), now);
    fired.push_back(wheel[index]);
    wheel.erase(index);
  }
}

class TimerWheelSpans : public testing::TestWithParam<Wheel::Time> {};

INSTANTIATE_TEST_SUITE_P(, TimerWheelSpans,
                         testing::Values(1, 63, 64, 65, 4095, 4096, 1'000'000, k_second,
                                         86'400 * k_second, 400 * 86'400 * k_second,
                                         Wheel::Time{INT64_MAX} - 12'345),
                         testing::PrintToStringParamName());

TEST_P(TimerWheelSpans, ATimerFiresAtItsDeadlineAndNotBefore) {
  for (const Wheel::Time start : {Wheel::Time{0}, Wheel::Time{64}, Wheel::Time{12'345}}) {
    Wheel wheel;
    arm(wheel, start, 0);
    EXPECT_EQ(fire(wheel, start), std::vector{0});
    arm(wheel, start + GetParam(), 1);
    EXPECT_EQ(wheel.next(), start + GetParam());
    EXPECT_TRUE(fire(wheel, start + GetParam() - 1).empty());
    EXPECT_EQ(fire(wheel, start + GetParam()), std::vector{1});
    EXPECT_EQ(wheel.next(), Wheel::k_never);
  }
}

TEST_P(TimerWheelSpans, NeighboursFireInOrderWhenTimeJumps) {
  Wheel wheel;
  arm(wheel, GetParam() + 1, 3);
  arm(wheel, GetParam(), 1);
  arm(wheel, GetParam() - 1, 0);
  arm(wheel, GetParam(), 2);
  EXPECT_EQ(fire(wheel, GetParam() * 2), (std::vector{0, 1, 2, 3}));
}

TEST(TimerWheel, AnEmptyOneHasNothingToDo) {
  Wheel wheel;
  EXPECT_EQ(wheel.next(), Wheel::k_never);
  EXPECT_EQ(wheel.take_due(k_second).due, Wheel::Due::none);
  EXPECT_EQ(wheel.armed(), 0U);
}

TEST(TimerWheel, PastDeadlinesAreDueAtOnce) {
  Wheel wheel;
  arm(wheel, k_second, 0);
  EXPECT_EQ(fire(wheel, k_second), std::vector{0});
  arm(wheel, k_second / 2, 1);
  arm(wheel, 0, 2);
  EXPECT_LE(wheel.next(), k_second);
  EXPECT_EQ(fire(wheel, k_second), (std::vector{1, 2}));
}

TEST(TimerWheel, AnIdIsStaleOnceItsEntryIsErased) {
  Wheel wheel;
  const Wheel::Id first = wheel.id_of(arm(wheel, 5, 1));
  EXPECT_TRUE(wheel.find(first));
  wheel.erase(first.index);
  EXPECT_FALSE(wheel.find(first));
  const Wheel::Id second = wheel.id_of(arm(wheel, 5, 2));
  EXPECT_EQ(second.index, first.index);
  EXPECT_FALSE(wheel.find(first));
  EXPECT_TRUE(wheel.find(second));
  EXPECT_FALSE(wheel.find({}));
  EXPECT_FALSE(wheel.find({4711, 1}));
}

TEST(TimerWheel, ATakenEntryKeepsItsIdWhenArmedAgain) {
  Wheel wheel;
  const Wheel::Id id = wheel.id_of(arm(wheel, 10, 1));
  for (Wheel::Time now = 10; now < 100'000; now *= 3) {
    EXPECT_EQ(wheel.take_due(now - 1).due, Wheel::Due::none);
    const auto [due, index] = wheel.take_due(now);
    ASSERT_EQ(due, Wheel::Due::one);
    EXPECT_EQ(wheel.find(id), index);
    EXPECT_EQ(wheel.armed(), 1U);
    wheel.rearm(index, now * 3);
  }
  wheel.erase(id.index);
  EXPECT_EQ(wheel.armed(), 0U);
}

TEST(TimerWheel, AnEntryMayBeErasedWhileItIsTaken) {
  Wheel wheel;
  const Wheel::Index index = arm(wheel, 10, 1);
  EXPECT_EQ(wheel.take_due(10).index, index);
  wheel.erase(index);
  EXPECT_EQ(wheel.take_due(100).due, Wheel::Due::none);
}

TEST(TimerWheel, ErasedEntriesServeLaterTimers) {
  constexpr int k_many = 100'000;
  Wheel wheel;
  std::vector<Wheel::Index> indexes;
  for (int round = 0; round < 3; ++round) {
    indexes.clear();
    for (int i = 0; i < k_many; ++i) {
      indexes.push_back(arm(wheel, static_cast<Wheel::Time>(i % 977) * k_second, i));
    }
    EXPECT_EQ(wheel.armed(), std::size_t{k_many});
    for (const Wheel::Index index : indexes) wheel.erase(index);
    EXPECT_EQ(wheel.armed(), 0U);
    EXPECT_EQ(wheel.next(), Wheel::k_never);
  }
  EXPECT_LT(wheel.capacity(), std::size_t{k_many} + 200);
}

TEST(TimerWheel, ManyAtOneInstantAreMovedInSmallSteps) {
  constexpr int k_many = 10'000;
  Wheel wheel;
  std::vector<int> expected;
  for (int i = 0; i < k_many; ++i) {
    arm(wheel, k_second, i);
    expected.push_back(i);
  }
  EXPECT_EQ(wheel.take_due(k_second).due, Wheel::Due::more_work);
  EXPECT_LE(wheel.next(), k_second);
  EXPECT_EQ(fire(wheel, k_second), expected);
}

/// Does the same to a wheel and to a map, and compares after each step.
class Twins {
 public:
  explicit Twins(std::uint64_t seed) : random_{seed} {}

  void step() {
    switch (random_.below(8)) {
      case 0:
      case 1:
      case 2: arm_some(); break;
      case 3:
      case 4: cancel_some(); break;
      case 5: let_time_pass(span()); break;
      default: jump_to_next(); break;
    }
    EXPECT_EQ(wheel_.armed(), model_.size());
    if (model_.empty()) {
      EXPECT_EQ(wheel_.next(), Wheel::k_never);
    } else {
      EXPECT_LE(wheel_.next(), std::max(model_.begin()->first.first, now_));
    }
  }
  /// Time goes on until nothing is left.
  void finish() {
    for (int wakes = 0; !model_.empty(); ++wakes) {
      ASSERT_LT(wakes, 20'000) << "the wheel wakes for nothing";
      jump_to_next();
    }
    EXPECT_EQ(wheel_.armed(), 0U);
  }

 private:
  using Key = std::pair<Wheel::Time, std::uint64_t>;  // effective deadline, arming number

  /// From nanoseconds to years, all magnitudes alike.
  Wheel::Time span() { return random_.below(Wheel::Time{1} << random_.below(55)); }

  void arm_some() {
    Wheel::Time base = now_ + span();
    for (std::uint64_t left = 1 + random_.below(20); left > 0; --left) {
      if (random_.percent(30)) base = now_ + span();
      if (random_.percent(5)) base = now_ - std::min(now_, span());
      const int number = static_cast<int>(++last_);
      const Wheel::Id id = wheel_.id_of(arm(wheel_, base, number));
      ids_.emplace(number, std::pair{id, Key{base, last_}});
      model_.emplace(Key{base, last_}, number);
    }
  }
  void cancel_some() {
    for (std::uint64_t left = random_.below(15); left > 0 && !ids_.empty(); --left) {
      auto place = ids_.lower_bound(static_cast<int>(random_.below(last_ + 1)));
      if (place == ids_.end()) place = ids_.begin();
      const auto& [id, key] = place->second;
      ASSERT_TRUE(wheel_.find(id));
      EXPECT_EQ(wheel_.deadline(id.index), key.first);
      wheel_.erase(id.index);
      EXPECT_FALSE(wheel_.find(id));
      model_.erase(key);
      ids_.erase(place);
    }
  }
  void jump_to_next() {
    const Wheel::Time next = wheel_.next();
    if (next != Wheel::k_never) let_time_pass(next > now_ ? next - now_ : 0);
  }
  void let_time_pass(Wheel::Time span) {
    now_ += span;
    std::vector<Key> fired;
    for (const int number : fire(wheel_, now_)) {
      const auto place = ids_.find(number);
      ASSERT_NE(place, ids_.end()) << "fired twice, or after it was cancelled";
      fired.push_back(place->second.second);
      ids_.erase(place);
    }
    std::vector<Key> expected;
    while (!model_.empty() && model_.begin()->first.first <= now_) {
      expected.push_back(model_.begin()->first);
      model_.erase(model_.begin());
    }
    // Those whose time had come when they were armed are first, in any order.
    const auto past = std::count_if(expected.begin(), expected.end(),
                                    [this](const Key& key) { return key.first <= last_now_; });
    ASSERT_LE(past, static_cast<std::ptrdiff_t>(fired.size()));
    std::sort(fired.begin(), fired.begin() + past);
    EXPECT_EQ(fired, expected);
    last_now_ = now_;
  }

  Random random_;
  Wheel wheel_;
  Wheel::Time now_ = 0;
  Wheel::Time last_now_ = 0;
  std::uint64_t last_ = 0;
  std::map<int, std::pair<Wheel::Id, Key>> ids_;
  std::multimap<Key, int> model_;
};

TEST(TimerWheel, DoesWhatAMapWould) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Twins twins{seed};
    for (int i = 0; i < 100; ++i) twins.step();
    twins.finish();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace grove::detail
