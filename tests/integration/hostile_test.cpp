// SPDX-License-Identifier: Apache-2.0
//
// Strangers at a node's port, and ports that are no nodes.
#include "grove/core/random.hpp"
#include "grove/transport/frame.hpp"

#include "integration/messages.hpp"
#include "integration/real_node.hpp"

#include <gtest/gtest.h>
#include <zmq.hpp>

#include <arpa/inet.h>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace grove {
namespace {

using integration::Number;
using testkit::RealNode;
using testkit::value_of;

/// A TCP connection without any protocol.
class RawSocket {
 public:
  explicit RawSocket(int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) : fd_{fd} {}
  ~RawSocket() {
    if (fd_ >= 0) ::close(fd_);
  }
  RawSocket(RawSocket&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  RawSocket& operator=(RawSocket&&) = delete;

  bool connect(const std::string& address) {
    const sockaddr_in place = loopback(std::stoi(address.substr(address.rfind(':') + 1)));
    return ::connect(fd_, reinterpret_cast<const sockaddr*>(&place), sizeof place) == 0;
  }
  std::string listen() {
    sockaddr_in place = loopback(0);
    socklen_t size = sizeof place;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&place), sizeof place), 0);
    EXPECT_EQ(::listen(fd_, 10), 0);
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&place), &size), 0);
    return "127.0.0.1:" + std::to_string(ntohs(place.sin_port));
  }
  RawSocket accept() { return RawSocket{::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)}; }
  void write(const std::string& text) const {
    [[maybe_unused]] const auto sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
  }
  /// Waits until the other end has closed.
  void wait_for_end() const {
    char buffer[4096];
    while (::recv(fd_, buffer, sizeof buffer, 0) > 0) {
    }
  }

 private:
  static sockaddr_in loopback(int port) {
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(static_cast<std::uint16_t>(port));
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return place;
  }
  int fd_;
};

std::string noise(std::size_t size, std::uint64_t seed) {
  Random random{seed};
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random.next());
  return text;
}

