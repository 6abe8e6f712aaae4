// SPDX-License-Identifier: Apache-2.0
#include "membership_net.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <tuple>

namespace grove::cluster::testing {
namespace {

// -- suspicion ------------------------------------------------------------------------------

constexpr Clock::TimePoint k_start{100s};

Clock::Duration time_to_refute(std::size_t members, const std::vector<std::string>& accusers) {
  Suspicion suspicion{k_start, accusers.front()};
  for (const std::string& accuser : accusers) suspicion.confirm(accuser);
  return suspicion.deadline(members, 500ms) - k_start;
}

TEST(Suspicion, MoreConfirmationsShortenTheTimeout) {
  const auto one = time_to_refute(10, {"a"});
  const auto two = time_to_refute(10, {"a", "b"});
  const auto three = time_to_refute(10, {"a", "b", "c"});
  EXPECT_GT(one, two);
  EXPECT_GT(two, three);
  EXPECT_EQ(three, 2s);
  EXPECT_EQ(one, 12s);
  EXPECT_EQ(time_to_refute(10, {"a", "b", "c", "d"}), three);
}

TEST(Suspicion, AnAccuserCountsOnce) {
  Suspicion suspicion{k_start, "a"};
  EXPECT_FALSE(suspicion.confirm("a"));
  EXPECT_TRUE(suspicion.confirm("b"));
  EXPECT_EQ(suspicion.accusers().size(), 2U);
}

TEST(Suspicion, RemembersAFewAccusersOfMany) {
  Suspicion suspicion{k_start, "a0"};
  for (int i = 1; i < 1000; ++i) suspicion.confirm("a" + std::to_string(i));
  EXPECT_EQ(suspicion.accusers().size(), Suspicion::k_accusers_max);
  EXPECT_FALSE(suspicion.confirm("another")) << "that is no news any more";
}

TEST(Suspicion, LargerClustersWaitLonger) {
  EXPECT_GT(time_to_refute(100, {"a", "b", "c"}), time_to_refute(10, {"a", "b", "c"}));
}

TEST(Suspicion, OneAccuserIsEnoughForTwoMembersOnly) {
  Suspicion suspicion{k_start, "a"};
  EXPECT_TRUE(suspicion.is_decidable(2));
  EXPECT_FALSE(suspicion.is_decidable(3));
  suspicion.confirm("b");
  EXPECT_TRUE(suspicion.is_decidable(3));
}

TEST(Suspicion, OfThreeMembersTheOtherOneConfirms) {
  EXPECT_EQ(time_to_refute(3, {"a", "b"}), 2s);
  EXPECT_EQ(time_to_refute(3, {"a"}), 12s);
}

// -- news -----------------------------------------------------------------------------------

TEST(ClaimQueue, TellsEachClaimALimitedNumberOfTimes) {
  ClaimQueue queue;
  queue.add({"x", 1, 0, MemberState::alive, "x:1", {}});
  unsigned told = 0;
  while (!queue.empty()) told += static_cast<unsigned>(queue.take(8, 9).size());
  EXPECT_EQ(told, ClaimQueue::tellings(9));
}

TEST(ClaimQueue, WhatWasToldLeastGoesFirst) {
  ClaimQueue queue;
  queue.add({"old", 1, 0, MemberState::alive, {}, {}});
  ASSERT_EQ(queue.take(1, 9).front().name, "old");
  queue.add({"new", 1, 0, MemberState::alive, {}, {}});
  EXPECT_EQ(queue.take(1, 9).front().name, "new");
}

TEST(ClaimQueue, OfTooManyNewsThoseToldMostAreDropped) {
  ClaimQueue queue;
  queue.add({"told", 1, 0, MemberState::alive, {}, {}});
  ASSERT_EQ(queue.take(1, 9).size(), 1U);
  const auto add = [&queue](std::size_t number) {
    queue.add({"x" + std::to_string(number), 1, 0, MemberState::alive, {}, {}});
  };
  for (std::size_t i = 0; i < ClaimQueue::k_claims_max; ++i) add(i);
  const auto all = queue.take(2 * ClaimQueue::k_claims_max, 9);
  EXPECT_EQ(all.size(), ClaimQueue::k_claims_max);
  for (const MemberClaim& claim : all) EXPECT_NE(claim.name, "told");
}

TEST(ClaimQueue, NewsReplaceOlderNewsButNotAnotherAccusersSuspicion) {
  ClaimQueue queue;
  queue.add({"x", 1, 3, MemberState::suspect, {}, "a"});
  queue.add({"x", 1, 3, MemberState::suspect, {}, "b"});
  EXPECT_EQ(queue.take(8, 9).size(), 2U);
  queue.add({"x", 1, 4, MemberState::alive, {}, {}});
  EXPECT_EQ(queue.take(8, 9).size(), 1U);
}

// -- one claim, one member: state x claim x incarnation -------------------------------------

enum class Age { older, same, newer };

struct Row {
  MemberState held;
  MemberState said;
  Age age;
  MemberState wanted;
};

std::string name_of(const ::testing::TestParamInfo<Row>& info) {
  const Row& row = info.param;
  const std::string_view ages[] = {"older", "same", "newer"};
  return std::string{to_string(row.held)} + "_hears_" + std::string{to_string(row.said)} + "_" +
         std::string{ages[static_cast<int>(row.age)]} + "_becomes_" +
         std::string{to_string(row.wanted)};
}

class Claims : public ::testing::TestWithParam<Row> {};

TEST_P(Claims, AreWeighed) {
  const Row& row = GetParam();
  Membership self{{"self", Life{1}, "self:1", {}, 1}};
  const auto tell = [&](MemberState state, std::uint64_t incarnation) {
    const MemberClaim claim{"x",   7,     incarnation,
                            state, "x:1", state == MemberState::suspect ? "accuser" : ""};
    self.on_message("accuser", {SwimKind::view_back, 0, {}, {claim}}, k_start);
  };
  self.on_session_up("accuser", Life{2}, "accuser:1", k_start);
  tell(MemberState::alive, 5);
  if (row.held != MemberState::alive) tell(row.held, 5);
  tell(row.said, row.age == Age::older ? 4 : row.age == Age::same ? 5 : 6);
  EXPECT_EQ(self.members().back().state, row.wanted);
}

constexpr auto alive = MemberState::alive;
constexpr auto suspect = MemberState::suspect;
constexpr auto dead = MemberState::dead;
constexpr auto left = MemberState::left;

INSTANTIATE_TEST_SUITE_P(
    Table, Claims,
    ::testing::Values(Row{alive, alive, Age::newer, alive}, Row{alive, suspect, Age::older, alive},
                      Row{alive, suspect, Age::same, suspect},
                      Row{alive, suspect, Age::newer, suspect}, Row{alive, dead, Age::older, alive},
                      Row{alive, dead, Age::same, dead}, Row{alive, left, Age::same, left},
                      Row{suspect, alive, Age::older, suspect},
                      Row{suspect, alive, Age::same, suspect},
                      Row{suspect, alive, Age::newer, alive},
                      Row{suspect, suspect, Age::newer, suspect},
                      Row{suspect, dead, Age::same, dead}, Row{suspect, dead, Age::older, suspect},
                      Row{dead, alive, Age::same, dead}, Row{dead, alive, Age::newer, alive},
                      Row{dead, suspect, Age::newer, dead}, Row{dead, left, Age::same, left},
                      Row{left, alive, Age::newer, left}, Row{left, dead, Age::newer, left}),
    name_of);

TEST(Claims, OfANewLifeReplaceAllOfTheOld) {
  Membership self{{"self", Life{1}, "self:1", {}, 1}};
  self.on_message("a", {SwimKind::view_back, 0, {}, {{"x", 7, 9, alive, "x:1", {}}}}, k_start);
  self.on_message("a", {SwimKind::view_back, 0, {}, {{"x", 8, 0, alive, "x:2", {}}}}, k_start);
  EXPECT_EQ(self.members().front().life, Life{8});
  self.on_message("a", {SwimKind::view_back, 0, {}, {{"x", 7, 99, dead, "x:1", {}}}}, k_start);
  EXPECT_EQ(self.members().front().state, alive);
}

TEST(Claims, AboutThisNodeAreRefuted) {
  Membership self{{"self", Life{1}, "self:1", {}, 1}};
  self.on_message("a", {SwimKind::view_back, 0, {}, {{"self", 1, 4, dead, {}, {}}}}, k_start);
  EXPECT_EQ(self.incarnation(), 5U);
  self.on_message("a", {SwimKind::view_back, 0, {}, {{"self", 1, 4, dead, {}, {}}}}, k_start);
  EXPECT_EQ(self.incarnation(), 5U) << "refuted already";
}

TEST(Claims, OfAnAccuserWhoIsSuspectHimselfCountForNothing) {
  Membership self{{"self", Life{1}, "self:1", {}, 1}};
  for (const char* name : {"a", "b", "x"}) self.on_session_up(name, Life{2}, "-:1", k_start);
  const auto tell = [&](const char* of, const char* accuser) {
    self.on_message("b", {SwimKind::view_back, 0, {}, {{of, 2, 0, suspect, "-:1", accuser}}},
                    k_start);
  };
  tell("a", "b");
  tell("x", "a");
  EXPECT_EQ(self.members().back().state, alive);
  tell("x", "stranger");
  EXPECT_EQ(self.members().back().state, alive);
}

TEST(Claims, OfMoreMetadataThanAllowedAreHeardWithoutThem) {
  Membership self{{"self", Life{1}, "self:1", {}, 1}};
  const auto tell = [&](std::uint64_t version, std::vector<std::string> roles) {
    MemberClaim claim{"x", 7, 0, alive, "x:1", {}};
    claim.metadata = ClaimedMetadata{version, std::move(roles), {}};
    return self.on_message("x", {SwimKind::view_back, 0, {}, {claim}}, k_start);
  };
  const auto refusals = [](const Membership::Actions& actions) {
    std::size_t count = 0;
    for (const auto& action : actions) {
      const auto* counted = std::get_if<Membership::Count>(&action);
      if (counted != nullptr && counted->what == Membership::Counted::bad_metadata) ++count;
    }
    return count;
  };
  EXPECT_EQ(refusals(tell(1, std::vector<std::string>(200, "many_roles"))), 1U);
  ASSERT_EQ(self.members().size(), 1U) << "it is a member all the same";
  EXPECT_EQ(self.members().front().metadata, NodeMetadata{});
  EXPECT_EQ(refusals(tell(1, {"web"})), 0U);
  EXPECT_EQ(self.members().front().metadata, (NodeMetadata{{"web"}, {}}));
  tell(1, {"older"});
  EXPECT_EQ(self.members().front().metadata, (NodeMetadata{{"web"}, {}})) << "the same version";
}

TEST(Claims, OfADeadMemberTellNoMetadata) {
  Membership self{{"self", Life{1}, "self:1", {}, 1, {{"own"}, {}}}};
  MemberClaim claim{"x", 7, 0, alive, "x:1", {}};
  claim.metadata = ClaimedMetadata{1, {"web"}, {}};
  const auto roles_told = [&] {
    std::vector<std::string> told;
    for (const auto& action : self.on_message("x", {SwimKind::view, 0, {}, {}}, k_start)) {
      const auto* send = std::get_if<Membership::Send>(&action);
      if (send == nullptr) continue;
      for (const MemberClaim& one : send->message.claims) {
        if (one.metadata)
          told.insert(told.end(), one.metadata->roles.begin(), one.metadata->roles.end());
      }
    }
    return told;
  };
  self.on_message("x", {SwimKind::view_back, 0, {}, {claim}}, k_start);
  EXPECT_EQ(roles_told(), (std::vector<std::string>{"own", "web"}));
  self.on_message("y", {SwimKind::view_back, 0, {}, {{"x", 7, 0, dead, "x:1", {}}}}, k_start);
  EXPECT_EQ(roles_told(), std::vector<std::string>{"own"});
}

// -- how many are remembered ----------------------------------------------------------------

/// A node that has been told of as many members as it remembers, all invented.
class Crowded : public ::testing::Test {
 protected:
  static constexpr std::size_t k_max = 10;

