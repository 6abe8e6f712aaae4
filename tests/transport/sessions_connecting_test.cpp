// SPDX-License-Identifier: Apache-2.0
//
// Nodes that are connected and disconnected by hand.
#include "grove/transport/sessions.hpp"

#include "transport/session_net.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace grove::transport {
namespace {

using namespace std::chrono_literals;
using testkit::SessionHost;
using testkit::SessionNet;

class ByHand : public testing::Test {
 protected:
  SessionHost& node(const std::string& name, std::uint64_t life, AutoConnect automatic) {
    return net.add(name, life, {.auto_connect = automatic});
  }
  SessionHost& manual(const std::string& name, std::uint64_t life) {
    return node(name, life, AutoConnect::never);
  }
  /// Returns: what is known of it when nothing is in flight any more; of no id: nothing yet.
  Sessions::Connected connect(SessionHost& host, const std::string& target) {
    const std::uint64_t id = ++last;
    net.perform(host, host.sessions.connect(id, target, net.now));
    net.pump();
    return result(host, id);
  }
  static Sessions::Connected result(const SessionHost& host, std::uint64_t id) {
    for (const Sessions::Connected& one : host.connected) {
      if (one.id == id) return one;
    }
    return {};
  }
  void disconnect(SessionHost& host, const std::string& name) {
    net.perform(host, host.sessions.disconnect(name, net.now));
  }
  SessionNet net;
  std::uint64_t last = 0;
};

TEST_F(ByHand, NothingIsDialledUntilSomebodyAsks) {
  SessionHost& a = manual("a", 10);
  manual("b", 20);
  net.perform(a, a.sessions.add_peer("b", Life{20}, "b:1", net.now));
  net.pass(1h);
  EXPECT_TRUE(a.dials.empty());
  EXPECT_TRUE(a.sessions.peers().empty());
}

TEST_F(ByHand, AnAddressIsConnectedOnceBothSidesAreUp) {
  SessionHost& a = manual("a", 10);
  SessionHost& b = manual("b", 20);
  const auto connected = connect(a, "b:1");
  EXPECT_EQ(connected.id, 1U);
  EXPECT_EQ(connected.node, "b");
  EXPECT_TRUE(a.is_up() && b.is_up());
}

TEST_F(ByHand, AKnownNodeIsConnectedByItsName) {
  SessionHost& a = manual("a", 10);
  SessionHost& b = manual("b", 20);
  connect(a, "b:1");
  disconnect(b, "a");
  net.pump();
  EXPECT_FALSE(a.is_up() || b.is_up());
  EXPECT_EQ(connect(b, "a").node, "a");
  EXPECT_TRUE(a.is_up() && b.is_up());
}

TEST_F(ByHand, ConnectingAgainOrToOneselfChangesNothing) {
  SessionHost& a = manual("a", 10);
  SessionHost& b = manual("b", 20);
  connect(a, "b:1");
  for (const std::string target : {"b", "b:1"}) EXPECT_EQ(connect(a, target).node, "b");
  EXPECT_EQ(connect(b, "a").node, "a");
  for (const std::string target : {"a", "a:1"}) EXPECT_EQ(connect(a, target).node, "a");
  EXPECT_EQ(a.ups.size(), 1U);
  EXPECT_EQ(a.dials.size(), 1U);
  EXPECT_EQ(b.dials.size(), 1U);
}

TEST_F(ByHand, SimultaneousConnectsBothSucceedInOneSession) {
  SessionHost& a = manual("a", 10);
  SessionHost& b = manual("b", 20);
  net.perform(a, a.sessions.connect(1, "b:1", net.now));
  net.perform(a, a.sessions.connect(2, "b:1", net.now));
  net.perform(b, b.sessions.connect(3, "a:1", net.now));
  net.pump();
  EXPECT_EQ(result(a, 1).node, "b");
  EXPECT_EQ(result(a, 2).node, "b");
  EXPECT_EQ(result(b, 3).node, "a");
  EXPECT_EQ(a.ups.size(), 1U);
  EXPECT_EQ(b.ups.size(), 1U);
}

TEST_F(ByHand, OneAttemptIsMadeAndItsFailureTold) {
  SessionHost& a = manual("a", 10);
  EXPECT_EQ(connect(a, "b:1").why, "b:1 connection refused");
  net.pass(1h);
  EXPECT_EQ(a.dials.size(), 1U);
  EXPECT_EQ(a.connected.size(), 1U);
  EXPECT_EQ(connect(a, "nobody").why, "nobody:7400 connection refused");
  EXPECT_FALSE(connect(a, "no name and no address").why.empty());
}

TEST_F(ByHand, ADeadPeerIsNoConnection) {
  SessionHost& a = manual("a", 10);
  SessionHost& b = manual("b", 20);
  connect(a, "b:1");
  net.kill(b);
  EXPECT_EQ(a.downs.size(), 1U);
  const auto again = connect(a, "b");
  EXPECT_EQ(again.node, "");
  EXPECT_EQ(again.why, "connection refused");
  net.pass(1h);
  EXPECT_EQ(a.dials.size(), 2U) << "nobody redials";
}

TEST_F(ByHand, AnotherLifeAtTheAddressIsConnected) {
  SessionHost& a = manual("a", 10);
  SessionHost& b = manual("b", 20);
  connect(a, "b:1");
  net.kill(b);
  SessionHost& b2 = manual("b", 30);
  EXPECT_EQ(connect(a, "b").node, "b");
  EXPECT_TRUE(b2.is_up());
  EXPECT_EQ(a.ups.back().peer, intern_node("b", Life{30}));
}

TEST_F(ByHand, WhoeverLivesAtAnAddressIsConnected) {
  SessionHost& a = manual("a", 10);
  SessionHost& b = manual("b", 20);
  connect(a, "b:1");
  net.kill(b);
  net.add("c", 30, {.address = "b:1", .auto_connect = AutoConnect::never});
  EXPECT_EQ(connect(a, "b").why, "c lives at its address now");
  EXPECT_EQ(connect(a, "b:1").node, "c");
}

TEST_F(ByHand, SilenceFailsInBoundedTime) {
  SessionHost& a = manual("a", 10);
  SessionHost& b = manual("b", 20);
  net.silence(a, b);
  EXPECT_EQ(connect(a, "b:1").id, 0U);
  net.pass(2 * SessionTimes{}.handshake);
  EXPECT_EQ(result(a, 1).why, "b:1 no answer in time");
  EXPECT_EQ(net.open_links(a), 0U);
}

TEST_F(ByHand, APeerThatCannotDialBackIsToldSoAtOnce) {
  SessionHost& a = net.add("a", 10, {.address = "nowhere:1", .auto_connect = AutoConnect::never});
  SessionHost& b = manual("b", 20);
  a.address = "elsewhere:1";
  EXPECT_EQ(connect(a, "b:1").why, "the peer ended the session");
  EXPECT_FALSE(a.is_up() || b.is_up());
  EXPECT_EQ(net.open_links(a), 0U);
}

TEST_F(ByHand, ARefusalIsTheReason) {
  SessionHost& a = net.add("a", 10, {.cookie = "other", .auto_connect = AutoConnect::never});
  manual("b", 20);
  EXPECT_EQ(connect(a, "b:1").why, "b:1 wrong cookie (set the same GROVE_COOKIE on both nodes)");
}

TEST_F(ByHand, DisconnectIsLocalAndImmediateAndTheOtherSideHears) {
  SessionHost& a = manual("a", 10);
  SessionHost& b = manual("b", 20);
  connect(a, "b:1");
  disconnect(a, "b");
  EXPECT_EQ(a.downs.size(), 1U) << "before anything has crossed";
  EXPECT_TRUE(b.downs.empty());
  net.pump();
  EXPECT_EQ(b.downs.size(), 1U);
  EXPECT_EQ(net.open_links(a) + net.open_links(b), 0U);
  net.pass(1h);
  EXPECT_EQ(a.ups.size() + b.ups.size(), 2U) << "and it stays so";
  EXPECT_TRUE(a.counts.empty());
  disconnect(a, "b");
  disconnect(a, "nobody");
  EXPECT_EQ(a.downs.size(), 1U);
}

TEST_F(ByHand, ReconnectingAtOnceGivesANewSessionOnBothSides) {
  SessionHost& a = manual("a", 10);
  SessionHost& b = manual("b", 20);
  connect(a, "b:1");
  disconnect(a, "b");
  EXPECT_EQ(connect(a, "b").node, "b");
  EXPECT_TRUE(a.is_up() && b.is_up());
  EXPECT_EQ(a.ups.size(), 2U);
  EXPECT_EQ(b.ups.size(), 2U);
}

TEST_F(ByHand, NodesThatConnectByThemselvesDialAgainAfterADisconnect) {
  SessionHost& a = node("a", 10, AutoConnect::always);
  SessionHost& b = node("b", 20, AutoConnect::always);
  EXPECT_EQ(connect(a, "b:1").node, "b");
  disconnect(a, "b");
  net.pass(1s);
  EXPECT_TRUE(a.is_up() && b.is_up());
  EXPECT_EQ(a.downs.size(), 1U);
}

TEST_F(ByHand, ANodeThatEndsConnectsToNobody) {
  SessionHost& a = manual("a", 10);
  manual("b", 20);
  net.perform(a, a.sessions.connect(1, "b:1", net.now));
  net.perform(a, a.sessions.stop(net.now));
  net.pump();
  EXPECT_EQ(result(a, 1).node, "");
  EXPECT_EQ(connect(a, "b:1").why, "this node ends");
  EXPECT_TRUE(a.ups.empty());
}

}  // namespace
}  // namespace grove::transport
