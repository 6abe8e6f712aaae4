// SPDX-License-Identifier: Apache-2.0
//
// Which side of a cut a node takes itself to be on, who counts, and when that is asked.
#include "partition_watch.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace grove::cluster {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""s;

PartitionView::Member member(const std::string& name, bool reachable = true,
                             std::uint64_t life = 1) {
  return {name, Life{life}, reachable, {}};
}

/// As `self` sees it: `all` are the members' letters, `reached` those that it reaches.
Side side_of(const std::string& self, const std::string& all, const std::string& reached) {
  PartitionView view{self, {}};
  for (const char letter : all) {
    const std::string name{letter};
    view.members.push_back(member(name, reached.find(letter) != std::string::npos));
  }
  return keep_majority()->side(view);
}

TEST(KeepMajority, IsMoreThanHalf) {
  EXPECT_EQ(side_of("a", "abc", "ab"), Side::majority);
  EXPECT_EQ(side_of("c", "abc", "c"), Side::minority);
  EXPECT_EQ(side_of("e", "abcde", "cde"), Side::majority);
  EXPECT_EQ(side_of("a", "abcde", "ab"), Side::minority);
}

TEST(KeepMajority, OfTwoHalvesIsTheOneOfTheFirstName) {
  EXPECT_EQ(side_of("b", "abcd", "ab"), Side::majority);
  EXPECT_EQ(side_of("d", "abcd", "cd"), Side::minority);
  EXPECT_EQ(side_of("b", "ab", "b"), Side::minority);
}

TEST(KeepMajority, IsOnePartAtMostHoweverAClusterIsCut) {
  const std::string all = "abcdef";
  for (std::size_t size = 1; size <= all.size(); ++size) {
    const std::string members = all.substr(0, size);
    for (unsigned bits = 1; bits + 1 < 1U << size; ++bits) {
      std::string one;
      std::string other;
      for (std::size_t i = 0; i < size; ++i) {
        ((bits >> i & 1U) != 0 ? one : other) += members[i];
      }
      const bool first = side_of(one.substr(0, 1), members, one) == Side::majority;
      const bool second = side_of(other.substr(0, 1), members, other) == Side::majority;
      EXPECT_NE(first, second) << one << " / " << other;
    }
  }
}

class Watch : public testing::Test {
 protected:
  using Members = std::vector<PartitionView::Member>;
  std::optional<Side> look(Members others, Clock::Duration later = 0s,
                           const std::set<std::string>& left = {}) {
    now_ += later;
    others.push_back(member("b"));
    return watch_->look(others, left, now_);
  }
  std::size_t counted() const { return watch_->view().members.size(); }

 private:
  Clock::TimePoint now_{100s};
  PartitionConfig config_{keep_majority(), 20s, {}};
  std::unique_ptr<PartitionWatch> watch_ = std::make_unique<PartitionWatch>(config_, "b");
};

TEST_F(Watch, AsksWhenTheSameMembersHaveBeenOutOfReachForLongEnough) {
  look({member("a"), member("c")});
  EXPECT_EQ(look({member("a", false), member("c", false)}, 60s), std::nullopt);
  EXPECT_EQ(look({member("a", false), member("c", false)}, 19s), std::nullopt);
  EXPECT_EQ(look({member("a", false), member("c", false)}, 1s), Side::minority);
  EXPECT_EQ(look({member("a", false), member("c", false)}, 60s), std::nullopt) << "said once";
}

TEST_F(Watch, StartsAnewWheneverOneComesOrGoes) {
  look({member("a"), member("c")});
  look({member("a", false), member("c")});
  look({member("a", false), member("c", false)}, 19s);
  EXPECT_EQ(look({member("a", false), member("c", false)}, 19s), std::nullopt);
  look({member("a", false), member("c")}, 0s);
  EXPECT_EQ(look({member("a", false), member("c", false)}, 19s), std::nullopt);
  EXPECT_EQ(look({member("a", false), member("c", false)}, 19s), std::nullopt);
  EXPECT_EQ(look({member("a", false), member("c", false)}, 1s), Side::minority);
}

