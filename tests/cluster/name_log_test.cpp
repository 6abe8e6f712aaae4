// SPDX-License-Identifier: Apache-2.0
#include "grove/core/random.hpp"

#include "name_net.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

namespace grove::cluster {
namespace {

NamesConfig ordered(NameOrder order) {
  NamesConfig rules;
  rules.order = order;
  return rules;
}

class NameLogs : public testing::Test {
 protected:
  NameLogs() { start({"a", "b", "c"}); }
  void start(const std::vector<std::string>& names, NamesConfig rules = {}) {
    net = {};
    net.rules = std::move(rules);
    for (const std::string& name : names) net.add(name);
    net.connect_all();
    net.run();
  }
  /// Both a and b give `x` away while they cannot see each other; c sees what they see.
  void conflict(NamesConfig rules) {
    start({"a", "b", "c"}, std::move(rules));
    net.cut("a", "b");
    net.cut("a", "c");
    net.run();
    ASSERT_TRUE(net.give("a", "x", 1));
    ASSERT_TRUE(net.give("b", "x", 2));
    net.run();
    net.connect("a", "b");
    net.connect("a", "c");
    net.run();
    net.tick();
  }
  /// Out of the others' sight a takes `x` away, which b gives to its own process.
  void move_unseen() {
    ASSERT_TRUE(net.give("a", "x", 1));
    net.run();
    net.cut("a", "b");
    net.cut("a", "c");
    ASSERT_TRUE(net.give("b", "x", 2));
    net.take_away("a", "x");
  }
  std::size_t losses() {
    return net["a"].lost.size() + net["b"].lost.size() + net["c"].lost.size();
  }
  NameNet net;
};

TEST_F(NameLogs, SeeANameAtOnceAndUntilItIsTakenAway) {
  ASSERT_TRUE(net.give("a", "x", 1));
  net.run();
  EXPECT_EQ(net.holder("x"), net.pid("a", 1));
  EXPECT_EQ(net.told("c", "x"), net.pid("a", 1));
  EXPECT_EQ(net.give("b", "x", 2).error().code, Errc::name_taken);
  net.take_away("a", "x");
  net.run();
  EXPECT_EQ(net.holder("x"), Pid{});
  EXPECT_EQ(net.told("c", "x"), Pid{});
}

TEST_F(NameLogs, GiveAProcessOneName) {
  ASSERT_TRUE(net.give("a", "x", 1));
  EXPECT_EQ(net.give("a", "y", 1).error().code, Errc::already_started);
  EXPECT_EQ(net.give("a", "x", 1).error().code, Errc::name_taken);
}

TEST_F(NameLogs, OfANodeOutOfReachAreHiddenUnlessAThirdReachesIt) {
  ASSERT_TRUE(net.give("b", "x", 1));
  net.run();
  net.cut("a", "b");
  EXPECT_EQ(net.holder("a", "x"), Pid{});
  EXPECT_EQ(net.holder("c", "x"), net.pid("b", 1));
  net["a"].log.on_reached(net["b"].id, "c");
  net.take("a");
  net.run();
  EXPECT_EQ(net.holder("a", "x"), net.pid("b", 1));
  net["a"].log.on_reached(net["b"].id, "");
  net.take("a");
  EXPECT_EQ(net.holder("a", "x"), Pid{});
}

TEST_F(NameLogs, AreLearntThroughAThirdNode) {
  net.cut("a", "b");
  net["a"].log.on_reached(net["b"].id, "c");
  net["b"].log.on_reached(net["a"].id, "c");
  ASSERT_TRUE(net.give("a", "x", 1));
  ASSERT_TRUE(net.give("b", "y", 1));
  net.tick();
  EXPECT_EQ(net.holder("x"), net.pid("a", 1));
  EXPECT_EQ(net.holder("y"), net.pid("b", 1));
  net.take_away("a", "x");
  net.tick();
  EXPECT_EQ(net.holder("x"), Pid{});
}

// Or else it would come back, and nobody would ever take it away.
TEST_F(NameLogs, OfADeadLifeAreNotLearntAnewFromWhoHasNotHeardOfIt) {
  ASSERT_TRUE(net.give("a", "x", 1));
  net.run();
  net.cut("a", "b");
  net.cut("a", "c");
  net.bury("b", net["a"].id);
  net["c"].log.on_reached(net["a"].id, "b");  // it believes so still
  net.tick();
  EXPECT_EQ(net.holder("b", "x"), Pid{});
  EXPECT_EQ(net["b"].log.origin(net["a"].id), nullptr);
  net.bury("c", net["a"].id);
  net.tick();
  EXPECT_EQ(net.holder("c", "x"), Pid{});
}

TEST_F(NameLogs, OfAFormerLifeGoWhenTheNextOneComes) {
  ASSERT_TRUE(net.give("a", "x", 1));
  net.run();
  net.cut("a", "b");
  net.cut("a", "c");
  net.add("a", 2);
  net.connect_all();
  net.run();
  EXPECT_EQ(net.holder("x"), Pid{});
}

TEST_F(NameLogs, OfALifeThatComesBackAreResumedByTheirChanges) {
  for (std::uint32_t i = 1; i <= 100; ++i) (void)net.give("a", "x" + std::to_string(i), i);
  net.run();
  net.cut("a", "b");
  EXPECT_EQ(net.holder("b", "x7"), Pid{});
  net.take_away("a", "x7");
  net.run();
  net.parts.clear();
  net.connect("a", "b");
  net.run();
  EXPECT_EQ(net.holder("b", "x8"), net.pid("a", 8));
  EXPECT_EQ(net.holder("b", "x7"), Pid{});
  ASSERT_EQ(net.parts.size(), 1U);
  EXPECT_EQ(net.parts[0].changes.size(), 1U);
  EXPECT_FALSE(net.parts[0].ranged);
}

TEST_F(NameLogs, OfALifeThatWasDeclaredDeadAreFetchedAgain) {
  ASSERT_TRUE(net.give("a", "x", 1));
  net.run();
  net.cut("a", "b");
  net.bury("b", net["a"].id);
  net.connect("a", "b");
  net.run();
  EXPECT_EQ(net.holder("b", "x"), Pid{});  // for b it is dead still
  net["b"].log.on_member(net["a"].id, true);
  net.take("b");
  net.run();
  EXPECT_EQ(net.holder("b", "x"), net.pid("a", 1));
}

// What is remembered of a node that was away may be old: nobody loses a name to that.
TEST_F(NameLogs, NobodyLosesToANameThatIsGoneByThen) {
  move_unseen();
  net.connect("a", "b");
  net.connect("a", "c");
  net.run();
  EXPECT_EQ(net.holder("x"), net.pid("b", 2));
  EXPECT_EQ(losses(), 0U);
}

TEST_F(NameLogs, NobodyLosesToOneThatAThirdNodeHasNotSeenGo) {
  move_unseen();
  net.connect("a", "b");
  net["c"].log.on_tick();  // its copy of a's names is the one that b has
  net.take("c");
  while (net.deliver("c", "b")) {
  }
  EXPECT_EQ(losses(), 0U);
  net.connect("a", "c");
  net.run();
  net.tick();
  EXPECT_EQ(net.holder("x"), net.pid("b", 2));
  EXPECT_EQ(losses(), 0U);
}

TEST_F(NameLogs, ByDefaultTheOldestClaimStandsAndTheOtherIsToldOnce) {
  conflict({});
  EXPECT_EQ(net.holder("x"), net.pid("a", 1));
  ASSERT_EQ(losses(), 1U);
  EXPECT_EQ(net["b"].lost[0].loser, net.pid("b", 2));
  EXPECT_EQ(net["b"].lost[0].winner, net.pid("a", 1));
}

TEST_F(NameLogs, WithKeepNewestTheNewestClaimStands) {
  conflict(ordered(NameOrder::keep_newest));
  EXPECT_EQ(net.holder("x"), net.pid("b", 2));
  ASSERT_EQ(losses(), 1U);
  EXPECT_EQ(net["a"].lost[0].winner, net.pid("b", 2));
}

TEST_F(NameLogs, TheProgramsOrderChooses) {
  NamesConfig rules;
  rules.choose = [](const std::string& name, const NameClaim& older, const NameClaim& newer) {
    EXPECT_EQ(name, "x");
    EXPECT_LT(older.at, newer.at);
    return node_name(older.pid.node) == "b" ? older.pid : newer.pid;
  };
  conflict(rules);
  EXPECT_EQ(net.holder("x"), net.pid("b", 2));
  EXPECT_EQ(losses(), 1U);
}

TEST_F(NameLogs, AnOrderThatChoosesNeitherOrThrowsFreesTheNameEverywhere) {
  for (const bool throws : {false, true}) {
    NamesConfig rules;
    rules.choose = [throws](const std::string&, const NameClaim&, const NameClaim&) {
      return throws ? throw std::runtime_error{"no idea"} : Pid{};
    };
    conflict(rules);
    EXPECT_EQ(net.holder("x"), Pid{});
    EXPECT_EQ(net["a"].log.origin(net["a"].id)->names().size(), 0U);
    EXPECT_EQ(net["b"].log.origin(net["b"].id)->names().size(), 0U);
    ASSERT_EQ(net["a"].lost.size(), 1U);  // said by each of them, and nobody has won
    ASSERT_EQ(net["b"].lost.size(), 1U);
    EXPECT_EQ(net["a"].lost[0].winner, Pid{});
    EXPECT_TRUE(net.give("c", "x", 3));
  }
}

// One side frees its claim before the other has ever seen it.
TEST_F(NameLogs, ANameIsFreedByBothWhoeverHearsFirst) {
  NamesConfig rules;
  rules.choose = [](const std::string&, const NameClaim&, const NameClaim&) { return Pid{}; };
  start({"a", "b"}, rules);
  net.cut("a", "b");
  (void)net.give("a", "x", 1);
  (void)net.give("b", "x", 2);
  net.connect("a", "b");
  while (net.deliver("b", "a") || net["a"].lost.empty()) {  // a hears all, b but requests
    if (net["a"].lost.empty()) net.deliver("a", "b");
  }
  net.run();
  net.tick();
  EXPECT_EQ(net.holder("x"), Pid{});
  EXPECT_EQ(net["b"].lost.size(), 1U);
}

TEST_F(NameLogs, OfThreeClaimsOneStandsUnderAnyDelivery) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Random random{seed};
    start({"a", "b", "c"},
          ordered(seed % 2 == 0 ? NameOrder::keep_newest : NameOrder::keep_oldest));
    const std::vector<std::string> names{"a", "b", "c"};
    net.cut("a", "b");
    net.cut("a", "c");
    net.cut("b", "c");
    for (std::uint32_t i = 0; i < 3; ++i) ASSERT_TRUE(net.give(names[i], "x", i + 1));
    net.connect_all();
    for (int i = 0; i < 60; ++i) net.deliver(names[random.below(3)], names[random.below(3)]);
    net.run();
    net.tick();
    EXPECT_EQ(net.holder("x"), net.pid(seed % 2 == 0 ? "c" : "a", seed % 2 == 0 ? 3 : 1));
    EXPECT_EQ(losses(), 2U);
  }
}

