// SPDX-License-Identifier: Apache-2.0
//
// Two releases of one program: what the newer one appended, at any depth, the older one skips; what
// the older one lacks keeps its default.
#include "grove/core/message.hpp"
#include "grove/transport/codec.hpp"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace versions {

struct OldItem {
  int number = 0;
  friend bool operator==(const OldItem&, const OldItem&) = default;
};
struct NewItem {
  int number = 0;
  std::string unit = "piece";
  std::optional<double> price = 2.5;
  friend bool operator==(const NewItem&, const NewItem&) = default;
};

template <class Item>
struct Order {
  std::string customer;
  Item first;
  std::optional<Item> gift;
  std::vector<Item> items;
  std::map<std::string, std::vector<Item>> later;
  std::vector<std::optional<Item>> holes;
  int after = 0;
  friend bool operator==(const Order&, const Order&) = default;
};
struct OldOrder : Order<OldItem> {};
struct NewOrder : Order<NewItem> {
  grove::Value note = "none";
  std::vector<NewItem> extra{{9, "box", 1.0}};
};

}  // namespace versions

GROVE_MESSAGE(versions::OldItem, "versions.old_item", number)
GROVE_MESSAGE(versions::NewItem, "versions.new_item", number, unit, price)
GROVE_MESSAGE(versions::OldOrder, "versions.old_order", customer, first, gift, items, later, holes,
              after)
GROVE_MESSAGE(versions::NewOrder, "versions.new_order", customer, first, gift, items, later, holes,
              after, note, extra)

namespace grove::transport {
namespace {

using namespace versions;

template <class T>
Buffer packed(const T& value) {
  Buffer out;
  EXPECT_TRUE(pack(out, [&](Writer& writer) { wire::write(writer, value); }));
  return out;
}
template <class T>
T unpacked(const Buffer& body) {
  T value{};
  EXPECT_TRUE(unpack(body, [&](Reader& reader) { wire::read(reader, value); }));
  return value;
}

template <class Order, class Item>
Order order(Item (*item)(int)) {
  Order made;
  made.customer = "alice";
  made.first = item(1);
  made.gift = item(2);
  made.items = {item(3), item(4)};
  made.later = {{"may", {item(5)}}, {"never", {}}};
  made.holes = {std::nullopt, item(6), std::nullopt};
  made.after = 7;
  return made;
}
OldOrder old_order() {
  return order<OldOrder, OldItem>([](int number) { return OldItem{number}; });
}
/// What a newer reader makes of an old order.
NewOrder order_with_defaults() {
  return order<NewOrder, NewItem>([](int number) {
    NewItem item;
    item.number = number;
    return item;
  });
}

TEST(CodecReleases, AnOlderReaderSkipsWhatWasAppendedAtEveryDepth) {
  auto sent = order<NewOrder, NewItem>([](int number) { return NewItem{number, "box", {}}; });
  sent.note = Value::map({{Value::symbol("k"), Value::tuple({Value::list({1, Value{Pid{}}}), 2.5})},
                          {"bytes", Value{Value::Bytes(300)}}});
  EXPECT_EQ(unpacked<OldOrder>(packed(sent)), old_order());
}

TEST(CodecReleases, ANewerReaderKeepsItsDefaultsAtEveryDepth) {
  const auto read = unpacked<NewOrder>(packed(old_order()));
  EXPECT_EQ(read, order_with_defaults());
  EXPECT_EQ(read.note, Value{"none"});
  EXPECT_EQ(read.extra, (std::vector<NewItem>{{9, "box", 1.0}}));
}

TEST(CodecReleases, WhatPassedThroughAnOlderNodeLosesOnlyWhatThatDidNotKnow) {
  auto sent = order<NewOrder, NewItem>([](int number) { return NewItem{number, "box", 0.5}; });
  sent.extra.clear();
  const auto passed_on = unpacked<OldOrder>(packed(sent));
  EXPECT_EQ(unpacked<NewOrder>(packed(passed_on)), order_with_defaults());
}

TEST(CodecReleases, AnAppendedOptionThatWasSentEmptyIsEmpty) {
  EXPECT_EQ(unpacked<NewItem>(packed(NewItem{1, "box", std::nullopt})).price, std::nullopt);
  EXPECT_EQ(unpacked<NewItem>(packed(OldItem{1})).price, 2.5) << "which is not the same as missing";
}

TEST(CodecReleases, AFieldThatChangedItsTypeIsRefused) {
  NewItem item;
  const Buffer text_first = packed(std::vector<std::string>{"1", "piece"});
  EXPECT_FALSE(unpack(text_first, [&](Reader& reader) { wire::read(reader, item); }));
}

}  // namespace
}  // namespace grove::transport
