// SPDX-License-Identifier: Apache-2.0
//
// At which address sessions dial whom: names, sockets of one machine, NODE@HOST.
#include "transport/session_net.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>

namespace grove::transport {
namespace {

using namespace std::chrono_literals;
using testkit::SessionHost;
using testkit::SessionNet;

class Addresses : public testing::Test {
 protected:
  [[nodiscard]] static std::string over(const SessionHost& host, const std::string& peer) {
    for (const Sessions::PeerView& view : host.sessions.peers()) {
      if (view.name == peer) return view.over;
    }
    return {};
  }
  [[nodiscard]] static std::string trouble(const SessionHost& host, const std::string& peer) {
    for (const Sessions::PeerView& view : host.sessions.peers()) {
      if (view.name == peer) return view.trouble;
    }
    return {};
  }
  void expect_one_session(const SessionHost& host) {
    EXPECT_TRUE(host.is_up()) << host.name;
    EXPECT_EQ(net.open_links(host), 1U) << host.name;
  }
  SessionNet net;
};

// -- names ----------------------------------------------------------------------------------

TEST_F(Addresses, APeersNameIsLookedUpAtEachRedial) {
  SessionHost& a = net.add("a", 10, {.address = "a.example:1"});
  net.resolves("a.example:1", {"10.0.0.1:1"});
  net.also_at("10.0.0.1:1", a);
  SessionHost& b = net.add("b", 20, {.seeds = {"10.0.0.1:1"}});
  net.pass(1s);
  ASSERT_TRUE(b.is_up());
  // It moves; the seed that b knows is nobody's any more.
  net.nowhere("10.0.0.1:1");
  net.resolves("a.example:1", {"10.0.0.2:1"});
  net.also_at("10.0.0.2:1", a);
  net.lose_link(b, a);
  net.pass(10s);
  expect_one_session(b);
  EXPECT_EQ(over(b, "a"), "10.0.0.2:1");
  EXPECT_EQ(b.ups.back().address, "a.example:1") << "what others are told of it";
}

TEST_F(Addresses, AllThatASeedsNameStandsForIsDialledAsOftenAsEver) {
  net.resolves("all.example:1", {"10.0.0.1:1", "10.0.0.2:1"});
  SessionHost& a = net.add("a", 10, {.address = "10.0.0.1:1"});
  SessionHost& b = net.add("b", 20, {.address = "10.0.0.2:1"});
  SessionHost& c = net.add("c", 30, {.seeds = {"all.example:1"}});
  net.pass(1min);
  ASSERT_EQ(c.ups.size(), 2U);
  net.cut_power(b);
  net.pass(3h);
  const auto dials_to_b = [&c] {
    return std::count_if(c.dials.begin(), c.dials.end(),
                         [](const auto& dial) { return dial.second == "10.0.0.2:1"; });
  };
  const auto before = dials_to_b();
  net.pass(1h);
  EXPECT_GT(dials_to_b() - before, 1000);
  EXPECT_TRUE(a.is_up());
}

TEST_F(Addresses, AllAddressesOfANameAreTriedInTurn) {
  SessionHost& a = net.add("a", 10, {.address = "a.example:1"});
  SessionHost& c = net.add("c", 30, {});
  net.resolves("a.example:1", {"10.0.0.1:1", "10.0.0.3:1", "10.0.0.2:1"});
  net.also_at("10.0.0.3:1", c);  // somebody else
  net.also_at("10.0.0.2:1", a);
  SessionHost& b = net.add("b", 20, {});
  net.perform(b, b.sessions.add_peer("a", Life{10}, "a.example:1", net.now));
  const auto begun = net.now;
  net.pass(0s);
  EXPECT_TRUE(b.is_up());
  EXPECT_EQ(net.now, begun) << "without a pause between them";
  EXPECT_EQ(over(b, "a"), "10.0.0.2:1");
}

TEST_F(Addresses, ASeedsNameIsAskedForAgainWhileSessionsAreUpAndNewAddressesAreDialled) {
  SessionHost& a = net.add("a", 10, {});
  SessionHost& b = net.add("b", 11, {});
  net.resolves("all.example:1", {"10.0.0.1:1", "10.0.0.2:1"});
  net.also_at("10.0.0.1:1", a);
  net.also_at("10.0.0.2:1", b);
  SessionHost& x = net.add("x", 20, {.seeds = {"all.example:1"}});
  net.pass(10s);
  EXPECT_EQ(x.ups.size(), 2U) << "each record is a node";
  const int asked = x.look_ups;
  const auto dials = x.dials.size();
  net.pass(10min);
  EXPECT_GE(x.look_ups - asked, 19);
  EXPECT_LE(x.look_ups - asked, 21) << "every thirty seconds";
  EXPECT_EQ(x.dials.size(), dials) << "whoever is met is not dialled again";
  SessionHost& c = net.add("c", 12, {});
  net.resolves("all.example:1", {"10.0.0.3:1", "10.0.0.1:1"});
  net.also_at("10.0.0.3:1", c);
  net.pass(31s);
  EXPECT_EQ(x.ups.size(), 3U);
  EXPECT_EQ(x.downs.size(), 0U) << "who is not named any more stays";
}

TEST_F(Addresses, ANameIsAskedForSoonWhenNobodyIsLeftToTalkTo) {
  SessionHost& a = net.add("a", 10, {});
  net.resolves("all.example:1", {"10.0.0.1:1"});
  net.also_at("10.0.0.1:1", a);
  SessionHost& x = net.add("x", 20, {.seeds = {"all.example:1"}});
  net.pass(1s);
  ASSERT_TRUE(x.is_up());
  SessionHost& b = net.add("b", 11, {});
  net.resolves("all.example:1", {"10.0.0.2:1"});
  net.also_at("10.0.0.2:1", b);
  net.nowhere("10.0.0.1:1");
  net.kill(a);
  net.pass(3s);
  EXPECT_TRUE(x.is_up());
  EXPECT_EQ(node_name(x.ups.back().peer), "b");
}

TEST_F(Addresses, OfAListAreDialledUntilTheListIsAnother) {
  SessionHost& a = net.add("a", 10, {});
  SessionHost& b = net.add("b", 11, {});
  net.also_at("by_hand.example:1", a);
  net.also_at("listed.example:1", b);
  SessionHost& x = net.add("x", 20, {.seeds = {"by_hand.example:1"}});
  const auto seeds = [&x] {
    std::vector<std::string> addresses;
    for (const auto& seed : x.sessions.seeds()) addresses.push_back(seed.address);
    return addresses;
  };
  using List = std::vector<std::string>;
  const List both{"by_hand.example:1", "nowhere.example:1"};
  net.perform(x, x.sessions.set_listed_seeds(both, net.now));
  net.pass(1min);
  EXPECT_EQ(x.times_said("cannot reach seed nowhere.example:1"), 1U) << "said once, tried for ever";
  EXPECT_EQ(seeds(), both);
  net.perform(x, x.sessions.set_listed_seeds({"listed.example:1"}, net.now));
  net.pass(10s);
  EXPECT_EQ(seeds(), (List{"by_hand.example:1", "listed.example:1"}));
  EXPECT_EQ(x.ups.size(), 2U);
  net.perform(x, x.sessions.set_listed_seeds({}, net.now));
  net.pass(1min);
  EXPECT_EQ(seeds(), List{"by_hand.example:1"});
  EXPECT_EQ(x.downs.size(), 0U) << "sessions stay";
  const auto dials = x.dials.size();
  net.pass(1min);
  EXPECT_EQ(x.dials.size(), dials);
}

TEST_F(Addresses, ThatAreForgottenAreNotDialledAnyMoreAndSessionsStay) {
  SessionHost& a = net.add("a", 10, {});
  net.also_at("10.0.0.1:1", a);
  SessionHost& x = net.add("x", 20, {.seeds = {"10.0.0.1:1", "10.0.0.9:1", "late.example:1"}});
  net.pass(10s);
  expect_one_session(x);
  for (const char* seed : {"10.0.0.1:1", "10.0.0.9:1", "late.example:1"}) {
    EXPECT_TRUE(x.sessions.forget_seed(seed)) << seed;
  }
  EXPECT_EQ(x.sessions.forget_seed("10.0.0.9:1").error().code, Errc::not_found);
  net.pass(1min);
  expect_one_session(x);
  const auto dials = x.dials.size();
  const int look_ups = x.look_ups;
  net.pass(1min);
  EXPECT_EQ(x.dials.size(), dials);
  EXPECT_EQ(x.look_ups, look_ups);

  net.perform(x, x.sessions.set_listed_seeds({"10.0.0.9:1"}, net.now));
  EXPECT_EQ(x.sessions.forget_seed("10.0.0.9:1").error().code, Errc::refused);
  net.perform(x, x.sessions.add_seed("10.0.0.8:1", net.now));
  EXPECT_TRUE(x.sessions.forget_seed("10.0.0.8:1"));
}

TEST_F(Addresses, OfAListThatAreAskedForAreOfTheListAllTheSame) {
  SessionHost& x = net.add("x", 20, {});
  const auto is_listed = [&x] { return x.sessions.seeds().at(0).listed; };
  for (const bool list_first : {true, false}) {
    if (list_first) net.perform(x, x.sessions.set_listed_seeds({"10.0.0.9:1"}, net.now));
    net.perform(x, x.sessions.add_seed("10.0.0.9:1", net.now));
    if (!list_first) net.perform(x, x.sessions.set_listed_seeds({"10.0.0.9:1"}, net.now));
    EXPECT_TRUE(is_listed());
    EXPECT_EQ(x.sessions.forget_seed("10.0.0.9:1").error().code, Errc::refused);
    net.perform(x, x.sessions.set_listed_seeds({}, net.now));
    EXPECT_FALSE(is_listed()) << "but asked for";
    EXPECT_TRUE(x.sessions.forget_seed("10.0.0.9:1"));
    EXPECT_TRUE(x.sessions.seeds().empty());
  }
}

TEST_F(Addresses, ThatAreAskedForAgainAreAnsweredAnew) {
  SessionHost& a = net.add("a", 10, {.address = "10.0.0.1:1"});
  SessionHost& x = net.add("x", 20, {.seeds = {"10.0.0.1:1"}});
  net.pass(1s);
  ASSERT_EQ(x.sessions.seeds()[0].answered_by, "a");
  net.kill(a);
  net.pass(10s);
  EXPECT_EQ(x.sessions.seeds()[0].answered_by, "a") << "it was joined once, and comes back perhaps";
  net.perform(x, x.sessions.add_seed("10.0.0.1:1", net.now));
  net.pass(10s);
  EXPECT_EQ(x.sessions.seeds()[0].answered_by, "");
  EXPECT_EQ(x.sessions.seeds()[0].trouble, trouble(x, "a"));
  EXPECT_NE(trouble(x, "a"), "");

  net.add("a", 11, {.address = "10.0.0.1:1"});
  net.pass(3s);
  expect_one_session(x);
  EXPECT_EQ(x.sessions.seeds()[0].answered_by, "a");
  EXPECT_EQ(x.sessions.seeds()[0].trouble, "");
}

TEST_F(Addresses, OfAListAreNotDialledWhenTheAnswerComesAfterTheyWentFromIt) {
  SessionHost& b = net.add("b", 11, {});
  net.also_at("listed.example:1", b);
  SessionHost& x = net.add("x", 20, {});
  const auto actions = x.sessions.set_listed_seeds({"listed.example:1"}, net.now);
  net.perform(x, x.sessions.set_listed_seeds({}, net.now));
  net.perform(x, actions);
  net.pass(1min);
  EXPECT_EQ(x.look_ups, 1);
  EXPECT_TRUE(x.dials.empty());
}

TEST_F(Addresses, OfANameThatAreDeadAreToldOnce) {
  SessionHost& a = net.add("a", 10, {});
  net.also_at("10.0.0.1:1", a);
  SessionHost& x = net.add("x", 20, {.seeds = {"all.example:1", "none.example:1"}});
  net.resolves("all.example:1", {"10.0.0.9:1", "10.0.0.1:1"});
  net.resolves("none.example:1", {"10.0.0.7:1", "10.0.0.8:1"});
  net.pass(1h);
  expect_one_session(x);
  for (const char* dead : {"10.0.0.7:1", "10.0.0.8:1", "10.0.0.9:1"}) {
    EXPECT_GE(x.times_said(dead), 1U) << dead;
    EXPECT_LE(x.times_said(dead), 2U) << dead << ", before and after there is a session";
  }
}

TEST_F(Addresses, OfANodeThatCannotBeDialledBackAreTroubleOnBothSides) {
  SessionHost& a = net.add("a", 10, {});
  SessionHost& b = net.add("b", 20, {.seeds = {"a:1"}, .address = "inside:1"});
  net.resolves("inside:1", {"nowhere:1"});
  net.pass(1min);
  EXPECT_TRUE(a.ups.empty() && b.ups.empty());
  EXPECT_EQ(b.sessions.seeds()[0].answered_by, "");
  EXPECT_EQ(b.sessions.seeds()[0].trouble,
            "a accepts this node, but does not dial back to inside:1");
  EXPECT_EQ(b.times_said("does not dial back to inside:1"), 1U);
  EXPECT_EQ(a.times_said("b has dialled this node, but cannot be reached at inside:1"), 1U);
  net.resolves("inside:1", {"inside:1"});
  net.pass(1min);
  expect_one_session(b);
  EXPECT_EQ(b.sessions.seeds()[0].answered_by, "a");
  EXPECT_EQ(b.sessions.seeds()[0].trouble, "");
}

TEST_F(Addresses, ANameThatCannotBeResolvedIsTroubleUntilItCan) {
  SessionHost& a = net.add("a", 10, {.address = "a.example:1"});
  net.resolves("a.example:1", {});
  SessionHost& b = net.add("b", 20, {});
  net.perform(b, b.sessions.add_peer("a", Life{10}, "a.example:1", net.now));
  net.pass(1min);
  EXPECT_EQ(trouble(b, "a"), "the name cannot be resolved");
  EXPECT_TRUE(b.dials.empty());
  net.resolves("a.example:1", {"10.0.0.1:1"});
  net.also_at("10.0.0.1:1", a);
  net.pass(3s);
  expect_one_session(b);
}

TEST_F(Addresses, ANameIsNotAskedForAgainBeforeTheAnswerCame) {
  Sessions sessions{{.name = "b",
                     .life = Life{20},
                     .cluster = "grove",
                     .address = "b:1",
                     .local = {},
                     .machine = {},
                     .seeds = {"slow.example:1"},
                     .cookie = {},
                     .versions = {},
                     .times = {}}};
  const auto asked = [&] {
    std::size_t count = 0;
    for (auto end = net.now + 1h; net.now < end; net.now += 1s) {
      count += testkit::only<Sessions::Resolve>(sessions.on_tick(net.now)).size();
    }
    return count;
  };
  (void)sessions.add_peer("a", Life{10}, "a.example:1", net.now);
  EXPECT_LE(asked(), 2U);
  (void)sessions.on_resolved("slow.example:1", {}, net.now);
  (void)sessions.on_resolved("a.example:1", {}, net.now);
  EXPECT_EQ(asked(), 2U);
}

TEST_F(Addresses, OfAPeerThatAreNoneAreNotDialled) {
  SessionHost& a = net.add("a", 10, {.address = "no address"});
  SessionHost& b = net.add("b", 20, {.seeds = {"10.0.0.1:1"}});
  net.also_at("10.0.0.1:1", a);
  net.pass(1min);
  EXPECT_FALSE(a.is_up() && !b.is_up());
  for (const auto& [when, address] : b.dials) EXPECT_EQ(address, "10.0.0.1:1");
}

// -- sockets of one machine -----------------------------------------------------------------

class OneMachine : public Addresses {
 protected:
  SessionHost& add(const std::string& name, std::uint64_t life, SessionNet::Options options = {}) {
    options.machine = "m1";
    options.local = "/run/" + name + ".ipc";
    SessionHost& host = net.add(name, life, options);
    net.also_at("ipc:///run/" + name + ".ipc", host);
    return host;
  }
};

TEST_F(OneMachine, PeersMeetAtTheirSockets) {
  SessionHost& a = add("a", 10);
  SessionHost& b = add("b", 20, {.seeds = {"a:1"}});
  net.pass(1min);
  expect_one_session(a);
  expect_one_session(b);
  EXPECT_EQ(over(a, "b"), "ipc:///run/b.ipc");
  EXPECT_EQ(over(b, "a"), "ipc:///run/a.ipc");
  EXPECT_EQ(a.ups[0].address, "b:1") << "others may be on other machines";
  EXPECT_EQ(b.sessions.seeds()[0].answered_by, "a");
  EXPECT_EQ(a.ups.size() + b.ups.size(), 2U);
  EXPECT_TRUE(a.says.empty() && b.says.empty());
  EXPECT_TRUE(a.counts.empty() && b.counts.empty());
}

TEST_F(OneMachine, TwoThatDialAtOnceMeetThereToo) {
  SessionHost& a = add("a", 10, {.seeds = {"b:1"}});
  SessionHost& b = add("b", 20, {.seeds = {"a:1"}});
  net.pass(1min);
  expect_one_session(a);
  expect_one_session(b);
  EXPECT_TRUE(a.downs.empty() && b.downs.empty());
  EXPECT_EQ(over(a, "b"), "ipc:///run/b.ipc");
}

TEST_F(OneMachine, APeerOfAnotherMachineIsDialledAtItsAddress) {
  SessionHost& a = add("a", 10);
  SessionHost& b = net.add("b", 20, {.seeds = {"a:1"}, .local = "/run/b.ipc", .machine = "m2"});
  net.also_at("ipc:///run/b.ipc", a);  // were it dialled, somebody else would answer
  net.pass(1min);
  EXPECT_EQ(over(a, "b"), "b:1");
  EXPECT_EQ(over(b, "a"), "a:1");
}

TEST_F(OneMachine, WhoHasNoSocketIsDialledAtItsAddressAndDialsOthersAtTheirs) {
  SessionHost& a = add("a", 10);
  SessionHost& b = net.add("b", 20, {.seeds = {"a:1"}, .machine = "m1"});
  net.pass(1min);
  EXPECT_EQ(over(a, "b"), "b:1");
  EXPECT_EQ(over(b, "a"), "ipc:///run/a.ipc");
}

TEST_F(OneMachine, ASocketThatCannotBeReachedIsLeftAloneForThatLife) {
  SessionHost& a = add("a", 10);
  net.nowhere("ipc:///run/a.ipc");  // as in another mount namespace, or another user's
  SessionHost& b = add("b", 20, {.seeds = {"a:1"}});
  const auto tried = [&] {
    return std::count_if(b.dials.begin(), b.dials.end(),
                         [](const auto& dial) { return dial.second == "ipc:///run/a.ipc"; });
  };
  net.pass(1s);
  expect_one_session(b);
  EXPECT_EQ(over(b, "a"), "a:1");
  EXPECT_EQ(over(a, "b"), "ipc:///run/b.ipc") << "each direction for itself";
  EXPECT_EQ(b.times_said("ipc:///run/a.ipc"), 1U);
  EXPECT_TRUE(b.sessions.seeds()[0].trouble.empty());
  net.lose_link(b, a);
  net.pass(1min);
  expect_one_session(b);
  EXPECT_EQ(tried(), 1);
  net.kill(a);
  SessionHost& again = add("a", 11);
  net.pass(1min);
  EXPECT_TRUE(again.is_up());
  EXPECT_EQ(over(b, "a"), "ipc:///run/a.ipc");
  EXPECT_EQ(tried(), 2) << "a new life is tried anew";
}

TEST_F(OneMachine, ASocketOfSomebodyElseIsNotTakenForThePeers) {
  SessionHost& a = add("a", 10);
  SessionHost& c = add("c", 30);
  net.also_at("ipc:///run/a.ipc", c);  // where b is, that path is another file
  SessionHost& b = add("b", 20, {.seeds = {"a:1"}});
  net.pass(1min);
  EXPECT_TRUE(a.is_up());
  EXPECT_EQ(over(b, "a"), "a:1");
  for (const SessionHost* host : {&a, &b, &c}) EXPECT_TRUE(host->downs.empty()) << host->name;
}

TEST_F(OneMachine, APeerThatSaysItIsWhereThisNodeIsIsNoSeedOfOurs) {
  SessionHost& a = add("a", 10, {.address = "10.0.0.7:1"});
  net.nowhere("ipc:///run/a.ipc");
  SessionHost& b = add("b", 20, {.seeds = {"10.0.0.1:1"}});
  net.also_at("10.0.0.1:1", a);
  net.also_at("10.0.0.7:1", b);  // as 127.0.0.1 is everywhere
  net.pass(1min);
  EXPECT_TRUE(b.has_said("a says that it is at 10.0.0.7:1, where this node is"));
  EXPECT_FALSE(b.has_said("leads to this node itself"));
  EXPECT_EQ(b.count(Sessions::Count::What::own_seed), 0);
  expect_one_session(b);
  EXPECT_EQ(over(b, "a"), "10.0.0.1:1");
}

TEST_F(OneMachine, WhereAPeerWasASeedMayLeadToAnotherOneLater) {
  SessionHost& a = add("a", 10);
  net.also_at("10.0.0.1:1", a);
  SessionHost& c = add("c", 30, {.seeds = {"10.0.0.1:1"}});
  net.pass(10s);
  ASSERT_TRUE(c.is_up());
  net.kill(a);
  add("a", 11, {.seeds = {"c:1"}, .address = "elsewhere:1"});
  net.pass(10s);
  ASSERT_TRUE(c.is_up());
  SessionHost& b = add("b", 20);
  net.also_at("10.0.0.1:1", b);
  net.pass(1min);
  EXPECT_TRUE(b.is_up());
}

TEST_F(OneMachine, APeerThatListensOnASocketOnlyIsDialledThere) {
  SessionHost& a = net.add("a", 10, {.address = "ipc:///run/a.ipc"});
  SessionHost& b = net.add("b", 20, {.seeds = {"ipc:///run/a.ipc"}, .address = "ipc:///run/b.ipc"});
  net.pass(1min);
  expect_one_session(a);
  expect_one_session(b);
  EXPECT_EQ(over(b, "a"), "ipc:///run/a.ipc");
}

// -- NODE@HOST ------------------------------------------------------------------------------

TEST_F(Addresses, OfANodeAreAnsweredByThatNode) {
  SessionHost& a = net.add("a", 10, {.address = "10.0.0.1:7400"});
  SessionHost& c = net.add("c@h", 30, {.address = "10.0.0.3:7400"});
  net.resolves("a@h:7400", {"10.0.0.1:7400"});
  net.resolves("c@h:7400", {"10.0.0.3:7400"});
  SessionHost& b = net.add("b", 20, {.seeds = {"a@h:7400", "c@h:7400"}});
  net.pass(1min);
  EXPECT_TRUE(a.is_up());
  EXPECT_TRUE(c.is_up());
  for (const auto& seed : b.sessions.seeds()) EXPECT_TRUE(seed.trouble.empty()) << seed.trouble;
}

TEST_F(Addresses, OfANodeThatAnotherOneAnswersJoinNobody) {
  SessionHost& a = net.add("a", 10, {.address = "10.0.0.1:7400"});
  net.resolves("x@h:7400", {"10.0.0.1:7400"});
  SessionHost& b = net.add("b", 20, {.seeds = {"x@h:7400"}});
  net.pass(1min);
  EXPECT_TRUE(a.ups.empty() && b.ups.empty());
  ASSERT_EQ(b.sessions.seeds().size(), 1U);
  EXPECT_EQ(b.sessions.seeds()[0].answered_by, "");
  EXPECT_EQ(b.sessions.seeds()[0].trouble, "10.0.0.1:7400 is node a");
  EXPECT_EQ(b.times_said("is node a"), 1U);
  // Nor does a session that came otherwise make it the node that was asked for.
  net.perform(b, b.sessions.add_seed("10.0.0.1:7400", net.now));
  net.pass(1min);
  EXPECT_TRUE(b.is_up());
  for (const auto& seed : b.sessions.seeds()) {
    EXPECT_EQ(seed.answered_by.empty(), seed.address == "x@h:7400");
  }
}

}  // namespace
}  // namespace grove::transport
