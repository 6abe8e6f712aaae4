// SPDX-License-Identifier: Apache-2.0
//
// What the tests of SendQueue and Assembly put in and take out: records whose body is a text.
#pragma once

#include "grove/transport/frame.hpp"

#include "assembly.hpp"
#include "send_queue.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace grove::testkit {

using cluster::Assembly;
using cluster::SendQueue;

constexpr std::size_t k_mib = std::size_t{1} << 20U;

[[nodiscard]] inline std::string text_in(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline Bytes bytes_in(std::string_view text) {
  return Bytes::copy(std::as_bytes(std::span{text}));
}

/// Appends a record. Returns: false when it is too large.
inline bool push(SendQueue& queue, std::uint64_t sender, std::string_view text,
                 const Bytes& tail = {}) {
  transport::Record record;
  record.kind = 1;
  record.from = sender;
  transport::Buffer& buffer = queue.buffer_for(sender);
  const std::size_t at = transport::begin_record(buffer, record);
  const auto body = std::as_bytes(std::span{text});
  buffer.insert(buffer.end(), body.begin(), body.end());
  return queue.finish(at, tail);
}

/// The far end of a queue: `got` are the records as their receivers see them, in order.
class FarEnd {
 public:
  struct Got {
    std::uint64_t from = 0;
    std::string text;
    bool operator==(const Got&) const = default;
  };
  explicit FarEnd(std::size_t bytes_max = 256 * k_mib) : assembly{bytes_max} {}

  void take(const SendQueue::Frame& frame) {
    std::size_t offset = transport::k_session_header_bytes;
    bool malformed = false;
    while (const auto record =
               transport::next_record(frame.head, offset, malformed, frame.tail.size())) {
      const Bytes tail = offset == frame.head.size() ? frame.tail : Bytes{};
      if (record->kind != cluster::k_fragment) {
        got.push_back({record->from, text_in(record->body) + text_in(tail.span())});
        continue;
      }
      ++pieces;
      const auto whole = assembly.add(*record, tail);
      ASSERT_TRUE(whole) << "malformed piece";
      if (whole->empty()) continue;
      std::size_t at = 0;
      const auto large = transport::next_record(whole->span(), at, malformed);
      ASSERT_TRUE(large);
      EXPECT_EQ(at, whole->size());
      got.push_back({large->from, text_in(large->body)});
    }
    EXPECT_FALSE(malformed);
  }
  /// Takes all frames that the queue gives, and acknowledges each at once.
  void drain(SendQueue& queue) {
    while (const auto frame = queue.next()) {
      take(*frame);
      EXPECT_TRUE(queue.acknowledge(frame->sequence));
    }
  }
  Assembly assembly;
  std::vector<Got> got;
  int pieces = 0;
};

}  // namespace grove::testkit
