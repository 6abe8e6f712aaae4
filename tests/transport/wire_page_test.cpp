// SPDX-License-Identifier: Apache-2.0
//
// docs/wire.md says what the code does: its blocks of bytes are read and written here, its tables
// of numbers compared.
#include "transport/wire_page.hpp"

#include "grove/core/result.hpp"
#include "grove/node/remote.hpp"
#include "grove/node/sys.hpp"
#include "grove/node/waiter.hpp"
#include "grove/transport/cookie.hpp"

#include "control.hpp"
#include "group_control.hpp"
#include "send_queue.hpp"
#include "support/bytes.hpp"
#include "transport/frame_text.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <stdexcept>
#include <string>

namespace page {

struct Deposit {
  std::string account;
  int amount = 1;
};

}  // namespace page

GROVE_MESSAGE(page::Deposit, "bank.deposit", account, amount)

namespace grove::testkit {
namespace {

using transport::Buffer;
using transport::FrameKind;
using transport::Refusal;

class WirePage : public testing::Test {
 protected:
  [[nodiscard]] std::map<int, std::string> numbers(const std::string& heading) const {
    return page.numbers(heading);
  }
  const Block& frame(const std::string& name) {
    for (const Block& block : page.blocks) {
      if (block.kind == "frame" && block.name == name) return block;
    }
    throw std::out_of_range{name};
  }
  Page page = read_page();
};

TEST_F(WirePage, EachBlockIsReadAsItSaysAndWrittenAgain) {
  for (const Block& block : page.blocks) {
    const bool is_frame = block.kind == "frame";
    const MessageType* type =
        block.kind == "term" ? nullptr : find_message_type(wire_id_of(block.name));
    ASSERT_TRUE(is_frame || block.kind == "term" || type != nullptr) << block.name;
    const ReadBody body = is_frame ? ReadBody{} : read_body(block.bytes, type);
    EXPECT_EQ(is_frame ? meaning_of(block.bytes) : body.meaning, block.meaning) << block.name;
    if (block.kind == "read") continue;  // what others wrote, shorter or longer
    EXPECT_EQ(text_of(is_frame ? encoded_again(block.bytes) : body.again), text_of(block.bytes))
        << block.name;
  }
  EXPECT_GE(page.blocks.size(), 15U);
}

TEST_F(WirePage, EachKindOfFrameHasABlock) {
  for (const auto& [number, name] : numbers("Kinds of frames")) {
    const auto kind = transport::kind_of(frame(name).bytes);
    ASSERT_TRUE(kind) << name;
    EXPECT_EQ(static_cast<int>(*kind), number) << name;
  }
}

TEST_F(WirePage, ItsProofsAreThoseOfItsCookie) {
  const transport::Cookie cookie{"secret"};
  const Buffer& hello = frame("hello").bytes;
  const auto welcome = transport::parse_welcome(frame("welcome").bytes);
  const auto auth = transport::parse_auth(frame("auth").bytes);
  ASSERT_TRUE(welcome && auth);
  EXPECT_TRUE(cookie.verify(welcome->proof, "welcome", hello, welcome->signed_part));
  EXPECT_TRUE(cookie.verify(*auth, "auth", hello, welcome->signed_part));
}

TEST_F(WirePage, FramesAreNumberedAsItSays) {
  const std::map<int, std::string> code{{static_cast<int>(FrameKind::hello), "hello"},
                                        {static_cast<int>(FrameKind::welcome), "welcome"},
                                        {static_cast<int>(FrameKind::auth), "auth"},
                                        {static_cast<int>(FrameKind::accept), "accept"},
                                        {static_cast<int>(FrameKind::refuse), "refuse"},
                                        {static_cast<int>(FrameKind::bye), "bye"},
                                        {static_cast<int>(FrameKind::heartbeat), "heartbeat"},
                                        {static_cast<int>(FrameKind::batch), "batch"}};
  EXPECT_EQ(numbers("Kinds of frames"), code);
}

TEST_F(WirePage, RefusalsAreNumberedAsItSays) {
  const std::map<int, std::string> code{{static_cast<int>(Refusal::version), "version"},
                                        {static_cast<int>(Refusal::cluster), "cluster"},
                                        {static_cast<int>(Refusal::cookie), "cookie"},
                                        {static_cast<int>(Refusal::older_life), "older_life"},
                                        {static_cast<int>(Refusal::name_in_use), "name_in_use"},
                                        {static_cast<int>(Refusal::malformed), "malformed"}};
  EXPECT_EQ(numbers("Refusals"), code);
  EXPECT_EQ(to_string(Refusal{static_cast<std::uint8_t>(code.rbegin()->first + 1)}),
            "unknown reason");
}

TEST_F(WirePage, RecordsAreNumberedAsItSays) {
  const std::map<int, std::string> code{{static_cast<int>(SignalKind::info), "info"},
                                        {static_cast<int>(SignalKind::cast), "cast"},
                                        {static_cast<int>(SignalKind::call), "call"},
                                        {static_cast<int>(SignalKind::reply), "reply"},
                                        {static_cast<int>(SignalKind::exit), "exit"},
                                        {static_cast<int>(SignalKind::down), "down"},
                                        {static_cast<int>(SignalKind::link), "link"},
                                        {static_cast<int>(SignalKind::unlink), "unlink"},
                                        {static_cast<int>(SignalKind::unlink_ack), "unlink_ack"},
                                        {static_cast<int>(SignalKind::monitor), "monitor"},
                                        {static_cast<int>(SignalKind::demonitor), "demonitor"},
                                        {static_cast<int>(SignalKind::alias), "alias"},
                                        {static_cast<int>(SignalKind::spawn), "spawn"},
                                        {static_cast<int>(SignalKind::spawned), "spawned"},
                                        {static_cast<int>(SignalKind::inspect), "inspect"},
                                        {static_cast<int>(SignalKind::system), "system"},
                                        {cluster::k_control, "control"},
                                        {cluster::k_fragment, "fragment"}};
  EXPECT_EQ(numbers("Kinds of records"), code);
}

TEST_F(WirePage, ErrorsAreNumberedAsItSays) {
  const auto codes = numbers("Error codes");
  for (int code = 1; code < 1000; ++code) {
    const auto row = codes.find(code);
    const std::string_view name = to_string(static_cast<Errc>(code));
    EXPECT_EQ(name, row == codes.end() ? to_string(Errc{9999}) : row->second) << code;
  }
}

TEST_F(WirePage, TypesHaveTheIdsThatItSays) {
  std::set<std::string> named;
  for (const char* heading : {"Control messages", "Type ids"}) {
    for (const Row& row : page.tables[heading]) {
      const std::string& name = row.at(1);
      EXPECT_EQ(wire_id_of(name), std::stoull(row.at(0), nullptr, 16)) << name;
      const MessageType* type = find_message_type(wire_id_of(name));
      if (type == nullptr) continue;  // of a part that this test does not see
      EXPECT_EQ(type->name, name);
      named.insert(name);
    }
  }
  // Each type that travels without a declaration, and each control message.
#define GROVE_TEST_NAMED(Type, name) EXPECT_TRUE(named.contains(name)) << (name);
  GROVE_DETAIL_BUILTINS(GROVE_TEST_NAMED)
#undef GROVE_TEST_NAMED
  for (const MessageType* type : {&k_message_type<cluster::NamesDigest>,
                                  &k_message_type<cluster::NamesRow>,
                                  &k_message_type<cluster::NamesPull>,
                                  &k_message_type<cluster::NamesPart>,
                                  &k_message_type<cluster::NameRecord>,
                                  &k_message_type<cluster::NamesDrop>,
                                  &k_message_type<cluster::SwimMessage>,
                                  &k_message_type<cluster::MemberClaim>,
                                  &k_message_type<cluster::ClaimedMetadata>,
                                  &k_message_type<detail::GroupsState>,
                                  &k_message_type<detail::GroupsChange>,
                                  &k_message_type<cluster::GroupsRequest>,
                                  &k_message_type<detail::GroupRow>,
                                  &k_message_type<detail::GroupMember>,
                                  &k_message_type<detail::Ok>,
                                  &k_message_type<detail::StopServer>,
                                  &k_message_type<detail::SpawnTerms>,
                                  &k_message_type<detail::StartAck>,
                                  &k_message_type<detail::AliveRequest>,
                                  &k_message_type<detail::InfoRequest>,
                                  &k_message_type<ProcessInfo>,
                                  &k_message_type<detail::SysRequest>}) {
    EXPECT_TRUE(named.contains(std::string{type->name})) << type->name;
  }
}

}  // namespace
}  // namespace grove::testkit
