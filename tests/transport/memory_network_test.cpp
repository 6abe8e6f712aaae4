// SPDX-License-Identifier: Apache-2.0
#include "grove/transport/memory_network.hpp"

#include "grove/testkit/virtual_clock.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace grove::transport {
namespace {

using namespace std::chrono_literals;
using testkit::VirtualClock;

Buffer frame_of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span{text});
  return {bytes.begin(), bytes.end()};
}
std::string text_of(const Frame& frame) {
  return {reinterpret_cast<const char*>(frame.bytes.data()), frame.bytes.size()};
}

/// Notes down what happens.
class Endpoint final : public Transport::Events {
 public:
  Endpoint(MemoryNetwork& network, VirtualClock& clock, const std::string& address)
      : transport{network.endpoint()}, clock_{clock} {
    EXPECT_TRUE(transport->listen(address));
    transport->start(*this, scheduler_);
  }
  ~Endpoint() { transport->stop(); }
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  void on_frame(const Route& from, Frame frame) override {
    last_route = from;
    events.push_back("frame " + text_of(frame));
  }
  void on_answer(LinkId link, Frame frame) override {
    events.push_back("answer " + std::to_string(link) + ' ' + text_of(frame));
  }
  void on_link_up(LinkId link) override { events.push_back("up " + std::to_string(link)); }
  void on_link_down(LinkId link, const std::string& why) override {
    events.push_back("down " + std::to_string(link) + ": " + why);
  }
  void on_handshake_failed(bool, const std::string&, const std::string&) override {}
  Clock::TimePoint on_tick() override {
    ++ticks;
    return clock_.now() + 100ms;
  }

  SendResult send(LinkId link, const std::string& text) {
    return transport->send(link, frame_of(text), {});
  }
  std::vector<std::string> take() { return std::exchange(events, {}); }

  std::unique_ptr<Transport> transport;
  std::vector<std::string> events;
  Route last_route;
  int ticks = 0;

 private:
  VirtualClock& clock_;
  SeededScheduler scheduler_{nullptr};
};
using Events = std::vector<std::string>;

class MemoryNetworkTest : public testing::Test {
 protected:
  void run_for(Clock::Duration duration) {
    const Clock::TimePoint limit = clock.now() + duration;
    while (clock.advance_to_next(limit)) {
    }
  }
  void connect() {
    a.transport->dial(1, "b");
    run_for(10ms);
    ASSERT_EQ(a.take(), Events{"up 1"});
  }
  static Events numbered(const std::string& prefix, int from, int to) {
    Events events;
    for (int i = from; i < to; ++i) events.push_back(prefix + std::to_string(i));
    return events;
  }

  VirtualClock clock;
  Random random{5};
  MemoryNetwork network{clock, random};
  Endpoint a{network, clock, "a"};
  Endpoint b{network, clock, "b"};
};

TEST_F(MemoryNetworkTest, ADialToNobodyIsRefused) {
  a.transport->dial(1, "nobody");
  EXPECT_TRUE(a.take().empty());  // not before the network has carried it
  run_for(10ms);
  EXPECT_EQ(a.take(), Events{"down 1: connection refused"});
}

TEST_F(MemoryNetworkTest, ATakenAddressIsRefused) {
  const auto third = network.endpoint();
  EXPECT_EQ(third->listen("a").error().code, Errc::address_in_use);
}

TEST_F(MemoryNetworkTest, EachDirectionIsFirstInFirstOut) {
  connect();
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(a.send(1, std::to_string(i)), SendResult::sent);
    if (i % 7 == 0) run_for(50us);
  }
  run_for(10ms);
  EXPECT_EQ(b.take(), numbered("frame ", 0, 500));
  for (int i = 0; i < 500; ++i) {
    b.transport->answer(b.last_route, frame_of(std::to_string(i)));
    if (i % 7 == 0) run_for(50us);
  }
  run_for(10ms);
  EXPECT_EQ(a.take(), numbered("answer 1 ", 0, 500));
}

TEST_F(MemoryNetworkTest, EachDialIsARouteOfItsOwn) {
  connect();
  a.send(1, "one");
  run_for(10ms);
  const Route first = b.last_route;
  a.transport->dial(2, "b");
  run_for(10ms);
  a.send(2, "two");
  run_for(10ms);
  EXPECT_NE(b.last_route, first);
  b.transport->answer(first, frame_of("to one"));
  run_for(10ms);
  EXPECT_EQ(a.take(), (Events{"up 2", "answer 1 to one"}));
}

TEST_F(MemoryNetworkTest, ACutHoldsAndHealDeliversInOrder) {
  connect();
  a.send(1, "0");
  run_for(10ms);
  network.cut("a", "b");
  for (int i = 1; i < 100; ++i) a.send(1, std::to_string(i));
  run_for(1h);
  EXPECT_EQ(b.take(), Events{"frame 0"});
  network.heal("a", "b");
  for (int i = 100; i < 200; ++i) a.send(1, std::to_string(i));
  run_for(1s);
  EXPECT_EQ(b.take(), numbered("frame ", 1, 200));
}

