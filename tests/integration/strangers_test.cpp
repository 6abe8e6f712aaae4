// SPDX-License-Identifier: Apache-2.0
//
// Who has not the cookie, only a part of what follows from it, or old bytes of somebody who has.
#include "grove/transport/codec.hpp"

#include "integration/under_attack.hpp"
#include "integration/unpack_count.hpp"
#include "membership.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace grove {
namespace {

using testkit::k_mark;
using testkit::marks_unpacked;
using testkit::RawPeer;
using testkit::RawSocket;
using testkit::RealNode;
using transport::Buffer;
using transport::Cookie;
using transport::FrameKind;

constexpr const char* k_cookie = "integration";
constexpr std::uint8_t k_fragment = 65;  // see docs/wire.md
constexpr std::uint8_t k_last_piece = 1;
constexpr std::uint8_t k_control = 64;
const std::string k_null_greeting =
    std::string("\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL", 16) + std::string(48, '\0');

/// A batch that could be the session's next, with a signal whose body holds the mark. The body of
/// an exit is unpacked as soon as the batch is taken.
Buffer marked_batch(const transport::SessionHeader& header, SignalKind kind = SignalKind::exit) {
  Buffer batch(transport::k_session_header_bytes);
  transport::encode(FrameKind::batch, header, batch);
  transport::Record record;
  record.kind = static_cast<std::uint8_t>(kind);
  record.name = "anybody";
  record.type = k_message_type<integration::Number>.wire_id;
  const std::size_t at = transport::begin_record(batch, record);
  for (const char c : std::string_view{k_mark}) batch.push_back(static_cast<std::byte>(c));
  transport::finish_record(batch, at);
  return batch;
}

class Strangers : public testkit::UnderAttack {
 protected:
  /// In all words that a peer could use.
  void say_everything(RawPeer& stranger) {
    transport::Hello hello;
    hello.life = Life{5};
    hello.epoch = 1;
    hello.cluster = "grove";
    hello.name = "stranger";
    hello.address = "127.0.0.1:1";
    stranger.send(transport::encode(hello));
    stranger.send(transport::encode_auth(transport::Proof{}));
    for (std::uint64_t epoch = 0; epoch < 4; ++epoch) {
      for (const Life from : {Life{5}, b->node().life()}) {
        stranger.send(marked_batch({from, a->node().life(), epoch, epoch, 1}));
      }
    }
  }
  /// Nothing that the stranger said came as far as our frames.
  void expect_kept_out(const std::string& why, std::uint64_t attempts) {
    EXPECT_TRUE(a->wait_for_log(": " + why));
    EXPECT_TRUE(a->wait_for_count(Metric::handshakes_refused, attempts));
    EXPECT_LE(a->times_logged(": " + why), 2) << "once with its address, once without";
    EXPECT_EQ(a->count(Metric::frames_malformed) + a->count(Metric::frames_stale), 0U);
    EXPECT_EQ(marks_unpacked(), marks_before);
    expect_untouched();
    EXPECT_FALSE(a->has_logged(k_cookie));
  }
  const std::uint64_t marks_before = marks_unpacked();
  zmq::context_t context{1};
};

TEST_F(Strangers, WithoutEncryptionAreKeptOut) {
  meet(k_cookie);
  RawPeer stranger{context, a->address()};
  stranger.give_up_at_once();
  say_everything(stranger);
  RawSocket patient;  // the other hangs up itself, and who is first is anybody's guess
  ASSERT_TRUE(patient.connect(a->address()));
  ASSERT_TRUE(patient.write(k_null_greeting));
  patient.wait_for_end();
  expect_kept_out("it has no cookie", 2);
}

TEST_F(Strangers, WithAnotherCookieAreKeptOut) {
  meet(k_cookie);
  RawPeer stranger{context, a->address(), transport::curve_keys(Cookie{"guess"})};
  say_everything(stranger);
  expect_kept_out("wrong cookie", 3);
}

TEST_F(Strangers, ThatKnowTheListenersKeyOnlyAreKeptOut) {
  meet(k_cookie);
  transport::CurveKeys keys = transport::curve_keys(Cookie{k_cookie});
  keys.dialler = transport::curve_keys(Cookie{"guess"}).dialler;
  RawPeer stranger{context, a->address(), keys};
  say_everything(stranger);
  expect_kept_out("wrong cookie", 1);  // ZeroMQ does not try this again
}

TEST_F(Strangers, AreNeverUnpackedWithoutEncryptionEither) {
  meet("");
  RawPeer stranger{context, a->address()};
  say_everything(stranger);
  EXPECT_TRUE(a->wait_for_count(Metric::frames_stale, 8));
  EXPECT_EQ(marks_unpacked(), marks_before);
  expect_untouched();
}

TEST_F(Strangers, ThatHoldBackTheRestOfAFrameGetNothing) {
  meet("");
  {
    RawSocket stranger;  // ZeroMQ's handshake by hand, then a frame that ends too early
    ASSERT_TRUE(stranger.connect(a->address()));
    std::string text = k_null_greeting;
    text += std::string(
        "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06"
        "DEALER",
        30);
    text += std::string("\0\xf0", 2) + "only this";
    ASSERT_TRUE(stranger.write(text));
    EXPECT_FALSE(stranger.read().empty());
  }
  EXPECT_TRUE(a->wait_for_count(Metric::handshakes_refused, 1));
  EXPECT_EQ(a->count(Metric::frames_malformed), 0U);
  expect_untouched();
}

/// A peer with the cookie that the test plays, socket by socket, up to its session.
class PlayedNode {
 public:
  PlayedNode(zmq::context_t& context, const RealNode& to)
      : router_{context, zmq::socket_type::router}, dealer_{context, to.address(), k_cookie} {
    const auto keys = transport::curve_keys(cookie_);
    router_.set(zmq::sockopt::linger, 0);
    router_.set(zmq::sockopt::curve_server, true);
    router_.set(zmq::sockopt::curve_publickey, zmq::buffer(keys.listener.public_key));
    router_.set(zmq::sockopt::curve_secretkey, zmq::buffer(keys.listener.secret_key.bytes));
    router_.bind("tcp://127.0.0.1:*");
    dial();
    be_dialled();
  }
  void send(const Buffer& frame) { dealer_.send(frame); }
  [[nodiscard]] transport::SessionHeader header(std::uint64_t sequence) const {
    return {hello_.life, theirs_.life, hello_.epoch, theirs_.epoch, sequence};
  }

