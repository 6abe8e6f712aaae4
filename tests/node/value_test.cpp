// SPDX-License-Identifier: Apache-2.0
#include "grove/core/value.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <set>
#include <unordered_set>
#include <vector>

namespace grove {
namespace {

std::size_t hash(const Value& value) { return std::hash<Value>{}(value); }

/// One of each kind twice over, all different.
std::vector<Value> values() {
  const Pid pid{NodeId{1}, 2, 3};
  const Ref ref{NodeId{1}, 2, 3};
  return {Value{},
          Value{true},
          Value{false},
          Value{0},
          Value{1},
          Value{std::numeric_limits<std::int64_t>::min()},
          Value{1.0},
          Value{0.5},
          Value{""},
          Value{"a"},
          Value{"1"},
          Value::symbol(""),
          Value::symbol("a"),
          Value{Value::Bytes{}},
          Value{Value::Bytes{std::byte{'a'}}},
          Value{pid},
          Value{Pid{NodeId{1}, 2, 5}},
          Value{ref},
          Value{Ref{NodeId{1}, 2, 4}},
          Value::list({}),
          Value::list({1, 2}),
          Value::list({2, 1}),
          Value::list({Value{}}),
          Value::tuple({}),
          Value::tuple({1, 2}),
          Value::tuple({Value::tuple({1}), 2}),
          Value::map({}),
          Value::map({{1, 2}}),
          Value::map({{2, 1}})};
}

TEST(ValueHash, IsEqualForEqualValuesAndElseDiffers) {
  const std::vector<Value> some = values();
  const std::vector<Value> others = values();
  for (std::size_t i = 0; i < some.size(); ++i) {
    for (std::size_t j = 0; j < others.size(); ++j) {
      EXPECT_EQ(some[i] == others[j], i == j) << to_string(some[i]) << ' ' << to_string(others[j]);
      EXPECT_EQ(hash(some[i]) == hash(others[j]), i == j)
          << to_string(some[i]) << ' ' << to_string(others[j]);
    }
  }
}

TEST(ValueHash, OfBothZerosIsOneAsTheyAreEqual) {
  ASSERT_EQ(Value{0.0}, Value{-0.0});
  EXPECT_EQ(hash(Value{0.0}), hash(Value{-0.0}));
}

// Or who has such a key could not find it again.
TEST(ValueHash, OfAllThatAreNoNumbersIsOneAsTheyAreEqual) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Value{none}, Value{-none});
  EXPECT_EQ(hash(Value{none}), hash(Value{-none}));
  EXPECT_NE(Value{none}, Value{0.0});
  EXPECT_EQ(Value::map({{none, 1}, {2, 3}}), Value::map({{2, 3}, {none, 1}}));
}

TEST(ValueHash, OfMapsIsOfTheirEntriesWhateverTheirOrder) {
  const Value::Entries entries{{1, "one"}, {Value::map({{2, 3}, {4, 5}}), "two"}, {"three", 3}};
  Value::Entries turned{entries.rbegin(), entries.rend()};
  turned[1].first = Value::map({{4, 5}, {2, 3}});
  EXPECT_EQ(Value::map(entries), Value::map(turned));
  EXPECT_EQ(hash(Value::map(entries)), hash(Value::map(turned)));
  turned[1].second = "three";
  EXPECT_NE(Value::map(entries), Value::map(turned));
  EXPECT_NE(Value::map(entries), Value::map({entries[0], entries[1]}));
}

TEST(ValueHash, OfNeighboursDiffersInHighAndLowBits) {
  std::set<std::size_t> high;
  std::set<std::size_t> low;
  for (int i = 0; i < 64; ++i) {
    high.insert(hash(Value{i}) >> 48U);
    low.insert(hash(Value{i}) & 0xFFFFU);
  }
  EXPECT_GE(high.size(), 60U);
  EXPECT_GE(low.size(), 60U);
}

TEST(ValueHash, MakesValuesKeysOfStandardMaps) {
  const std::vector<Value> some = values();
  std::unordered_set<Value> set{some.begin(), some.end()};
  EXPECT_EQ(set.size(), some.size());
  EXPECT_TRUE(set.contains(Value::tuple({Value::tuple({1}), 2})));
  EXPECT_FALSE(set.contains(Value{2.0}));
}

/// Lists, tuples and maps in turn, one in the other.
Value nested(int depth, Value value) {
  for (int i = 0; i < depth; ++i) {
    switch (i % 4) {
      case 0: value = Value::list({std::move(value), i}); break;
      case 1: value = Value::tuple({i, std::move(value)}); break;
      case 2: value = Value::map({{i, std::move(value)}}); break;
      default: value = Value::map({{std::move(value), i}}); break;
    }
  }
  return value;
}

TEST(DeepValue, MayBeDeeperThanTheStack) {
  constexpr int k_depth = 200'000;
  const Value deep = nested(k_depth, "core");
  {
    const Value same = nested(k_depth, "core");
    EXPECT_EQ(deep, same);
    EXPECT_EQ(hash(deep), hash(same));
  }
  const Value other = nested(k_depth, "kernel");
  EXPECT_NE(deep, other);
  EXPECT_NE(hash(deep), hash(Value::list({other})));
}

TEST(DeepValue, EndsWithAllItsBranchesButThoseThatOthersShare) {
  const Value shared = nested(1'000, "shared");
  Value tree = shared;
  for (int i = 0; i < 10; ++i) {
    Value::Items branches{shared};
    for (int j = 0; j < 10; ++j) branches.push_back(nested(200, "branch"));
    branches.push_back(nested(200, std::move(tree)));
    tree = Value::list(std::move(branches));
  }
  tree = Value{};
  EXPECT_EQ(shared, nested(1'000, "shared"));
}

TEST(ValueText, OfADeepValueEndsInDots) {
  Value deep = Value::symbol("core");
  for (int i = 0; i < 2'000; ++i) deep = Value::tuple({deep});
  const std::string text = to_string(deep);
  EXPECT_EQ(text, std::string(101, '{') + "..." + std::string(101, '}'));
  EXPECT_EQ(to_string(Value::list({1, Value::map({{2, "a"}, {3, Value{}}})})),
            R"([1,#{2 => "a",3 => nil}])");
}

}  // namespace
}  // namespace grove
