// SPDX-License-Identifier: Apache-2.0
//
// One node against a peer that the test plays, frame by frame: what a broken, late or hostile
// peer may do.
#include "grove/transport/sessions.hpp"

#include "transport/played_peer.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace grove::transport {
namespace {

using namespace std::chrono_literals;

TEST_F(PlayedPeer, ComesUpWhenBothDirectionsAreProved) {
  bring_up();
  EXPECT_EQ(up.peer, intern_node("them", Life{k_their_life}));
  EXPECT_EQ(up.link, link);
  EXPECT_EQ(up.header.to_epoch, k_their_epoch);
  EXPECT_EQ(up.address, "10.0.0.1:1");
}

TEST_F(PlayedPeer, IsNotDialledBackBeforeTheProof) {
  EXPECT_TRUE(only<Sessions::Dial>(hear("r1", encode(hello_of_them()))).empty());
  EXPECT_TRUE(us.peers().empty());
}

TEST_F(PlayedPeer, BatchesAreDeliveredInOrderAndWhole) {
  bring_up();
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
    Buffer bytes = batch(right(sequence));
    bytes.resize(bytes.size() + sequence);
    const auto delivered = only<Sessions::Deliver>(hear("r1", bytes));
    ASSERT_EQ(delivered.size(), 1U);
    EXPECT_EQ(delivered[0].session, up.session);
    EXPECT_EQ(delivered[0].peer, up.peer);
    EXPECT_EQ(delivered[0].frame.bytes.size(), bytes.size());
  }
}

TEST_F(PlayedPeer, AHeartbeatSaysWhichBatchCameLast) {
  bring_up();
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) hear("r1", batch(right(sequence)));
  now += SessionTimes{}.heartbeat;
  const auto sent = only<Sessions::Send>(us.on_tick(now));
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(kind_of(sent[0].frame), FrameKind::heartbeat);
  EXPECT_EQ(parse_session_header(sent[0].frame)->sequence, 3U);
}

TEST_F(PlayedPeer, MuchThatCameIsAcknowledgedAtOnce) {
  bring_up();
  Buffer half = batch(right(1));
  half.resize(k_acknowledge_bytes / 2);
  EXPECT_TRUE(only<Sessions::Send>(hear("r1", half)).empty());
  Frame rest = Frame::own(batch(right(2)));
  rest.tail = Bytes{Buffer(k_acknowledge_bytes / 2)};
  const auto sent = only<Sessions::Send>(us.on_frame("r1", rest, now));
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(parse_session_header(sent[0].frame)->sequence, 2U);
  EXPECT_TRUE(only<Sessions::Send>(hear("r1", batch(right(3)))).empty());  // it counts anew
}

TEST_F(PlayedPeer, TheirHeartbeatAcknowledges) {
  bring_up();
  const auto heard =
      only<Sessions::Acknowledged>(hear("r1", frame(FrameKind::heartbeat, right(17))));
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_EQ(heard[0].peer, up.peer);
  EXPECT_EQ(heard[0].session, up.session);
  EXPECT_EQ(heard[0].sequence, 17U);
}

TEST_F(PlayedPeer, ABatchThatOvertakesTheAcceptBringsTheSessionUp) {
  const auto dials = only<Sessions::Dial>(prove("r1", hello_of_them()));
  ASSERT_EQ(dials.size(), 1U);
  const Buffer hello = reach(dials[0].link);
  const SessionHeader header{Life{k_their_life}, Life{k_our_life}, k_their_epoch,
                             parse_hello(hello)->epoch, 1};
  EXPECT_EQ(counted(hear("r1", batch(header)), What::stale), 1);  // they cannot know us yet
  ASSERT_FALSE(answer(dials[0].link, welcome_to(hello)).empty());
  const Actions actions = hear("r1", batch(header));
  EXPECT_EQ(only<Sessions::Up>(actions).size(), 1U);
  EXPECT_EQ(only<Sessions::Deliver>(actions).size(), 1U);
  EXPECT_TRUE(answer(dials[0].link, encode_empty(FrameKind::accept)).empty());
}