  Crowded() {
    hear({"known", 7, 0, alive, "known:1", {}});
    hear({"gone", 7, 0, left, "gone:1", {}});
    for (std::size_t i = 0; i < k_max; ++i) {
      refused += refusals(hear({"x" + std::to_string(i), 7, 0, alive, "x:1", {}}));
    }
  }
  Membership::Actions hear(const MemberClaim& claim) {
    return self.on_message("faulty", {SwimKind::view_back, 0, {}, {claim}}, k_start);
  }
  static std::size_t refusals(const Membership::Actions& actions) {
    std::size_t count = 0;
    for (const auto& action : actions) {
      const auto* counted = std::get_if<Membership::Count>(&action);
      if (counted != nullptr && counted->what == Membership::Counted::too_many) ++count;
    }
    return count;
  }
  std::optional<Membership::MemberView> find(const std::string& name) {
    for (const auto& member : self.members()) {
      if (member.name == name) return member;
    }
    return std::nullopt;
  }
  Membership self{{"self", Life{1}, "self:1", {}, 1, {}, k_max}};
  std::size_t refused = 0;
};

TEST_F(Crowded, NobodyMoreIsRememberedByHearsay) {
  EXPECT_EQ(self.members().size(), k_max);
  EXPECT_EQ(refused, 2U);
  for (const MemberState state : {alive, suspect, dead, left}) {
    const bool said = state != suspect;  // of strangers that says nothing
    EXPECT_EQ(refusals(hear({"more", 7, 0, state, "more:1", "x1"})), said ? 1U : 0U);
  }
  EXPECT_EQ(self.members().size(), k_max);
}

TEST_F(Crowded, WhoIsRememberedStaysAndIsHeardOf) {
  EXPECT_EQ(find("known")->state, alive);
  EXPECT_EQ(find("gone")->state, left);
  hear({"known", 8, 0, alive, "known:2", {}});
  EXPECT_EQ(find("known")->life, Life{8}) << "a new life takes no room of its own";
  hear({"known", 8, 0, dead, "known:2", {}});
  EXPECT_EQ(find("known")->state, dead);
}

TEST_F(Crowded, WhoHasASessionIsAMemberAsLongAsItLasts) {
  self.on_session_up("new", Life{9}, "new:1", k_start);
  ASSERT_TRUE(find("new"));
  EXPECT_TRUE(find("new")->session);
  EXPECT_EQ(self.members().size(), k_max + 1);
  const auto actions = self.on_session_down("new", k_start);
  ASSERT_EQ(actions.size(), 1U);
  EXPECT_EQ(std::get<Membership::Changed>(actions[0]).to, dead);
  EXPECT_FALSE(find("new"));
  EXPECT_TRUE(find("known"));
}

TEST_F(Crowded, WhoHasASessionIsForgottenWithItThoughALaterLifeIsSaidToBeGone) {
  self.on_session_up("new", Life{9}, "new:1", k_start);
  hear({"new", 10, 0, dead, "new:1", {}});
  self.on_session_down("new", k_start);
  EXPECT_FALSE(find("new"));
}

TEST_F(Crowded, WhoHadASessionStaysWhenThereIsRoomByThen) {
  self.on_session_up("new", Life{9}, "new:1", k_start);
  MemberClaim long_gone{"x1", 7, 0, dead, "x:1", {}};
  long_gone.gone_for = 24 * 60 * 60;
  hear(long_gone);
  self.on_tick(k_start + 1s);
  EXPECT_FALSE(find("x1"));
  self.on_session_down("new", k_start + 1s);
  EXPECT_EQ(find("new")->state, alive) << "it has its time to be back";
}

TEST(Claims, WithAnAddressThatIsTooLongAreNotHeard) {
  Membership self{{"self", Life{1}, "self:1", {}, 1}};
  self.on_message(
      "a", {SwimKind::view_back, 0, {}, {{"x", 7, 0, alive, std::string(256, 'x'), {}}}}, k_start);
  EXPECT_TRUE(self.members().empty());
}

// -- whole clusters -------------------------------------------------------------------------

class Clusters : public ::testing::TestWithParam<std::tuple<std::size_t, std::uint64_t>> {
 protected:
  Clusters() : net{std::get<0>(GetParam()), std::get<1>(GetParam())} {}
  MembershipNet net;
};

TEST_P(Clusters, AreOfOneMindWhenNothingHappens) {
  net.run(60s);
  EXPECT_TRUE(net.agreed());
  EXPECT_EQ(net.changes_to(suspect), 0U);
}

TEST_P(Clusters, DeclareAKilledMemberDeadOnceEverywhere) {
  net.forget();
  net.kill("n1");
  net.run(30s);
  EXPECT_TRUE(net.agreed());
  EXPECT_EQ(net.changes_to(dead, "n1"), net.names().size());
  EXPECT_EQ(net.changes_to(dead), net.names().size());
}

TEST_P(Clusters, APausedMemberEvictsNobodyAndIsBackUnaided) {
  net.pause("n1");
  net.run(30s);
  net.forget();
  net.resume("n1");
  net.run(40s);
  EXPECT_TRUE(net.agreed());
  EXPECT_EQ(net.changes_to(dead), 0U);
  if (net.names().size() > 2) {
    EXPECT_GT(net.view("n2", "n1").incarnation, 0U);
  }
}

TEST_P(Clusters, AnIsolatedMemberIsRemovedAndComesBackWithTheSameLife) {
  const Life life = net.view("n2", "n1").life;
  net.isolate("n1");
  net.run(40s);
  if (net.names().size() > 2) {
    EXPECT_EQ(net.view("n2", "n1").state, dead);
    for (const auto& member : net["n1"].members()) {
      EXPECT_EQ(member.state, suspect) << "one accuser removed " << member.name;
    }
  }
  net.heal();
  net.run(40s);
  EXPECT_TRUE(net.agreed());
  EXPECT_EQ(net.view("n2", "n1").life, life);
}

TEST_P(Clusters, ALeavingMemberHasLeftAndIsNotDead) {
  net.leave("n1");
  net.run(1s);
  net.forget();
  net.kill("n1");
  net.run(30s);
  EXPECT_EQ(net.view("n2", "n1").state, left);
  EXPECT_EQ(net.changes_to(dead), 0U);
}

TEST_P(Clusters, ANewLifeReplacesAKilledOne) {
  net.kill("n1");
  net.run(1s);
  net.start("n1");
  net.run(20s);
  EXPECT_TRUE(net.agreed());
}

INSTANTIATE_TEST_SUITE_P(Sizes, Clusters,
                         ::testing::Combine(::testing::Values(2, 3, 4, 7, 20),
                                            ::testing::Values(1, 2, 3)));

TEST(Membership, MembersThatCannotReachEachOtherStayThroughAThird) {
  MembershipNet net{3};
  net.forget();
  net.cut_both("n1", "n2");
  net.run(60s);
  EXPECT_EQ(net.changes_to(dead), 0U);
  EXPECT_EQ(net.view("n1", "n2").state, alive);
  EXPECT_FALSE(net.view("n1", "n2").session);
  EXPECT_EQ(net.view("n1", "n2").reached_by, "n3");
}

TEST(Membership, WhoIsReachedFromHereIsReachedThroughNobodyElse) {
  MembershipNet net{3};
  net.cut("n2", "n1");                               // not for so long that the session ends
  (void)net["n1"].set_metadata({{"web"}, Value{}});  // news, so it probes
  net.run(2s);
  ASSERT_TRUE(net.view("n1", "n2").session);
  EXPECT_EQ(net.view("n1", "n2").reached_by, "");
}

TEST(Membership, WhoHasLeftReachesNobodyThroughOthers) {
  MembershipNet net{3};
  net.cut_both("n1", "n2");
  net.run(10s);
  ASSERT_EQ(net.view("n1", "n2").reached_by, "n3");
  net.leave("n1");
  net.run(10s);
  EXPECT_EQ(net.view("n1", "n2").reached_by, "");
}

TEST(Membership, HalvesDeclareEachOtherDeadAndMergeWhenTheyMeetAgain) {
  MembershipNet net{4};
  for (const char* one : {"n1", "n2"}) {
    for (const char* other : {"n3", "n4"}) net.cut_both(one, other);
  }
  net.run(60s);
  EXPECT_EQ(net.view("n1", "n3").state, dead);
  EXPECT_EQ(net.view("n4", "n2").state, dead);
  EXPECT_EQ(net.view("n1", "n2").state, alive);
  net.heal();
  net.run(30s);
  EXPECT_TRUE(net.agreed());
}

TEST(Membership, HalvesThatMeetThroughOneMemberOnlyAgreeThroughIt) {
  for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
    MembershipNet net{4, seed};
    for (const char* one : {"n1", "n2"}) {
      for (const char* other : {"n3", "n4"}) net.cut_both(one, other);
    }
    net.run(60s);
    net.heal();
    for (const char* other : {"n3", "n4"}) net.cut_both("n2", other);
    net.run(30s);
    for (const char* other : {"n3", "n4"}) {
      EXPECT_EQ(net.view(other, "n2").state, alive) << other;
      EXPECT_EQ(net.view(other, "n2").reached_by, "n1") << other;
      EXPECT_EQ(net.view("n2", other).state, alive) << other;
    }
  }
}

TEST(Membership, TheDeadAreRememberedForADayAndThenForgotten) {
  MembershipTimes times;
  EXPECT_EQ(times.tombstone, std::chrono::hours{24});
  times.tombstone = 60s;
  MembershipNet net{3, 1, times};
  net.kill("n1");
  net.run(50s);
  EXPECT_EQ(net.view("n2", "n1").state, dead);
  EXPECT_EQ(net.view("n3", "n1").state, dead);
  net.run(60s);
  EXPECT_EQ(net.view("n2", "n1").name, "");
  EXPECT_EQ(net.view("n3", "n1").name, "");
}

TEST(Membership, TheDeadAreForgottenThoughOthersTellOfThem) {
  MembershipTimes times;
  times.tombstone = 60s;
  for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
    MembershipNet net{5, seed, times};
    net.kill("n1");
    for (const char* joins_later : {"n6", "n7", "n8", "n9"}) {
      net.run(16s);
      net.start(joins_later);
    }
    net.run(20s);
    for (const std::string& name : net.names()) EXPECT_EQ(net.view(name, "n1").name, "") << name;
  }
}

