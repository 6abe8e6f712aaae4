// SPDX-License-Identifier: Apache-2.0
//
// Names that are moved, by processes that go on and may take them again.
#include "grove/core/random.hpp"

#include "name_net.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace grove::cluster {
namespace {

class NameMoves : public testing::Test {
 protected:
  void start(NamesConfig rules = {}) {
    net.rules = std::move(rules);
    for (const char* name : {"a", "b", "c"}) net.add(name);
  }
  std::size_t losses() {
    return net["a"].lost.size() + net["b"].lost.size() + net["c"].lost.size();
  }
  NameNet net;
};

TEST_F(NameMoves, OfTwoAtOnceOneOfThemWithinANodeTheEarlierIsTold) {
  start();
  net.connect_all();
  ASSERT_TRUE(net.give("a", "x", 1));
  net.run();
  ASSERT_TRUE(net.move_to("b", "x", 2));
  net.run();
  ASSERT_TRUE(net.move_to("a", "x", 1));  // b has not heard
  ASSERT_TRUE(net.move_to("b", "x", 4));
  net.run();
  EXPECT_EQ(net.holder("x"), net.pid("b", 4));
  EXPECT_EQ(net["a"].lost.size(), 1U);
  EXPECT_EQ(losses(), 1U);
}

TEST_F(NameMoves, WithinANodeTellNobodyThatTheNameWasTakenFrom) {
  start();
  net.connect_all();
  ASSERT_TRUE(net.give("a", "x", 1));
  net.run();
  ASSERT_TRUE(net.move_to("b", "x", 2));  // a has not heard
  ASSERT_TRUE(net.move_to("b", "x", 4));
  net.run();
  EXPECT_EQ(net.holder("x"), net.pid("b", 4));
  EXPECT_EQ(losses(), 0U);
}

TEST_F(NameMoves, WhoTakesTheNameAgainInACutIsTold) {
  for (const NameOrder order : {NameOrder::keep_oldest, NameOrder::keep_newest}) {
    net = {};
    start({.order = order, .choose = {}});
    net.connect_all();
    ASSERT_TRUE(net.give("a", "x", 1));
    net.run();
    ASSERT_TRUE(net.move_to("b", "x", 2));  // from a's process, which lives on
    net.run();
    net.cut("a", "b");
    net.cut("a", "c");
    ASSERT_TRUE(net.give("a", "x", 1));  // where it is free
    ASSERT_TRUE(net.move_to("b", "x", 4));
    net.connect_all();
    net.run();
    EXPECT_EQ(net.holder("x"), net.pid("b", 4));
    EXPECT_EQ(losses(), 1U);
  }
}

TEST_F(NameMoves, FromAClaimThatIsOverReplaceNoOtherOfItsProcess) {
  start();
  net.connect("a", "c");
  ASSERT_TRUE(net.give("b", "x", 2));  // the oldest, and b has met nobody
  ASSERT_TRUE(net.give("a", "x", 1));
  net.run();
  net.connect("a", "b");
  while (net.deliver("a", "b") || net.deliver("b", "a")) continue;
  ASSERT_EQ(net["a"].lost.size(), 1U);    // c has not heard
  ASSERT_TRUE(net.move_to("a", "x", 1));  // the same process, from b's
  ASSERT_TRUE(net.move_to("c", "x", 3));  // from a's first claim, as c believes
  net.connect("b", "c");
  while (net.deliver("b", "c") || net.deliver("c", "b")) continue;
  net.run();
  net.tick();
  EXPECT_EQ(net.holder("x"), net.pid("a", 1));
}

TEST_F(NameMoves, NobodyLosesToThePastOfANodeThatIsToldInParts) {
  start();
  net.connect_all();
  const auto tell_nobody = [this](const std::string& name, std::uint32_t index) {
    NameLog::NewName request;
    request.name = name;
    request.pid = net.pid("a", index);
    request.metadata = Value{std::string(900, 'm')};
    ASSERT_TRUE(net["a"].log.add(request, net.wall++));
    static_cast<void>(net["a"].log.take());  // as to links that are behind
  };
  tell_nobody("x", 1);
  for (std::uint32_t i = 2; i < 150; ++i) tell_nobody("y" + std::to_string(i), i);
  net["a"].log.remove("x");
  static_cast<void>(net["a"].log.take());
  ASSERT_TRUE(net.give("b", "x", 1));
  ASSERT_TRUE(net.give("a", "z", 500));  // which is told, and shows what is missing
  net.run();
  EXPECT_EQ(net.holder("x"), net.pid("b", 1));
  EXPECT_EQ(net.holder("y2"), net.pid("a", 2));
  EXPECT_EQ(net.told("c", "y2"), net.pid("a", 2));
  EXPECT_EQ(losses(), 0U);
}

TEST_F(NameMoves, NobodyLosesToANodeThatHasTooManyNames) {
  net.rules.per_node_max = 3;
  net.add("a");
  net.rules.per_node_max = 100;
  net.add("b");
  net.connect("a", "b");
  net.run();
  for (std::uint32_t i = 1; i <= 6; ++i) {
    const std::string name = i == 1 ? "x" : "y" + std::to_string(i);
    ASSERT_TRUE(net.give("b", name, i, {}, NameLog::News::gathered));
  }
  ASSERT_TRUE(net.give("a", "x", 1));
  net.take("b");
  net.run();
  EXPECT_EQ(net["a"].refused, 1U);
  EXPECT_TRUE(net["a"].lost.empty());
}

/// A claim: of a process, at a time.
using Claim = std::pair<Pid, std::uint64_t>;

/// Two processes on each of three nodes take x, and take it from each other, at any time; sessions
/// come and go. Nobody ends, and nobody gives the name up.
class Walk {
 public:
  Walk(std::uint64_t seed, const NamesConfig& rules) : random_{seed} {
    net_.rules = rules;
    for (const std::string& name : names_) net_.add(name);
  }
  void run(int steps) {
    for (; steps > 0; --steps) {
      step();
      look();
    }
    net_.connect_all();
    for (bool moved = true; moved;) {
      moved = false;
      for (const std::string& from : names_) {
        for (const std::string& to : names_) {
          moved = net_.deliver(from, to) || moved;
          look();
        }
      }
    }
    net_.tick();
    look();
  }
  [[nodiscard]] bool nobody_is_left() { return taken_ && net_.holder("x") == Pid{}; }
  [[nodiscard]] bool forked() { return net_.holder("x").index == 99; }
  [[nodiscard]] bool unheard() const { return unheard_; }