// -- refusals -------------------------------------------------------------------------------

TEST_F(PlayedPeer, WithoutACommonVersionIsRefused) {
  for (const auto& [least, most] : {std::pair{2, 3}, std::pair{0, 0}}) {
    Hello hello = hello_of_them();
    hello.versions = {static_cast<std::uint8_t>(least), static_cast<std::uint8_t>(most)};
    const Actions actions = hear("r1", encode(hello));
    EXPECT_EQ(refusal(actions), Refusal::version);
    EXPECT_EQ(counted(actions, What::refused), 1);
    const auto said = only<Sessions::Say>(actions);
    ASSERT_EQ(said.size(), least == 2 ? 1U : 0U);  // once, however often it tries
    for (const auto& line : said) EXPECT_NE(line.text.find("version"), std::string::npos);
  }
  Hello both = hello_of_them();
  both.versions.max = 9;
  EXPECT_EQ(kind_of_only_answer(hear("r1", encode(both))), FrameKind::welcome);
}

TEST_F(PlayedPeer, WhoseHandshakeIsOfAnotherLayoutIsRefusedForItsVersion) {
  Buffer bytes = encode(hello_of_them());
  bytes[2] = std::byte{2};
  EXPECT_EQ(refusal(hear("r1", bytes)), Refusal::version);
  bytes.resize(4);  // whatever it is made of
  EXPECT_EQ(refusal(hear("r1", bytes)), Refusal::version);
}

TEST_F(PlayedPeer, WhoAnswersWithAVersionThatWeDoNotSpeakIsRefused) {
  const auto dials = only<Sessions::Dial>(us.on_resolved("seed:1", {"seed:1"}, now));
  ASSERT_EQ(dials.size(), 1U);
  const Buffer hello = reach(dials[0].link);
  Welcome welcome;
  welcome.version = 2;
  welcome.life = Life{k_their_life};
  welcome.name = "them";
  Buffer bytes = encode(welcome);
  const Proof proof = cookie.prove("welcome", hello, bytes);
  bytes.insert(bytes.end(), proof.begin(), proof.end());
  const Actions actions = answer(dials[0].link, bytes);
  EXPECT_EQ(counted(actions, What::refused), 1);
  EXPECT_EQ(only<Sessions::HangUp>(actions).size(), 1U);
  const auto sent = only<Sessions::Send>(actions);
  ASSERT_EQ(sent.size(), 1U);
  const auto refused = parse_refuse(sent[0].frame);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->reason, Refusal::version);
}

TEST_F(PlayedPeer, ThatRefusesOurWelcomeIsQuotedWithItsReason) {
  (void)hear("r1", encode(hello_of_them()));
  const Actions actions = hear("r1", encode(RefuseFrame{Refusal::version, "them"}));
  EXPECT_EQ(counted(actions, What::refused), 1);
  ASSERT_EQ(only<Sessions::Say>(actions).size(), 1U);
  EXPECT_NE(only<Sessions::Say>(actions)[0].text.find("no common protocol version"),
            std::string::npos);
}

TEST_F(PlayedPeer, WhoseHelloIsLongerThanWeKnowIsProvedWithAllOfIt) {
  Buffer said = encode(hello_of_them());
  said.resize(said.size() + 100, std::byte{0x5a});  // of a later release
  const auto answers = only<Sessions::Answer>(hear("r1", said));
  ASSERT_EQ(answers.size(), 1U);
  const auto welcome = parse_welcome(answers[0].frame);
  ASSERT_TRUE(welcome);
  EXPECT_TRUE(cookie.verify(welcome->proof, "welcome", said, welcome->signed_part));
  const Actions proved = hear("r1", encode_auth(cookie.prove("auth", said, welcome->signed_part)));
  EXPECT_EQ(kind_of_only_answer(proved), FrameKind::accept);
}