// What is in flight when it heals must not overtake what the cut held back.
TEST_F(MemoryNetworkTest, AHealWhileFramesAreInFlightKeepsTheOrder) {
  connect();
  int sent = 0;
  for (int round = 0; round < 200; ++round) {
    network.cut("a", "b");
    for (int i = 0; i < 3; ++i) a.send(1, std::to_string(sent++));
    run_for(Clock::Duration{random.below(400'000)});
    for (int i = 0; i < 3; ++i) a.send(1, std::to_string(sent++));
    run_for(Clock::Duration{random.below(200'000)});
    network.heal("a", "b");
    a.send(1, std::to_string(sent++));
    run_for(Clock::Duration{random.below(400'000)});
  }
  run_for(1s);
  EXPECT_EQ(b.take(), numbered("frame ", 0, sent));
}

TEST_F(MemoryNetworkTest, ACutIsOneWay) {
  connect();
  a.send(1, "before");
  run_for(10ms);
  network.cut("a", "b");
  b.transport->answer(b.last_route, frame_of("back"));
  a.send(1, "there");
  run_for(1s);
  EXPECT_EQ(a.take(), Events{"answer 1 back"});
  EXPECT_EQ(b.take(), Events{"frame before"});
}

TEST_F(MemoryNetworkTest, ADialIntoACutWaits) {
  network.cut("b", "a");
  a.transport->dial(1, "b");
  run_for(1h);
  EXPECT_TRUE(a.take().empty());
  network.heal_all();
  run_for(10ms);
  EXPECT_EQ(a.take(), Events{"up 1"});
}

TEST_F(MemoryNetworkTest, AKillBreaksLinksAfterWhatWasSent) {
  connect();
  a.send(1, "hello");
  run_for(10ms);
  for (int i = 0; i < 20; ++i) b.transport->answer(b.last_route, frame_of(std::to_string(i)));
  network.kill("b");
  run_for(10ms);
  Events wanted = numbered("answer 1 ", 0, 20);
  wanted.push_back("down 1: connection lost");
  EXPECT_EQ(a.take(), wanted);
  EXPECT_EQ(a.send(1, "too late"), SendResult::gone);
  a.transport->dial(2, "b");
  run_for(10ms);
  EXPECT_EQ(a.take(), Events{"down 2: connection refused"});
}

TEST_F(MemoryNetworkTest, TheKilledHearsAndDoesNothingMore) {
  connect();
  a.send(1, "hello");
  run_for(10ms);
  b.take();
  a.send(1, "in flight");
  network.kill("b");
  const int ticks = b.ticks;
  b.transport->dial(9, "a");
  b.transport->post([this] { b.events.push_back("posted"); });
  run_for(1s);
  EXPECT_TRUE(b.take().empty());
  EXPECT_EQ(b.ticks, ticks);
}

TEST_F(MemoryNetworkTest, ASuccessorAtTheSameAddressInheritsNothing) {
  connect();
  b.transport->dial(1, "a");
  run_for(10ms);
  b.take();
  a.send(1, "hello");
  b.send(1, "hello");
  run_for(10ms);
  b.take();
  // In flight to the one that dies: a frame, and an answer on its own link 1.
  network.cut("a", "b");
  a.send(1, "for the dead");
  a.transport->answer(a.last_route, frame_of("for the dead"));
  network.kill("b");
  auto next = std::make_unique<Endpoint>(network, clock, "b");
  next->transport->dial(1, "a");
  network.heal_all();
  run_for(1s);
  EXPECT_EQ(next->take(), Events{"up 1"});
}

TEST_F(MemoryNetworkTest, TheEndOfTheKilledDoesNotTouchItsSuccessor) {
  auto first = std::make_unique<Endpoint>(network, clock, "c");
  network.kill("c");
  Endpoint second{network, clock, "c"};
  first.reset();
  a.transport->dial(1, "c");
  run_for(10ms);
  EXPECT_EQ(a.take(), Events{"up 1"});
}

TEST_F(MemoryNetworkTest, WhatIsInFlightAtAHangUpMayStillArriveButNothingComesBack) {
  connect();
  a.send(1, "last");
  a.transport->hang_up(1);
  EXPECT_EQ(a.send(1, "after"), SendResult::gone);
  run_for(10ms);
  EXPECT_EQ(b.take(), Events{"frame last"});
  b.transport->answer(b.last_route, frame_of("lost"));
  run_for(10ms);
  EXPECT_TRUE(a.take().empty());
}

TEST_F(MemoryNetworkTest, AfterStopNoEventComes) {
  connect();
  a.send(1, "in flight");
  b.transport->post([this] { b.events.push_back("posted"); });
  b.transport->stop();
  b.transport->stop();
  run_for(1s);
  EXPECT_TRUE(b.take().empty());
  EXPECT_EQ(a.take(), Events{"down 1: connection lost"});
}

}  // namespace
}  // namespace grove::transport
