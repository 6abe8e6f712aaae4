// SPDX-License-Identifier: Apache-2.0
//
// What somebody who records all bytes between two nodes gets to see.
#include "integration/messages.hpp"
#include "integration/real_node.hpp"
#include "integration/recording_proxy.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace grove {
namespace {

using integration::Number;
using testkit::RealNode;
using testkit::RecordingProxy;
using testkit::value_of;

constexpr const char* k_cookie = "cookie-that-must-not-be-seen-either";
constexpr const char* k_node = "plainly-a-node";
constexpr const char* k_name = "plainly-a-name";
constexpr const char* k_text = "plainly a text in a message";

/// Two nodes that reach each other through recorders only.
class Recorded : public testing::Test {
 protected:
  void meet(const std::string& cookie) {
    a = std::make_unique<RealNode>(
        k_node, testkit::RealNodeOptions{.cookie = cookie, .advertise = to_a.address()});
    ASSERT_TRUE(a->start());
    to_a.lead_to(a->address());
    b = std::make_unique<RealNode>(
        "b", testkit::RealNodeOptions{
                 .seeds = {to_a.address()}, .cookie = cookie, .advertise = to_b.address()});
    ASSERT_TRUE(b->start());
    to_b.lead_to(b->address());
    ASSERT_TRUE(a->wait_for_sessions(1));
    ASSERT_TRUE(b->wait_for_sessions(1));
  }
  /// A name and a message, both ways.
  void talk() {
    for (const auto& [from, to] : {std::pair{a.get(), b.get()}, std::pair{b.get(), a.get()}}) {
      const std::string name = k_name + std::to_string(from == a.get());
      auto received = to->node().async([name](Context& context) -> Task<std::size_t> {
        EXPECT_TRUE(context.register_name(name, context.self(), Scope::cluster));
        const Number number = co_await context.receive<Number>();
        co_return number.padding.size();
      });
      ASSERT_TRUE(
          from->wait([&] { return from->node().whereis(name, Scope::cluster).has_value(); }));
      const auto text = std::as_bytes(std::span{std::string_view{k_text}});
      from->node().send(from->node().whereis(name, Scope::cluster).value(),
                        Number{1, {text.begin(), text.end()}});
      EXPECT_EQ(value_of(received), text.size());
    }
  }
  bool is_seen(const std::string& marker) {
    return to_a.recorded().find(marker) != std::string::npos &&
           to_b.recorded().find(marker) != std::string::npos;
  }
  bool is_seen_anywhere(const std::string& marker) {
    return (to_a.recorded() + to_b.recorded()).find(marker) != std::string::npos;
  }

  RecordingProxy to_a;
  RecordingProxy to_b;
  std::unique_ptr<RealNode> a;
  std::unique_ptr<RealNode> b;
};

TEST_F(Recorded, WithoutACookieNamesAndMessagesAreThereToRead) {
  meet("");
  talk();
  EXPECT_TRUE(is_seen(k_node));
  EXPECT_TRUE(is_seen(k_name));
  EXPECT_TRUE(is_seen(k_text));
}

TEST_F(Recorded, WithACookieNothingOfThemIs) {
  meet(k_cookie);
  talk();
  EXPECT_GT(to_a.recorded().size(), 1000U);
  EXPECT_GT(to_b.recorded().size(), 1000U);
  for (const char* marker : {k_node, k_name, k_text, k_cookie}) {
    EXPECT_FALSE(is_seen_anywhere(marker)) << marker;
  }
}

TEST_F(Recorded, WhatWasRecordedOpensNothingWhenItIsSaidAgain) {
  meet(k_cookie);
  talk();
  std::uint64_t refused = a->count(Metric::handshakes_refused);
  for (const std::string& said : to_a.said()) {
    testkit::RawSocket replay;
    ASSERT_TRUE(replay.connect(a->address()));
    replay.write(said);
    replay.wait_for_end();
    EXPECT_TRUE(a->wait_for_count(Metric::handshakes_refused, ++refused));
  }
  EXPECT_EQ(a->count(Metric::sessions_up), 1U);
  EXPECT_EQ(a->count(Metric::sessions_down), 0U);
  EXPECT_EQ(a->count(Metric::frames_malformed) + a->count(Metric::frames_stale), 0U);
  talk();
}

}  // namespace
}  // namespace grove