TEST_F(PlayedPeer, OfANewerVersionThatRefusesUsIsUnderstood) {
  (void)us.add_seed("10.0.0.1:1", now);
  const auto dials = only<Sessions::Dial>(us.on_resolved("10.0.0.1:1", {"10.0.0.1:1"}, now));
  ASSERT_EQ(dials.size(), 1U);
  reach(dials[0].link);
  Buffer refuse = encode(RefuseFrame{Refusal::version, "them"});
  refuse[2] = std::byte{2};
  const Actions actions = answer(dials[0].link, refuse);
  EXPECT_EQ(counted(actions, What::refused), 1);
  EXPECT_EQ(only<Sessions::HangUp>(actions).size(), 1U);
  ASSERT_FALSE(only<Sessions::Say>(actions).empty());
  EXPECT_NE(only<Sessions::Say>(actions)[0].text.find("no common protocol version"),
            std::string::npos);
}

TEST_F(PlayedPeer, WithAWrongProofIsRefused) {
  (void)hear("r1", encode(hello_of_them()));
  const Actions actions = hear("r1", encode_auth(Proof{}));
  EXPECT_EQ(refusal(actions), Refusal::cookie);
  EXPECT_EQ(counted(actions, What::refused), 1);
  EXPECT_EQ(counted(hear("r1", encode_auth(Proof{})), What::malformed), 1);  // one attempt each
}

TEST_F(PlayedPeer, OfAnOlderLifeIsRefusedBothWays) {
  bring_up();
  const Actions dialled = prove("r2", hello_of_them(k_their_life - 1));
  EXPECT_EQ(refusal(dialled), Refusal::older_life);
  EXPECT_TRUE(only<Sessions::Down>(dialled).empty());
  (void)us.end(up.peer, "for the test", now);
  now += 1s;
  const auto dials = only<Sessions::Dial>(us.on_tick(now));
  ASSERT_EQ(dials.size(), 1U);
  const Actions answered = answer(dials[0].link, welcome_to(reach(dials[0].link), 49));
  EXPECT_EQ(counted(answered, What::refused), 1);
  EXPECT_EQ(only<Sessions::HangUp>(answered).size(), 1U);
}

TEST_F(PlayedPeer, WithOurOwnNameIsRefused) {
  Hello hello = hello_of_them();
  hello.name = "us";
  EXPECT_EQ(refusal(prove("r1", hello)), Refusal::name_in_use);
}

TEST_F(PlayedPeer, ThatSaysNonsenseOnOurLinkIsHungUp) {
  for (const Buffer& nonsense :
       {Buffer{}, Buffer(3), Buffer(100, std::byte{'x'}), encode_empty(FrameKind::accept),
        encode_empty(FrameKind::welcome), encode(hello_of_them())}) {
    const auto dials = only<Sessions::Dial>(us.on_resolved("seed:1", {"seed:1"}, now));
    ASSERT_EQ(dials.size(), 1U);
    reach(dials[0].link);
    const Actions actions = answer(dials[0].link, nonsense);
    EXPECT_EQ(counted(actions, What::malformed), 1);
    EXPECT_EQ(only<Sessions::HangUp>(actions).size(), 1U);
    EXPECT_TRUE(answer(dials[0].link, nonsense).empty()) << "the link is gone";
  }
}

TEST_F(PlayedPeer, ThatDoesNotAnswerIsHungUpInTime) {
  const auto dials = only<Sessions::Dial>(us.on_resolved("seed:1", {"seed:1"}, now));
  ASSERT_EQ(dials.size(), 1U);
  reach(dials[0].link);
  now += SessionTimes{}.handshake - 1ms;
  EXPECT_TRUE(only<Sessions::HangUp>(us.on_tick(now)).empty());
  now += 1ms;
  EXPECT_EQ(only<Sessions::HangUp>(us.on_tick(now)).size(), 1U);
}

// -- replay ---------------------------------------------------------------------------------