 private:
  void dial() {
    hello_.life = Life{5};
    hello_.epoch = 7;
    hello_.nonce = transport::random_nonce();
    hello_.cluster = "grove";
    hello_.name = "played";
    hello_.address =
        router_.get(zmq::sockopt::last_endpoint).substr(std::string_view{"tcp://"}.size());
    const Buffer said = transport::encode(hello_);
    send(said);
    const Buffer answer = dealer_.receive();
    const auto welcome = transport::parse_welcome(answer);
    ASSERT_TRUE(welcome);
    send(transport::encode_auth(cookie_.prove("auth", said, welcome->signed_part)));
    EXPECT_EQ(transport::kind_of(dealer_.receive()), FrameKind::accept);
  }
  void be_dialled() {
    zmq::message_t route;
    const Buffer said = hear(route);
    const auto hello = transport::parse_hello(said);
    ASSERT_TRUE(hello);
    theirs_ = *hello;
    transport::Welcome welcome;
    welcome.life = hello_.life;
    welcome.name = hello_.name;
    welcome.address = hello_.address;
    Buffer answer = transport::encode(welcome);
    const transport::Proof proof = cookie_.prove("welcome", said, answer);
    answer.insert(answer.end(), proof.begin(), proof.end());
    tell(route, answer);
    EXPECT_TRUE(transport::parse_auth(hear(route)));
    tell(route, transport::encode_empty(FrameKind::accept));
  }
  Buffer hear(zmq::message_t& route) {
    zmq::message_t frame;
    (void)router_.recv(route, zmq::recv_flags::none);
    (void)router_.recv(frame, zmq::recv_flags::none);
    const auto* bytes = static_cast<const std::byte*>(frame.data());
    return {bytes, bytes + frame.size()};
  }
  void tell(zmq::message_t& route, const Buffer& frame) {
    router_.send(zmq::message_t{route.data(), route.size()}, zmq::send_flags::sndmore);
    router_.send(zmq::const_buffer{frame.data(), frame.size()}, zmq::send_flags::none);
  }