TEST_F(NameLogs, AReRegistrationMovesTheNameAndNobodyIsTold) {
  ASSERT_TRUE(net.give("a", "x", 1));
  net.run();
  NameLog::NewName request;
  request.name = "x";
  request.pid = net.pid("b", 2);
  request.metadata = Value{"new"};
  request.replaces = true;
  ASSERT_TRUE(net["b"].log.add(request, 1));  // by a clock that is far behind
  net.take("b");
  EXPECT_EQ(net.holder("b", "x"), net.pid("b", 2));
  net.run();
  EXPECT_EQ(net.holder("x"), net.pid("b", 2));
  EXPECT_EQ(net["c"].log.find("x")->metadata, Value{"new"});
  EXPECT_EQ(losses(), 0U);
  EXPECT_EQ(net["a"].log.origin(net["a"].id)->names().size(), 0U);
  request.metadata = Value{"newer"};  // of the same process: the metadata changes
  ASSERT_TRUE(net["b"].log.add(request, 1));
  net.take("b");
  net.run();
  EXPECT_EQ(net["a"].log.find("x")->metadata, Value{"newer"});
}

TEST_F(NameLogs, AReRegistrationMovesTheNameBackUnderAnyOrder) {
  NamesConfig ranked;  // as it happens, always the same process
  ranked.choose = [](const std::string&, const NameClaim& older, const NameClaim& newer) {
    return node_name(older.pid.node) == "b" ? older.pid : newer.pid;
  };
  for (const NamesConfig& rules :
       {ordered(NameOrder::keep_oldest), ordered(NameOrder::keep_newest), ranked}) {
    start({"a", "b", "c"}, rules);
    ASSERT_TRUE(net.give("a", "x", 1));
    net.run();
    for (const auto& [node, index] : {std::pair{"b", 2U}, {"a", 1U}, {"c", 3U}, {"b", 2U}}) {
      ASSERT_TRUE(net.move_to(node, "x", index));
      net.run();
      EXPECT_EQ(net.holder("x"), net.pid(node, index));
    }
    EXPECT_EQ(losses(), 0U);
  }
}

