// SPDX-License-Identifier: Apache-2.0
//
// One node that is told of more peers than it remembers: by whom, and who has to go.
#include "grove/transport/sessions.hpp"

#include "transport/played_peer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>

namespace grove::transport {
namespace {

using namespace std::chrono_literals;

class TooManyPeers : public PlayedPeer {
 protected:
  static constexpr std::size_t k_max = 8;
  TooManyPeers() : PlayedPeer{k_max} {}

  void hear_of(const std::string& name) {
    (void)us.add_peer(name, Life{1}, "10.0.0.2:1", now);
    now += 1ms;
  }
  void hear_of_many(const std::string& prefix) {
    for (std::size_t i = 0; i < k_max; ++i) hear_of(prefix + std::to_string(i));
  }
  /// Proves itself, but is not reached. One address may do that so many times a second.
  Actions prove_as(const std::string& name) {
    Hello hello = hello_of_them();
    hello.name = name;
    now += 1s;
    return prove("route of " + name, hello);
  }
  void lose_session() {
    (void)us.end(up.peer, "for the test", now);
    now += 1ms;
  }
  [[nodiscard]] bool knows(const std::string& name) const {
    const auto peers = us.peers();
    return std::any_of(peers.begin(), peers.end(),
                       [&](const auto& peer) { return peer.name == name; });
  }
};

TEST_F(TooManyPeers, NoMoreAreRememberedThanTheLimitSays) {
  hear_of_many("x");
  hear_of_many("y");
  EXPECT_EQ(us.peers().size(), k_max);
}

TEST_F(TooManyPeers, WhoHasASessionStays) {
  bring_up();
  hear_of_many("x");
  hear_of_many("y");
  EXPECT_TRUE(knows("them"));
  EXPECT_EQ(only<Sessions::Deliver>(hear("r1", batch(right(1)))).size(), 1U);
}

TEST_F(TooManyPeers, WhoHadASessionStaysWhateverIsHeardOfOthers) {
  bring_up();
  lose_session();
  hear_of_many("x");
  hear_of_many("y");
  EXPECT_TRUE(knows("them"));
  EXPECT_EQ(us.peers().size(), k_max);
}

TEST_F(TooManyPeers, WhoHasLeftGoesBeforeWhoIsLookedFor) {
  bring_up();
  us.mark_left("them");
  lose_session();
  hear_of_many("x");
  EXPECT_FALSE(knows("them"));
}

TEST_F(TooManyPeers, WhoProvesItselfIsLetInAndDialledBack) {
  hear_of_many("x");
  const Actions proved = prove_as("new");
  EXPECT_TRUE(knows("new"));
  EXPECT_EQ(only<Sessions::Dial>(proved).size(), 1U);
  EXPECT_EQ(us.peers().size(), k_max);
}

TEST_F(TooManyPeers, WhoGoesIsHungUpAndItsRouteIsForgotten) {
  const auto dialled = only<Sessions::Dial>(prove_as("first"));
  ASSERT_EQ(dialled.size(), 1U);
  (void)us.on_link_down(dialled[0].link, "connection refused", now);
  now += 1s;
  const auto again = only<Sessions::Dial>(us.on_tick(now));
  ASSERT_EQ(again.size(), 1U);
  hear_of_many("x");  // the first is out of reach longest, and had no session
  EXPECT_FALSE(knows("first"));
  EXPECT_TRUE(us.on_link_up(again[0].link, now).empty());
  EXPECT_EQ(kind_of_only_answer(hear("route of first", batch(right(1)))), FrameKind::bye);
}

class RoomForOnePeer : public PlayedPeer {
 protected:
  RoomForOnePeer() : PlayedPeer{1} {}
};

TEST_F(RoomForOnePeer, WhoHadASessionGoesForNobodyKnownByHearsay) {
  bring_up();
  (void)us.end(up.peer, "for the test", now);
  EXPECT_TRUE(us.add_peer("x", Life{1}, "10.0.0.2:1", now).empty());
  ASSERT_EQ(us.peers().size(), 1U);
  EXPECT_EQ(us.peers()[0].name, "them");
}

TEST_F(RoomForOnePeer, WhoHadASessionGoesForOneThatProvesItself) {
  bring_up();
  (void)us.end(up.peer, "for the test", now);
  Hello hello = hello_of_them();
  hello.name = "new";
  EXPECT_EQ(only<Sessions::Dial>(prove("r2", hello)).size(), 1U);
  ASSERT_EQ(us.peers().size(), 1U);
  EXPECT_EQ(us.peers()[0].name, "new");
}

}  // namespace
}  // namespace grove::transport
