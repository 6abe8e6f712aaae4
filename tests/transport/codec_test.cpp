// SPDX-License-Identifier: Apache-2.0
#include "grove/transport/codec.hpp"

#include "grove/core/message.hpp"
#include "grove/core/random.hpp"

#include "support/bytes.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace codec_test {

enum class Colour : std::uint8_t { red = 1, blue = 200 };

struct Leaf {
  int number = 7;
  std::string text = "leaf";
  friend bool operator==(const Leaf&, const Leaf&) = default;
};
struct Branch {
  Leaf first;
  std::vector<Leaf> leaves;
  std::optional<Leaf> maybe;
  std::map<std::string, std::vector<Leaf>> by_name;
  friend bool operator==(const Branch&, const Branch&) = default;
};
struct Numbers {
  bool yes = false;
  std::int8_t i8 = 0;
  std::int16_t i16 = 0;
  std::int32_t i32 = 0;
  std::int64_t i64 = 0;
  std::uint8_t u8 = 0;
  std::uint16_t u16 = 0;
  std::uint32_t u32 = 0;
  std::uint64_t u64 = 0;
  float f32 = 0;
  double f64 = 0;
  Colour colour = Colour::red;
  std::chrono::milliseconds millis{0};
  std::chrono::duration<double> seconds{0};
  friend bool operator==(const Numbers&, const Numbers&) = default;
};
struct Things {
  std::string text;
  grove::Symbol symbol;
  grove::Pid pid;
  grove::Ref ref;
  std::vector<std::byte> bytes;
  grove::Value value;
  grove::ExitReason reason;
  std::vector<int> list;
  std::vector<std::vector<std::string>> lists;
  std::optional<int> none;
  std::optional<std::string> some;
  std::map<std::string, int> counts;
  std::vector<std::optional<int>> holes;
  Branch branch;
  friend bool operator==(const Things&, const Things&) = default;
};
struct Empty {
  friend bool operator==(const Empty&, const Empty&) = default;
};
/// The same message in two releases of a program.
struct Older {
  int number = 1;
  std::string text = "one";
};
struct Newer {
  int number = 1;
  std::string text = "one";
  Leaf leaf{42, "default"};
  std::vector<int> list{1, 2, 3};
  std::optional<int> maybe = 9;
};
struct HasOlder {
  Older inner;
  int after = 0;
};
struct HasNewer {
  Newer inner;
  int after = 0;
};

}  // namespace codec_test

GROVE_MESSAGE(codec_test::Leaf, "codec.leaf", number, text)
GROVE_MESSAGE(codec_test::Branch, "codec.branch", first, leaves, maybe, by_name)
GROVE_MESSAGE(codec_test::Numbers, "codec.numbers", yes, i8, i16, i32, i64, u8, u16, u32, u64, f32,
              f64, colour, millis, seconds)
GROVE_MESSAGE(codec_test::Things, "codec.things", text, symbol, pid, ref, bytes, value, reason,
              list, lists, none, some, counts, holes, branch)
GROVE_MESSAGE(codec_test::Empty, "codec.empty")
GROVE_MESSAGE(codec_test::Older, "codec.older", number, text)
GROVE_MESSAGE(codec_test::Newer, "codec.newer", number, text, leaf, list, maybe)
GROVE_MESSAGE(codec_test::HasOlder, "codec.has_older", inner, after)
GROVE_MESSAGE(codec_test::HasNewer, "codec.has_newer", inner, after)

