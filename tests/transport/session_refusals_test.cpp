// SPDX-License-Identifier: Apache-2.0
//
// Who is refused, as both sides see it: in the log once, in the list until a session comes of it.
#include "transport/session_net.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>

namespace grove::transport {
namespace {

using namespace std::chrono_literals;
using testkit::SessionHost;
using testkit::SessionNet;
using What = Sessions::Count::What;
using Options = SessionNet::Options;

struct Row {
  const char* name;
  Options listener;
  Options dialler;
  const char* listeners_name;
  const char* diallers_name;
  bool refused_by_listener;
  const char* why;
};

class Refused : public testing::TestWithParam<Row> {};

TEST_P(Refused, BothSidesSaySoOnceAndShowIt) {
  const Row& row = GetParam();
  SessionNet net;
  Options dialling = row.dialler;
  dialling.seeds = {"10.0.0.1:1"};
  Options listening = row.listener;
  listening.address = "10.0.0.1:1";
  dialling.address = "10.0.0.2:1";
  SessionHost& a = net.add(row.listeners_name, 10, listening);
  SessionHost& b = net.add(row.diallers_name, 20, dialling);
  net.pass(1h);
  const struct {
    const SessionHost& host;
    const SessionHost& other;
    bool refuses;
  } sides[]{{a, b, row.refused_by_listener}, {b, a, !row.refused_by_listener}};
  for (const auto& [host, other, refuses] : sides) {
    EXPECT_TRUE(host.ups.empty()) << host.name;
    EXPECT_EQ(host.times_said(row.why), 1U) << host.name;
    EXPECT_EQ(host.says.size(), 1U) << host.says.back();
    EXPECT_GE(host.count(What::refused), 100) << "tried again for ever";
    ASSERT_EQ(host.sessions.refused().size(), 1U) << host.name;
    const Sessions::RefusedView refused = host.sessions.refused()[0];
    EXPECT_EQ(refused.name, other.name);
    EXPECT_EQ(refused.address, other.address);
    EXPECT_EQ(refused.by_us, refuses) << host.name;
    EXPECT_EQ(refused.why.find(row.why), 0U) << refused.why;
    EXPECT_EQ(refused.times, host.count(What::refused));
    EXPECT_GE(refused.last, net.now - 5s);
  }
  EXPECT_NE(b.sessions.seeds()[0].trouble.find(row.why), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Sessions, Refused,
    testing::Values(
        Row{"by_version",
            {.versions = {1, 2}},
            {.versions = {3, 4}},
            "a",
            "b",
            true,
            "no common protocol version"},
        Row{"by_cluster",
            {.cluster = "x"},
            {.cluster = "y"},
            "a",
            "b",
            true,
            "it belongs to another cluster"},
        Row{"by_cookie", {.cookie = "x"}, {.cookie = "y"}, "a", "b", false, "wrong cookie"},
        Row{"by_name", {}, {}, "a", "a", false, "a node of that name is running"}),
    [](const auto& row) { return std::string{row.param.name}; });

TEST(RefusedForItsLife, WhoDialsIsToldAndSaysSo) {
  SessionNet net;
  SessionHost& a = net.add("a", 10, {});
  SessionHost& newer = net.add("x", 20, {.seeds = {"a:1"}, .address = "new:1"});
  net.pass(1s);
  ASSERT_TRUE(newer.is_up());
  SessionHost& older = net.add("x", 15, {.seeds = {"a:1"}, .address = "old:1"});
  net.pass(1min);
  EXPECT_TRUE(older.ups.empty());
  EXPECT_TRUE(newer.downs.empty()) << "the newer one is not troubled";
  for (const SessionHost* host : {&a, &older}) {
    EXPECT_EQ(host->times_said("a newer life of that node has been seen"), 1U) << host->name;
    ASSERT_EQ(host->sessions.refused().size(), 1U) << host->name;
    EXPECT_EQ(host->sessions.refused()[0].by_us, host == &a);
  }
  EXPECT_EQ(a.sessions.refused()[0].name, "x");
  EXPECT_EQ(a.sessions.refused()[0].address, "old:1");
}

TEST(RefusedForItsLife, WhoAnswersIsToldAndSaysSo) {
  SessionNet net;
  SessionHost& newer = net.add("x", 20, {.address = "10.0.0.1:1"});
  SessionHost& a = net.add("a", 10, {.seeds = {"10.0.0.1:1"}});
  net.pass(1s);
  ASSERT_TRUE(a.is_up());
  net.kill(newer);
  SessionHost& older = net.add("x", 15, {.address = "10.0.0.1:1"});  // its clock was set back
  net.pass(1min);
  EXPECT_TRUE(older.ups.empty());
  EXPECT_FALSE(a.is_up());
  for (const SessionHost* host : {&a, &older}) {
    EXPECT_EQ(host->times_said("a newer life of that node has been seen"), 1U) << host->name;
    EXPECT_FALSE(host->sessions.refused().empty()) << host->name;
  }
}

TEST(ANameTaken, IsGivenToNobodyElseThroughAThird) {
  SessionNet net;
  SessionHost& c = net.add("c", 5, {});
  SessionHost& first = net.add("x", 10, {.seeds = {"c:1"}, .address = "x1:1"});
  net.pass(1s);
  ASSERT_TRUE(first.is_up());
  SessionHost& second = net.add("x", 20, {.seeds = {"c:1"}, .address = "x2:1"});
  net.pass(1min);
  EXPECT_TRUE(first.downs.empty()) << "who was there is not troubled";
  EXPECT_TRUE(second.ups.empty());
  for (const SessionHost* host : {&c, &second}) {
    EXPECT_EQ(host->times_said("a node of that name is running"), 1U) << host->name;
    ASSERT_EQ(host->sessions.refused().size(), 1U) << host->name;
    EXPECT_EQ(host->sessions.refused()[0].by_us, host == &c);
  }
  net.kill(first);
  net.pass(1min);
  EXPECT_TRUE(second.is_up()) << "the name is free";
}

TEST(ANameTaken, IsRefusedWhereItAnswersAtAnotherAddress) {
  SessionNet net;
  SessionHost& c = net.add("c", 5, {});
  SessionHost& first = net.add("x", 10, {.seeds = {"c:1"}, .address = "x1:1"});
  SessionHost& second = net.add("x", 20, {.address = "x2:1"});
  net.pass(1s);
  net.perform(c, c.sessions.add_seed("x2:1", net.now));
  net.pass(1min);
  EXPECT_TRUE(first.downs.empty());
  EXPECT_TRUE(second.ups.empty());
  for (const SessionHost* host : {&c, &second}) {
    EXPECT_EQ(host->times_said("a node of that name is running"), 1U) << host->name;
  }
}

TEST(ANameTaken, ElsewhereIsHeardOfFromOthers) {
  SessionNet net;
  SessionHost& x = net.add("x", 10, {});
  net.perform(x, x.sessions.add_peer("x", Life{9}, "old:1", net.now));  // a former life of ours
  net.perform(x, x.sessions.add_peer("x", Life{10}, "x:1", net.now));
  EXPECT_TRUE(x.says.empty());
  EXPECT_TRUE(x.sessions.refused().empty());
  for (int i = 0; i < 3; ++i) {
    net.perform(x, x.sessions.add_peer("x", Life{20}, "new:1", net.now));
  }
  EXPECT_EQ(x.times_said("x at new:1: a node of that name is running"), 1U);
  ASSERT_EQ(x.sessions.refused().size(), 1U);
  EXPECT_EQ(x.sessions.refused()[0].times, 3U);
  EXPECT_TRUE(x.dials.empty());
}

TEST(RefusedList, ForgetsWhoCameIn) {
  SessionNet net;
  SessionHost& a = net.add("a", 10, {.cluster = "one"});
  SessionHost& wrong = net.add("b", 20, {.seeds = {"a:1"}, .cluster = "two"});
  net.pass(1s);
  ASSERT_EQ(a.sessions.refused().size(), 1U);
  net.kill(wrong);
  net.add("b", 21, {.seeds = {"a:1"}, .cluster = "one"});
  net.pass(1s);
  EXPECT_TRUE(a.is_up());
  EXPECT_TRUE(a.sessions.refused().empty());
}

TEST(RefusedList, HoldsTheLatestOfManyStrangers) {
  SessionNet net;
  SessionHost& a = net.add("a", 10, {.cluster = "one"});
  for (int i = 0; i < 100; ++i) {
    Hello hello;
    hello.life = Life{1};
    hello.cluster = "two";
    hello.name = "n" + std::to_string(i);
    hello.address = "10.0.0.1:1";
    net.perform(a,
                a.sessions.on_frame("r" + std::to_string(i), Frame::own(encode(hello)), net.now));
  }
  const auto refused = a.sessions.refused();
  ASSERT_EQ(refused.size(), 64U);
  EXPECT_EQ(refused.front().name, "n36");
  EXPECT_EQ(refused.back().name, "n99");
  EXPECT_EQ(a.count(What::refused), 100);
}

TEST(RefusedList, HasARowForEachReason) {
  SessionNet net;
  SessionHost& a = net.add("a", 10, {});
  for (const char* why : {"wrong cookie", "it has no cookie", "wrong cookie"}) {
    net.perform(a, a.sessions.on_handshake_failed(true, "10.0.0.1", why, net.now));
  }
  const auto refused = a.sessions.refused();
  ASSERT_EQ(refused.size(), 2U);
  EXPECT_EQ(refused[0].why, "it has no cookie");
  EXPECT_EQ(refused[0].times, 1U);
  EXPECT_EQ(refused[1].why, "wrong cookie");
  EXPECT_EQ(refused[1].times, 2U);
}

TEST(RefusedList, NamesTheSourceOfAHelloThatCannotBeRead) {
  SessionNet net;
  SessionHost& a = net.add("a", 10, {});
  Buffer other_layout = encode(Hello{});
  other_layout[2] = std::byte{9};
  Buffer cut_off = encode(Hello{});
  cut_off.resize(20);
  for (const Buffer& hello : {other_layout, cut_off}) {
    Frame frame = Frame::own(hello);
    frame.source = "10.0.0.1";
    net.perform(a, a.sessions.on_frame("route", frame, net.now));
  }
  EXPECT_TRUE(a.has_said("a stranger at 10.0.0.1: no common protocol version"));
  EXPECT_EQ(a.says.size(), 2U);
  ASSERT_EQ(a.sessions.refused().size(), 2U);
  for (const auto& refused : a.sessions.refused()) EXPECT_EQ(refused.address, "10.0.0.1");
}

TEST(RefusedList, ForgetsAllAddressesOfAPeerThatCameIn) {
  SessionNet net;
  const Options here{.local = "/run/a.ipc", .machine = "m1"};
  SessionHost& a = net.add("a", 10, here);
  net.also_at("ipc:///run/a.ipc", a);
  net.also_at("10.0.0.1:1", a);
  SessionHost& b =
      net.add("b", 20, {.seeds = {"10.0.0.1:1"}, .local = "/run/b.ipc", .machine = "m1"});
  for (const char* address : {"a:1", "ipc:///run/a.ipc", "10.0.0.1:1", "c:1"}) {
    net.perform(b, b.sessions.on_handshake_failed(false, address, "no answer", net.now));
  }
  net.pass(1s);
  ASSERT_TRUE(b.is_up());
  ASSERT_EQ(b.sessions.refused().size(), 1U);
  EXPECT_EQ(b.sessions.refused()[0].address, "c:1");
}

// -- the log --------------------------------------------------------------------------------

class ManyStrangers : public testing::Test {
 protected:
  /// Each of another address.
  void come(int count) {
    for (; count > 0; --count) {
      const std::string address = "stranger-" + std::to_string(++last);
      net.perform(a, a.sessions.on_handshake_failed(true, address, "wrong cookie", net.now));
    }
  }
  SessionNet net;
  SessionHost& a = net.add("a", 10, {});
  int last = 0;
};

TEST_F(ManyStrangers, AreLoggedOnlySoOftenAMinute) {
  come(1000);
  EXPECT_EQ(a.says.size(), 256U);
  net.pass(59s);
  come(1000);
  EXPECT_EQ(a.says.size(), 256U);
  EXPECT_EQ(a.count(What::refused), 2000) << "and all counted";
}

TEST_F(ManyStrangers, DoNotKeepLaterOnesOutOfTheLog) {
  come(1000);
  net.pass(1min);
  come(1);
  EXPECT_TRUE(a.has_said("stranger-1001: wrong cookie"));
  come(1000);
  EXPECT_EQ(a.says.size(), 2 * 256U);
  net.pass(1h);
  come(1);
  EXPECT_TRUE(a.has_said("stranger-2002: wrong cookie"));
}

TEST_F(ManyStrangers, AreRememberedForEverWhileTheyAreFew) {
  come(200);
  net.pass(1h);
  last = 0;
  come(200);
  EXPECT_EQ(a.says.size(), 200U) << "once each";
}

}  // namespace
}  // namespace grove::transport
