// SPDX-License-Identifier: Apache-2.0
#include "registry_shards.hpp"

#include "grove/core/random.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace grove::detail {
namespace {

Pid pid(std::uint32_t index) { return {NodeId{1}, index, 1}; }
bool lives(const Pid&) { return true; }
bool is_dead(const Pid&) { return false; }
bool any(const RegistryNode&) { return true; }

std::string entries(const RegistryShards& shards, const Value& key) {
  std::string text;
  shards.visit_key(key, [&](const RegistryNode* node, const Pid& owner, const Value& value) {
    EXPECT_EQ(node->pid, owner);
    EXPECT_EQ(node->value, value);
    text += std::to_string(owner.index) + '=' + to_string(value) + ' ';
  });
  return text;
}
std::string keys(const RegistryShards& shards, const Pid& owner) {
  std::string text;
  shards.visit_owner(owner, [&](const RegistryNode& node) { text += to_string(node.key) + ' '; });
  return text;
}

class Shards : public testing::TestWithParam<unsigned> {
 protected:
  RegistryShards unique_{true, GetParam()};
  RegistryShards duplicate_{false, GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Parts, Shards, testing::Values(0U, 1U, 8U, 100U),
                         testing::PrintToStringParamName());

TEST_P(Shards, GiveAUniqueKeyOnceAndKeepNoTraceOfARefusal) {
  EXPECT_FALSE(unique_.add("k", pid(1), 10, lives));
  EXPECT_EQ(unique_.add("k", pid(2), 20, lives), pid(1));
  EXPECT_EQ(unique_.add("k", pid(1), 11, lives), pid(1));
  EXPECT_EQ(entries(unique_, "k"), "1=10 ");
  EXPECT_EQ(keys(unique_, pid(1)), "\"k\" ");
  EXPECT_EQ(keys(unique_, pid(2)), "");
  EXPECT_EQ(unique_.count(), 1U);
}

TEST_P(Shards, KeepTheOrderOfADuplicateKeyAndOfAnOwner) {
  (void)duplicate_.add("k", pid(1), 1, lives);
  (void)duplicate_.add("k", pid(2), 2, lives);
  (void)duplicate_.add("j", pid(1), 3, lives);
  (void)duplicate_.add("k", pid(1), 4, lives);
  EXPECT_EQ(entries(duplicate_, "k"), "1=1 2=2 1=4 ");
  EXPECT_EQ(keys(duplicate_, pid(1)), R"("k" "j" "k" )");
  EXPECT_EQ(duplicate_.count(), 4U);
}

TEST_P(Shards, RemoveOnlyTheOwnersEntriesThatAreWanted) {
  for (const int value : {1, 2, 3}) (void)duplicate_.add("k", pid(1), value, lives);
  (void)duplicate_.add("k", pid(2), 2, lives);
  const auto is_two = [](const RegistryNode& node) { return node.value == Value{2}; };
  const auto removed = duplicate_.remove("k", pid(1), is_two);
  EXPECT_EQ(removed.size(), 1U);
  EXPECT_FALSE(removed.last);
  EXPECT_EQ(entries(duplicate_, "k"), "1=1 1=3 2=2 ");
  const auto rest = duplicate_.remove("k", pid(1), any);
  EXPECT_EQ(rest.size(), 2U);
  EXPECT_TRUE(rest.last);
  EXPECT_FALSE(duplicate_.remove("k", pid(1), any).last);
  EXPECT_FALSE(duplicate_.remove("nobody's", pid(2), any).last);
  EXPECT_EQ(entries(duplicate_, "k"), "2=2 ");
}

TEST_P(Shards, GiveTheKeyOfTheDeadAwayAndKeepTheNewOwnersWhenTheOldIsCleared) {
  (void)unique_.add("k", pid(1), 1, lives);
  (void)unique_.add("j", pid(1), 2, lives);
  EXPECT_FALSE(unique_.add("k", pid(2), 3, is_dead));
  EXPECT_EQ(unique_.count(), 2U);
  EXPECT_EQ(unique_.remove_all(pid(1)).size(), 2U);
  EXPECT_EQ(entries(unique_, "k"), "2=3 ");
  EXPECT_EQ(entries(unique_, "j"), "");
  EXPECT_EQ(unique_.count(), 1U);
}

TEST_P(Shards, ClearTheDeadEvenWhenWhoTookItsKeyHasGoneToo) {
  (void)unique_.add("k", pid(1), 1, lives);
  (void)unique_.add("k", pid(2), 2, is_dead);
  EXPECT_TRUE(unique_.remove("k", pid(2), any).last);
  EXPECT_EQ(unique_.remove_all(pid(1)).size(), 1U);
  EXPECT_EQ(unique_.remove_all(pid(1)).size(), 0U);
  EXPECT_EQ(unique_.count(), 0U);
}

TEST_P(Shards, SetAValueForTheOwnerAlone) {
  (void)unique_.add("k", pid(1), 1, lives);
  EXPECT_FALSE(unique_.set("k", pid(2), 2));
  EXPECT_FALSE(unique_.set("j", pid(1), 2));
  EXPECT_TRUE(unique_.set("k", pid(1), 2));
  EXPECT_EQ(entries(unique_, "k"), "1=2 ");
}

TEST_P(Shards, TellKeysOfEqualTextButOtherKindsApart) {
  const std::vector<Value> different{
      1, 1.0, "1", Value::symbol("1"), Value::list({1}), Value::tuple({1})};
  for (const Value& key : different) {
    EXPECT_FALSE(unique_.add(Value{key}, pid(1), Value{key}, lives));
  }
  for (const Value& key : different) EXPECT_EQ(entries(unique_, key), "1=" + to_string(key) + ' ');
}

/// The same as a list of rows.
class Model {
 public:
  struct Row {
    int key;
    Pid owner;
    Value value;
  };
  explicit Model(bool unique) : unique_{unique} {}
  bool add(int key, const Pid& owner, const Value& value) {
    for (const Row& row : rows_) {
      if (unique_ && row.key == key) return false;
    }
    rows_.push_back({key, owner, value});
    return true;
  }
  std::size_t remove(int key, const Pid& owner) {
    return std::erase_if(rows_,
                         [&](const Row& row) { return row.key == key && row.owner == owner; });
  }
  std::size_t remove_all(const Pid& owner) {
    return std::erase_if(rows_, [&](const Row& row) { return row.owner == owner; });
  }
  [[nodiscard]] std::string entries(int key) const {
    std::string text;
    for (const Row& row : rows_) {
      if (row.key != key) continue;
      text += std::to_string(row.owner.index) + '=' + to_string(row.value) + ' ';
    }
    return text;
  }
  [[nodiscard]] std::string keys(const Pid& owner) const {
    std::string text;
    for (const Row& row : rows_) text += row.owner == owner ? std::to_string(row.key) + ' ' : "";
    return text;
  }
  [[nodiscard]] std::size_t size() const { return rows_.size(); }

