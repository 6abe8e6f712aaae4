// SPDX-License-Identifier: Apache-2.0
//
// Bytes in messages: what is long is not copied, and whoever reads cannot tell.
#include "grove/core/message.hpp"
#include "grove/transport/codec.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace blob_test {

struct Picture {
  std::string title;
  grove::Bytes pixels;
  friend bool operator==(const Picture&, const Picture&) = default;
};
struct Film {
  grove::Bytes reel;
  int length = 0;
  std::vector<Picture> stills;
  friend bool operator==(const Film&, const Film&) = default;
};
struct Scan {  // as Picture, of who does not share
  std::string title;
  std::vector<std::byte> pixels;
};

}  // namespace blob_test

GROVE_MESSAGE(blob_test::Picture, "blob_test.picture", title, pixels)
GROVE_MESSAGE(blob_test::Film, "blob_test.film", reel, length, stills)
GROVE_MESSAGE(blob_test::Scan, "blob_test.scan", title, pixels)

namespace grove::transport {
namespace {

using blob_test::Film;
using blob_test::Picture;
using blob_test::Scan;

Bytes blob(std::size_t size, int salt = 0) {
  Buffer bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 31 + salt);
  return Bytes{std::move(bytes)};
}
Bytes short_one() { return blob(k_shared_bytes_min - 1); }
Bytes long_one(int salt = 0) { return blob(k_shared_bytes_min, salt); }

struct Packed {
  Bytes body;
  Bytes tail;
};
template <class T>
Packed packed(const T& message) {
  Buffer out;
  Bytes tail;
  EXPECT_TRUE(pack(out, tail, [&](Writer& writer) { wire::write(writer, message); }));
  return {Bytes{std::move(out)}, tail};
}
template <class T>
bool read(const Packed& packed, T& message) {
  return unpack(packed.body, packed.tail, [&](Reader& in) { wire::read(in, message); });
}
/// As somebody sends it who knows nothing of tails.
Packed joined(const Packed& packed) {
  Buffer all{packed.body.span().begin(), packed.body.span().end()};
  all.insert(all.end(), packed.tail.span().begin(), packed.tail.span().end());
  return {Bytes{std::move(all)}, {}};
}

TEST(Blob, ALongOneAtTheEndIsSentFromWhereItLies) {
  const Picture picture{"sea", long_one()};
  const Packed out = packed(picture);
  EXPECT_EQ(out.tail.data(), picture.pixels.data());
  EXPECT_LT(out.body.size(), 20U);
  Picture got;
  ASSERT_TRUE(read(out, got));
  EXPECT_EQ(got, picture);
  EXPECT_EQ(got.pixels.data(), picture.pixels.data());
}

TEST(Blob, ItIsTheSameBodyInOnePieceOrTwo) {
  const Picture picture{"sea", long_one()};
  Buffer plain;
  ASSERT_TRUE(pack(plain, [&](Writer& writer) { wire::write(writer, picture); }));
  EXPECT_EQ(joined(packed(picture)).body, Bytes{plain});
  Picture got;
  ASSERT_TRUE(unpack(plain, [&](Reader& in) { wire::read(in, got); }));
  EXPECT_EQ(got, picture);
}

TEST(Blob, ALongOneSharesTheMemoryThatItIsReadFrom) {
  const Packed whole = joined(packed(Picture{"sea", long_one()}));
  Picture got;
  ASSERT_TRUE(read(whole, got));
  EXPECT_GE(got.pixels.data(), whole.body.data());
  EXPECT_LT(got.pixels.data(), whole.body.data() + whole.body.size());
  EXPECT_EQ(got.pixels, long_one());
}

TEST(Blob, AShortOneIsCopied) {
  const Packed out = packed(Picture{"sea", short_one()});
  EXPECT_TRUE(out.tail.empty());
  Picture got;
  ASSERT_TRUE(read(out, got));
  EXPECT_EQ(got.pixels, short_one());
  EXPECT_TRUE(got.pixels.data() < out.body.data() ||
              got.pixels.data() >= out.body.data() + out.body.size());
}

TEST(Blob, LongOnesElsewhereComeWholeToo) {
  const Film film{long_one(1), 90, {{"one", long_one(2)}, {"two", short_one()}, {"", long_one(3)}}};
  const Packed out = packed(film);
  EXPECT_EQ(out.tail, long_one(3));
  Film got;
  ASSERT_TRUE(read(out, got));
  EXPECT_EQ(got, film);
  ASSERT_TRUE(read(joined(out), got));
  EXPECT_EQ(got, film);
}

TEST(Blob, IsAMessageOfItsOwn) {
  const Packed out = packed(long_one());
  EXPECT_EQ(out.body.size(), 5U);
  Bytes got;
  ASSERT_TRUE(read(out, got));
  EXPECT_EQ(got, long_one());
  ASSERT_TRUE(read(packed(Bytes{}), got));
  EXPECT_TRUE(got.empty());
}

TEST(Blob, IsReadAsAVectorToo) {
  Scan scan;
  ASSERT_TRUE(read(packed(Picture{"sea", long_one()}), scan));
  EXPECT_EQ(Bytes{scan.pixels}, long_one());
  Picture picture;
  ASSERT_TRUE(read(packed(scan), picture));
  EXPECT_EQ(picture.pixels, long_one());
}

TEST(Blob, ATailThatIsNotTheContentOfALastBlobIsRefused) {
  const Packed good = packed(Picture{"sea", long_one()});
  Picture got;
  EXPECT_FALSE(read(Packed{good.body, blob(k_shared_bytes_min + 1)}, got));
  EXPECT_FALSE(read(Packed{good.body.slice(0, good.body.size() - 1), good.tail}, got));
  EXPECT_FALSE(read(Packed{good.body.slice(good.body.size() - 4), good.tail}, got));
  EXPECT_FALSE(read(Packed{{}, good.tail}, got));
  EXPECT_FALSE(read(Packed{good.body, {}}, got));
  // Its head is the end of a text, in truth.
  std::string text = "ab\xc6";
  text += std::string{"\0\1\0\0", 4};
  Buffer out;
  ASSERT_TRUE(pack(out, [&](Writer& writer) { writer.string(text); }));
  std::string read_text;
  EXPECT_FALSE(unpack(Bytes{out}, blob(0x10000), [&](Reader& in) { read_text = in.string(); }));
}

// -- a batch in two parts -------------------------------------------------------------------

/// A batch of one short record and one whose body goes on with `tail_bytes` elsewhere.
Buffer batch_with(std::size_t tail_bytes) {
  Buffer batch(k_session_header_bytes);
  for (const std::size_t bytes : {std::size_t{0}, tail_bytes}) {
    const std::size_t at = begin_record(batch, Record{.kind = 1});
    batch.resize(batch.size() + 3);
    finish_record(batch, at, bytes);
  }
  return batch;
}
/// How many records it has; nothing when one is malformed.
std::optional<int> records_in(std::span<const std::byte> batch, std::size_t tail_bytes) {
  std::size_t offset = k_session_header_bytes;
  bool malformed = false;
  int count = 0;
  while (next_record(batch, offset, malformed, tail_bytes)) ++count;
  return malformed ? std::nullopt : std::optional{count};
}

TEST(SecondPart, ContinuesTheLastRecord) {
  EXPECT_EQ(records_in(batch_with(100), 100), 2);
  EXPECT_EQ(records_in(batch_with(0), 0), 2);
}

TEST(SecondPart, OfAnotherLengthIsMalformed) {
  const Buffer batch = batch_with(100);
  for (const std::size_t bytes : {0U, 1U, 99U, 101U, 1000U}) {
    EXPECT_EQ(records_in(batch, bytes), std::nullopt) << bytes;
  }
}

TEST(SecondPart, ThatContinuesNothingIsMalformed) {
  EXPECT_EQ(records_in(batch_with(0), 100), std::nullopt);
  const Buffer empty(k_session_header_bytes);
  EXPECT_EQ(records_in(empty, 100), std::nullopt);
  EXPECT_EQ(records_in(empty, 0), 0);
}

TEST(SecondPart, NoPrefixOfItsBatchIsTaken) {
  const Buffer batch = batch_with(100);
  for (std::size_t size = k_session_header_bytes; size < batch.size(); ++size) {
    EXPECT_EQ(records_in(std::span{batch}.first(size), 100), std::nullopt) << size;
  }
}

TEST(Bytes, SliceSharesAndStaysInside) {
  const Bytes all = blob(10);
  const Bytes part = all.slice(2, 5);
  EXPECT_EQ(part.data(), all.data() + 2);
  EXPECT_EQ(part.size(), 5U);
  EXPECT_EQ(all.slice(8, 5).size(), 2U);
  EXPECT_TRUE(all.slice(11).empty());
  EXPECT_EQ(all.slice(0), all);
  EXPECT_EQ(Bytes::copy(all.span()), all);
  EXPECT_NE(Bytes::copy(all.span()).data(), all.data());
}

}  // namespace
}  // namespace grove::transport
