// SPDX-License-Identifier: Apache-2.0
//
// Two nodes in a session, strangers at the port of one of them, and the strangers' tools.
#pragma once

#include "grove/core/random.hpp"
#include "grove/transport/cookie.hpp"
#include "grove/transport/frame.hpp"

#include "curve.hpp"
#include "integration/messages.hpp"
#include "integration/raw_socket.hpp"
#include "integration/real_node.hpp"

#include <gtest/gtest.h>
#include <zmq.hpp>

#include <memory>
#include <string>
#include <vector>

namespace grove::testkit {

inline std::string noise(std::size_t size, std::uint64_t seed) {
  Random random{seed};
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random.next());
  return text;
}

/// Speaks ZeroMQ's protocol, but not Grove's.
class RawPeer {
 public:
  /// With a cookie it has the cluster's keys.
  RawPeer(zmq::context_t& context, const std::string& address, const std::string& cookie = {})
      : socket_{context, zmq::socket_type::dealer} {
    if (!cookie.empty()) secure_dialler(socket_, transport::curve_keys(transport::Cookie{cookie}));
    socket_.set(zmq::sockopt::linger, 60'000);  // what was sent goes out before it closes
    socket_.connect("tcp://" + address);
  }
  /// With whatever keys. It will not come in: what it has said is lost when it goes.
  RawPeer(zmq::context_t& context, const std::string& address, const transport::CurveKeys& keys)
      : socket_{context, zmq::socket_type::dealer} {
    secure_dialler(socket_, keys);
    socket_.set(zmq::sockopt::linger, 0);
    socket_.connect("tcp://" + address);
  }
  void give_up_at_once() { socket_.set(zmq::sockopt::linger, 0); }
  void send(std::span<const std::byte> frame) {
    socket_.send(zmq::const_buffer{frame.data(), frame.size()}, zmq::send_flags::none);
  }
  void send(const std::string& text) { send(std::as_bytes(std::span{text})); }
  void send_parts(const std::vector<std::string>& parts) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      socket_.send(zmq::buffer(parts[i]),
                   i + 1 < parts.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
    }
  }
  [[nodiscard]] transport::Buffer receive() {
    zmq::message_t message;
    (void)socket_.recv(message, zmq::recv_flags::none);
    const auto* bytes = static_cast<const std::byte*>(message.data());
    return {bytes, bytes + message.size()};
  }

 private:
  zmq::socket_t socket_;
};

/// The node a, and b in a session with it.
class UnderAttack : public testing::Test {
 protected:
  void meet(const std::string& cookie,
            const transport::SessionTimes& times = RealNodeOptions{}.times) {
    a = std::make_unique<RealNode>("a", RealNodeOptions{.cookie = cookie, .times = times});
    ASSERT_TRUE(a->start());
    b = std::make_unique<RealNode>("b", RealNodeOptions{.seeds = {a->address()}, .cookie = cookie});
    ASSERT_TRUE(b->start());
    ASSERT_TRUE(a->wait_for_sessions(1));
    ASSERT_TRUE(b->wait_for_sessions(1));
  }
  /// A message from b to a arrives.
  void exchange() {
    std::promise<Pid> ready;
    auto receiver = ready.get_future();
    auto received = a->node().async([&ready](Context& context) -> Task<int> {
      ready.set_value(context.self());
      const auto number = co_await context.receive<integration::Number>();
      co_return number.value;
    });
    b->node().send(value_of(receiver), integration::Number{42, {}});
    EXPECT_EQ(value_of(received), 42);
  }
  /// And in the session that there was at first.
  void expect_untouched() {
    exchange();
    EXPECT_EQ(a->count(Metric::sessions_up), 1U);
    EXPECT_EQ(a->count(Metric::sessions_down), 0U);
    EXPECT_EQ(a->cluster().sessions(), 1U);
    EXPECT_EQ(a->members().size(), 2U);
  }
  std::unique_ptr<RealNode> a;
  std::unique_ptr<RealNode> b;
};

}  // namespace grove::testkit