TEST(Membership, WhoeverKnowsTheSameComparesDigestsOnly) {
  MembershipNet net{5};
  net.kill("n1");
  net.run(60s);
  net.forget();
  net.run(60s);
  EXPECT_GE(net.sent(SwimKind::digest), 4 * 5U);
  EXPECT_EQ(net.sent(SwimKind::view), 0U);
  EXPECT_EQ(net.sent(SwimKind::view_back), 0U);
}

TEST(Membership, ADigestOfOtherThingsIsAnsweredWithAllThatIsKnown) {
  MembershipNet net{3};
  EXPECT_EQ(net["n1"].digest(), net["n2"].digest());
  net["n1"].set_metadata({{"web"}, {}});
  EXPECT_NE(net["n1"].digest(), net["n2"].digest());
  const auto answer = net["n1"].on_message("n2", {SwimKind::digest, net["n2"].digest(), {}, {}},
                                           Clock::TimePoint{100s});
  ASSERT_EQ(answer.size(), 1U);
  const auto* view = std::get_if<Membership::Send>(answer.data());
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(view->to, "n2");
  EXPECT_EQ(view->message.kind, SwimKind::view);
  EXPECT_EQ(view->message.claims.size(), 3U);
}

TEST(Membership, HealthIsLostByProbesThatFailAndComesBack) {
  MembershipNet net{3};
  net.isolate("n1");
  net.run(30s);
  EXPECT_EQ(net["n1"].local_health(), Membership::k_health_max);
  net.heal();
  net.run(120s);
  EXPECT_EQ(net["n1"].local_health(), 0U);
}

