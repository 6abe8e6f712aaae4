// SPDX-License-Identifier: Apache-2.0
#include "peer_link.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace grove {
namespace {

using cluster::PeerLink;
using Appended = PeerLink::Appended;
using WhenBusy = PeerLink::WhenBusy;

/// Remembers what it was given to send.
class Wire final : public transport::Transport {
 public:
  Result<void> secure(const transport::Cookie&) override { return {}; }
  Result<std::string> listen(const std::string& address) override { return address; }
  void start(Events&, Scheduler&) override {}
  void stop() override {}
  void dial(transport::LinkId, const std::string&) override {}
  void hang_up(transport::LinkId) override {}
  void share(transport::LinkId) override {}
  void answer(const transport::Route&, transport::Buffer) override {}
  void resolve(const std::string&, std::function<void(std::vector<std::string>)>) override {}
  transport::SendResult send(transport::LinkId, transport::Buffer frame, const Bytes&) override {
    if (broken) return transport::SendResult::gone;
    frames.push_back(std::move(frame));
    return transport::SendResult::sent;
  }
  void post(std::function<void()>) override {}

  bool broken = false;
  std::vector<transport::Buffer> frames;
};

class PeerLinkTest : public testing::Test {
 protected:
  static constexpr std::size_t k_budget = 1000;

  Appended append(const Pid& process, std::size_t size, WhenBusy when_busy = WhenBusy::send) {
    transport::Record record;
    record.kind = 1;
    return link.append(
        record,
        {.sender = transport::local_id(process), .process = process, .when_busy = when_busy},
        [size](transport::Buffer& buffer, Bytes&) {
          buffer.resize(buffer.size() + size);
          return true;
        });
  }
  static Pid process(std::uint32_t index) { return {NodeId{}, index, 1}; }

  Wire wire;
  transport::Sessions::Up up{.peer = intern_node("peer", Life{1}),
                             .session = 7,
                             .link = 1,
                             .header = {},
                             .address = "peer:1",
                             .features = 0};
  PeerLink link{wire, up, {.budget_bytes = k_budget}};
};

TEST_F(PeerLinkTest, NumbersItsBatches) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(append(process(1), 10), Appended::ok);
    link.flush();
  }
  ASSERT_EQ(wire.frames.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(transport::parse_session_header(wire.frames[i])->sequence, i + 1);
  }
}

TEST_F(PeerLinkTest, OverItsBudgetRefusesOrLetsInAsTheSenderWishes) {
  EXPECT_EQ(append(process(1), k_budget, WhenBusy::send_and_wait), Appended::ok);
  EXPECT_EQ(append(process(1), 1, WhenBusy::refuse), Appended::refused);
  EXPECT_EQ(append(process(1), 1, WhenBusy::send_and_wait), Appended::crowded);
  EXPECT_EQ(append(process(1), 1, WhenBusy::send), Appended::ok);
}

TEST_F(PeerLinkTest, GivesRoomInTheOrderInWhichItWasAskedForAndOnce) {
  EXPECT_EQ(append(process(9), k_budget), Appended::ok);
  for (const std::uint32_t index : {3U, 1U, 3U, 2U}) {
    EXPECT_EQ(append(process(index), 1, WhenBusy::send_and_wait), Appended::crowded);
  }
  link.flush();
  EXPECT_EQ(append(process(4), 10), Appended::ok);
  EXPECT_EQ(link.acknowledge(0), std::vector<Pid>{});
  EXPECT_EQ(link.acknowledge(1), (std::vector<Pid>{process(3), process(1), process(2)}));
  EXPECT_EQ(append(process(1), 1, WhenBusy::send_and_wait), Appended::ok);
  EXPECT_EQ(link.acknowledge(2), std::nullopt);  // it is not sent yet
}

TEST_F(PeerLinkTest, AMultitudeWaitsForRoomWithoutOneLookingAtAllTheOthers) {
  constexpr std::uint32_t many = 300'000;  // for a minute, if each did
  append(process(many), k_budget + 1);
  std::vector<Pid> all;
  for (std::uint32_t index = many; index > 0; --index) {
    all.push_back(process(index));
    for (int twice = 0; twice < 2; ++twice) {
      ASSERT_EQ(append(all.back(), 0, WhenBusy::send_and_wait), Appended::crowded);
    }
  }
  EXPECT_EQ(link.close().waiting, all);
}

TEST_F(PeerLinkTest, AFullBatchDoesNotWaitForTheEndOfTheTurn) {
  constexpr std::size_t k_half = cluster::k_batch_bytes / 2;
  EXPECT_EQ(append(process(1), k_half), Appended::ok);
  EXPECT_EQ(append(process(2), 10), Appended::ok);
  EXPECT_TRUE(wire.frames.empty());
  EXPECT_EQ(append(process(1), k_half), Appended::ok);
  EXPECT_EQ(wire.frames.size(), 1U);
  EXPECT_EQ(append(process(1), 10), Appended::ok);
  EXPECT_EQ(wire.frames.size(), 1U);
  link.flush();
  EXPECT_EQ(wire.frames.size(), 2U);
}

TEST_F(PeerLinkTest, SendsNoMoreThanTheWindowInOneTurn) {
  constexpr std::size_t k_sent = cluster::k_window_bytes / cluster::k_batch_bytes;
  for (std::size_t i = 0; i < k_sent + 10; ++i) append(process(1), cluster::k_batch_bytes);
  EXPECT_EQ(wire.frames.size(), k_sent);
  EXPECT_TRUE(link.acknowledge(1));
  append(process(1), 10);
  EXPECT_EQ(wire.frames.size(), k_sent + 1);
}

TEST_F(PeerLinkTest, KeepsNothingOfARecordThatCouldNotBeWritten) {
  transport::Record record;
  record.kind = 1;
  EXPECT_EQ(link.append(record, {},
                        [](transport::Buffer& buffer, Bytes&) -> bool {
                          buffer.resize(500);
                          throw 1;
                        }),
            Appended::unsendable);
  EXPECT_EQ(link.queued_bytes(), 0U);
  link.flush();
  EXPECT_TRUE(wire.frames.empty());
}

TEST_F(PeerLinkTest, OnceClosedTakesNothingAndHoldsNothing) {
  EXPECT_EQ(append(process(2), k_budget), Appended::ok);
  EXPECT_EQ(append(process(2), 1, WhenBusy::send_and_wait), Appended::crowded);
  link.watch(process(5));
  link.watch(process(4));
  const PeerLink::Closed closed = link.close();
  EXPECT_EQ(closed.watchers, (std::vector<Pid>{process(4), process(5)}));
  EXPECT_EQ(closed.waiting, std::vector<Pid>{process(2)});
  EXPECT_EQ(link.queued_bytes(), 0U);
  EXPECT_EQ(append(process(1), 10), Appended::closed);
  link.flush();
  EXPECT_TRUE(wire.frames.empty());
}

}  // namespace
}  // namespace grove