TEST_F(NameLogs, AMovedNameIsAsOldAsBefore) {
  const std::vector<std::string> names{"a", "b", "c"};
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random{seed};
    NamesConfig oldest;  // the program's, which is to be no worse
    oldest.choose = [](const std::string&, const NameClaim& older, const NameClaim& newer) {
      return newer.since <= older.since ? newer.pid : older.pid;
    };
    start(names, seed % 2 == 0 ? oldest : ordered(NameOrder::keep_oldest));
    ASSERT_TRUE(net.give("a", "x", 1));
    net.run();
    net.cut("a", "c");
    net.cut("b", "c");
    ASSERT_TRUE(net.give("c", "x", 3));  // loses to a's, which b's comes after
    ASSERT_TRUE(net.move_to("b", "x", 2));
    const std::uint32_t last = seed % 4 == 0 ? 4 : 2;  // another one of the node, or the same:
    ASSERT_TRUE(net.move_to("b", "x", last));          // its metadata may be new
    net.connect_all();
    for (int i = 0; i < 60; ++i) net.deliver(names[random.below(3)], names[random.below(3)]);
    net.run();
    net.tick();
    EXPECT_EQ(net.holder("x"), net.pid("b", last));
    EXPECT_EQ(losses(), 1U);
  }
}

TEST_F(NameLogs, OfTwoMovesTheLaterOneStands) {
  ASSERT_TRUE(net.give("a", "x", 1));
  net.run();
  net.cut("b", "c");
  ASSERT_TRUE(net.move_to("b", "x", 2));
  ASSERT_TRUE(net.move_to("c", "x", 3));
  net.connect_all();
  net.run();
  EXPECT_EQ(net.holder("x"), net.pid("c", 3));
  EXPECT_EQ(net["b"].lost.size(), 1U);
  EXPECT_EQ(losses(), 1U);
}

