// SPDX-License-Identifier: Apache-2.0
//
// What keeps strangers out below our frames: keys, who may come in, who failed to.
#include "grove/transport/cookie.hpp"
#include "grove/transport/handshake_limit.hpp"

#include "curve.hpp"
#include "gate.hpp"
#include "handshake_watch.hpp"
#include "zap_handler.hpp"

#include <gtest/gtest.h>
#include <sodium.h>
#include <zmq.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace grove::transport {
namespace {

using namespace std::chrono_literals;

template <class Range>
std::string hex(const Range& bytes) {
  std::string text(2 * bytes.size() + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                 bytes.size());
  text.pop_back();
  return text;
}

// -- keys -----------------------------------------------------------------------------------

TEST(CurveKeysOfACookie, AreTheSameInEveryBuild) {
  const CurveKeys keys = curve_keys(Cookie{"secret"});
  EXPECT_EQ(hex(keys.listener.public_key),
            "da467a2b83f943e5ac94da0a2fc46a654f0d009e3e53b13fc4695944c05f2d4a");
  EXPECT_EQ(hex(keys.dialler.public_key),
            "495084da03e9e2145f6373082abeed90d930d043fe55d81e0a83695dce859c26");
}

TEST(CurveKeysOfACookie, DifferByRoleAndByCookie) {
  const CurveKeys keys = curve_keys(Cookie{"secret"});
  const CurveKeys others = curve_keys(Cookie{"Secret"});
  EXPECT_NE(keys.listener.public_key, keys.dialler.public_key);
  EXPECT_NE(keys.listener.secret_key.bytes, keys.dialler.secret_key.bytes);
  EXPECT_NE(keys.listener.public_key, others.listener.public_key);
  EXPECT_NE(keys.dialler.public_key, others.dialler.public_key);
}

TEST(ARandomCookie, Has256BitsAndComesOnce) {
  const std::string cookie = random_cookie();
  EXPECT_EQ(cookie.size(), 64U);
  EXPECT_EQ(cookie.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_NE(cookie, random_cookie());
}

TEST(AWipedText, IsOverwritten) {
  std::string text(100, 's');
  const std::string_view place{text};
  wipe(text);
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(place, std::string(100, '\0')) << "the text still owns these bytes";
}

// -- the library ----------------------------------------------------------------------------

TEST(Libzmq, WithKnownHolesOrWithoutCurveIsRefused) {
  for (const LibraryVersion& good :
       {LibraryVersion{4, 3, 3, true}, {4, 3, 4, true}, {4, 4, 0, true}, {5, 0, 0, true}}) {
    EXPECT_TRUE(check_library(good, true)) << good.minor << good.patch;
  }
  for (const LibraryVersion& old :
       {LibraryVersion{4, 3, 2, true}, {4, 2, 9, true}, {3, 9, 9, true}}) {
    const auto checked = check_library(old, false);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, Errc::unavailable);
    EXPECT_NE(checked.error().detail.find("4.3.3"), std::string::npos);
  }
  EXPECT_TRUE(check_library({4, 3, 4, false}, false)) << "loopback needs no encryption";
  const auto plain = check_library({4, 3, 4, false}, true);
  ASSERT_FALSE(plain);
  EXPECT_NE(plain.error().detail.find("CURVE"), std::string::npos);
}

// -- ZAP ------------------------------------------------------------------------------------

std::vector<std::string> request_with(const PublicKey& key) {
  return {"1.0",
          "7",
          "grove",
          "127.0.0.1",
          "",
          "CURVE",
          {reinterpret_cast<const char*>(key.data()), key.size()}};
}

TEST(ZapAnswer, LetsInTheClustersKeyAndNoOther) {
  const CurveKeys keys = curve_keys(Cookie{"secret"});
  const PublicKey& allowed = keys.dialler.public_key;
  EXPECT_EQ(zap_answer(request_with(allowed), allowed),
            (std::vector<std::string>{"1.0", "7", "200", "OK", "", ""}));
  const auto is_refused = [&](const std::vector<std::string>& request) {
    const auto answer = zap_answer(request, allowed);
    return answer.size() == 6 && answer[1] == "7" && answer[2] == "400";
  };
  EXPECT_TRUE(is_refused(request_with(keys.listener.public_key)));
  for (std::size_t at = 0; at < allowed.size(); ++at) {
    PublicKey close = allowed;
    close[at] ^= 1U;
    EXPECT_TRUE(is_refused(request_with(close))) << at;
  }
  auto request = request_with(allowed);
  request[5] = "PLAIN";
  EXPECT_TRUE(is_refused(request));
  request = request_with(allowed);
  request[6].pop_back();
  EXPECT_TRUE(is_refused(request));
  request.pop_back();
  EXPECT_TRUE(is_refused(request));
  request = request_with(allowed);
  request.emplace_back("more");
  EXPECT_TRUE(is_refused(request));
}

TEST(ZapAnswer, IsNoneToWhatIsNoRequest) {
  const PublicKey allowed{};
  EXPECT_TRUE(zap_answer({}, allowed).empty());
  EXPECT_TRUE(zap_answer({"1.0", "7"}, allowed).empty());
  auto request = request_with(allowed);
  request[0] = "2.0";
  EXPECT_TRUE(zap_answer(request, allowed).empty());
}

// -- who failed to come in ------------------------------------------------------------------

class Watch : public testing::Test {
 protected:
  static std::string text(const std::optional<FailedHandshake>& failed) {
    return failed ? failed->address + ": " + failed->why : "";
  }
  HandshakeWatch watch{true};
};

TEST_F(Watch, APeerThatSpokeEndsWithoutAReport) {
  watch.accepted(7, "10.0.0.1");
  EXPECT_TRUE(watch.anybody_silent());
  watch.spoke(7);
  watch.spoke(7);
  EXPECT_FALSE(watch.anybody_silent());
  EXPECT_EQ(text(watch.ended(7)), "");
  EXPECT_EQ(text(watch.ended(7)), "") << "nobody we know";
}

TEST_F(Watch, TheReasonBelongsToWhoeverEndsNext) {
  watch.accepted(7, "10.0.0.1");
  watch.accepted(8, "10.0.0.2");
  watch.accepted(9, "10.0.0.3");
  watch.failed(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC);
  EXPECT_EQ(text(watch.ended(8)),
            "10.0.0.2: wrong cookie (set the same GROVE_COOKIE on both nodes)");
  EXPECT_EQ(text(watch.ended(7)), "10.0.0.1: it does not speak ZeroMQ's protocol");
  watch.failed(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH);
  EXPECT_EQ(text(watch.ended(9)), "10.0.0.3: it has no cookie, this node has one");
  EXPECT_FALSE(watch.anybody_silent());
}

TEST_F(Watch, WhoIsNotAuthorisedIsToldBeforeItEnds) {
  watch.accepted(7, "10.0.0.1");
  watch.accepted(8, "10.0.0.2");
  watch.failed(ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, 400);
  watch.spoke(8);
  EXPECT_EQ(text(watch.ended(8)), "");
  EXPECT_EQ(text(watch.ended(7)),
            "10.0.0.1: wrong cookie (set the same GROVE_COOKIE on both nodes)");
  watch.accepted(9, "10.0.0.3");
  EXPECT_EQ(text(watch.ended(9)), "10.0.0.3: it does not speak ZeroMQ's protocol");
}

TEST_F(Watch, ADescriptorThatIsUsedAgainIsSomebodyElse) {
  watch.accepted(7, "10.0.0.1");
  watch.spoke(7);
  EXPECT_EQ(text(watch.ended(7)), "");
  watch.accepted(7, "10.0.0.2");
  EXPECT_TRUE(watch.anybody_silent());
  watch.failed(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, 0);
  EXPECT_EQ(text(watch.ended(7)), "10.0.0.2: it hung up, or said nothing in time");
}

TEST_F(Watch, DamagedFramesOfAPeerAreReported) {
  watch.accepted(7, "10.0.0.1");
  watch.spoke(7);
  watch.failed(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC);
  EXPECT_EQ(text(watch.ended(7)), "10.0.0.1: its frames were tampered with");
}

// -- what who dials is told ------------------------------------------------------------------

// Seen of libzmq 4.3.4, dialling without a cookie: a node with one is a mechanism that does not fit
// or, more often, hangs up first; one that is stopped leaves EAGAIN in the event's value.
TEST(WhyALinkCameToNothing, SilenceIsToldFromACookie) {
  const Gate gate;
  const auto why = [&gate](std::uint16_t kind, std::uint32_t value) {
    return gate.why_lost({kind, value}, false).value_or("");
  };
  const std::string cookie =
      "handshake refused: it has a cookie (set the same GROVE_COOKIE on both nodes), or is no node";
  EXPECT_EQ(why(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH),
            cookie);
  EXPECT_EQ(why(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, EPIPE), cookie);
  EXPECT_EQ(why(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, ECONNRESET), cookie);
  EXPECT_EQ(why(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, EAGAIN),
            "no answer to the handshake in time");
}

TEST(WhyALinkCameToNothing, WithACookieThatMayAlwaysBeIt) {
  zmq::context_t context;
  Gate gate;
  ASSERT_TRUE(gate.set_cookie(context, Cookie{"secret"}));
  for (const std::uint32_t value : {EPIPE, EAGAIN}) {
    EXPECT_EQ(gate.why_lost({ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, value}, false),
              "handshake refused, probably the cookie (set the same GROVE_COOKIE on both nodes)");
  }
  gate.close();
}

// -- the limit ------------------------------------------------------------------------------

class Limit : public testing::Test {
 protected:
  int allowed(const std::string& source, int asked) {
    int count = 0;
    for (int i = 0; i < asked; ++i) count += limit.allow(source, now) ? 1 : 0;
    return count;
  }
  Clock::TimePoint now{1000s};
  HandshakeLimit limit;
};

TEST_F(Limit, ASourceHasABurstAndThenARate) {
  EXPECT_EQ(allowed("10.0.0.1", 10'000), HandshakeLimit::k_per_source.burst);
  now += 20 * HandshakeLimit::k_per_source.interval;
  EXPECT_EQ(allowed("10.0.0.1", 10'000), 20);
  now += 1h;
  EXPECT_EQ(allowed("10.0.0.1", 10'000), HandshakeLimit::k_per_source.burst);
}

TEST_F(Limit, OneSourceTakesNothingFromAnother) {
  (void)allowed("10.0.0.1", 100'000);
  EXPECT_EQ(allowed("10.0.0.2", 10), 10);
}

TEST_F(Limit, AllSourcesTogetherHaveOneToo) {
  int count = allowed("", 100);  // of unknown source
  for (int source = 0; source < 100; ++source) count += allowed(std::to_string(source), 100);
  EXPECT_EQ(count, HandshakeLimit::k_overall.burst);
}

TEST_F(Limit, RemembersABoundedNumberOfSourcesAndForgetsTheQuietOnes) {
  for (int source = 0; source < 100'000; ++source) (void)allowed(std::to_string(source), 1);
  EXPECT_EQ(limit.sources(), HandshakeLimit::k_sources_max);
  now += 1h;
  EXPECT_EQ(allowed("10.0.0.1", 1), 1);
  EXPECT_EQ(limit.sources(), 1U);
}

}  // namespace
}  // namespace grove::transport