 private:
  void step() {
    const std::string& one = names_[random_.below(3)];
    const std::string& other = names_[random_.below(3)];
    const auto index = static_cast<std::uint32_t>(1 + random_.below(2));
    switch (random_.below(10)) {
      case 0: taken_ = net_.give(one, "x", index).has_value() || taken_; break;
      case 1: move(one, index); break;
      case 2:
        if (one < other && up_.insert({one, other}).second) net_.connect(one, other);
        break;
      case 3:
        if (random_.below(3) == 0 && up_.erase({one, other}) > 0) net_.cut(one, other);
        break;
      default: net_.deliver(one, other);
    }
  }
  void move(const std::string& to, std::uint32_t index) {
    const Pid holder = net_.holder(to, "x");
    const auto* log = holder ? net_[to].log.origin(holder.node) : nullptr;
    const std::uint64_t at = log != nullptr ? log->find("x")->at : 0;
    if (!net_.move_to(to, "x", index)) return;
    taken_ = true;
    if (holder && holder != net_.pid(to, index)) moved_.insert({holder, at});
  }
  /// Whose claim is gone was told, or it was moved.
  void look() {
    for (const std::string& name : names_) {
      const NameEntry* entry = net_[name].log.origin(net_[name].id)->find("x");
      const auto& lost = net_[name].lost;
      for (std::uint32_t index = 1; index <= 2; ++index) {
        const Pid pid = net_.pid(name, index);
        const auto told = static_cast<std::size_t>(std::count_if(
            lost.begin(), lost.end(), [&](const auto& loss) { return loss.loser == pid; }));
        std::optional<std::uint64_t> now;
        if (entry != nullptr && entry->index == index) now = entry->at;
        std::optional<std::uint64_t>& before = has_[pid];
        if (before && before != now && told == told_[pid] && !moved_.contains({pid, *before})) {
          unheard_ = true;
        }
        before = now;
        told_[pid] = told;
      }
    }
  }

  Random random_;
  NameNet net_;
  const std::vector<std::string> names_{"a", "b", "c"};
  std::set<NameNet::Link> up_;
  std::set<Claim> moved_;
  std::map<Pid, std::optional<std::uint64_t>> has_;
  std::map<Pid, std::size_t> told_;
  bool taken_ = false;
  bool unheard_ = false;
};

TEST(NameWalk, LeavesOneHolderAndTellsEachLoser) {
  NamesConfig by_age;
  by_age.choose = [](const std::string&, const NameClaim& one, const NameClaim& other) {
    return other.since < one.since ? other.pid : one.pid;
  };
  for (const NamesConfig& rules :
       {NamesConfig{}, NamesConfig{NameOrder::keep_newest, {}}, by_age}) {
    for (std::uint64_t seed = 1; seed <= 3'000; ++seed) {
      SCOPED_TRACE(seed);
      Walk walk{seed, rules};
      walk.run(60);
      ASSERT_FALSE(walk.nobody_is_left());
      ASSERT_FALSE(walk.forked());
      ASSERT_FALSE(walk.unheard());
    }
  }
}

}  // namespace
}  // namespace grove::cluster
