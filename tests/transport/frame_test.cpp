// SPDX-License-Identifier: Apache-2.0
#include "grove/transport/frame.hpp"

#include "support/bytes.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grove::transport {
namespace {

using testkit::hex;
using testkit::text_of;

// The protocol's bytes, as docs and other implementations know them. They never change.
constexpr std::string_view k_hello =
    "47 56 01 01  01 03 00 00  05 00 00 00 00 00 00 80"
    "08 07 06 05 04 03 02 01  11 00 00 00 00 00 00 00"
    "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f"
    "05 67 72 6f 76 65  03 61 40 68  03 68 3a 31  02 6c 31";
constexpr std::string_view k_welcome_signed =
    "47 56 01 02  02 00 00 00  05 00 00 00 00 00 00 80"
    "08 07 06 05 04 03 02 01"
    "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f"
    "03 61 40 68  03 68 3a 31  02 6c 31";
constexpr std::string_view k_proof =
    "a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 aa ab ac ad ae af"
    "b0 b1 b2 b3 b4 b5 b6 b7 b8 b9 ba bb bc bd be bf";
constexpr std::string_view k_auth_head = "47 56 01 03";
constexpr std::string_view k_accept = "47 56 01 04";
constexpr std::string_view k_refuse = "47 56 01 05  03  04 6e 6f 70 65";
constexpr std::string_view k_bye = "47 56 01 06";
constexpr std::string_view k_header_rest =
    "00 00 00 00"
    "08 07 06 05 04 03 02 01  18 17 16 15 14 13 12 11"
    "21 00 00 00 00 00 00 00  22 00 00 00 00 00 00 00";
constexpr std::string_view k_records =
    // 36 + 2 + 3 bytes: an info from process 1.2 to the name "hi", serial 7, type 9, body ca fe 00
    "29 00 00 00  01  00  02 00  02 00 00 00 01 00 00 00  00 00 00 00 00 00 00 00"
    "07 00 00 00 00 00 00 00  09 00 00 00 00 00 00 00  68 69  ca fe 00"
    // 36 bytes: an unlink from 3.4 to 5.6, nothing more
    "24 00 00 00  08  01  00 00  04 00 00 00 03 00 00 00  06 00 00 00 05 00 00 00"
    "ff ff ff ff ff ff 00 00  00 00 00 00 00 00 00 00";

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string all;
  for (const std::string_view part : parts) all += part;
  return all;
}
Buffer welcome_bytes() { return hex(joined({k_welcome_signed, k_proof})); }
Buffer auth_bytes() { return hex(joined({k_auth_head, k_proof})); }
Buffer heartbeat_bytes() {
  return hex(joined({"47 56 01 10", k_header_rest, "00 00 00 00 00 00 00 00"}));
}
Buffer batch_bytes() {
  return hex(joined({"47 56 01 11", k_header_rest, "05 00 00 00 00 00 00 00", k_records}));
}

Nonce counting_nonce() {
  Nonce nonce;
  for (std::size_t i = 0; i < nonce.size(); ++i) nonce[i] = static_cast<std::byte>(i);
  return nonce;
}
Proof counting_proof() {
  Proof proof;
  for (std::size_t i = 0; i < proof.size(); ++i) proof[i] = static_cast<std::byte>(0xa0 + i);
  return proof;
}
Hello hello() {
  Hello made;
  made.versions.max = 3;
  made.features = 0x8000000000000005;
  made.life = Life{0x0102030405060708};
  made.epoch = 0x11;
  made.nonce = counting_nonce();
  made.cluster = "grove";
  made.name = "a@h";
  made.address = "h:1";
  made.local = "l1";
  return made;
}
Welcome welcome() {
  Welcome made;
  made.version = 2;
  made.features = 0x8000000000000005;
  made.life = Life{0x0102030405060708};
  made.nonce = counting_nonce();
  made.name = "a@h";
  made.address = "h:1";
  made.local = "l1";
  return made;
}
SessionHeader header(std::uint64_t sequence) {
  return {Life{0x0102030405060708}, Life{0x1112131415161718}, 0x21, 0x22, sequence};
}
Record named_record() {
  Record record;
  record.kind = 1;
  record.from = (std::uint64_t{1} << 32U) | 2;
  record.serial = 7;
  record.type = 9;
  record.name = "hi";
  return record;
}
Record plain_record() {
  Record record;
  record.kind = 8;
  record.flags = 1;
  record.from = (std::uint64_t{3} << 32U) | 4;
  record.to = (std::uint64_t{5} << 32U) | 6;
  record.serial = 0xffffffffffff;
  return record;
}

