// SPDX-License-Identifier: Apache-2.0
//
// Two or three nodes that talk to each other. One node against a played peer, frame by frame:
// session_frames_test.cpp.
#include "grove/transport/sessions.hpp"

#include "transport/session_net.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace grove::transport {
namespace {

using namespace std::chrono_literals;
using testkit::SessionHost;
using testkit::SessionNet;
using What = Sessions::Count::What;

class TwoNodes : public testing::Test {
 protected:
  /// Node a, and node b that knows a.
  void meet() {
    a = &net.add("a", 10, {});
    b = &net.add("b", 20, {.seeds = {"a:1"}});
    net.pass(1s);
    ASSERT_TRUE(a->is_up() && b->is_up());
  }
  SessionNet net;
  SessionHost* a = nullptr;
  SessionHost* b = nullptr;
};

// -- coming up ------------------------------------------------------------------------------

TEST_F(TwoNodes, OneSeedMakesASessionBothWays) {
  meet();
  ASSERT_EQ(a->ups.size(), 1U);
  ASSERT_EQ(b->ups.size(), 1U);
  const Sessions::Up& of_a = a->ups[0];
  const Sessions::Up& of_b = b->ups[0];
  EXPECT_EQ(of_a.peer, intern_node("b", Life{20}));
  EXPECT_EQ(of_b.peer, intern_node("a", Life{10}));
  EXPECT_EQ(of_a.address, "b:1");
  EXPECT_EQ(of_b.address, "a:1");
  EXPECT_EQ(of_a.header.from_life, a->life);
  EXPECT_EQ(of_a.header.to_life, b->life);
  EXPECT_EQ(of_a.header.from_epoch, of_b.header.to_epoch);
  EXPECT_EQ(of_a.header.to_epoch, of_b.header.from_epoch);
  EXPECT_EQ(of_a.header.sequence, 0U);
  EXPECT_EQ(net.open_links(*a), 1U);
  EXPECT_EQ(net.open_links(*b), 1U);
  EXPECT_TRUE(a->counts.empty());
  EXPECT_TRUE(b->counts.empty());
}

TEST_F(TwoNodes, TheNewestVersionThatBothSpeakIsUsed) {
  a = &net.add("a", 10, {.versions = {1, 3}});
  b = &net.add("b", 20, {.seeds = {"a:1"}, .versions = {2, 5}});
  net.pass(1min);
  for (const SessionHost* host : {a, b}) {
    ASSERT_EQ(host->ups.size(), 1U) << host->name;
    EXPECT_EQ(host->ups[0].header.version, 3) << host->name;
    EXPECT_TRUE(host->counts.empty()) << host->name << " understands the other's heartbeats";
    EXPECT_TRUE(host->downs.empty()) << host->name;
  }
}

TEST_F(TwoNodes, AFeatureIsUsedWhenBothHaveIt) {
  a = &net.add("a", 10, {.features = 0b0111});
  b = &net.add("b", 20, {.seeds = {"a:1"}, .features = 0b1101});
  net.pass(1s);
  ASSERT_TRUE(a->is_up() && b->is_up());
  EXPECT_EQ(a->ups[0].features, 0b0101U);
  EXPECT_EQ(b->ups[0].features, 0b0101U);
}

TEST_F(TwoNodes, AnIdleSessionStaysUp) {
  meet();
  net.pass(1h);
  EXPECT_TRUE(a->downs.empty());
  EXPECT_TRUE(b->downs.empty());
  EXPECT_EQ(a->dials.size() + b->dials.size(), 2U);
}

TEST_F(TwoNodes, SimultaneousDialsGiveOneSession) {
  a = &net.add("a", 10, {.seeds = {"b:1"}});
  b = &net.add("b", 20, {.seeds = {"a:1"}});
  net.pass(1min);
  EXPECT_EQ(a->ups.size(), 1U);
  EXPECT_EQ(b->ups.size(), 1U);
  EXPECT_TRUE(a->downs.empty());
  EXPECT_TRUE(b->downs.empty());
  EXPECT_EQ(net.open_links(*a), 1U);
  EXPECT_EQ(net.open_links(*b), 1U);
}

TEST_F(TwoNodes, TwoSeedsThatAreOneNodeGiveOneSession) {
  a = &net.add("a", 10, {});
  net.also_at("other-name:1", *a);
  b = &net.add("b", 20, {.seeds = {"a:1", "other-name:1"}});
  net.pass(1min);
  EXPECT_EQ(a->ups.size(), 1U);
  EXPECT_EQ(b->ups.size(), 1U);
  EXPECT_TRUE(b->downs.empty());
  EXPECT_EQ(net.open_links(*b), 1U);
  EXPECT_EQ(b->dials.size(), 2U);
  EXPECT_TRUE(b->says.empty());
}

TEST_F(TwoNodes, ASeedThatIsOurselvesIsRecognised) {
  a = &net.add("a", 10, {.seeds = {"a:1", "me-too:1"}});
  net.also_at("me-too:1", *a);
  net.pass(1h);
  EXPECT_EQ(a->dials.size(), 1U);  // the address that we know is not even dialled
  EXPECT_TRUE(a->ups.empty());
  EXPECT_EQ(a->times_said("leads to this node itself"), 2U);
  EXPECT_EQ(a->says.size(), 2U);
  EXPECT_EQ(a->count(What::own_seed), 2);
  EXPECT_TRUE(a->sessions.peers().empty());
  EXPECT_EQ(net.open_links(*a), 0U);
}

TEST_F(TwoNodes, ASeedThatComesLateIsFound) {
  b = &net.add("b", 20, {.seeds = {"a:1"}});
  net.pass(1h);
  EXPECT_EQ(b->times_said("a:1"), 1U) << "once, not at each attempt";
  a = &net.add("a", 10, {});
  net.pass(3s);
  EXPECT_TRUE(a->is_up());
  EXPECT_TRUE(b->is_up());
}

TEST_F(TwoNodes, ASeedIsLookedUpSeldomWhileItsSessionStands) {
  meet();
  const int before = b->look_ups;
  net.pass(1h);
  EXPECT_EQ(b->look_ups, before + 120) << "it may stand for others, too";
  net.kill(*a);
  net.pass(3s);
  EXPECT_GT(b->look_ups, before + 120);
}

TEST_F(TwoNodes, ASeedMayBeAddedLater) {
  a = &net.add("a", 10, {});
  b = &net.add("b", 20, {});
  net.pass(1s);
  EXPECT_TRUE(b->ups.empty());
  net.perform(*b, b->sessions.add_seed("a:1", net.now));
  net.pass(0s);
  EXPECT_TRUE(a->is_up());
  EXPECT_TRUE(b->is_up());
}

TEST(ThreeNodes, HeartbeatsToAllOfThemGoAtOnce) {
  SessionNet net;
  SessionHost& a = net.add("a", 10, {});
  net.add("b", 20, {.seeds = {"a:1"}});
  net.pass(200ms);
  net.add("c", 30, {.seeds = {"a:1"}});
  net.pass(1s);
  a.sent_at.clear();
  net.pass(10s);
  EXPECT_GE(a.sent_at.size(), 19U);
  EXPECT_LE(a.sent_at.size(), 21U);
  EXPECT_TRUE(a.downs.empty());
}

TEST(ThreeNodes, APeerThatIsToldOfIsReached) {
  SessionNet net;
  SessionHost& a = net.add("a", 10, {});
  SessionHost& b = net.add("b", 20, {.seeds = {"a:1"}});
  SessionHost& c = net.add("c", 30, {.seeds = {"a:1"}});
  net.pass(1s);
  EXPECT_EQ(a.ups.size(), 2U);
  EXPECT_EQ(c.ups.size(), 1U);
  net.perform(b, b.sessions.add_peer("c", c.life, c.address, net.now));
  net.perform(c, c.sessions.add_peer("b", b.life, b.address, net.now));
  net.pass(1min);
  for (const SessionHost* host : {&a, &b, &c}) {
    EXPECT_EQ(host->ups.size(), 2U) << host->name;
    EXPECT_TRUE(host->downs.empty()) << host->name;
    EXPECT_EQ(net.open_links(*host), 2U) << host->name;
  }
}

TEST(ThreeNodes, APeerThatIsKnownAlreadyIsNotDialledAgain) {
  SessionNet net;
  SessionHost& a = net.add("a", 10, {});
  SessionHost& b = net.add("b", 20, {.seeds = {"a:1"}});
  net.pass(1s);
  for (const std::uint64_t life : {9U, 10U}) {
    net.perform(b, b.sessions.add_peer("a", Life{life}, "elsewhere:1", net.now));
  }
  net.perform(b, b.sessions.add_peer("b", Life{99}, "elsewhere:1", net.now));  // ourselves
  net.perform(b, b.sessions.add_peer("No Name", Life{99}, "elsewhere:1", net.now));
  net.pass(1min);
  EXPECT_EQ(b.dials.size(), 1U);
  EXPECT_TRUE(a.downs.empty());
}

// -- refusals -------------------------------------------------------------------------------

TEST_F(TwoNodes, WithAnotherCookieBothSidesRefuseSayWhyAndCount) {
  a = &net.add("a", 10, {.cookie = "right"});
  b = &net.add("b", 20, {.seeds = {"a:1"}, .cookie = "wrong"});
  net.pass(1min);
  for (const SessionHost* host : {a, b}) {
    EXPECT_TRUE(host->ups.empty()) << host->name;
    EXPECT_TRUE(host->has_said("wrong cookie")) << host->name;
    EXPECT_GE(host->count(What::refused), 1) << host->name;
  }
  EXPECT_TRUE(a->dials.empty()) << "nobody is dialled back before the proof";
  ASSERT_EQ(b->sessions.seeds().size(), 1U);
  EXPECT_NE(b->sessions.seeds()[0].trouble.find("wrong cookie"), std::string::npos);
}

TEST_F(TwoNodes, NoCookieIsAlsoAnotherCookie) {
  a = &net.add("a", 10, {.cookie = "right"});
  b = &net.add("b", 20, {.seeds = {"a:1"}, .cookie = ""});
  net.pass(1min);
  EXPECT_TRUE(a->ups.empty());
  EXPECT_TRUE(b->ups.empty());
}

TEST_F(TwoNodes, WithoutACommonVersionBothSidesRefuseSayWhyAndCount) {
  a = &net.add("a", 10, {.versions = {1, 2}});
  b = &net.add("b", 20, {.seeds = {"a:1"}, .versions = {3, 4}});
  net.pass(1min);
  for (const SessionHost* host : {a, b}) {
    EXPECT_TRUE(host->ups.empty()) << host->name;
    EXPECT_EQ(host->times_said("no common protocol version"), 1U) << host->name;
    EXPECT_GE(host->count(What::refused), 1) << host->name;
  }
  ASSERT_EQ(b->sessions.seeds().size(), 1U);
  EXPECT_NE(b->sessions.seeds()[0].trouble.find("version"), std::string::npos);
}

TEST_F(TwoNodes, AnotherClusterIsRefusedAndBothSidesSaySo) {
  a = &net.add("a", 10, {.cluster = "one"});
  b = &net.add("b", 20, {.seeds = {"a:1"}, .cluster = "two"});
  net.pass(1min);
  for (const SessionHost* host : {a, b}) {
    EXPECT_TRUE(host->ups.empty()) << host->name;
    EXPECT_TRUE(host->has_said("another cluster")) << host->name;
    EXPECT_GE(host->count(What::refused), 1) << host->name;
  }
}

TEST_F(TwoNodes, ANodeOfOurOwnNameIsToldFromOurselves) {
  a = &net.add("a", 10, {.address = "one:1"});
  b = &net.add("a", 20, {.seeds = {"one:1"}, .address = "two:1"});
  net.pass(1min);
  EXPECT_TRUE(a->ups.empty());
  EXPECT_TRUE(b->ups.empty());
  EXPECT_TRUE(b->has_said("refused a at one:1: a node of that name is running"));
  EXPECT_TRUE(a->has_said("a at two:1 refused us: a node of that name is running"));
  EXPECT_GE(b->count(What::refused), 1);
}

// -- ends -----------------------------------------------------------------------------------

TEST_F(TwoNodes, ALostLinkEndsTheSessionOnceOnBothSidesAndItComesBack) {
  meet();
  net.lose_link(*a, *b);
  EXPECT_EQ(a->downs.size(), 1U);
  EXPECT_EQ(b->downs.size(), 1U) << "a tells b with a good-bye";
  net.pass(10s);
  EXPECT_EQ(a->downs.size(), 1U);
  EXPECT_EQ(b->downs.size(), 1U);
  EXPECT_EQ(a->ups.size(), 2U);
  EXPECT_EQ(b->ups.size(), 2U);
  EXPECT_GT(a->ups[1].session, a->ups[0].session);
  EXPECT_GT(a->ups[1].header.from_epoch, a->ups[0].header.from_epoch);
}

TEST_F(TwoNodes, ALostPeerIsRedialledForEverWithGrowingPauses) {
  meet();
  const std::size_t before = a->dials.size();
  net.kill(*b);
  ASSERT_EQ(a->downs.size(), 1U);
  const Clock::TimePoint lost = net.now;
  Clock::TimePoint last = lost;
  net.pass(2h);
  Clock::Duration pause = 50ms;
  ASSERT_GT(a->dials.size(), before + 250);
  for (std::size_t i = before; i < a->dials.size(); ++i) {
    const Clock::Duration waited = a->dials[i].first - last;
    EXPECT_GE(waited, pause) << i;
    EXPECT_LE(waited, pause + pause / 4) << i;
    EXPECT_EQ(a->dials[i].second, "b:1");
    last = a->dials[i].first;
    pause = std::min(2 * pause, std::clamp<Clock::Duration>((last - lost) / 64, 2s, 1min));
  }
  EXPECT_EQ(a->downs.size(), 1U);
}

TEST_F(TwoNodes, APauseStartsAnewAfterASession) {
  meet();
  net.kill(*b);
  net.pass(1min);
  SessionHost& next = net.add("b", 21, {});
  net.pass(3s);
  ASSERT_TRUE(next.is_up());
  const std::size_t before = a->dials.size();
  net.kill(next);
  net.pass(63ms);
  EXPECT_EQ(a->dials.size(), before + 1);
}

TEST_F(TwoNodes, SilenceEndsTheSessionAfterTheStatedTime) {
  meet();
  net.pass(10s);
  const Clock::TimePoint silent_from = net.now;
  net.silence(*a, *b);
  net.pass(10s);
  for (const SessionHost* host : {a, b}) {
    ASSERT_EQ(host->downs.size(), 1U) << host->name;
    EXPECT_EQ(host->downs[0].why, "silent for too long");
    EXPECT_GE(host->down_at[0] - silent_from, 3500ms);  // the last heartbeat was so long before
    EXPECT_LE(host->down_at[0] - silent_from, 4000ms);
  }
  net.hear_again();
  net.pass(10s);
  EXPECT_TRUE(a->is_up());
  EXPECT_TRUE(b->is_up());
  EXPECT_EQ(a->downs.size(), 1U);
}

TEST_F(TwoNodes, APauseShorterThanTheLimitIsNotNoticed) {
  meet();
  net.silence(*a, *b);
  net.pass(3s);
  net.hear_again();
  net.pass(1min);
  EXPECT_TRUE(a->downs.empty());
  EXPECT_TRUE(b->downs.empty());
}

TEST_F(TwoNodes, ARestartThatNobodyNoticedEndsTheOldSessionExactlyOnce) {
  meet();
  net.cut_power(*b);
  SessionHost& next = net.add("b", 21, {.seeds = {"a:1"}});
  net.pass(1s);
  EXPECT_EQ(a->ups.size(), 1U) << "it may still be there";
  net.pass(SessionTimes{}.silence);
  ASSERT_EQ(a->ups.size(), 2U);
  ASSERT_EQ(a->downs.size(), 1U);
  EXPECT_EQ(a->downs[0].peer, intern_node("b", Life{20}));
  EXPECT_EQ(a->ups[1].peer, intern_node("b", Life{21}));
  net.pass(1min);
  EXPECT_EQ(a->downs.size(), 1U);
  EXPECT_EQ(next.ups.size(), 1U);
  EXPECT_TRUE(next.downs.empty());
  EXPECT_EQ(net.open_links(*a), 1U);
}

TEST_F(TwoNodes, ARestartThatIsFoundByRedialIsANewLife) {
  meet();
  net.kill(*b);
  SessionHost& next = net.add("b", 21, {});  // it knows nobody
  net.pass(5s);
  ASSERT_EQ(a->ups.size(), 2U);
  EXPECT_EQ(a->ups[1].peer, intern_node("b", Life{21}));
  EXPECT_EQ(a->downs.size(), 1U);
  EXPECT_EQ(next.ups.size(), 1U);
}

TEST_F(TwoNodes, AnOlderLifeIsRefusedForEver) {
  meet();
  net.kill(*b);
  SessionHost& older = net.add("b", 19, {.seeds = {"a:1"}});
  net.pass(1min);
  EXPECT_EQ(a->ups.size(), 1U);
  EXPECT_TRUE(older.ups.empty());
  EXPECT_GE(a->count(What::refused), 1);
  EXPECT_TRUE(a->has_said("newer life"));
}

TEST_F(TwoNodes, StoppingEndsEverySessionAndDialsNobody) {
  meet();
  net.perform(*a, a->sessions.stop(net.now));
  net.pump();
  EXPECT_EQ(a->downs.size(), 1U);
  EXPECT_EQ(b->downs.size(), 1U);
  const std::size_t dials = a->dials.size();
  net.pass(1min);
  EXPECT_EQ(a->dials.size(), dials);
  EXPECT_EQ(a->ups.size(), 1U);
  EXPECT_EQ(a->downs.size(), 1U);
}

// -- leaving --------------------------------------------------------------------------------

TEST_F(TwoNodes, APeerThatLeftIsNotRedialled) {
  meet();
  a->sessions.mark_left("b");
  net.perform(*a, a->sessions.end(intern_node("b", Life{20}), "it left", net.now));
  net.cut_power(*b);
  const std::size_t dials = a->dials.size();
  net.pass(1h);
  EXPECT_EQ(a->dials.size(), dials);
  ASSERT_EQ(a->sessions.peers().size(), 1U);
  EXPECT_TRUE(a->sessions.peers()[0].left);
  net.add("b", 21, {.seeds = {"a:1"}});  // but it may come back
  net.pass(1s);
  EXPECT_TRUE(a->is_up());
  EXPECT_FALSE(a->sessions.peers()[0].left);
}

TEST_F(TwoNodes, APeerThatStaysOutOfReachIsDialledEverMoreRarely) {
  meet();
  net.cut_power(*b);
  const auto dials_in = [this](Clock::Duration time) {
    const std::size_t before = a->dials.size();
    net.pass(time);
    return a->dials.size() - before;
  };
  EXPECT_GT(dials_in(2min), 40U);  // each attempt may take its 3 s, but these are refused
  net.pass(2h);
  EXPECT_LE(dials_in(1h), 60U);
  EXPECT_GE(dials_in(1h), 45U);
  // Another node reaches it again.
  net.perform(*a, a->sessions.add_peer("b", Life{20}, "b:1", net.now));
  EXPECT_EQ(dials_in(1ms), 1U);
  EXPECT_GT(dials_in(1min), 20U);
  for (int i = 0; i < 100; ++i) {  // often enough as it is
    net.perform(*a, a->sessions.add_peer("b", Life{20}, "b:1", net.now));
    EXPECT_LE(dials_in(1ms), 1U);
  }
  EXPECT_LE(dials_in(1min), 40U);
}

TEST_F(TwoNodes, ASeedThatStaysOutOfReachIsDialledAsOftenAsEver) {
  meet();
  net.cut_power(*a);
  net.pass(3h);
  const std::size_t before = b->dials.size();
  net.pass(1h);
  EXPECT_GT(b->dials.size() - before, 1000U);
}

// Else the first peer to close is redialled while we wait for the others, and sees us fail.
TEST_F(TwoNodes, ANodeThatLeavesComesNotBackBeforeItsEnd) {
  meet();
  net.perform(*b, b->sessions.leave());
  a->sessions.mark_left("b");
  net.perform(*a, a->sessions.end(intern_node("b", Life{20}), "it left", net.now));
  net.pass(1min);
  EXPECT_FALSE(b->is_up());
  EXPECT_EQ(b->dials.size(), 1U);
  EXPECT_EQ(a->ups.size(), 1U);
  EXPECT_TRUE(a->sessions.peers()[0].left);
  net.perform(*a, a->sessions.add_seed("b:1", net.now));  // not even when it is called
  net.pass(1min);
  EXPECT_FALSE(a->is_up());
}

// -- addresses that change hands ------------------------------------------------------------

TEST_F(TwoNodes, AnotherNodeAtAPeersAddressIsNotThatPeer) {
  meet();
  net.kill(*b);
  SessionHost& c = net.add("c", 30, {.address = "b:1"});
  net.pass(1min);
  EXPECT_TRUE(c.is_up());
  ASSERT_EQ(a->ups.size(), 2U);
  EXPECT_EQ(a->ups[1].peer, intern_node("c", Life{30}));
  SessionHost& moved = net.add("b", 21, {.seeds = {"a:1"}, .address = "moved:1"});
  net.pass(1min);
  EXPECT_TRUE(moved.is_up());
  EXPECT_EQ(a->ups.size(), 3U);
  EXPECT_EQ(a->downs.size(), 1U);
  net.kill(moved);
  EXPECT_EQ(a->downs.size(), 2U);
  net.pass(1min);
  EXPECT_EQ(a->downs.size(), 2U);
  EXPECT_TRUE(c.downs.empty());
}

TEST_F(TwoNodes, APeersAddressThatNowIsOurOwnDoesNotKeepThePeerOut) {
  meet();
  net.kill(*b);
  net.also_at("b:1", *a);
  net.pass(1min);
  SessionHost& moved = net.add("b", 21, {.seeds = {"a:1"}, .address = "moved:1"});
  net.pass(1min);
  EXPECT_TRUE(moved.is_up());
  EXPECT_EQ(a->ups.size(), 2U);
  EXPECT_EQ(a->ups.back().peer, intern_node("b", Life{21}));
}

}  // namespace
}  // namespace grove::transport