// Who comes to know a node hears of its past first, and of that one change after the other.
TEST_F(NameLogs, NobodyLosesToAClaimThatIsGone) {
  net.cut("a", "c");
  net.cut("b", "c");
  ASSERT_TRUE(net.give("a", "x", 1));
  ASSERT_TRUE(net.give("a", "y", 2));
  net.take_away("a", "x");
  ASSERT_TRUE(net.give("c", "x", 3));
  net.connect_all();
  net.run();
  EXPECT_EQ(net.holder("x"), net.pid("c", 3));
  EXPECT_EQ(net.holder("y"), net.pid("a", 2));
  EXPECT_EQ(losses(), 0U);
}

TEST_F(NameLogs, NobodyLosesToAClaimThatOnlyOthersHaveStill) {
  net.cut("a", "c");
  net.cut("b", "c");
  ASSERT_TRUE(net.give("a", "x", 1));
  net.run();
  net.cut("a", "b");
  net.take_away("a", "x");  // b has not heard
  ASSERT_TRUE(net.give("c", "x", 3));
  net.connect("b", "c");
  net.connect("a", "c");
  while (net.deliver("b", "c") || net.deliver("c", "b")) continue;  // before a says a word
  net.connect("a", "b");
  net.run();
  EXPECT_EQ(net.holder("x"), net.pid("c", 3));
  EXPECT_EQ(losses(), 0U);
}