TEST_F(PlayedPeer, ReplayedOnAnotherRouteIsRefused) {
  bring_up();
  const Buffer auth = last_auth;
  EXPECT_EQ(kind_of_only_answer(hear("r2", encode(hello_of_them()))), FrameKind::welcome);
  const Actions replayed = hear("r2", auth);  // our nonce differs now
  EXPECT_EQ(refusal(replayed), Refusal::cookie);
  EXPECT_TRUE(only<Sessions::Down>(replayed).empty());
  EXPECT_EQ(only<Sessions::Deliver>(hear("r1", batch(right(1)))).size(), 1U);
}

TEST_F(PlayedPeer, ReplayedOnItsOwnRouteIsCountedAndNothingElse) {
  bring_up();
  for (const Buffer& again : {encode(hello_of_them()), last_auth}) {
    const Actions actions = hear("r1", again);
    EXPECT_EQ(counted(actions, What::malformed), 1);
    EXPECT_EQ(actions.size(), 1U);
  }
  EXPECT_EQ(only<Sessions::Deliver>(hear("r1", batch(right(1)))).size(), 1U);
}

TEST_F(PlayedPeer, WhoseWelcomeIsReplayedIsNotBelieved) {
  bring_up();
  const Buffer old_welcome = welcome_to(our_hello);
  (void)us.end(up.peer, "for the test", now);
  now += 1s;
  const auto dials = only<Sessions::Dial>(us.on_tick(now));
  ASSERT_EQ(dials.size(), 1U);
  reach(dials[0].link);
  const Actions actions = answer(dials[0].link, old_welcome);
  EXPECT_EQ(counted(actions, What::refused), 1);
  EXPECT_EQ(only<Sessions::HangUp>(actions).size(), 1U);
}

// A proved route that says hello wrongly was forgotten, but its session was not.
TEST_F(PlayedPeer, ThatSaysHelloWronglyInsideItsSessionKeepsIt) {
  bring_up();
  Hello other_cluster = hello_of_them();
  other_cluster.cluster = "other";
  Hello other_version = hello_of_them();
  other_version.versions = {9, 9};
  for (const Buffer& wrong : {encode_empty(FrameKind::hello), encode(other_cluster),
                              encode(other_version), encode_auth(Proof{})}) {
    const Actions actions = hear("r1", wrong);
    EXPECT_EQ(counted(actions, What::malformed), 1);
    EXPECT_TRUE(only<Sessions::Answer>(actions).empty());
  }
  now += 1s;
  EXPECT_EQ(only<Sessions::Send>(us.on_tick(now)).size(), 1U);  // a heartbeat, as ever
  EXPECT_EQ(only<Sessions::Deliver>(hear("r1", batch(right(1)))).size(), 1U);
}

// -- stale frames ---------------------------------------------------------------------------

struct StaleCase {
  const char* name;
  void (*spoil)(SessionHeader& header);
};
class StaleFrame : public PlayedPeer, public testing::WithParamInterface<StaleCase> {};

