// SPDX-License-Identifier: Apache-2.0
#include "grove/core/check.hpp"
#include "grove/core/message.hpp"
#include "grove/transport/codec.hpp"

#include "assembly.hpp"
#include "control.hpp"
#include "group_control.hpp"
#include "remote_signals.hpp"
#include "send_queue.hpp"
#include "targets.hpp"
#include "transport/wire_messages.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace grove::fuzz {
namespace {

using namespace transport;

constexpr std::size_t k_second_part_size_bytes = 2;
constexpr std::size_t k_assembled_bytes_max = std::size_t{1} << 20U;

template <class T>
std::optional<Buffer> read_and_packed(Input body) {
  T value{};
  if (!unpack(body, [&](Reader& in) { wire::read(in, value); })) return std::nullopt;
  Buffer packed;
  GROVE_CHECK(pack(packed, [&](Writer& out) { wire::write(out, value); }));
  return packed;
}
/// What was read can be sent on, and is read as the same.
template <class T>
void expect_stable(Input body) {
  const auto once = read_and_packed<T>(body);
  if (once) GROVE_CHECK(read_and_packed<T>(*once) == once);
}

/// Reads a control message as a node does: one of an unknown type is skipped.
void control(const Record& record) {
  const MessageType* type = find_message_type(record.type);
  if (type == nullptr) return;
  Message message = Message::make_default(*type);
  (void)unpack(record.body, [&](Reader& in) { type->read(in, message.object()); });
  GROVE_CHECK(!to_string(message).empty());
}

/// Reads a signal as a node does.
void signal(NodeId peer, const Record& record, Message packed) {
  const EnvelopePtr signal = cluster::signal_of(peer, 1, record, std::move(packed));
  if (signal == nullptr || !cluster::carries_message(signal->kind())) return;
  const cluster::Unpacked unpacked = cluster::unpack_message(*signal);
  GROVE_CHECK(unpacked.wire_id == record.type && unpacked.session == 1);
  if (unpacked.outcome != cluster::Unpacked::Outcome::malformed) {
    GROVE_CHECK(!to_string(signal->message).empty());
  }
}

/// Adds a piece of a large record; reads that record when it was the last piece.
void piece(NodeId peer, cluster::Assembly& assembly, const Record& record, const Bytes& tail) {
  const auto whole = assembly.add(record, tail);
  GROVE_CHECK(assembly.bytes() <= k_assembled_bytes_max);
  if (!whole || whole->empty()) return;
  std::size_t offset = 0;
  bool malformed = false;
  const auto large = next_record(whole->span(), offset, malformed);
  if (!large || offset != whole->size() || large->kind == cluster::k_fragment) return;
  if (large->kind == cluster::k_control) return control(*large);
  signal(peer, *large, Message::make<grove::detail::PackedBlob>(*whole, Bytes{}, SessionId{1}));
}

}  // namespace

void body(Input bytes) {
  expect_stable<Value>(bytes);
  expect_stable<wire_test::Rich>(bytes);
  (void)unpack(bytes, [](Reader& in) { in.skip(); });
}

void batch(Input bytes) {
  if (bytes.size() < k_second_part_size_bytes) return;
  const std::size_t second_part = std::min(
      std::to_integer<std::size_t>(bytes[0]) | std::to_integer<std::size_t>(bytes[1]) << 8U,
      bytes.size() - k_second_part_size_bytes);
  const Input rest = bytes.subspan(k_second_part_size_bytes);
  const Input head = rest.first(rest.size() - second_part);
  const Bytes tail = Bytes::copy(rest.last(second_part));
  // As a frame is kept: by its owner, until the last message in it is unpacked.
  const Frame frame = Frame::own({head.begin(), head.end()});
  const auto received =
      std::make_shared<grove::detail::Received>(grove::detail::Received{frame.owner, 1});
  const NodeId peer = intern_node("fuzz", Life{1});
  cluster::Assembly assembly{k_assembled_bytes_max};
  std::size_t offset = 0;
  bool malformed = false;
  for (;;) {
    const std::size_t at = offset;
    const auto record = next_record(frame.bytes, offset, malformed, tail.size());
    if (!record) break;
    GROVE_CHECK(!malformed && offset > at);
    const bool continued = offset == frame.bytes.size() && !tail.empty();
    Buffer again;
    begin_record(again, *record);
    again.insert(again.end(), record->body.begin(), record->body.end());
    finish_record(again, 0, continued ? tail.size() : 0);
    GROVE_CHECK(std::ranges::equal(again, frame.bytes.subspan(at, offset - at)));
    if (record->kind == cluster::k_fragment) {
      piece(peer, assembly, *record, continued ? tail : Bytes{});
    } else if (continued) {
      const Bytes begin{frame.owner, frame.bytes.subspan(at)};
      signal(peer, *record, Message::make<grove::detail::PackedBlob>(begin, tail, SessionId{1}));
    } else if (record->kind == cluster::k_control) {
      control(*record);
    } else {
      signal(peer, *record,
             Message::make<grove::detail::Packed>(received, frame.bytes.data() + at));
    }
  }
  GROVE_CHECK(malformed || offset == frame.bytes.size());
}

}  // namespace grove::fuzz