TEST_F(NameLogs, WhoFreedANameKeepsTheOneThatItHasNow) {
  NamesConfig neither;
  neither.choose = [](const std::string&, const NameClaim&, const NameClaim&) { return Pid{}; };
  start({"a", "b", "c"}, neither);
  net.cut("a", "b");
  ASSERT_TRUE(net.give("a", "x", 1));
  ASSERT_TRUE(net.give("b", "x", 2));
  net.connect("a", "b");
  while (net["a"].lost.empty()) ASSERT_TRUE(net.deliver("b", "a") || net.deliver("a", "b"));
  ASSERT_TRUE(net.give("a", "y", 1));  // b has not freed x yet
  net.take_away("a", "x");
  EXPECT_TRUE(net["a"].log.remove_all(net.pid("a", 1)));
  net.take("a");
  net.run();
  EXPECT_EQ(net.holder("y"), Pid{});
}

TEST_F(NameLogs, CanBeTakenAwayFromElsewhere) {
  ASSERT_TRUE(net.give("a", "x", 1));
  net.run();
  EXPECT_FALSE(net["b"].log.remove("x"));  // only when that is meant
  net.take_away("b", "x");
  net.run();
  EXPECT_EQ(net.holder("x"), Pid{});
  EXPECT_FALSE(net["b"].log.remove("x", true));
}

TEST_F(NameLogs, CanBeTakenAwayThroughAThirdNode) {
  ASSERT_TRUE(net.give("a", "x", 1));
  net.run();
  net.cut("a", "b");
  net["b"].log.on_reached(net["a"].id, "c");
  net.tick();
  ASSERT_EQ(net.holder("b", "x"), net.pid("a", 1));
  net.take_away("b", "x");
  net.run();
  net.tick();
  EXPECT_EQ(net.holder("x"), Pid{});
}

TEST_F(NameLogs, ARegistrationAfterOthersWereSeenIsYoungerWhateverTheClocksSay) {
  const std::uint64_t hours = std::uint64_t{5} * 3600 * 1'000'000;
  net.wall += hours;  // a's clock
  ASSERT_TRUE(net.give("a", "x", 1));
  net.wall -= hours;
  net.run();
  net.cut("a", "b");
  net.cut("a", "c");
  ASSERT_TRUE(net.give("b", "x", 2));  // a is out of reach; its clock is behind
  net.connect("a", "b");
  net.connect("a", "c");
  net.run();
  EXPECT_EQ(net.holder("x"), net.pid("a", 1));
  EXPECT_EQ(net["b"].lost.size(), 1U);
}

TEST_F(NameLogs, ThatAreGatheredGoInOneMessage) {
  for (std::uint32_t i = 1; i <= 10; ++i) {
    ASSERT_TRUE(net.give("a", "x" + std::to_string(i), i, {}, NameLog::News::gathered));
  }
  EXPECT_TRUE(net["a"].log.has_news());
  EXPECT_FALSE(net.deliver("a", "b"));
  EXPECT_EQ(net.told("a", "x1"), net.pid("a", 1));  // here they are known at once
  net.take("a");
  EXPECT_FALSE(net["a"].log.has_news());
  EXPECT_TRUE(net.deliver("a", "b"));
  EXPECT_FALSE(net.deliver("a", "b"));
  net.run();
  for (std::uint32_t i = 1; i <= 10; ++i) {
    EXPECT_EQ(net.holder("x" + std::to_string(i)), net.pid("a", i));
  }
}

