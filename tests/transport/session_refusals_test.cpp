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

}  // namespace
}  // namespace grove::transport