/// Speaks ZeroMQ's protocol, but not Grove's.
class RawPeer {
 public:
  explicit RawPeer(zmq::context_t& context, const std::string& address)
      : socket_{context, zmq::socket_type::dealer} {
    socket_.set(zmq::sockopt::linger, 60'000);  // what was sent goes out before it closes
    socket_.connect("tcp://" + address);
  }
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

 private:
  zmq::socket_t socket_;
};

class Hostile : public testing::Test {
 protected:
  Hostile() : a{"a", {}} {
    EXPECT_TRUE(a.start());
    b = std::make_unique<RealNode>("b", testkit::RealNodeOptions{.seeds = {a.address()}});
    EXPECT_TRUE(b->start());
    EXPECT_TRUE(a.wait_for_sessions(1));
    EXPECT_TRUE(b->wait_for_sessions(1));
  }
  /// A message from b to a still arrives, in the session that there was at first.
  void expect_untouched() {
    std::promise<Pid> ready;
    auto receiver = ready.get_future();
    auto received = a.node().async([&ready](Context& context) -> Task<int> {
      ready.set_value(context.self());
      const Number number = co_await context.receive<Number>();
      co_return number.value;
    });
    b->node().send(value_of(receiver), Number{42, {}});
    EXPECT_EQ(value_of(received), 42);
    EXPECT_EQ(a.count(Metric::sessions_up), 1U);
    EXPECT_EQ(a.count(Metric::sessions_down), 0U);
    EXPECT_EQ(a.cluster().sessions(), 1U);
    EXPECT_EQ(a.members().size(), 2U);
  }
  RealNode a;
  std::unique_ptr<RealNode> b;
};

TEST_F(Hostile, TcpGarbageAtThePortChangesNothing) {
  const std::vector<std::string> garbage{
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
      std::string(100'000, '\0'),
      std::string(100'000, '\xff'),
      noise(100'000, 1),
      std::string("\xff\0\0\0\0\0\0\0\x01\x7f", 10) + noise(1000, 2),  // a greeting, then noise
      std::string("\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL", 16) + std::string(48, '\0') +
          noise(100'000, 3)};
  for (const std::string& text : garbage) {
    RawSocket stranger;
    ASSERT_TRUE(stranger.connect(a.address()));
    stranger.write(text);
  }
  RawSocket silent;  // and one that says nothing and stays
  ASSERT_TRUE(silent.connect(a.address()));
  expect_untouched();
}

TEST_F(Hostile, ZmqFramesThatAreNotOursAreCountedAndChangeNothing) {
  zmq::context_t context{1};
  std::uint64_t malformed = 0;
  std::uint64_t stale = 0;
  {
    RawPeer stranger{context, a.address()};
    for (const std::string& text : {std::string{}, std::string{"G"}, std::string{"hello"},
                                    noise(48, 4), noise(1'000'000, 5)}) {
      stranger.send(text);
      ++malformed;
    }
    for (const transport::FrameKind kind :
         {transport::FrameKind::welcome, transport::FrameKind::auth, transport::FrameKind::accept,
          transport::FrameKind::bye, transport::FrameKind::heartbeat, transport::FrameKind::batch,
          transport::FrameKind::hello}) {
      stranger.send(transport::encode_empty(kind));
      ++malformed;
    }
    stranger.send_parts({"several", "parts", "no frame"});
    ++malformed;
    transport::Buffer batch(transport::k_session_header_bytes);
    transport::encode(transport::FrameKind::batch, {b->node().life(), a.node().life(), 1, 1, 1},
                      batch);
    stranger.send(batch);
    ++stale;
    EXPECT_TRUE(a.wait_for_count(Metric::frames_malformed, malformed));
    EXPECT_TRUE(a.wait_for_count(Metric::frames_stale, stale));
  }
  EXPECT_EQ(a.count(Metric::frames_malformed), malformed);
  EXPECT_EQ(a.count(Metric::frames_stale), stale);
  expect_untouched();
}

TEST_F(Hostile, AFrameOverTheLimitEndsItsConnectionOnly) {
  zmq::context_t context{1};
  RawPeer stranger{context, a.address()};
  stranger.send(std::string(transport::k_frame_bytes_max + 1, 'x'));
  RawPeer other{context, a.address()};
  other.send("x");
  EXPECT_TRUE(a.wait_for_count(Metric::frames_malformed, 1));
  expect_untouched();
}

TEST_F(Hostile, HellosWithoutAProofLeadToNoDial) {
  RawSocket trap;
  transport::Hello hello;
  hello.life = Life{5};
  hello.epoch = 1;
  hello.cluster = "grove";
  hello.name = "stranger";
  hello.address = trap.listen();
  zmq::context_t context{1};
  RawPeer stranger{context, a.address()};
  stranger.send(transport::encode(hello));
  stranger.send(transport::encode_auth(transport::Proof{}));
  EXPECT_TRUE(a.wait_for_count(Metric::handshakes_refused, 1));
  EXPECT_TRUE(a.wait_for_log("refused stranger"));
  expect_untouched();
}

TEST_F(Hostile, TwoHundredQuickConnectsChangeNothing) {
  for (int i = 0; i < 200; ++i) {
    RawSocket stranger;
    ASSERT_TRUE(stranger.connect(a.address()));
    if (i % 2 == 0) stranger.write(noise(static_cast<std::size_t>(i), 6));
  }
  zmq::context_t context{1};
  for (int i = 0; i < 200; ++i) {
    RawPeer stranger{context, a.address()};
    stranger.send("quick");
  }
  EXPECT_TRUE(a.wait_for_count(Metric::frames_malformed, 200));
  expect_untouched();
}

/// Takes all file descriptors that this program may still have.
class NoDescriptors {
 public:
  NoDescriptors() {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    const int next = ::dup(STDIN_FILENO);
    EXPECT_GE(next, 0);
    taken_.push_back(next);
    rlimit few = before_;
    few.rlim_cur = std::min<rlim_t>(before_.rlim_cur, static_cast<rlim_t>(next) + 100);
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    take();
  }
  ~NoDescriptors() {
    for (const int fd : taken_) ::close(fd);
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_), 0);
  }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;
  /// Those too that have come free.
  void take() {
    for (int fd = ::dup(STDIN_FILENO); fd >= 0; fd = ::dup(STDIN_FILENO)) taken_.push_back(fd);
  }

 private:
  rlimit before_{};
  std::vector<int> taken_;
};

// Any stranger can bring this about with some thousand connections. The preset asan leaves out
// UBSan's vptr check for its sake: that one opens a pipe to probe memory, and without a descriptor
// it takes every object for a bad one.
TEST_F(Hostile, WithoutFileDescriptorsANodeGoesOnAndRecovers) {
  const std::string address = b->address();
  b->pull_the_cable();
  ASSERT_TRUE(a.wait_for_sessions(0));
  b.reset();
  {
    NoDescriptors none;
    EXPECT_TRUE(a.wait([&] {
      none.take();
      for (const Member& member : a.members()) {
        if (member.trouble.find("open files") != std::string::npos) return true;
      }
      return false;
    }));
    ASSERT_TRUE(a.cluster().join("localhost:1"));
    EXPECT_TRUE(a.wait_for_log("cannot reach seed localhost:1"));
  }
  b = std::make_unique<RealNode>("b", testkit::RealNodeOptions{.listen = address});
  EXPECT_TRUE(b->start());
  EXPECT_TRUE(a.wait_for_sessions(1));
}

TEST_F(Hostile, ASeedThatIsNoNodeIsReportedAndTriedAgain) {
  RawSocket server;
  const std::string address = server.listen();
  ASSERT_TRUE(a.cluster().join(address));
  for (int i = 0; i < 2; ++i) {
    RawSocket accepted = server.accept();
    accepted.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" + noise(1000, 7));
    accepted.wait_for_end();
  }
  EXPECT_TRUE(a.wait_for_log("cannot reach seed " + address));
  expect_untouched();
}

}  // namespace
}  // namespace grove