TEST_F(Watch, GoodNewsAreNotWaitedFor) {
  look({member("a"), member("c")});
  look({member("a", false), member("c", false)});
  ASSERT_EQ(look({member("a", false), member("c", false)}, 20s), Side::minority);
  EXPECT_EQ(look({member("a", false), member("c")}), Side::majority);
}

TEST_F(Watch, AMajorityGoesOnWithoutTheOthersSoThatALastOneIsNoMinority) {
  look({member("a"), member("c"), member("d"), member("e")});
  look({member("a"), member("c"), member("d", false), member("e", false)});
  look({member("a"), member("c"), member("d", false), member("e", false)}, 20s);
  EXPECT_EQ(counted(), 3U);
  look({member("a"), member("c", false), member("d", false), member("e", false)});
  EXPECT_EQ(look({member("a"), member("c", false), member("d", false), member("e", false)}, 20s),
            std::nullopt);
  EXPECT_EQ(counted(), 2U);
}

TEST_F(Watch, WhoHasLeftDoesNotCount) {
  look({member("a"), member("c")});
  look({}, 1s, {"a", "c"});
  EXPECT_EQ(counted(), 1U);
  EXPECT_EQ(look({}, 60s), std::nullopt);
}

TEST_F(Watch, WhoIsForgottenCountsOnSoThatNoMinorityBecomesAMajorityByThat) {
  look({member("a"), member("c")});
  look({member("a", false), member("c", false)});
  ASSERT_EQ(look({member("a", false), member("c", false)}, 20s), Side::minority);
  EXPECT_EQ(look({}, 24h), std::nullopt);
  EXPECT_EQ(counted(), 3U);
  EXPECT_EQ(look({member("c")}), Side::majority) << "it is back";
}

TEST_F(Watch, WhoWasNeverReachedDoesNotCount) {
  look({member("a"), member("old", false), member("older", false)});
  EXPECT_EQ(counted(), 2U);
}

TEST_F(Watch, NobodyIsCountedInWhileOthersAreOutOfReach) {
  look({member("a"), member("c")});
  const Members cut{member("a", false), member("c", false), member("x"), member("y")};
  look(cut);
  EXPECT_EQ(look(cut, 20s), Side::minority) << "two new ones would have made it three of five";
  EXPECT_EQ(look({member("a"), member("c"), member("x"), member("y")}), Side::majority);
  EXPECT_EQ(counted(), 5U);
}

TEST_F(Watch, ARestartedNodeCountsWhereItsNewLifeIs) {
  look({member("a")});
  look({member("a", false)});
  ASSERT_EQ(look({member("a", false)}, 20s), Side::minority);
  EXPECT_EQ(look({member("a", true, 2)}), Side::majority);
}

class Throws final : public PartitionPolicy {
 public:
  [[nodiscard]] Side side(const PartitionView&) const override {
    throw std::runtime_error{"no quorum is configured"};
  }
};

TEST(Watching, APolicyThatThrowsIsAMinorityAndEndsNobody) {
  PartitionWatch watch{{std::make_shared<Throws>(), 5s, {}}, "b"};
  watch.look({member("b"), member("c")}, {}, Clock::TimePoint{1s});
  watch.look({member("b"), member("c", false)}, {}, Clock::TimePoint{2s});
  EXPECT_EQ(watch.look({member("b"), member("c", false)}, {}, Clock::TimePoint{7s}),
            Side::minority);
  EXPECT_EQ(watch.failure(), "no quorum is configured");
  EXPECT_EQ(watch.look({member("b"), member("c")}, {}, Clock::TimePoint{8s}), Side::majority);
  EXPECT_EQ(watch.failure(), "");
}

class DownAll final : public PartitionPolicy {
 public:
  [[nodiscard]] Side side(const PartitionView& view) const override {
    EXPECT_EQ(view.self, "b");
    return Side::minority;
  }
};

TEST(PartitionPolicies, CanBeWrittenByUsers) {
  PartitionWatch watch{{std::make_shared<DownAll>(), 5s, {}}, "b"};
  watch.look({member("b"), member("c")}, {}, Clock::TimePoint{1s});
  watch.look({member("b"), member("c", false)}, {}, Clock::TimePoint{2s});
  EXPECT_EQ(watch.look({member("b"), member("c", false)}, {}, Clock::TimePoint{7s}),
            Side::minority);
}

}  // namespace
}  // namespace grove::cluster