// -- golden bytes ---------------------------------------------------------------------------

TEST(FrameBytes, AHelloIsPinned) { EXPECT_EQ(text_of(encode(hello())), text_of(hex(k_hello))); }

TEST(FrameBytes, AWelcomeIsPinned) {
  Buffer frame = encode(welcome());
  EXPECT_EQ(text_of(frame), text_of(hex(k_welcome_signed)));
  const Proof proof = counting_proof();
  frame.insert(frame.end(), proof.begin(), proof.end());
  EXPECT_EQ(text_of(frame), text_of(welcome_bytes()));
}

TEST(FrameBytes, AnAuthIsPinned) {
  EXPECT_EQ(text_of(encode_auth(counting_proof())), text_of(auth_bytes()));
}

TEST(FrameBytes, AcceptAndByeArePinned) {
  EXPECT_EQ(text_of(encode_empty(FrameKind::accept)), text_of(hex(k_accept)));
  EXPECT_EQ(text_of(encode_empty(FrameKind::bye)), text_of(hex(k_bye)));
}

TEST(FrameBytes, ARefuseIsPinned) {
  EXPECT_EQ(text_of(encode(RefuseFrame{Refusal::cookie, "nope"})), text_of(hex(k_refuse)));
}

TEST(FrameBytes, AHeartbeatIsPinned) {
  Buffer frame(k_session_header_bytes);
  encode(FrameKind::heartbeat, header(0), frame);
  EXPECT_EQ(text_of(frame), text_of(heartbeat_bytes()));
}

TEST(FrameBytes, ABatchOfRecordsIsPinned) {
  Buffer batch(k_session_header_bytes);
  const std::size_t first = begin_record(batch, named_record());
  for (const std::byte byte : hex("ca fe 00")) batch.push_back(byte);
  finish_record(batch, first);
  finish_record(batch, begin_record(batch, plain_record()));
  encode(FrameKind::batch, header(5), batch);
  EXPECT_EQ(text_of(batch), text_of(batch_bytes()));
}

TEST(FrameBytes, TheRefusalsAreNumbered) {
  const std::vector<std::pair<Refusal, int>> pinned{
      {Refusal::version, 1},    {Refusal::cluster, 2},     {Refusal::cookie, 3},
      {Refusal::older_life, 4}, {Refusal::name_in_use, 5}, {Refusal::malformed, 6}};
  for (const auto& [reason, number] : pinned) {
    EXPECT_EQ(static_cast<int>(reason), number);
    EXPECT_NE(to_string(reason), "unknown reason");
  }
  EXPECT_EQ(to_string(Refusal{99}), "unknown reason");
}

TEST(FrameBytes, ALocalIdIsIndexThenGeneration) {
  const Pid pid{intern_node("frames", Life{1}), 3, 4};
  EXPECT_EQ(local_id(pid), 0x0000000300000004U);
  EXPECT_EQ(pid_of(pid.node, local_id(pid)), pid);
}

// -- round trips ----------------------------------------------------------------------------

