// SPDX-License-Identifier: Apache-2.0
//
// A message that cannot be read is found by the process that it is for, which may be late: it ends
// the session that it came over, and no other.
#include "grove/node/gen_server.hpp"

#include "integration/messages.hpp"
#include "integration/real_node.hpp"
#include "integration/squarer.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <stdexcept>

namespace grove {
namespace integration {

std::atomic<bool> g_unreadable{false};

/// Cannot be made, and so not be read, while it is said to be unreadable.
struct Brittle {
  Brittle() {
    if (g_unreadable) throw std::runtime_error{"unreadable"};
  }
  int number = 0;
};

}  // namespace integration
}  // namespace grove

GROVE_MESSAGE(grove::integration::Brittle, "integration.brittle", number)

namespace grove {
namespace {

using integration::Brittle;
using integration::Number;
using integration::Square;
using testkit::RealNode;
using testkit::value_of;

class MalformedMessage : public testing::Test {
 protected:
  MalformedMessage() { integration::g_unreadable = false; }
  ~MalformedMessage() override {
    integration::g_unreadable = false;
    if (!gone_on) go_on.set_value();
  }

  void SetUp() override {
    ASSERT_TRUE(a.start());
    ASSERT_TRUE(b.start());
    ASSERT_TRUE(b.cluster().join(a.address()));
    ASSERT_TRUE(a.wait_for_sessions(1));
    ASSERT_TRUE(b.wait_for_sessions(1));
    b.run(integration::start_squarer);
  }

  /// A process of b that holds a worker for each Number, until it may go on.
  Pid holder() {
    return b.node().spawn([this](Context& context) -> Task<> {
      for (;;) {
        const EnvelopePtr next = co_await context.receive_any();
        if (!next->message.is<Number>()) continue;
        held.set_value();
        go_on.get_future().wait();
      }
    });
  }
  /// From here on it cannot be read.
  void send_brittle(const Pid& to) {
    a.run([to](Context& context) -> Task<bool> {
      Brittle brittle;
      integration::g_unreadable = true;
      context.send(to, std::move(brittle));
      co_return true;
    });
  }
  /// Everything that a has sent to b before has arrived.
  void round_trip() {
    const int squared = a.run([](Context& context) -> Task<int> {
      const RemoteName squarer{"squarer", "b"};
      co_return co_await context.call<Square>(squarer, 3);
    });
    EXPECT_EQ(squared, 9);
  }

  std::promise<void> held;
  std::promise<void> go_on;
  bool gone_on = false;
  RealNode a{"a", {}};
  // The watchdog would read for whoever is held.
  RealNode b{"b", {.stuck_after = std::chrono::hours{1}}};
};

TEST_F(MalformedMessage, EndsTheSessionThatItCameOver) {
  const Pid to = holder();
  send_brittle(to);
  EXPECT_TRUE(b.wait_for_count(Metric::frames_malformed, 1));
  EXPECT_TRUE(b.wait_for_log("sent a malformed integration.brittle"));
  EXPECT_TRUE(a.wait_for_count(Metric::sessions_up, 2));
  EXPECT_TRUE(b.wait_for_count(Metric::sessions_up, 2));
  round_trip();
  EXPECT_TRUE(b.node().is_alive(to));
}

TEST_F(MalformedMessage, EndsNoLaterSession) {
  const Pid to = holder();
  a.node().spawn([to](Context& context) -> Task<> {
    context.send(to, Number{});
    co_return;
  });
  auto holds = held.get_future();
  value_of(holds);
  send_brittle(to);
  round_trip();
  std::promise<bool> ended;
  auto end = ended.get_future();
  a.cluster().disconnect("b", [&ended](bool there_was) { ended.set_value(there_was); });
  EXPECT_TRUE(value_of(end));
  EXPECT_TRUE(a.wait_for_count(Metric::sessions_up, 2));
  EXPECT_TRUE(b.wait_for_count(Metric::sessions_up, 2));
  gone_on = true;
  go_on.set_value();
  EXPECT_TRUE(b.wait_for_count(Metric::frames_malformed, 1));
  round_trip();
  round_trip();
  EXPECT_EQ(b.count(Metric::sessions_down), 1U);
  EXPECT_EQ(a.count(Metric::sessions_down), 1U);
}

}  // namespace
}  // namespace grove