  Cookie cookie_{k_cookie};
  zmq::socket_t router_;
  RawPeer dealer_;
  transport::Hello hello_;
  transport::Hello theirs_;
};

TEST_F(Strangers, AreToldFromMembersWhoseBodiesAreUnpacked) {
  meet(k_cookie);
  PlayedNode played{context, *a};
  ASSERT_TRUE(a->wait_for_sessions(2));
  played.send(marked_batch(played.header(1)));
  EXPECT_TRUE(a->wait_for_count(Metric::frames_malformed, 1));
  EXPECT_EQ(marks_unpacked(), marks_before + 1) << "the counter counts";
  EXPECT_TRUE(a->wait_for_sessions(1));
  exchange();
}

// -- members that send nonsense -------------------------------------------------------------

struct Nonsense {
  const char* name;
  Buffer (*batch)(const transport::SessionHeader& header);
};

Buffer batch_with(const transport::SessionHeader& header, const transport::Record& record,
                  std::string_view body) {
  Buffer batch(transport::k_session_header_bytes);
  transport::encode(FrameKind::batch, header, batch);
  const std::size_t at = transport::begin_record(batch, record);
  for (const char c : body) batch.push_back(static_cast<std::byte>(c));
  transport::finish_record(batch, at);
  return batch;
}

const Nonsense k_nonsense[]{
    // Arrays inside arrays, each of four thousand million items.
    {"a_bomb",
     [](const transport::SessionHeader& header) {
       transport::Record record;
       record.kind = static_cast<std::uint8_t>(SignalKind::exit);
       std::string body;
       for (int i = 0; i < 30; ++i) body += "\xdd\xff\xff\xff\xff";
       return batch_with(header, record, body);
     }},
    // The last piece of a stream comes before the record that it promised is whole.
    {"a_truncated_fragment",
     [](const transport::SessionHeader& header) {
       transport::Record record;
       record.kind = k_fragment;
       record.flags = k_last_piece;
       record.serial = 1;
       record.type = 1000;
       return batch_with(header, record, "only this");
     }},
    // The record claims more than the frame has.
    {"a_truncated_batch", [](const transport::SessionHeader& header) {
       Buffer batch = marked_batch(header);
       batch.resize(batch.size() - 1);
       return batch;
     }}};

class NonsenseOfAMember : public Strangers, public testing::WithParamInterface<Nonsense> {};
INSTANTIATE_TEST_SUITE_P(Strangers, NonsenseOfAMember, testing::ValuesIn(k_nonsense),
                         [](const auto& row) { return std::string{row.param.name}; });

TEST_P(NonsenseOfAMember, EndsItsSessionAndNoOther) {
  meet(k_cookie);
  PlayedNode played{context, *a};
  ASSERT_TRUE(a->wait_for_sessions(2));
  played.send(GetParam().batch(played.header(1)));
  EXPECT_TRUE(a->wait_for_sessions(1));
  EXPECT_EQ(a->count(Metric::frames_malformed), 1U);
  EXPECT_TRUE(a->has_logged("node played is down: sent a malformed batch"))
      << a->last_logged("node played is down");
  EXPECT_EQ(marks_unpacked(), marks_before);
  exchange();
}

// The dead: the living would all be dialled.
TEST_F(Strangers, MembersThatAMemberInventsAreBoundedAndOthersStay) {
  meet(k_cookie);
  PlayedNode played{context, *a};
  ASSERT_TRUE(a->wait_for_sessions(2));
  cluster::SwimMessage news{cluster::SwimKind::view_back, 0, {}, {}};
  for (std::size_t i = 0; i < cluster::k_members_max; ++i) {
    news.claims.push_back(
        {"x" + std::to_string(i), 7, 0, cluster::MemberState::dead, "127.0.0.1:1", {}});
  }
  transport::Record record;
  record.kind = k_control;
  record.type = k_message_type<cluster::SwimMessage>.wire_id;
  Buffer body;
  ASSERT_TRUE(transport::pack(body, [&](Writer& out) { wire::write(out, news); }));
  const auto* text = reinterpret_cast<const char*>(body.data());
  played.send(batch_with(played.header(1), record, {text, body.size()}));
  EXPECT_TRUE(a->wait_for_count(Metric::members_refused, 2));  // b and the played one are known
  EXPECT_EQ(a->times_logged("this node knows 4096 members"), 1);
  EXPECT_EQ(a->members().size(), 1 + cluster::k_members_max);
  EXPECT_EQ(a->cluster().sessions(), 2U);
  exchange();
}

TEST_F(Strangers, AFrameOverTheLimitEndsItsSessionAndIsCounted) {
  meet(k_cookie);
  PlayedNode played{context, *a};
  ASSERT_TRUE(a->wait_for_sessions(2));
  Buffer batch = marked_batch(played.header(1));
  batch.resize(transport::k_frame_bytes_max + 1);
  played.send(batch);
  EXPECT_TRUE(a->wait_for_sessions(1));
  EXPECT_EQ(a->count(Metric::frames_malformed), 1U);
  EXPECT_TRUE(a->has_logged("node played is down: sent a frame of more than 16 MiB"));
  EXPECT_EQ(marks_unpacked(), marks_before);
  exchange();
}

TEST_F(Strangers, ABatchThatComesTwiceEndsItsSessionAndIsCounted) {
  meet(k_cookie);
  PlayedNode played{context, *a};
  ASSERT_TRUE(a->wait_for_sessions(2));
  const Buffer batch = marked_batch(played.header(1), SignalKind::info);
  played.send(batch);
  EXPECT_TRUE(a->wait_for_count(Metric::dead_letters_no_name, 1));
  played.send(batch);
  EXPECT_TRUE(a->wait_for_sessions(1));
  EXPECT_EQ(a->count(Metric::frames_stale), 1U);
  EXPECT_TRUE(a->has_logged("node played is down: a batch came twice"));
  played.send(marked_batch(played.header(2)));  // its route is nobody's now
  EXPECT_TRUE(a->wait_for_count(Metric::frames_stale, 2));
  EXPECT_EQ(a->count(Metric::dead_letters_no_name), 1U);
  exchange();
}

}  // namespace
}  // namespace grove