TEST(FrameParsing, AHelloComesBackWhole) {
  const auto parsed = parse_hello(hex(k_hello));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->versions.min, 1);
  EXPECT_EQ(parsed->versions.max, 3);
  EXPECT_EQ(parsed->features, hello().features);
  EXPECT_EQ(parsed->life, hello().life);
  EXPECT_EQ(parsed->epoch, 0x11U);
  EXPECT_EQ(parsed->nonce, counting_nonce());
  EXPECT_EQ(parsed->cluster, "grove");
  EXPECT_EQ(parsed->name, "a@h");
  EXPECT_EQ(parsed->address, "h:1");
  EXPECT_EQ(parsed->local, "l1");
}

TEST(FrameParsing, AHelloMayGrowAtItsEndUpToItsBound) {
  Buffer longer = hex(k_hello);
  longer.resize(k_handshake_bytes_max, std::byte{0xff});
  const auto parsed = parse_hello(longer);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->local, "l1");
  longer.push_back(std::byte{0});
  EXPECT_FALSE(parse_hello(longer)) << "a stranger's frame is kept until he has proved himself";
}

TEST(FrameParsing, AWelcomeMayGrowBeforeItsProofUpToItsBound) {
  Buffer longer = hex(k_welcome_signed);
  longer.resize(k_handshake_bytes_max - sizeof(Proof), std::byte{0xff});
  const Proof proof = counting_proof();
  longer.insert(longer.end(), proof.begin(), proof.end());
  const auto parsed = parse_welcome(longer);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->welcome.local, "l1");
  EXPECT_EQ(parsed->proof, proof);
  EXPECT_EQ(parsed->signed_part.size(), longer.size() - proof.size()) << "what is new is signed";
  longer.push_back(std::byte{0});
  EXPECT_FALSE(parse_welcome(longer));
}

TEST(FrameParsing, AWelcomeComesBackWholeAndKnowsItsSignedPart) {
  const Buffer frame = welcome_bytes();
  const auto parsed = parse_welcome(frame);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->welcome.version, 2);
  EXPECT_EQ(parsed->welcome.features, welcome().features);
  EXPECT_EQ(parsed->welcome.life, welcome().life);
  EXPECT_EQ(parsed->welcome.nonce, counting_nonce());
  EXPECT_EQ(parsed->welcome.name, "a@h");
  EXPECT_EQ(parsed->welcome.address, "h:1");
  EXPECT_EQ(parsed->welcome.local, "l1");
  EXPECT_EQ(parsed->proof, counting_proof());
  EXPECT_EQ(text_of(parsed->signed_part), text_of(hex(k_welcome_signed)));
}

TEST(FrameParsing, AuthAndRefuseComeBackWhole) {
  const auto proof = parse_auth(auth_bytes());
  ASSERT_TRUE(proof);
  EXPECT_EQ(*proof, counting_proof());
  const auto refuse = parse_refuse(hex(k_refuse));
  ASSERT_TRUE(refuse);
  EXPECT_EQ(refuse->reason, Refusal::cookie);
  EXPECT_EQ(refuse->text, "nope");
}

TEST(FrameParsing, ASessionHeaderComesBackWhole) {
  const auto parsed = parse_session_header(batch_bytes());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->from_life, header(5).from_life);
  EXPECT_EQ(parsed->to_life, header(5).to_life);
  EXPECT_EQ(parsed->from_epoch, 0x21U);
  EXPECT_EQ(parsed->to_epoch, 0x22U);
  EXPECT_EQ(parsed->sequence, 5U);
  EXPECT_EQ(parsed->version, 1);
}

TEST(FrameParsing, ASessionsFramesCarryTheVersionAgreedOn) {
  SessionHeader of_nine = header(5);
  of_nine.version = 9;
  Buffer frame(k_session_header_bytes);
  encode(FrameKind::heartbeat, of_nine, frame);
  EXPECT_EQ(frame[2], std::byte{9});
  EXPECT_EQ(kind_of(frame), FrameKind::heartbeat);
  const auto parsed = parse_session_header(frame);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->version, 9);
}

