// SPDX-License-Identifier: Apache-2.0
#include "assembly.hpp"

#include "cluster/flow_frames.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace grove {
namespace {

using cluster::Assembly;
using testkit::bytes_in;
using testkit::text_in;

struct Piece {
  std::uint64_t stream = 1;
  std::uint64_t total = 0;  // of the first one
  std::string_view text;
  bool last = false;
  std::string_view tail = {};
};

std::optional<Bytes> add(Assembly& assembly, const Piece& piece) {
  transport::Record record;
  record.kind = cluster::k_fragment;
  record.flags = piece.last ? cluster::k_flag_last_piece : 0;
  record.serial = piece.stream;
  record.type = piece.total;
  record.body = std::as_bytes(std::span{piece.text});
  return assembly.add(record, bytes_in(piece.tail));
}

TEST(Assembly, GivesARecordWhenItIsWhole) {
  Assembly assembly{100};
  EXPECT_TRUE(add(assembly, {.total = 9, .text = "one"})->empty());
  EXPECT_TRUE(add(assembly, {.text = "t", .tail = "wo"})->empty());
  EXPECT_EQ(assembly.bytes(), 9U);
  const auto whole = add(assembly, {.text = "", .last = true, .tail = "end"});
  ASSERT_TRUE(whole);
  EXPECT_EQ(text_in(whole->span()), "onetwoend");
  EXPECT_EQ(assembly.bytes(), 0U);
  EXPECT_EQ(assembly.streams(), 0U);
}

TEST(Assembly, ARecordMayHaveOnePiece) {
  Assembly assembly{100};
  const auto whole = add(assembly, {.total = 3, .text = "one", .last = true});
  ASSERT_TRUE(whole);
  EXPECT_EQ(text_in(whole->span()), "one");
}

TEST(Assembly, StreamsDoNotMix) {
  Assembly assembly{100};
  EXPECT_TRUE(add(assembly, {.stream = 1, .total = 2, .text = "a"}));
  EXPECT_TRUE(add(assembly, {.stream = 2, .total = 2, .text = "x"}));
  EXPECT_EQ(text_in(add(assembly, {.stream = 1, .text = "b", .last = true})->span()), "ab");
  EXPECT_EQ(text_in(add(assembly, {.stream = 2, .text = "y", .last = true})->span()), "xy");
}

struct Malformed {
  std::string_view name;
  std::vector<Piece> pieces;  // the last one is
};
class MalformedPieces : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedPieces, AreRefused) {
  Assembly assembly{100};
  const auto& pieces = GetParam().pieces;
  for (std::size_t i = 0; i + 1 < pieces.size(); ++i) ASSERT_TRUE(add(assembly, pieces[i]));
  EXPECT_FALSE(add(assembly, pieces.back()));
}

INSTANTIATE_TEST_SUITE_P(
    All, MalformedPieces,
    testing::Values(
        Malformed{"of_no_stream", {{.text = "a"}}},
        Malformed{"begins_twice", {{.total = 9, .text = "a"}, {.total = 9, .text = "a"}}},
        Malformed{"after_the_last",
                  {{.total = 1, .text = "a", .last = true}, {.text = "b", .last = true}}},
        Malformed{"empty", {{.total = 9, .text = ""}}},
        Malformed{"too_much", {{.total = 2, .text = "abc"}}},
        Malformed{"too_much_in_its_tail", {{.total = 2, .text = "a", .tail = "bc"}}},
        Malformed{"ends_too_early", {{.total = 3, .text = "ab", .last = true}}},
        Malformed{"does_not_end", {{.total = 2, .text = "ab"}}},
        Malformed{"longer_than_the_longest", {{.total = 101, .text = "a"}}},
        Malformed{
            "longer_with_the_others",
            {{.stream = 1, .total = 60, .text = "a"}, {.stream = 2, .total = 60, .text = "a"}}}),
    [](const auto& tested) { return std::string{tested.param.name}; });

TEST(Assembly, RefusesMoreStreamsThanAPeerMayHave) {
  Assembly assembly{1000};
  for (std::uint64_t stream = 1; stream <= cluster::k_streams_max; ++stream) {
    ASSERT_TRUE(add(assembly, {.stream = stream, .total = 2, .text = "a"}));
  }
  EXPECT_FALSE(add(assembly, {.stream = 99, .total = 2, .text = "a"}));
}

TEST(Assembly, ForgetsWhatCameInPart) {
  Assembly assembly{100};
  ASSERT_TRUE(add(assembly, {.total = 100, .text = "a"}));
  assembly.clear();
  EXPECT_EQ(assembly.bytes(), 0U);
  EXPECT_FALSE(add(assembly, {.text = "b"}));
  EXPECT_TRUE(add(assembly, {.total = 100, .text = "a"}));
}

}  // namespace
}  // namespace grove