namespace grove::transport {
namespace {

using namespace codec_test;
using testkit::hex;

template <class T>
Buffer packed(const T& value) {
  Buffer out;
  pack(out, [&](Writer& writer) { wire::write(writer, value); });
  return out;
}
template <class T>
std::optional<T> unpacked(const Buffer& body) {
  T value{};
  if (!unpack(body, [&](Reader& reader) { wire::read(reader, value); })) return std::nullopt;
  return value;
}
template <class T>
void expect_round_trip(const T& value) {
  const auto back = unpacked<T>(packed(value));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, value);
}

Pid some_pid() { return {intern_node("codec@host", Life{123456789}), 17, 3}; }
Ref some_ref() { return {intern_node("codec@host", Life{123456789}), 17, 99}; }

Numbers some_numbers() {
  return {true,
          -128,
          -32768,
          std::numeric_limits<std::int32_t>::min(),
          std::numeric_limits<std::int64_t>::min(),
          255,
          65535,
          0xffffffff,
          std::numeric_limits<std::uint64_t>::max(),
          1.5F,
          -0.1,
          Colour::blue,
          std::chrono::milliseconds{-5},
          std::chrono::duration<double>{0.25}};
}
Branch some_branch() {
  return {{1, "first"},
          {{2, ""}, {-3, "third"}},
          Leaf{4, "fourth"},
          {{"a", {{5, "fifth"}}}, {"b", {}}}};
}
Value some_value() {
  return Value::tuple(
      {Value::symbol("error"),
       Value::map({{"k", Value::list({1, 2.5, true, Value{}})}, {7, Value{hex("00 ff")}}}),
       Value{some_pid()}, Value{some_ref()}, Value::tuple({}), Value{std::string(300, 's')}});
}
Things some_things() {
  Things things;
  things.text = std::string("with\0zero", 9);
  things.symbol = {"sym"};
  things.pid = some_pid();
  things.ref = some_ref();
  things.bytes = hex("00 01 ff");
  things.value = some_value();
  things.reason = ExitReason::shutdown(Value{5});
  things.list = {1, -2, 3};
  things.lists = {{}, {"a"}, {"b", ""}};
  things.some = "there";
  things.counts = {{"one", 1}, {"two", 2}};
  things.holes = {1, std::nullopt, 3};
  things.branch = some_branch();
  return things;
}

// -- values ---------------------------------------------------------------------------------

TEST(CodecValue, EveryKindComesBack) {
  const std::vector<Value> values{
      Value{},
      true,
      false,
      0,
      -1,
      127,
      128,
      -33,
      std::numeric_limits<std::int64_t>::max(),
      std::numeric_limits<std::int64_t>::min(),
      0.0,
      1.0,  // stays a real
      -1e300,
      std::numeric_limits<double>::infinity(),
      "",
      "text",
      std::string(70'000, 'x'),
      Value::symbol(""),
      Value::symbol("normal"),
      Value::symbol(std::string(300, 's')),
      Value{Value::Bytes{}},
      Value{Value::Bytes(70'000, std::byte{7})},
      Value{Pid{}},
      Value{some_pid()},
      Value{Ref{}},
      Value{some_ref()},
      Value::list({}),
      Value::list({1, "two", Value::list({3})}),
      Value::tuple({}),
      Value::tuple({Value::symbol("a"), Value::tuple({Value::symbol("b")})}),
      Value::list(Value::Items(70'000, Value{1})),
      Value::map({}),
      Value::map({{1, 2}, {Value::tuple({1}), Value::map({{"in", "ner"}})}}),
      some_value(),
  };
  for (const Value& value : values) {
    const auto back = unpacked<Value>(packed(value));
    ASSERT_TRUE(back) << to_string(value).substr(0, 80);
    EXPECT_EQ(*back, value) << to_string(value).substr(0, 80);
  }
}

TEST(CodecValue, ANotANumberStaysOne) {
  const auto back = unpacked<Value>(packed(Value{std::nan("")}));
  ASSERT_TRUE(back && back->as_real() != nullptr);
  EXPECT_TRUE(std::isnan(*back->as_real()));
}

// Packed as the integer 1 it would not be read as a real, and the session would end.
TEST(CodecValue, AWholeRealStaysAReal) {
  EXPECT_EQ(testkit::text_of(packed(1.0)), "cb 3f f0 00 00 00 00 00 00");
  EXPECT_EQ(testkit::text_of(packed(-2.5F)), "cb c0 04 00 00 00 00 00 00");
  EXPECT_EQ(unpacked<double>(packed(-0.0)), 0.0);
}

TEST(CodecValue, AnExitReasonKeepsItsIdentity) {
  for (const ExitReason& reason :
       {ExitReason::normal(), ExitReason::shutdown(), ExitReason::kill(), ExitReason::killed(),
        ExitReason::noproc(), ExitReason::noconnection(), ExitReason::symbol("boom"),
        ExitReason::shutdown(Value{1}), ExitReason::error("type", "what")}) {
    expect_round_trip(reason);
  }
  EXPECT_TRUE(unpacked<ExitReason>(packed(ExitReason::normal()))->is_normal());
}

// -- fields ---------------------------------------------------------------------------------

TEST(CodecFields, EveryNumberComesBackAtItsLimits) {
  expect_round_trip(some_numbers());
  expect_round_trip(Numbers{});
}

TEST(CodecFields, EveryOtherTypeComesBack) {
  expect_round_trip(some_things());
  expect_round_trip(Things{});
}

TEST(CodecFields, NestedMessagesComeBack) {
  expect_round_trip(some_branch());
  expect_round_trip(Empty{});
}

TEST(CodecFields, ANumberTooLargeForItsFieldIsRefused) {
  EXPECT_EQ(unpacked<std::int8_t>(packed(std::int32_t{-129})), std::nullopt);
  EXPECT_EQ(unpacked<std::int8_t>(packed(std::int32_t{128})), std::nullopt);
  EXPECT_EQ(unpacked<std::uint8_t>(packed(std::uint32_t{256})), std::nullopt);
  EXPECT_EQ(unpacked<std::uint64_t>(packed(std::int32_t{-1})), std::nullopt);
  EXPECT_EQ(unpacked<std::int64_t>(packed(std::numeric_limits<std::uint64_t>::max())),
            std::nullopt);
  EXPECT_EQ(unpacked<Colour>(packed(std::uint32_t{256})), std::nullopt);
}

TEST(CodecFields, NumbersOfAnotherWidthAreReadWhenTheyFit) {
  EXPECT_EQ(unpacked<std::int64_t>(packed(std::uint8_t{200})), 200);
  EXPECT_EQ(unpacked<std::uint8_t>(packed(std::int64_t{200})), 200);
  EXPECT_EQ(unpacked<double>(hex("ca 3f c0 00 00")), 1.5);  // a float of 32 bits
}

// -- two releases of one message ------------------------------------------------------------

TEST(CodecVersions, AppendedFieldsKeepTheirDefaults) {
  const auto read = unpacked<Newer>(packed(Older{5, "five"}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->number, 5);
  EXPECT_EQ(read->text, "five");
  EXPECT_EQ(read->leaf, (Leaf{42, "default"}));
  EXPECT_EQ(read->list, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(read->maybe, 9);
}

TEST(CodecVersions, UnknownTrailingFieldsAreSkipped) {
  const auto read = unpacked<Older>(packed(Newer{5, "five", {1, "x"}, {4, 5}, std::nullopt}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->number, 5);
  EXPECT_EQ(read->text, "five");
}

TEST(CodecVersions, ThisHoldsInsideOtherMessages) {
  HasNewer newer;
  newer.inner.number = 5;
  newer.after = 6;
  const auto older = unpacked<HasOlder>(packed(newer));
  ASSERT_TRUE(older);
  EXPECT_EQ(older->inner.number, 5);
  EXPECT_EQ(older->after, 6);
  const auto back = unpacked<HasNewer>(packed(*older));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->after, 6);
  EXPECT_EQ(back->inner.leaf, (Leaf{42, "default"}));
}

TEST(CodecVersions, AMessageWithoutItsFieldsIsAllDefaults) {
  const auto read = unpacked<Leaf>(hex("90"));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, Leaf{});
}

// -- wrong types ----------------------------------------------------------------------------

struct Primitive {
  std::string name;
  std::function<void(Writer&)> write;
  std::function<void(Reader&)> read;
};
std::vector<Primitive> primitives() {
  return {
      {"nil", [](Writer& w) { w.nil(); }, [](Reader& r) { r.nil(); }},
      {"boolean", [](Writer& w) { w.boolean(true); }, [](Reader& r) { r.boolean(); }},
      {"integer", [](Writer& w) { w.integer(-5); }, [](Reader& r) { r.integer(); }},
      {"natural", [](Writer& w) { w.natural(5); }, [](Reader& r) { r.natural(); }},
      {"real", [](Writer& w) { w.real(1); }, [](Reader& r) { r.real(); }},
      {"string", [](Writer& w) { w.string("s"); }, [](Reader& r) { r.string(); }},
      {"symbol", [](Writer& w) { w.symbol("s"); }, [](Reader& r) { r.symbol(); }},
      {"bytes", [](Writer& w) { w.bytes({}); }, [](Reader& r) { r.bytes(); }},
      {"pid", [](Writer& w) { w.pid(some_pid()); }, [](Reader& r) { r.pid(); }},
      {"ref", [](Writer& w) { w.ref(some_ref()); }, [](Reader& r) { r.ref(); }},
      {"array", [](Writer& w) { w.array(0); }, [](Reader& r) { r.array(); }},
      {"tuple", [](Writer& w) { w.tuple(0); }, [](Reader& r) { r.tuple(); }},
      {"map", [](Writer& w) { w.map(0); }, [](Reader& r) { r.map(); }},
  };
}

TEST(CodecWrongTypes, EachKindIsReadAsItselfOnly) {
  for (const Primitive& written : primitives()) {
    Buffer body;
    pack(body, written.write);
    for (const Primitive& read : primitives()) {
      const bool same = written.name == read.name ||
                        (written.name == "natural" && read.name == "integer") ||
                        (written.name == "tuple" && read.name == "array");  // it is a marked array
      EXPECT_EQ(unpack(body, read.read), same) << written.name << " read as " << read.name;
    }
  }
}

TEST(CodecWrongTypes, TheFirstSurpriseEndsTheReading) {
  Buffer body = packed(std::vector<std::string>{"a", "b"});
  EXPECT_FALSE(unpack(body, [](Reader& in) {
    EXPECT_EQ(in.array(), 2U);
    EXPECT_EQ(in.integer(), 0);
    EXPECT_FALSE(in.ok());
    EXPECT_EQ(in.string(), "");
    EXPECT_EQ(in.array(), 0U);
    EXPECT_EQ(in.map(), 0U);
    EXPECT_EQ(in.tuple(), 0U);
    EXPECT_EQ(in.pid(), Pid{});
    EXPECT_EQ(in.ref(), Ref{});
    EXPECT_TRUE(in.bytes().empty());
    in.skip();
  }));
}

TEST(CodecWrongTypes, ReadingBeyondTheEndFails) {
  EXPECT_FALSE(unpack(hex("01"), [](Reader& in) {
    EXPECT_EQ(in.integer(), 1);
    EXPECT_TRUE(in.ok());
    EXPECT_EQ(in.peek(), Value::Kind::nil);
    in.nil();
  }));
  EXPECT_FALSE(unpack(hex("01"), [](Reader& in) {
    in.skip();
    in.skip();
  }));
}

TEST(CodecWrongTypes, AMessageIsNotAnotherMessage) {
  EXPECT_FALSE(unpacked<Things>(packed(some_numbers())));
  EXPECT_FALSE(unpacked<Numbers>(packed(some_things())));
  EXPECT_FALSE(unpacked<Leaf>(packed(std::string{"leaf"})));
  EXPECT_FALSE(unpacked<Leaf>(packed(std::map<std::string, int>{{"number", 1}})));
}

TEST(CodecWrongTypes, ExtensionsThatAreNotOursOrNotWholeAreRefused) {
  for (const char* text : {
           "d4 05 00",                                             // of a type we do not know
           "d4 ff 00",                                             // of one that MessagePack keeps
           "d4 01 61",                                             // a pid that is no pid
           "c7 00 01",                                             // an empty one
           "d4 02 00",                                             // a ref too short
           "c7 14 02 0000000000000000 00000000 0000000000000000",  // a ref without a node
           "c7 15 02 0000000000000000 00000000 0000000000000000 20",  // of a node that is none
           "d4 04 74",                                                // a tuple's mark on its own
           "92 01 d4 04 74",                                          // and elsewhere than in front
           "c1",                                                      // never used by MessagePack
       }) {
    EXPECT_FALSE(unpacked<Value>(hex(text))) << text;
  }
}

// -- limits ---------------------------------------------------------------------------------

TEST(CodecLimits, NoHeaderMayClaimMoreThanTheBody) {
  for (const char* text : {
           "92 01",              // an array of 2 with 1
           "dc 00 03 01 02",     // 16 bits
           "dd ff ff ff ff 01",  // 32 bits
           "82 01 02 03",        // a map of 2 with 1 and a half
           "de ff ff 01",
           "df ff ff ff ff 01 02",
           "df 80 00 00 00 01 02",
           "a5 61 62",  // a text of 5 with 2
           "d9 ff 61",
           "da ff ff 61",
           "db ff ff ff ff 61",
           "c4 02 01",  // bytes
           "c6 ff ff ff ff 01",
           "c7 05 01 61",  // an extension
           "c9 ff ff ff ff 01 61",
           "d8 01 61",
           "cd 01",
           "ce 01 02 03",
           "cf 01",
           "cb 01",
           "ca",  // numbers cut short
           "",
       }) {
    EXPECT_FALSE(unpacked<Value>(hex(text))) << text;
    EXPECT_FALSE(unpack(hex(text), [](Reader& in) { in.skip(); })) << text;
  }
}

TEST(CodecLimits, NothingMayFollowTheBody) {
  for (const Buffer& whole : {packed(some_value()), packed(some_things()), packed(Value{})}) {
    Buffer longer = whole;
    longer.push_back(std::byte{0xc0});
    EXPECT_FALSE(unpack(longer, [](Reader& in) { in.skip(); }));
  }
}

Buffer nested(std::size_t depth, std::byte opener) {
  Buffer body(depth, opener);
  body.push_back(std::byte{0xc0});
  return body;
}

TEST(CodecLimits, DepthEndsAtItsLimit) {
  EXPECT_TRUE(unpacked<Value>(nested(k_depth_max, std::byte{0x91})));
  EXPECT_FALSE(unpacked<Value>(nested(k_depth_max + 1, std::byte{0x91})));
  EXPECT_FALSE(unpacked<Value>(nested(1'000'000, std::byte{0x91})));
  EXPECT_FALSE(unpacked<Value>(Buffer(1'000'000, std::byte{0x91})));
  EXPECT_FALSE(unpacked<Value>(Buffer(1'000'000, std::byte{0x81})));
}

TEST(CodecLimits, WhatIsSentIsWhatIsRead) {
  Value deep = 1;
  for (std::size_t i = 0; i < k_depth_max; ++i) deep = Value::list({deep});
  expect_round_trip(deep);
}

TEST(CodecLimits, WhatIsDeeperThanTheStackIsRefused) {
  Value deep = 1;
  for (int i = 0; i < 500'000; ++i) deep = Value::list({std::move(deep)});
  Buffer out;
  EXPECT_FALSE(pack(out, [&](Writer& to) { wire::write(to, deep); }));
}

std::size_t address_space_peak_kib() {
  std::ifstream status{"/proc/self/status"};
  for (std::string word; status >> word;) {
    std::size_t kib = 0;
    if (word == "VmPeak:" && status >> kib) return kib;
  }
  return 0;
}

// Each header on its own claims no more than the body has bytes; together they claim 30 times it.
TEST(CodecLimits, HeadersInsideHeadersClaimNoMoreThanTheBodyTogether) {
  const std::size_t size = std::size_t{4} << 20U;
  Buffer body;
  for (std::size_t i = 0; i + 2 < k_depth_max; ++i) {
    const auto claimed = static_cast<std::uint32_t>(size - 1000);
    body.push_back(std::byte{0xdd});
    for (int shift = 24; shift >= 0; shift -= 8) {
      body.push_back(static_cast<std::byte>(claimed >> static_cast<unsigned>(shift)));
    }
  }
  body.resize(size, std::byte{0xc0});
  const std::size_t before = address_space_peak_kib();
  EXPECT_FALSE(unpacked<Value>(body));
  EXPECT_LT(address_space_peak_kib() - before, 500'000U);  // it would be 3 GB
}

// It was 48 bytes for each value, and twice that while the list of them grew.
TEST(CodecLimits, ABodyOfSingleBytesTakesAFewTimesItsSize) {
  const std::size_t size = std::size_t{8} << 20U;
  Buffer body = hex("dd 00 7f ff fb");  // an array of all the rest
  body.resize(size, std::byte{0xc0});
  const std::size_t before = address_space_peak_kib();
  EXPECT_TRUE(unpack(body, [](Reader& in) { in.skip(); }));
  EXPECT_LT(address_space_peak_kib() - before, 300'000U);
}

// -- chance ---------------------------------------------------------------------------------

Buffer mutated(const Buffer& whole, Random& random) {
  Buffer body = whole;
  const auto place = [&] { return static_cast<std::size_t>(random.below(body.size())); };
  for (std::uint64_t rounds = 1 + random.below(3); rounds > 0 && !body.empty(); --rounds) {
    switch (random.below(5)) {
      case 0: body[place()] = static_cast<std::byte>(random.next()); break;
      case 1: body[place()] ^= static_cast<std::byte>(1U << random.below(8)); break;
      case 2: body.resize(place()); break;
      case 3:
        body.insert(body.begin() + static_cast<std::ptrdiff_t>(place()),
                    static_cast<std::byte>(random.next()));
        break;
      default: {  // a piece of it once more, somewhere else
        const std::size_t from = place();
        const Buffer piece(body.begin() + static_cast<std::ptrdiff_t>(from),
                           body.begin() + static_cast<std::ptrdiff_t>(
                                              std::min(body.size(), from + random.below(20))));
        body.insert(body.begin() + static_cast<std::ptrdiff_t>(place()), piece.begin(),
                    piece.end());
      }
    }
  }
  body.shrink_to_fit();
  return body;
}

TEST(CodecChance, NoMutationOfAValidBodyDoesHarm) {
  const std::vector<Buffer> seeds{packed(some_things()),
                                  packed(some_numbers()),
                                  packed(some_value()),
                                  packed(some_branch()),
                                  packed(ExitReason::error("a", "b")),
                                  packed(Newer{})};
  Random random{20'240'229};
  int read = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Buffer body = mutated(seeds[static_cast<std::size_t>(i) % seeds.size()], random);
    switch (i % 6) {
      case 0: read += unpacked<Things>(body) ? 1 : 0; break;
      case 1: read += unpacked<Numbers>(body) ? 1 : 0; break;
      case 3: read += unpacked<Branch>(body) ? 1 : 0; break;
      case 4: read += unpacked<ExitReason>(body) ? 1 : 0; break;
      case 5: read += unpacked<Newer>(body) ? 1 : 0; break;
      default: break;
    }
    if (const auto value = unpacked<Value>(body)) {
      ++read;
      const Buffer again = packed(*value);  // whatever was read can be sent on
      EXPECT_TRUE(unpacked<Value>(again));
    }
  }
  EXPECT_GT(read, 1000);  // many are still something
}

TEST(CodecChance, NoiseIsRefusedOrRead) {
  Random random{7};
  for (int i = 0; i < 20'000; ++i) {
    Buffer body(random.below(40));
    for (std::byte& byte : body) byte = static_cast<std::byte>(random.next());
    const auto value = unpacked<Value>(body);
    if (value) {
      EXPECT_FALSE(to_string(*value).empty());
    }
  }
}

}  // namespace
}  // namespace grove::transport