TEST(FrameParsing, RecordsComeBackInOrderAndThenEnd) {
  const Buffer batch = batch_bytes();
  std::size_t offset = k_session_header_bytes;
  bool malformed = true;
  const auto first = next_record(batch, offset, malformed);
  ASSERT_TRUE(first);
  EXPECT_FALSE(malformed);
  EXPECT_EQ(first->kind, 1);
  EXPECT_EQ(first->flags, 0);
  EXPECT_EQ(first->from, named_record().from);
  EXPECT_EQ(first->to, 0U);
  EXPECT_EQ(first->serial, 7U);
  EXPECT_EQ(first->type, 9U);
  EXPECT_EQ(first->name, "hi");
  EXPECT_EQ(text_of(first->body), "ca fe 00");
  const auto second = next_record(batch, offset, malformed);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->kind, 8);
  EXPECT_EQ(second->flags, 1);
  EXPECT_EQ(second->to, plain_record().to);
  EXPECT_EQ(second->serial, 0xffffffffffffU);
  EXPECT_TRUE(second->name.empty());
  EXPECT_TRUE(second->body.empty());
  EXPECT_FALSE(next_record(batch, offset, malformed));
  EXPECT_FALSE(malformed);
  EXPECT_EQ(offset, batch.size());
}

// -- kinds ----------------------------------------------------------------------------------

TEST(FrameKinds, EachPinnedNumberIsKnownAndNoOther) {
  for (int number = 0; number < 256; ++number) {
    const Buffer frame{std::byte{'G'}, std::byte{'V'}, std::byte{1},
                       static_cast<std::byte>(number)};
    const bool known = (number >= 1 && number <= 6) || number == 16 || number == 17;
    const auto kind = kind_of(frame);
    EXPECT_EQ(kind.has_value(), known) << number;
    if (kind) {
      EXPECT_EQ(static_cast<int>(*kind), number);
    }
  }
}

TEST(FrameKinds, OtherMagicIsNoFrame) {
  for (const char* text : {"46 56 01 01", "47 57 01 01", "00 00 00 00", "56 47 01 01"}) {
    EXPECT_FALSE(kind_of(hex(text))) << text;
  }
}

TEST(FrameKinds, OfAnotherLayoutOnlyHelloAndRefuseAreUnderstoodOfHandshakes) {
  for (const int version : {0, 1, 2, 255}) {
    for (const int kind : {1, 2, 3, 4, 5, 6, 16, 17}) {
      const Buffer frame{std::byte{'G'}, std::byte{'V'}, static_cast<std::byte>(version),
                         static_cast<std::byte>(kind)};
      const bool known = version == 1 || kind == 1 || kind == 5 || kind >= 16;
      EXPECT_EQ(kind_of(frame).has_value(), known) << version << ' ' << kind;
      EXPECT_EQ(is_handshake(frame), version == 1);
    }
  }
}

TEST(FrameVersions, TheNewestThatBothSpeakIsChosen) {
  EXPECT_EQ(common_version({1, 1}, {1, 1}), 1);
  EXPECT_EQ(common_version({1, 3}, {2, 5}), 3);
  EXPECT_EQ(common_version({2, 5}, {1, 3}), 3);
  EXPECT_EQ(common_version({1, 9}, {4, 4}), 4);
  EXPECT_EQ(common_version({1, 2}, {3, 4}), std::nullopt);
  EXPECT_EQ(common_version({3, 4}, {1, 2}), std::nullopt);
  EXPECT_EQ(common_version({3, 1}, {1, 3}), std::nullopt) << "a range that is none";
  EXPECT_EQ(common_version({0, 0}, {1, 1}), std::nullopt);
}

// -- truncation -----------------------------------------------------------------------------