// Else an origin would not remember them all, and others would have to ask.
TEST_F(NameLogs, ThatAreManyAreToldThoughMoreMayCome) {
  for (std::uint32_t i = 1; i <= 1'000; ++i) {
    ASSERT_TRUE(net.give("a", "x" + std::to_string(i), i, {}, NameLog::News::gathered));
  }
  net.run();
  EXPECT_EQ(net.holder("b", "x1"), net.pid("a", 1));
  net.take("a");
  net.run();
  EXPECT_EQ(net.holder("x1000"), net.pid("a", 1'000));
  EXPECT_EQ(net["a"].log.origin(net["a"].id)->version(), 1'000U);
  for (const NamesPart& part : net.parts) EXPECT_TRUE(part.node.empty()) << "nobody had to ask";
}

TEST_F(NameLogs, ThatAreGatheredReachWhoeverComesMeanwhile) {
  net.cut("a", "b");
  ASSERT_TRUE(net.give("a", "x", 1, {}, NameLog::News::gathered));
  ASSERT_TRUE(net.give("a", "y", 2, {}, NameLog::News::gathered));
  net["a"].log.remove("x");
  net.take("a", NameLog::News::gathered);
  net.connect("a", "b");
  net.run();
  EXPECT_EQ(net.holder("x"), Pid{});
  EXPECT_EQ(net.holder("y"), net.pid("a", 2));
}

TEST_F(NameLogs, ANodeThatHasMoreThanItMayIsNotListenedToAndNobodyElseIsHarmed) {
  NamesConfig rules;
  rules.per_node_max = 10;
  start({"a", "b"}, rules);
  net["b"] = NameNet::Node{net["b"].id, {}};  // b does not keep to it
  net["b"].log.on_member(net["a"].id, true);
  net.cut("a", "b");
  net.connect("a", "b");
  ASSERT_TRUE(net.give("a", "mine", 1));
  for (std::uint32_t i = 1; i <= 11; ++i) ASSERT_TRUE(net.give("b", "b" + std::to_string(i), i));
  net.run();
  EXPECT_EQ(net["a"].refused, 1U);
  EXPECT_EQ(net.holder("a", "b1"), Pid{});
  EXPECT_EQ(net.told("a", "b1"), Pid{});
  EXPECT_EQ(net.holder("mine"), net.pid("a", 1));
  for (std::uint32_t i = 2; i <= 10; ++i) ASSERT_TRUE(net.give("a", "a" + std::to_string(i), i));
  EXPECT_EQ(net.give("a", "one more", 11).error().code, Errc::unavailable);
}

TEST_F(NameLogs, WhatDiffersFromItsOwnersWordIsFetchedAnew) {
  ASSERT_TRUE(net.give("a", "x", 1));
  net.run();
  NamesDigest wrong;
  wrong.rows.push_back({"a", 1, 1, 12345});
  net["b"].log.on_message(net["c"].id, wrong);  // who is right, only a can say
  net["b"].log.on_message(net["a"].id, wrong);
  net.take("b");
  EXPECT_EQ(net["b"].diverged, 1U);
  net.run();
  EXPECT_EQ(net.holder("b", "x"), net.pid("a", 1));
}

TEST_F(NameLogs, AnEmptyNodeFetchesEachOriginOnceFromWhoeverHasIt) {
  constexpr std::uint32_t k_names = 5000;
  for (std::uint32_t i = 1; i <= k_names; ++i) {
    ASSERT_TRUE(net.give("a", "name-" + std::to_string(i), i));
    ASSERT_TRUE(net.give("b", "other-" + std::to_string(i), i));
  }
  net.run();
  net.parts.clear();
  net.add("d");
  net.connect("c", "d");  // and with nobody else
  net["d"].log.on_reached(net["a"].id, "c");
  net["d"].log.on_reached(net["b"].id, "c");
  net.run();
  net.tick();
  EXPECT_EQ(net["d"].log.all().size(), 2 * k_names);
  std::size_t told = 0;
  for (const NamesPart& part : net.parts) told += part.names.size();
  EXPECT_EQ(told, 2 * k_names);
}

TEST_F(NameLogs, InStepSayNoMoreThanThatTheyAre) {
  for (std::uint32_t i = 1; i <= 100; ++i) (void)net.give("a", "x" + std::to_string(i), i);
  net.tick();
  net.delivered = 0;
  net.tick(1);
  EXPECT_EQ(net.delivered, 6U);  // one to each peer
}

TEST_F(NameLogs, ACopyOfALogBehavesAsTheLogDoes) {
  ASSERT_TRUE(net.give("a", "x", 1));
  net.run();
  NameLog copy = net["b"].log;
  EXPECT_EQ(copy.to_text(), net["b"].log.to_text());
  copy.on_session_down(net["a"].id);
  EXPECT_FALSE(copy.find("x"));
  EXPECT_TRUE(net["b"].log.find("x"));
  EXPECT_NE(copy.to_text(), net["b"].log.to_text());
}

}  // namespace
}  // namespace grove::cluster
