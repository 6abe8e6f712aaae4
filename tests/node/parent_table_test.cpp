// SPDX-License-Identifier: Apache-2.0
#include "parent_table.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace grove {
namespace {

const NodeId k_node = intern_node("table", Life{1});
Pid pid_of(std::uint32_t index) { return {k_node, index, 1}; }

TEST(ParentTable, FindsAChildByItsIdAndByItsPid) {
  detail::ParentTable table;
  const std::vector<Value> ids{"text",
                               Value::symbol("text"),
                               1,
                               1.0,
                               Value{},
                               Ref{k_node, 2, 3},
                               Value::tuple({"queue", 7})};
  std::uint32_t index = 0;
  for (const Value& id : ids) EXPECT_TRUE(table.add({id, pid_of(++index)})) << to_string(id);
  index = 0;
  for (const Value& id : ids) {
    const Pid pid = pid_of(++index);
    ASSERT_NE(table.find(id), nullptr) << to_string(id);
    EXPECT_EQ(table.find(id)->pid, pid);
    EXPECT_EQ(table.find(pid)->id, id);
  }
  EXPECT_EQ(table.find(Value{"other"}), nullptr);
  EXPECT_EQ(table.find(pid_of(99)), nullptr);
}

TEST(ParentTable, RefusesAnIdOrAPidThatItHas) {
  detail::ParentTable table;
  EXPECT_TRUE(table.add({"a", pid_of(1)}));
  EXPECT_FALSE(table.add({"a", pid_of(2)}));
  EXPECT_FALSE(table.add({"b", pid_of(1)}));
  EXPECT_EQ(table.children().size(), 1U);
  EXPECT_EQ(table.find(Value{"b"}), nullptr);
  EXPECT_EQ(table.find(pid_of(2)), nullptr);
}

TEST(ParentTable, KeepsTheOrderOfTheStarts) {
  detail::ParentTable table;
  for (int id = 1; id <= 4; ++id) table.add({id, pid_of(static_cast<std::uint32_t>(id))});
  EXPECT_EQ(table.take(pid_of(2))->id, Value{2});
  EXPECT_EQ(table.take(pid_of(2)), std::nullopt);
  EXPECT_TRUE(table.add({2, pid_of(5)}));  // the id is free again, and its child the last
  std::string order;
  for (const auto& child : table.children()) order += to_string(child.id);
  EXPECT_EQ(order, "1342");
}

}  // namespace
}  // namespace grove
