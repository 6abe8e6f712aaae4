// SPDX-License-Identifier: Apache-2.0
//
// Every recorded frame, cut at every length and spoilt in every byte, at the moment it came.
#include "grove/transport/codec.hpp"
#include "grove/transport/frame.hpp"

#include "remote_signals.hpp"
#include "send_queue.hpp"
#include "transport/recorded.hpp"
#include "transport/wire_behaviours.hpp"
#include "transport/wire_messages.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace grove::testkit {
namespace {

using namespace transport;

/// What damage did to a frame, in memory of just its size.
struct Damaged {
  Buffer bytes;
  std::size_t at;  // the first byte that is not as it was
};
void for_each_damage(const Buffer& whole, const std::function<void(const Damaged&)>& use) {
  for (std::size_t at = 0; at < whole.size(); ++at) {
    use({{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(at)}, at});
    for (const std::byte flip : {std::byte{0x01}, std::byte{0x80}, std::byte{0xff}}) {
      Buffer spoilt = whole;
      spoilt[at] ^= flip;
      use({std::move(spoilt), at});
    }
  }
}

/// Reads all records as a node does. Returns: false when one is malformed.
bool read_records(const Buffer& bytes, const Buffer& tail) {
  const Frame frame = Frame::own(bytes);
  const auto received =
      std::make_shared<grove::detail::Received>(grove::detail::Received{frame.owner, 1});
  std::size_t offset = k_session_header_bytes;
  bool malformed = false;
  for (;;) {
    const std::size_t at = offset;
    const auto record = next_record(frame.bytes, offset, malformed, tail.size());
    if (!record) return !malformed;
    const bool continued = offset == frame.bytes.size() && !tail.empty();
    const auto signal = cluster::signal_of(
        intern_node("peer", Life{1}), 1, *record,
        continued ? Message::make<grove::detail::PackedBlob>(
                        Bytes{frame.owner, frame.bytes.subspan(at)}, Bytes::copy(tail))
                  : Message::make<grove::detail::Packed>(received, frame.bytes.data() + at));
    if (signal == nullptr || !cluster::carries_message(signal->kind())) continue;
    EXPECT_EQ(cluster::unpack_message(*signal).wire_id, record->type);
  }
}

/// Kinds of the frames that the node answered or sent, and what else it did that strangers must
/// not bring about.
struct Done {
  bool sent_auth = false;
  bool sent_accept = false;
  bool dialled = false;
  bool up = false;
  bool delivered = false;
};
Done done(const Sessions::Actions& actions) {
  Done done;
  for (const auto& answer : only<Sessions::Answer>(actions)) {
    done.sent_accept = done.sent_accept || kind_of(answer.frame) == FrameKind::accept;
  }
  for (const auto& send : only<Sessions::Send>(actions)) {
    done.sent_auth = done.sent_auth || kind_of(send.frame) == FrameKind::auth;
  }
  done.dialled = !only<Sessions::Dial>(actions).empty();
  done.up = !only<Sessions::Up>(actions).empty();
  done.delivered = !only<Sessions::Deliver>(actions).empty();
  return done;
}

/// The AUTH that followed a HELLO; null without one.
const Line* auth_after(const std::vector<Line>& lines, std::size_t hello) {
  for (std::size_t i = hello + 1; i < lines.size() && lines[i].mark != 'n'; ++i) {
    if (lines[i].mark == '>' && lines[i].step.words == lines[hello].step.words) {
      return kind_of(lines[i].step.frame) == FrameKind::auth ? &lines[i] : nullptr;
    }
  }
  return nullptr;
}

void damage(const TranscriptNode& before, const std::vector<Line>& lines, std::size_t event) {
  const Step& step = lines[event].step;
  const auto kind = kind_of(step.frame);
  const bool is_session = kind == FrameKind::heartbeat || kind == FrameKind::batch;
  const Line* auth = kind == FrameKind::hello ? auth_after(lines, event) : nullptr;
  for_each_damage(step.frame, [&](const Damaged& damaged) {
    TranscriptNode node = before;
    const Done did = done(node.hear({step.words, damaged.bytes, step.tail}));
    const auto where = [&] {
      return "line " + std::to_string(lines[event].number) + ", byte " + std::to_string(damaged.at);
    };
    EXPECT_FALSE(did.sent_auth || did.sent_accept || did.dialled || did.up) << where();
    if (auth != nullptr) {  // its proof was for the HELLO that was sent
      const Done then = done(node.hear(auth->step));
      EXPECT_FALSE(then.sent_accept || then.dialled || then.up) << where();
    }
    const bool unread = damaged.at >= 4 && damaged.at < 8 && damaged.bytes.size() > damaged.at;
    if (is_session && damaged.at < k_session_header_bytes && !unread) {
      EXPECT_FALSE(did.delivered) << where();
    }
    if (did.delivered) (void)read_records(damaged.bytes, step.tail);
  });
}

class Damage : public testing::TestWithParam<std::filesystem::path> {};
INSTANTIATE_TEST_SUITE_P(Recorded, Damage, testing::ValuesIn(all_transcripts()),
                         [](const auto& row) { return row.param.stem().string(); });

TEST_P(Damage, OfAHandshakeLetsNobodyInAndOfABatchIsRefused) {
  const std::vector<Line> lines = lines_of(GetParam());
  std::optional<TranscriptNode> node;
  int damaged = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].mark == 'n') node.emplace(lines[i].step.words);
    if (lines[i].mark != '>') continue;
    if (!lines[i].step.frame.empty()) {
      damage(*node, lines, i);
      ++damaged;
    }
    (void)node->hear(lines[i].step);
  }
  EXPECT_GT(damaged, 10);
}

TEST_P(Damage, ACutBatchIsMalformedUnlessItEndsBetweenRecords) {
  for (const Line& line : lines_of(GetParam())) {
    const Buffer& whole = line.step.frame;
    const Buffer& tail = line.step.tail;
    if (kind_of(whole) != FrameKind::batch) continue;
    std::set<std::size_t> ends{k_session_header_bytes};
    std::size_t offset = k_session_header_bytes;
    bool malformed = false;
    while (next_record(whole, offset, malformed, tail.size())) ends.insert(offset);
    if (!tail.empty()) ends = {whole.size()};  // it continues the last record, and no other
    for (std::size_t size = k_session_header_bytes; size <= whole.size(); ++size) {
      const Buffer cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_EQ(read_records(cut, tail), ends.contains(size))
          << "line " << line.number << ' ' << size;
    }
  }
}

TEST_P(Damage, ACutBodyIsRefused) {
  int bodies = 0;
  for (const Line& line : lines_of(GetParam())) {
    if (kind_of(line.step.frame) != FrameKind::batch) continue;
    std::size_t offset = k_session_header_bytes;
    bool malformed = false;
    const std::size_t tail_bytes = line.step.tail.size();
    while (const auto record = next_record(line.step.frame, offset, malformed, tail_bytes)) {
      if (record->kind == cluster::k_fragment) continue;  // no body, but a piece of one
      for (std::size_t size = 0; size < record->body.size(); ++size) {
        const Buffer cut(record->body.begin(),
                         record->body.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_FALSE(unpack(cut, [](Reader& in) { in.skip(); })) << "line " << line.number;
      }
      bodies += record->body.empty() ? 0 : 1;
    }
  }
  EXPECT_TRUE(bodies >= 20 || GetParam().stem() == "refusals");
}

}  // namespace
}  // namespace grove::testkit