TEST_P(StaleFrame, IsCountedAndNeverDelivered) {
  bring_up();
  for (const FrameKind kind : {FrameKind::batch, FrameKind::heartbeat}) {
    SessionHeader header = right(1);
    GetParam().spoil(header);
    const Actions actions = hear("r1", frame(kind, header));
    EXPECT_EQ(counted(actions, What::stale), 1);
    EXPECT_EQ(actions.size(), 1U);
  }
  EXPECT_EQ(only<Sessions::Deliver>(hear("r1", batch(right(1)))).size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(
    Sessions, StaleFrame,
    testing::Values(StaleCase{"of_their_older_life", [](SessionHeader& h) { --h.from_life.value; }},
                    StaleCase{"of_their_newer_life", [](SessionHeader& h) { ++h.from_life.value; }},
                    StaleCase{"to_our_older_life", [](SessionHeader& h) { --h.to_life.value; }},
                    StaleCase{"to_our_newer_life", [](SessionHeader& h) { ++h.to_life.value; }},
                    StaleCase{"of_an_older_dial", [](SessionHeader& h) { --h.from_epoch; }},
                    StaleCase{"of_a_newer_dial", [](SessionHeader& h) { ++h.from_epoch; }},
                    StaleCase{"to_an_older_dial", [](SessionHeader& h) { --h.to_epoch; }},
                    StaleCase{"to_a_newer_dial", [](SessionHeader& h) { ++h.to_epoch; }},
                    StaleCase{"of_another_version", [](SessionHeader& h) { ++h.version; }},
                    StaleCase{"of_nobody", [](SessionHeader& h) { h = {}; }}),
    [](const auto& row) { return std::string{row.param.name}; });

TEST_F(PlayedPeer, OnARouteThatNeverSaidHelloIsStaleAndToldSo) {
  bring_up();
  const Actions actions = hear("unknown", batch(right(1)));
  EXPECT_EQ(counted(actions, What::stale), 1);
  EXPECT_EQ(kind_of_only_answer(actions), FrameKind::bye);
  EXPECT_TRUE(only<Sessions::Deliver>(actions).empty());
}

TEST_F(PlayedPeer, OnAnUnprovedRouteIsStale) {
  bring_up();
  (void)hear("r2", encode(hello_of_them()));
  const Actions actions = hear("r2", batch(right(1)));
  EXPECT_EQ(counted(actions, What::stale), 1);
  EXPECT_EQ(actions.size(), 1U);
}

TEST_F(PlayedPeer, WhoseSessionIsOverIsStale) {
  bring_up();
  const Actions ended = us.end(up.peer, "for the test", now);
  EXPECT_EQ(only<Sessions::Down>(ended).size(), 1U);
  EXPECT_EQ(kind_of_only_answer(ended), FrameKind::bye);
  EXPECT_EQ(only<Sessions::HangUp>(ended).size(), 1U);
  const Actions late = hear("r1", batch(right(1)));
  EXPECT_EQ(counted(late, What::stale), 1);
  EXPECT_TRUE(only<Sessions::Deliver>(late).empty());
  EXPECT_TRUE(us.end(up.peer, "again", now).empty());
}

TEST_F(PlayedPeer, ThatDialsAnewEndsTheOldSessionAndItsRoute) {
  bring_up();
  const Actions anew = prove("r2", hello_of_them(k_their_life, k_their_epoch + 1));
  EXPECT_EQ(only<Sessions::Down>(anew).size(), 1U);
  // Our link may well be in use there: it carries the next session, or the peer says BYE on it.
  EXPECT_TRUE(only<Sessions::HangUp>(anew).empty());
  ASSERT_EQ(only<Sessions::Up>(anew).size(), 1U);
  EXPECT_GT(only<Sessions::Up>(anew)[0].session, up.session);
  EXPECT_EQ(counted(hear("r1", batch(right(1))), What::stale), 1);
}

// -- the order of batches -------------------------------------------------------------------

TEST_F(PlayedPeer, WhoseBatchIsMissingLosesTheSession) {
  bring_up();
  EXPECT_EQ(only<Sessions::Deliver>(hear("r1", batch(right(1)))).size(), 1U);
  const Actions gap = hear("r1", batch(right(3)));
  EXPECT_TRUE(only<Sessions::Deliver>(gap).empty());
  ASSERT_EQ(only<Sessions::Down>(gap).size(), 1U);
  EXPECT_EQ(only<Sessions::Down>(gap)[0].why, "frames are missing");
  EXPECT_EQ(counted(gap, What::stale), 1);
  EXPECT_EQ(counted(hear("r1", batch(right(2))), What::stale), 1);
}

TEST_F(PlayedPeer, WhoseBatchComesTwiceLosesTheSession) {
  bring_up();
  EXPECT_EQ(only<Sessions::Deliver>(hear("r1", batch(right(1)))).size(), 1U);
  const Actions again = hear("r1", batch(right(1)));
  EXPECT_TRUE(only<Sessions::Deliver>(again).empty());
  ASSERT_EQ(only<Sessions::Down>(again).size(), 1U);
  EXPECT_EQ(only<Sessions::Down>(again)[0].why, "a batch came twice");
  EXPECT_EQ(counted(again, What::stale), 1);
}

TEST_F(PlayedPeer, HeartbeatsHaveNoPlaceInTheOrder) {
  bring_up();
  const Actions beat = hear("r1", frame(FrameKind::heartbeat, right(0)));
  EXPECT_EQ(only<Sessions::Acknowledged>(beat).size(), beat.size());
  EXPECT_EQ(only<Sessions::Deliver>(hear("r1", batch(right(1)))).size(), 1U);
}

// -- the limits of frames -------------------------------------------------------------------

TEST_F(PlayedPeer, WhoseFrameIsTooLongLosesTheSessionAndIsCounted) {
  for (const bool in_tail : {false, true}) {
    bring_up();
    Buffer head = batch(right(1));
    if (!in_tail) head.resize(k_frame_bytes_max + 1);
    Frame frame = Frame::own(std::move(head));
    if (in_tail) frame.tail = Bytes{Buffer(k_frame_bytes_max + 1)};
    const Actions actions = us.on_frame("r1", frame, now);
    EXPECT_EQ(counted(actions, What::malformed), 1);
    ASSERT_EQ(only<Sessions::Down>(actions).size(), 1U);
    EXPECT_EQ(only<Sessions::Down>(actions)[0].why, "sent a frame of more than 16 MiB");
    EXPECT_EQ(kind_of_only_answer(actions), FrameKind::bye);
    EXPECT_TRUE(only<Sessions::Deliver>(actions).empty());
  }
}

TEST_F(PlayedPeer, WhoseFrameIsAsLongAsAllowedIsHeard) {
  bring_up();
  Buffer longest = batch(right(1));
  longest.resize(k_frame_bytes_max);
  EXPECT_EQ(only<Sessions::Deliver>(hear("r1", std::move(longest))).size(), 1U);
}

TEST_F(PlayedPeer, AFrameOfAStrangerThatIsTooLongIsCountedAndChangesNothing) {
  bring_up();
  (void)hear("r2", encode(hello_of_them()));  // proves nothing
  for (const char* route : {"r2", "stranger"}) {
    const Actions actions = hear(route, Buffer(k_frame_bytes_max + 1));
    EXPECT_EQ(counted(actions, What::malformed), 1);
    EXPECT_EQ(actions.size(), 1U);
  }
  EXPECT_EQ(only<Sessions::Deliver>(hear("r1", batch(right(1)))).size(), 1U);
}

TEST_F(PlayedPeer, WhoseAnswerIsLongerThanAHandshakeIsHungUpAndCounted) {
  bring_up();
  Buffer accept = encode_empty(FrameKind::accept);
  accept.resize(k_handshake_bytes_max + 1);
  const Actions actions = answer(link, std::move(accept));
  EXPECT_EQ(counted(actions, What::malformed), 1);
  EXPECT_EQ(only<Sessions::Down>(actions).size(), 1U);
}

// -- good-byes and garbage ------------------------------------------------------------------

TEST_F(PlayedPeer, ThatSaysByeEndsTheSessionOnce) {
  bring_up();
  const Actions bye = answer(link, encode_empty(FrameKind::bye));
  EXPECT_EQ(only<Sessions::Down>(bye).size(), 1U);
  EXPECT_EQ(only<Sessions::HangUp>(bye).size(), 1U);
  EXPECT_TRUE(answer(link, encode_empty(FrameKind::bye)).empty());
  now += 63ms;
  EXPECT_EQ(only<Sessions::Dial>(us.on_tick(now)).size(), 1U);
}

TEST_F(PlayedPeer, FramesThatAreNoneAreCountedAndChangeNothing) {
  bring_up();
  for (const Buffer& nonsense : {Buffer{}, Buffer(1), Buffer(48), Buffer(100'000, std::byte{0xff}),
                                 encode_empty(FrameKind::batch), encode_empty(FrameKind::heartbeat),
                                 encode_empty(FrameKind::auth), encode_empty(FrameKind::welcome),
                                 encode_empty(FrameKind::accept), encode_empty(FrameKind::bye)}) {
    for (const char* route : {"r1", "stranger"}) {
      const Actions actions = hear(route, nonsense);
      EXPECT_EQ(counted(actions, What::malformed), 1) << nonsense.size();
      EXPECT_EQ(actions.size(), 1U) << nonsense.size();
    }
  }
  EXPECT_EQ(only<Sessions::Deliver>(hear("r1", batch(right(1)))).size(), 1U);
}

TEST_F(PlayedPeer, ThatRefusesInsideASessionIsIgnoredOnItsRoute) {
  bring_up();
  EXPECT_TRUE(hear("r1", encode(RefuseFrame{Refusal::cookie, "them"})).empty());
  EXPECT_EQ(only<Sessions::Deliver>(hear("r1", batch(right(1)))).size(), 1U);
}

TEST_F(PlayedPeer, AFloodOfHellosIsBoundedAndPasses) {
  bring_up();
  const auto hello_from = [&](const std::string& source, const std::string& name) {
    Hello hello = hello_of_them(1000);
    hello.name = name;
    Frame frame = Frame::own(encode(hello));
    frame.source = source;
    return us.on_frame("route of " + name, frame, now);
  };
  std::size_t answered = 0;
  std::size_t said = 0;
  int refused = 0;
  for (int i = 0; i < 10'000; ++i) {
    const Actions actions = hello_from("10.0.0.1", "flood" + std::to_string(i));
    answered += only<Sessions::Answer>(actions).size();
    said += only<Sessions::Say>(actions).size();
    refused += counted(actions, What::refused);
  }
  EXPECT_EQ(answered, static_cast<std::size_t>(HandshakeLimit::k_per_source.burst));
  EXPECT_EQ(refused, 10'000 - HandshakeLimit::k_per_source.burst);
  EXPECT_EQ(said, 1U);
  EXPECT_EQ(us.peers().size(), 1U);
  EXPECT_EQ(only<Sessions::Deliver>(hear("r1", batch(right(1)))).size(), 1U);
  EXPECT_EQ(only<Sessions::Answer>(hello_from("10.0.0.2", "another")).size(), 1U);
  now += SessionTimes{}.handshake;
  (void)us.on_tick(now);
  Hello late = hello_of_them(60);
  late.name = "late";
  EXPECT_EQ(kind_of_only_answer(prove("r-late", late)), FrameKind::accept);
}

TEST_F(PlayedPeer, WhoFailsBelowOurFramesIsCountedEachTimeAndSaidOnce) {
  int said = 0;
  for (int i = 0; i < 10; ++i) {
    const Actions actions = us.on_handshake_failed(true, "10.0.0.1", "wrong cookie", now);
    EXPECT_EQ(counted(actions, What::refused), 1);
    for (const auto& line : only<Sessions::Say>(actions)) {
      EXPECT_NE(line.text.find("refused a stranger at 10.0.0.1: wrong cookie"), std::string::npos);
      ++said;
    }
  }
  EXPECT_EQ(said, 1);
  ASSERT_EQ(us.refused().size(), 1U);
  EXPECT_EQ(us.refused()[0].times, 10U);
}

TEST_F(PlayedPeer, AHelloWithoutItsProofIsForgottenInTime) {
  (void)hear("r1", encode(hello_of_them()));
  now += SessionTimes{}.handshake;
  (void)us.on_tick(now);
  EXPECT_EQ(counted(hear("r1", encode_auth(Proof{})), What::malformed), 1);
}

}  // namespace
}  // namespace grove::transport
