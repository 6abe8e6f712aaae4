// SPDX-License-Identifier: Apache-2.0
#include "grove/core/check.hpp"
#include "grove/core/message.hpp"
#include "grove/transport/codec.hpp"

#include "control.hpp"
#include "group_control.hpp"
#include "remote_signals.hpp"
#include "targets.hpp"
#include "transport/wire_messages.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>

namespace grove::fuzz {
namespace {

using namespace transport;

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

}  // namespace

void body(Input bytes) {
  expect_stable<Value>(bytes);
  expect_stable<wire_test::Rich>(bytes);
  (void)unpack(bytes, [](Reader& in) { in.skip(); });
}

void batch(Input bytes) {
  // As a frame is kept: by its owner, until the last message in it is unpacked.
  const Frame frame = Frame::own({bytes.begin(), bytes.end()});
  const auto received =
      std::make_shared<grove::detail::Received>(grove::detail::Received{frame.owner, SessionId{1}});
  const NodeId peer = intern_node("fuzz", Life{1});
  std::size_t offset = 0;
  bool malformed = false;
  for (;;) {
    const std::size_t at = offset;
    const auto record = next_record(frame.bytes, offset, malformed);
    if (!record) break;
    GROVE_CHECK(!malformed && offset > at);
    Buffer again;
    begin_record(again, *record);
    again.insert(again.end(), record->body.begin(), record->body.end());
    finish_record(again, 0);
    GROVE_CHECK(std::ranges::equal(again, frame.bytes.subspan(at, offset - at)));
    if (record->kind == cluster::k_control) {
      control(*record);
      continue;
    }
    const EnvelopePtr signal = cluster::signal_of(
        peer, 1, *record, Message::make<grove::detail::Packed>(received, frame.bytes.data() + at));
    if (signal == nullptr || !cluster::carries_message(signal->kind())) continue;
    const cluster::Unpacked unpacked = cluster::unpack_message(*signal);
    GROVE_CHECK(unpacked.wire_id == record->type);
    if (unpacked.outcome != cluster::Unpacked::Outcome::malformed) {
      GROVE_CHECK(!to_string(signal->message).empty());
    }
  }
  GROVE_CHECK(malformed || offset == frame.bytes.size());
}

}  // namespace grove::fuzz