/// How long a node of that health takes to suspect a member from which it has lost the session, and
/// that nobody else answers for either.
Clock::Duration time_to_suspect(unsigned health) {
  Membership self{{"self", Life{1}, "self:1", {}, 1}};
  Clock::TimePoint now = k_start;
  for (const char* name : {"x", "y"}) self.on_session_up(name, Life{2}, "-:1", now);
  for (; self.local_health() < health; now += 1ms) {
    self.on_message(
        "y",
        {SwimKind::view_back, 0, {}, {{"self", 1, 1 + self.incarnation(), suspect, "-:1", "x"}}},
        now);
  }
  const Clock::TimePoint lost = now;
  self.on_session_down("x", now);
  for (;; now += 1ms) {
    if (self.next_tick() > now) continue;
    for (const auto& action : self.on_tick(now)) {
      const auto* change = std::get_if<Membership::Changed>(&action);
      if (change != nullptr && change->to == suspect) return now - lost;
    }
  }
}

TEST(Membership, AnUnhealthyMemberIsSlowerToSuspect) {
  const Clock::Duration well = time_to_suspect(0);
  EXPECT_EQ(well, MembershipTimes{}.probe);
  EXPECT_EQ(time_to_suspect(1), 2 * well);
  EXPECT_EQ(time_to_suspect(Membership::k_health_max), (1 + Membership::k_health_max) * well);
}

TEST(Membership, APauseIsNoticedThoughASuspicionIsTheFirstThingHeardAfterIt) {
  Membership self{{"self", Life{1}, "self:1", {}, 1}};
  for (const char* name : {"x", "y", "z"}) self.on_session_up(name, Life{2}, "-:1", k_start);
  self.on_tick(k_start);
  self.on_session_down("x", k_start);  // a probe is under way
  const Clock::TimePoint later = k_start + 10s;
  self.on_message("z", {SwimKind::view_back, 0, {}, {{"y", 2, 0, suspect, "-:1", "z"}}}, later);
  self.on_tick(later);
  EXPECT_EQ(self.members().front().name, "x");
  EXPECT_EQ(self.members().front().state, alive) << "it had no time to answer";
}

}  // namespace
}  // namespace grove::cluster::testing
