// SPDX-License-Identifier: Apache-2.0
//
// Strangers at a node's port, and ports that are no nodes: with and without a cookie. Those who
// speak frames at a node with a cookie have its keys here: what they get to see is what a peer
// does.
#include "integration/under_attack.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace grove {
namespace {

using testkit::noise;
using testkit::RawPeer;
using testkit::RawSocket;
using testkit::RealNode;

class Hostile : public testkit::UnderAttack, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override { meet(GetParam()); }
  [[nodiscard]] RawPeer peer(zmq::context_t& context) {
    return {context, a->address(), std::string{GetParam()}};
  }
};
INSTANTIATE_TEST_SUITE_P(Cookie, Hostile, testing::Values("", "integration"),
                         [](const auto& cookie) {
                           return *cookie.param == '\0' ? "plain" : "encrypted";
                         });

TEST_P(Hostile, TcpGarbageAtThePortChangesNothing) {
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
    ASSERT_TRUE(stranger.connect(a->address()));
    (void)stranger.write(text);  // it may be cut off before its end
  }
  EXPECT_TRUE(a->wait([&] {  // without encryption some of it passes for frames
    return a->count(Metric::handshakes_refused) + a->count(Metric::frames_malformed) >=
           garbage.size();
  }));
  // Whose address was not known any more has a line of its own.
  EXPECT_TRUE(a->wait_for_log(": it does not speak"));
  EXPECT_LE(a->times_logged(": it does not speak"), 2);
  expect_untouched();
}

TEST_P(Hostile, WhoConnectsAndSaysNothingIsCutOffAndCounted) {
  RawSocket silent;
  RawSocket halfway;
  ASSERT_TRUE(silent.connect(a->address()));
  ASSERT_TRUE(halfway.connect(a->address()));
  ASSERT_TRUE(halfway.write(std::string_view("\xff\0\0\0\0", 5)));
  silent.wait_for_end();
  halfway.wait_for_end();
  EXPECT_TRUE(a->wait_for_count(Metric::handshakes_refused, 2));
  EXPECT_EQ(a->times_logged("refused a stranger at 127.0.0.1: it hung up"), 1);
  expect_untouched();
}

TEST_P(Hostile, ZmqFramesThatAreNotOursAreCountedAndChangeNothing) {
  zmq::context_t context{1};
  std::uint64_t malformed = 0;
  std::uint64_t stale = 0;
  {
    RawPeer stranger = peer(context);
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
    transport::encode(transport::FrameKind::batch, {b->node().life(), a->node().life(), 1, 1, 1},
                      batch);
    stranger.send(batch);
    ++stale;
    EXPECT_TRUE(a->wait_for_count(Metric::frames_malformed, malformed));
    EXPECT_TRUE(a->wait_for_count(Metric::frames_stale, stale));
  }
  EXPECT_EQ(a->count(Metric::frames_malformed), malformed);
  EXPECT_EQ(a->count(Metric::frames_stale), stale);
  expect_untouched();
}

TEST_P(Hostile, AFrameOverTheLimitIsCountedAndOneOverZmqsEndsItsConnectionOnly) {
  zmq::context_t context{1};
  RawPeer stranger = peer(context);
  stranger.send(std::string(transport::k_frame_bytes_max + 1, 'x'));
  EXPECT_TRUE(a->wait_for_count(Metric::frames_malformed, 1));
  stranger.send(std::string(transport::k_zmq_frame_bytes_max, 'x'));
  EXPECT_TRUE(a->wait_for_count(Metric::frames_malformed, 2));
  EXPECT_EQ(a->count(Metric::handshakes_refused), 0U);
  RawPeer other = peer(context);
  other.send(std::string(transport::k_zmq_frame_bytes_max + 100, 'x'));
  EXPECT_TRUE(a->wait_for_count(Metric::handshakes_refused, 1));
  EXPECT_EQ(a->count(Metric::frames_malformed), 2U);
  expect_untouched();
}

TEST_P(Hostile, HellosWithoutAProofLeadToNoDial) {
  RawSocket trap;
  transport::Hello hello;
  hello.life = Life{5};
  hello.epoch = 1;
  hello.cluster = "grove";
  hello.name = "stranger";
  hello.address = trap.listen();
  zmq::context_t context{1};
  RawPeer stranger = peer(context);
  stranger.send(transport::encode(hello));
  stranger.send(transport::encode_auth(transport::Proof{}));
  EXPECT_TRUE(a->wait_for_count(Metric::handshakes_refused, 1));
  EXPECT_TRUE(a->wait_for_log("refused stranger"));
  expect_untouched();
}

TEST_P(Hostile, TwoHundredQuickConnectsChangeNothing) {
  for (int i = 0; i < 200; ++i) {
    RawSocket stranger;
    ASSERT_TRUE(stranger.connect(a->address()));
    if (i % 2 == 0) stranger.write(noise(static_cast<std::size_t>(i), 6));
  }
  zmq::context_t context{1};
  for (int i = 0; i < 200; ++i) {
    RawPeer stranger = peer(context);
    stranger.send("quick");
  }
  EXPECT_TRUE(a->wait_for_count(Metric::frames_malformed, 200));
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
TEST_P(Hostile, WithoutFileDescriptorsANodeGoesOnAndRecovers) {
  // What ZeroMQ begins without a descriptor hangs, and is given up in time.
  b.reset();
  a.reset();
  meet(GetParam(), {.silence = std::chrono::hours{1}});
  const std::string address = b->address();
  b->pull_the_cable();
  ASSERT_TRUE(a->wait_for_sessions(0));
  b.reset();
  {
    NoDescriptors none;
    EXPECT_TRUE(a->wait([&] {
      none.take();
      for (const Member& member : a->members()) {
        if (member.trouble.find("open files") != std::string::npos) return true;
      }
      return false;
    }));
    ASSERT_TRUE(a->cluster().join("localhost:1"));
    EXPECT_TRUE(a->wait_for_log("cannot reach seed localhost:1"));
  }
  b = std::make_unique<RealNode>("b",
                                 testkit::RealNodeOptions{.listen = address, .cookie = GetParam()});
  EXPECT_TRUE(b->start());
  EXPECT_TRUE(a->wait_for_sessions(1));
}

TEST_P(Hostile, ASeedThatIsNoNodeIsReportedAndTriedAgain) {
  RawSocket server;
  const std::string address = server.listen();
  ASSERT_TRUE(a->cluster().join(address));
  for (int i = 0; i < 2; ++i) {
    RawSocket accepted = server.accept();
    accepted.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" + noise(1000, 7));
    accepted.wait_for_end();
  }
  EXPECT_TRUE(a->wait_for_log("cannot reach seed " + address));
  expect_untouched();
}

}  // namespace
}  // namespace grove
