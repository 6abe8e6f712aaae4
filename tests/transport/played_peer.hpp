// SPDX-License-Identifier: Apache-2.0
//
// One node whose sessions are real, and a peer that the test plays, frame by frame.
#pragma once

#include "grove/transport/sessions.hpp"

#include "transport/session_net.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace grove::transport {

using testkit::only;
using What = Sessions::Count::What;
using Actions = Sessions::Actions;

inline constexpr std::uint64_t k_our_life = 100;
inline constexpr std::uint64_t k_their_life = 50;
inline constexpr std::uint64_t k_their_epoch = 7;

inline int counted(const Actions& actions, What what) {
  int found = 0;
  for (const auto& count : only<Sessions::Count>(actions)) found += count.what == what ? 1 : 0;
  return found;
}
inline std::optional<FrameKind> kind_of_only_answer(const Actions& actions) {
  const auto answers = only<Sessions::Answer>(actions);
  return answers.size() == 1 ? kind_of(answers[0].frame) : std::nullopt;
}
inline std::optional<Refusal> refusal(const Actions& actions) {
  const auto answers = only<Sessions::Answer>(actions);
  if (answers.size() != 1 || kind_of(answers[0].frame) != FrameKind::refuse) return std::nullopt;
  return parse_refuse(answers[0].frame)->reason;
}

class PlayedPeer : public testing::Test {
 protected:
  explicit PlayedPeer(std::size_t peers_max = k_peers_max)
      : us{{.name = "us",
            .life = Life{k_our_life},
            .cluster = "grove",
            .address = "us:1",
            .local = {},
            .machine = {},
            .seeds = {"seed:1"},
            .cookie = cookie,
            .versions = {},
            .times = {},
            .peers_max = peers_max,
            .random_seed = 1,
            .nonce = testkit::counting_nonces(1)}} {}

  static Hello hello_of_them(std::uint64_t life = k_their_life,
                             std::uint64_t epoch = k_their_epoch) {
    Hello hello;
    hello.life = Life{life};
    hello.epoch = epoch;
    hello.nonce = testkit::counting_nonces(life + epoch)();
    hello.cluster = "grove";
    hello.name = "them";
    hello.address = "10.0.0.1:1";
    return hello;
  }
  Actions hear(const Route& route, Buffer bytes) {
    return us.on_frame(route, Frame::own(std::move(bytes)), now);
  }
  Actions answer(LinkId to, Buffer bytes) {
    return us.on_answer(to, Frame::own(std::move(bytes)), now);
  }
  /// HELLO and AUTH on `route`. Returns: what the AUTH led to.
  Actions prove(const Route& route, const Hello& hello) {
    const Buffer said = encode(hello);
    const auto welcomed = only<Sessions::Answer>(hear(route, said));
    EXPECT_EQ(welcomed.size(), 1U);
    if (welcomed.empty()) return {};
    const auto welcome = parse_welcome(welcomed[0].frame);
    EXPECT_TRUE(welcome) << "no WELCOME";
    if (!welcome) return {};
    EXPECT_TRUE(cookie.verify(welcome->proof, "welcome", said, welcome->signed_part));
    last_auth = encode_auth(cookie.prove("auth", said, welcome->signed_part));
    return hear(route, last_auth);
  }
  Buffer welcome_to(const Buffer& their_hello, std::uint64_t life = k_their_life,
                    const std::string& name = "them", const std::string& secret = "secret") {
    Welcome welcome;
    welcome.life = Life{life};
    welcome.nonce = testkit::counting_nonces(life)();
    welcome.name = name;
    welcome.address = "10.0.0.1:1";
    Buffer bytes = encode(welcome);
    const Proof proof = Cookie{secret}.prove("welcome", their_hello, bytes);
    bytes.insert(bytes.end(), proof.begin(), proof.end());
    return bytes;
  }
  /// Lets our dial reach them. Returns: our HELLO.
  Buffer reach(LinkId dialled) {
    const auto sent = only<Sessions::Send>(us.on_link_up(dialled, now));
    EXPECT_EQ(sent.size(), 1U);
    return sent.empty() ? Buffer{} : sent[0].frame;
  }
  void bring_up() {
    const Actions proved = prove("r1", hello_of_them());
    ASSERT_EQ(only<Sessions::Dial>(proved).size(), 1U);
    link = only<Sessions::Dial>(proved)[0].link;
    our_hello = reach(link);
    const Actions welcomed = answer(link, welcome_to(our_hello));
    ASSERT_EQ(only<Sessions::Send>(welcomed).size(), 1U);
    EXPECT_TRUE(parse_auth(only<Sessions::Send>(welcomed)[0].frame));
    const auto ups = only<Sessions::Up>(answer(link, encode_empty(FrameKind::accept)));
    ASSERT_EQ(ups.size(), 1U);
    up = ups[0];
  }
  /// The header that their frames must have.
  [[nodiscard]] SessionHeader right(std::uint64_t sequence) const {
    return {Life{k_their_life}, Life{k_our_life}, k_their_epoch, up.header.from_epoch, sequence};
  }
  static Buffer frame(FrameKind kind, const SessionHeader& header) {
    Buffer bytes(k_session_header_bytes);
    encode(kind, header, bytes);
    return bytes;
  }
  static Buffer batch(const SessionHeader& header) { return frame(FrameKind::batch, header); }

  Clock::TimePoint now{std::chrono::seconds{1000}};
  Cookie cookie{"secret"};
  Sessions us;
  LinkId link = 0;
  Buffer our_hello;
  Buffer last_auth;
  Sessions::Up up{};
};

}  // namespace grove::transport