 private:
  bool unique_;
  std::vector<Row> rows_;
};

void compare_with_a_list(RegistryShards& shards, bool unique, std::uint64_t seed) {
  Model model{unique};
  Random random{seed};
  for (int step = 0; step < 4000; ++step) {
    const int key = static_cast<int>(random.below(40));
    const Pid owner = pid(1 + static_cast<std::uint32_t>(random.below(9)));
    switch (random.below(8)) {
      case 0: ASSERT_EQ(shards.remove_all(owner).size(), model.remove_all(owner)); break;
      case 1:
      case 2: {
        const auto removed = shards.remove(key, owner, any);
        ASSERT_EQ(removed.size(), model.remove(key, owner));
        ASSERT_EQ(removed.last, removed.size() > 0 && model.keys(owner).empty());
        break;
      }
      default: {  // nil is kept in another way
        const Value value = step % 3 == 0 ? Value{} : Value{step};
        ASSERT_EQ(!shards.add(Value{key}, owner, Value{value}, lives),
                  model.add(key, owner, value));
      }
    }
    ASSERT_EQ(entries(shards, key), model.entries(key)) << "step " << step;
    ASSERT_EQ(keys(shards, owner), model.keys(owner)) << "step " << step;
    ASSERT_EQ(shards.count(), model.size());
  }
}

TEST_P(Shards, DoAsAListOfRowsDoes) {
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    RegistryShards unique{true, GetParam()};
    compare_with_a_list(unique, true, seed);
    RegistryShards duplicate{false, GetParam()};
    compare_with_a_list(duplicate, false, seed);
  }
}

TEST(RegistryIndex, HoldsManyKeys) {
  RegistryShards shards{true, 4};
  for (int i = 0; i < 20000; ++i) ASSERT_FALSE(shards.add(i, pid(1), i, lives));
  for (int i = 0; i < 20000; i += 3) ASSERT_EQ(shards.remove(i, pid(1), any).size(), 1U);
  for (int i = 0; i < 20000; ++i) ASSERT_EQ(entries(shards, i).empty(), i % 3 == 0) << i;
}

/// Even ones are numbers, odd ones texts: an index keeps them in two ways.
Value key_of(std::uint32_t index) {
  const auto number = static_cast<std::int64_t>(index);
  return index % 2 == 0 ? Value{number}
                        : Value{"a key too long for its place: " + std::to_string(index)};
}

TEST(RegistryIndex, ReadersSeeWhatStaysAndNothingTornWhileKeysComeAndGo) {
  constexpr std::uint32_t k_stay = 340;  // so that many are not in their first place
  constexpr std::uint32_t k_keys = 660;
  RegistryShards shards{true, 2};
  const auto add = [&](std::uint32_t index, Value value) {
    ASSERT_FALSE(shards.add(key_of(index), pid(index), std::move(value), lives));
  };
  for (std::uint32_t index = 1; index <= k_stay; ++index) add(index, {});
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop.load()) {
        for (std::uint32_t index = 1; index <= k_keys; ++index) {
          const Value key = key_of(index);
          const Pid holder = shards.holder(key);
          if (holder != pid(index) && (holder || index <= k_stay)) ++wrong;
          shards.visit_key(key, [&](const RegistryNode*, const Pid& owner, const Value& value) {
            if (owner != pid(index) || (value != Value{} && value != key)) ++wrong;
          });
        }
      }
    });
  }
  for (int round = 0; round < 300; ++round) {
    for (std::uint32_t index = k_stay + 1; index <= k_keys; ++index) {
      add(index, round % 3 == 0 ? key_of(index) : Value{});
      const bool set = round % 3 != 1 || shards.set(key_of(index), pid(index), key_of(index));
      ASSERT_TRUE(set);
    }
    for (std::uint32_t index = k_stay + 1; index <= k_keys; ++index) {
      ASSERT_EQ(index % 5 == 0 ? shards.remove(key_of(index), pid(index), any).size()
                               : shards.remove_all(pid(index)).size(),
                1U);
    }
  }
  stop.store(true);
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0U);
  EXPECT_EQ(shards.count(), k_stay);
}

}  // namespace
}  // namespace grove::detail