/// Calls `parses` with each proper prefix, in memory of just that size: a sanitizer would see a
/// read past its end.
void expect_no_prefix(const Buffer& whole, const std::function<bool(const Buffer&)>& parses) {
  EXPECT_TRUE(parses(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Buffer prefix(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(parses(prefix)) << "the first " << size << " bytes";
  }
}

TEST(FrameTruncation, NoPrefixOfAnyFrameParses) {
  expect_no_prefix(hex(k_hello), [](const Buffer& b) { return parse_hello(b).has_value(); });
  expect_no_prefix(welcome_bytes(), [](const Buffer& b) { return parse_welcome(b).has_value(); });
  expect_no_prefix(auth_bytes(), [](const Buffer& b) { return parse_auth(b).has_value(); });
  expect_no_prefix(hex(k_refuse), [](const Buffer& b) { return parse_refuse(b).has_value(); });
  expect_no_prefix(heartbeat_bytes(),
                   [](const Buffer& b) { return parse_session_header(b).has_value(); });
  expect_no_prefix(hex(k_accept), [](const Buffer& b) { return kind_of(b).has_value(); });
}

TEST(FrameTruncation, ACutBatchIsMalformedUnlessItEndsBetweenRecords) {
  const Buffer whole = batch_bytes();
  for (std::size_t size = k_session_header_bytes; size <= whole.size(); ++size) {
    const Buffer prefix(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    std::size_t offset = k_session_header_bytes;
    bool malformed = false;
    int records = 0;
    while (next_record(prefix, offset, malformed)) ++records;
    const std::size_t first_end = k_session_header_bytes + 4 + 0x29;
    EXPECT_EQ(records, size == whole.size() ? 2 : size >= first_end ? 1 : 0) << size;
    EXPECT_EQ(malformed,
              size != k_session_header_bytes && size != first_end && size != whole.size())
        << size;
  }
}

TEST(FrameTruncation, NothingAtAllIsNothing) {
  EXPECT_FALSE(kind_of({}));
  EXPECT_FALSE(parse_hello({}));
  EXPECT_FALSE(parse_welcome({}));
  EXPECT_FALSE(parse_auth({}));
  EXPECT_FALSE(parse_refuse({}));
  EXPECT_FALSE(parse_session_header({}));
}

TEST(FrameTruncation, MoreThanAnAuthIsNone) {
  Buffer longer = auth_bytes();
  longer.push_back(std::byte{0});
  EXPECT_FALSE(parse_auth(longer));
}

// -- lies -----------------------------------------------------------------------------------

TEST(FrameLies, ANameThatIsNoNodeNameIsRefused) {
  for (const std::string& name : {std::string{}, std::string{"UPPER"}, std::string{"a b"},
                                  std::string{"a@"}, std::string(64, 'a'), std::string(255, 'a'),
                                  std::string{"new\nline"}, std::string{"a@h@i"}}) {
    Hello told = hello();
    told.name = name;
    EXPECT_FALSE(parse_hello(encode(told))) << name;
    Welcome answer = welcome();
    answer.name = name;
    Buffer frame = encode(answer);
    frame.resize(frame.size() + 32);
    EXPECT_FALSE(parse_welcome(frame)) << name;
  }
}

TEST(FrameLies, TheLongestNodeNameFits) {
  Hello told = hello();
  told.name = std::string(63, 'a') + '@' + std::string(190, 'h');
  told.cluster = std::string(255, 'c');
  told.address = std::string(255, '1');
  told.local = std::string(255, 'l');
  const auto parsed = parse_hello(encode(told));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->name, told.name);
  EXPECT_EQ(parsed->cluster, told.cluster);
  EXPECT_EQ(parsed->address, told.address);
  EXPECT_EQ(parsed->local, told.local);
}

// A stranger's address goes into the log before he has proved anything.
TEST(FrameLies, AnAddressOrClusterWithControlCharactersIsRefused) {
  for (const char* text : {"h:1\nnode x is up", "\x1b[31mh:1", "h:1\r", "\x7f"}) {
    Hello told = hello();
    told.address = text;
    EXPECT_FALSE(parse_hello(encode(told)));
    told = hello();
    told.cluster = text;
    EXPECT_FALSE(parse_hello(encode(told)));
    told = hello();
    told.local = text;
    EXPECT_FALSE(parse_hello(encode(told)));
    Welcome answer = welcome();
    answer.local = text;
    Buffer frame = encode(answer);
    frame.resize(frame.size() + 32);
    EXPECT_FALSE(parse_welcome(frame));
  }
}

TEST(FrameLies, NoLifeIsNoHello) {
  Hello told = hello();
  told.life = Life{};
  EXPECT_FALSE(parse_hello(encode(told)));
}

TEST(FrameLies, ATextThatClaimsMoreThanTheFrameIsRefused) {
  // The lengths of cluster, name, address and local.
  for (const std::size_t from_end : {17U, 11U, 7U, 3U}) {
    Buffer frame = hex(k_hello);
    frame[frame.size() - from_end] = std::byte{255};
    EXPECT_FALSE(parse_hello(frame)) << from_end;
  }
  EXPECT_FALSE(parse_refuse(hex("47 56 01 05  03  05 6e 6f 70 65")));
}

TEST(FrameLies, ARefusalTextIsCutNotSplit) {
  const auto parsed = parse_refuse(encode(RefuseFrame{Refusal::malformed, std::string(999, 'x')}));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->text, std::string(255, 'x'));
}

bool is_malformed(std::string_view record) {
  const Buffer bytes = hex(record);
  std::size_t offset = 0;
  bool malformed = false;
  const bool found = next_record(bytes, offset, malformed).has_value();
  EXPECT_FALSE(found && malformed);
  EXPECT_TRUE(found || offset == 0U) << "it moves on over what it could not read";
  return malformed;
}

constexpr std::string_view k_thirty_two =
    "01 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00"
    "01 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00";

TEST(RecordLies, ALengthBeyondTheFrameIsMalformed) {
  EXPECT_FALSE(is_malformed(joined({"24 00 00 00  01 00 00 00", k_thirty_two})));
  EXPECT_TRUE(is_malformed(joined({"25 00 00 00  01 00 00 00", k_thirty_two})));
  EXPECT_TRUE(is_malformed(joined({"ff ff ff ff  01 00 00 00", k_thirty_two})));
  EXPECT_TRUE(is_malformed(joined({"24 00 00 80  01 00 00 00", k_thirty_two})));
}

TEST(RecordLies, ALengthTooShortForARecordIsMalformed) {
  EXPECT_TRUE(is_malformed(joined({"23 00 00 00  01 00 00 00", k_thirty_two})));
  EXPECT_TRUE(is_malformed(joined({"01 00 00 00  01 00 00 00", k_thirty_two})));
  EXPECT_TRUE(is_malformed("00 00 00 00"));
  EXPECT_TRUE(is_malformed("00 00 00"));
}

TEST(RecordLies, ANameBeyondItsRecordIsMalformed) {
  EXPECT_FALSE(is_malformed(joined({"26 00 00 00  01 00 02 00", k_thirty_two, "68 69"})));
  EXPECT_TRUE(is_malformed(joined({"26 00 00 00  01 00 03 00", k_thirty_two, "68 69"})));
  EXPECT_TRUE(is_malformed(joined({"26 00 00 00  01 00 ff ff", k_thirty_two, "68 69"})));
  // Even when the next record would have the bytes.
  EXPECT_TRUE(is_malformed(joined({"24 00 00 00  01 00 04 00", k_thirty_two, "68 69 68 69"})));
}

TEST(RecordLies, ALongNameAndALargeBodyComeBackWhole) {
  const std::string name(65535, 'n');
  Record record = named_record();
  record.name = name;
  Buffer batch;
  const std::size_t at = begin_record(batch, record);
  batch.resize(batch.size() + 100'000, std::byte{0x5a});
  finish_record(batch, at);
  std::size_t offset = 0;
  bool malformed = false;
  const auto parsed = next_record(batch, offset, malformed);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->name, name);
  EXPECT_EQ(parsed->body.size(), 100'000U);
}

}  // namespace
}  // namespace grove::transport
