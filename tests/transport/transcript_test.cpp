// SPDX-License-Identifier: Apache-2.0
//
// What nodes of each version said, as it was recorded, is understood for ever.
#include "transport/transcript.hpp"

#include "grove/node/inspect.hpp"
#include "grove/node/sys.hpp"
#include "grove/transport/cookie.hpp"

#include "assembly.hpp"
#include "control.hpp"
#include "remote_signals.hpp"
#include "send_queue.hpp"
#include "transport/frame_text.hpp"
#include "transport/recorded.hpp"
#include "transport/wire_behaviours.hpp"
#include "transport/wire_messages.hpp"
#include "transport/wire_page.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

namespace grove::testkit {
namespace {

using namespace transport;

class Transcript : public testing::TestWithParam<std::filesystem::path> {
 protected:
  std::vector<Line> lines = lines_of(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Recorded, Transcript, testing::ValuesIn(all_transcripts()),
                         [](const auto& row) {
                           return row.param.parent_path().filename().string() + "_" +
                                  row.param.stem().string();
                         });

/// Where an item of a spelt list ends that begins at `at`.
std::size_t end_of_item(std::string_view text, std::size_t at) {
  int depth = 0;
  bool quoted = false;  // there is no quote within quotes
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    const bool closes = c == ']' || c == ')' || c == '}' || c == '>';
    if (depth == 0 && (closes || c == ',')) break;
    depth += closes ? -1 : c == '[' || c == '(' || c == '{' || c == '<' ? 1 : 0;
  }
  return at;
}
/// What was appended to a message since has its default in what is older: `now` without such
/// fields.
std::string without_new_fields(std::string now, const std::string& then) {
  for (std::size_t at = 0; at < std::min(now.size(), then.size()); ++at) {
    while (now[at] != then[at] && then[at] == ']' && now.compare(at, 2, ", ") == 0) {
      now.erase(at, end_of_item(now, at + 2) - at);
    }
  }
  return now;
}

TEST(WithoutNewFields, DropsWhateverWasAppendedToAList) {
  const std::string then = "a [1, [\"x, ]\"]] b [2]";
  EXPECT_EQ(without_new_fields(then, then), then);
  EXPECT_EQ(without_new_fields("a [1, [\"x, ]\", nil, 7], (8, [\"]\"])] b [2, bytes <00>]", then),
            then);
  EXPECT_NE(without_new_fields("a [1, [\"x, ]\"]] b [3, 4]", then), then);
}

TEST_P(Transcript, EachFrameMeansWhatItMeant) {
  int frames = 0;
  for (const Line& line : lines) {
    if (line.step.frame.empty()) continue;
    ++frames;
    const std::string meaning = meaning_of(line.step.frame, line.step.tail);
    EXPECT_EQ(without_new_fields(meaning, line.meaning), line.meaning) << "line " << line.number;
  }
  EXPECT_GT(frames, 20);
}

TEST_P(Transcript, EachFrameThatWeWroteIsWrittenTheSameAgain) {
  for (const Line& line : lines) {
    if (line.step.frame.empty() || line.mark != '<') continue;
    EXPECT_EQ(hex_word(encoded_again(line.step.frame)), hex_word(line.step.frame))
        << "line " << line.number;
  }
}

/// Feeds a node what was recorded. A later release may say more in its HELLO and WELCOME, but not
/// less: then the proofs of the played peer, which cover both, are made anew.
class Replay {
 public:
  explicit Replay(const Line& node) : node_{node.step.words} {
    std::istringstream in{node.step.words};
    std::string secret;
    in >> secret >> secret >> secret >> secret >> secret;
    cookie_ = Cookie{secret};
  }
  /// Returns: what the node did.
  std::vector<Step> hear(const Line& event) {
    const auto kind = kind_of(event.step.frame);
    const std::string& words = event.step.words;
    const std::string place = words.substr(words.find(' ') + 1);
    Buffer frame = event.step.frame;
    if (kind == FrameKind::hello) heard_[place] = frame;
    if (kind == FrameKind::welcome) sign(frame, "welcome", said_[place], {});
    if (kind == FrameKind::auth) sign(frame, "auth", {heard_[place], heard_[place]}, said_[place]);
    return steps_of(node_.hear({words, frame, event.step.tail}));
  }
  /// Remembers what the node said, and what it said when it was recorded.
  void expect(const Line& recorded, const Step& done) {
    ASSERT_EQ(done.words, recorded.step.words) << "line " << recorded.number;
    const auto kind = kind_of(recorded.step.frame);
    ASSERT_EQ(kind_of(done.frame), kind) << "line " << recorded.number;
    const std::string place = done.words.substr(done.words.find(' ') + 1);
    const std::size_t unsigned_bytes = kind == FrameKind::welcome ? sizeof(Proof) : 0;
    const Buffer old_part = without_end(recorded.step.frame, unsigned_bytes);
    const Buffer new_part = without_end(done.frame, unsigned_bytes);
    if (kind == FrameKind::hello || kind == FrameKind::welcome) {
      ASSERT_GE(new_part.size(), old_part.size()) << "line " << recorded.number;
      EXPECT_TRUE(std::equal(old_part.begin(), old_part.end(), new_part.begin()))
          << "line " << recorded.number;
      said_[place] = {old_part, new_part};
      grown_ = grown_ || new_part.size() != old_part.size();
    }
    if (!grown_) {
      EXPECT_EQ(hex_word(done.frame), hex_word(recorded.step.frame)) << "line " << recorded.number;
    }
  }

 private:
  using OldAndNew = std::pair<Buffer, Buffer>;

  static Buffer without_end(const Buffer& bytes, std::size_t count) {
    return {bytes.begin(), bytes.end() - static_cast<std::ptrdiff_t>(count)};
  }
  /// A right proof stays right, a wrong one wrong.
  void sign(Buffer& frame, std::string_view role, const OldAndNew& hello,
            const OldAndNew& our_welcome) const {
    const bool is_welcome = role == "welcome";
    const Buffer signed_part = is_welcome ? without_end(frame, sizeof(Proof)) : Buffer{};
    Proof proof;
    std::copy(frame.end() - sizeof proof, frame.end(), proof.begin());
    if (!cookie_.verify(proof, role, hello.first, is_welcome ? signed_part : our_welcome.first)) {
      return;
    }
    proof = cookie_.prove(role, hello.second, is_welcome ? signed_part : our_welcome.second);
    std::copy(proof.begin(), proof.end(), frame.end() - sizeof proof);
  }

  TranscriptNode node_;
  Cookie cookie_;
  std::map<std::string, Buffer> heard_;    // HELLO, by route
  std::map<std::string, OldAndNew> said_;  // our HELLO by link, our WELCOME's signed part by route
  bool grown_ = false;
};

TEST_P(Transcript, ANodeDoesWhatItDidThen) {
  std::optional<Replay> replay;
  std::vector<Step> done;
  std::size_t next = 0;
  int events = 0;
  for (const Line& line : lines) {
    if (line.mark == '<') {
      ASSERT_LT(next, done.size()) << "line " << line.number << " is not done";
      replay->expect(line, done[next++]);
      continue;
    }
    ASSERT_EQ(next, done.size()) << "before line " << line.number << ": " << done[next].words;
    done.clear();
    next = 0;
    if (line.mark == 'n') {
      replay.emplace(line);
    } else {
      ++events;
      done = replay->hear(line);
    }
  }
  EXPECT_EQ(next, done.size());
  EXPECT_GT(events, 10);
}

/// What of a batch a node is given, as it reads that.
class BatchReader {
 public:
  int pieces = 0;
  int tails = 0;
  int large = 0;  // records that were put together

  /// Whether no record of it would end the session.
  bool read(const Step& batch) {
    std::size_t offset = k_session_header_bytes;
    bool malformed = false;
    for (;;) {
      const std::size_t at = offset;
      const auto record = next_record(batch.frame, offset, malformed, batch.tail.size());
      if (!record) return !malformed;
      const bool continued = offset == batch.frame.size() && !batch.tail.empty();
      tails += continued ? 1 : 0;
      const Buffer head{batch.frame.begin() + static_cast<std::ptrdiff_t>(at),
                        batch.frame.begin() + static_cast<std::ptrdiff_t>(offset)};
      const Bytes tail = continued ? Bytes::copy(batch.tail) : Bytes{};
      const bool good = record->kind == cluster::k_fragment ? read_piece(*record, tail)
                                                            : read_record(*record, head, tail);
      if (!good) return false;
    }
  }
  [[nodiscard]] bool is_complete() const { return assembly_.streams() == 0; }

 private:
  bool read_piece(const Record& piece, const Bytes& tail) {
    ++pieces;
    const auto whole = assembly_.add(piece, tail);
    if (!whole || whole->empty()) return whole.has_value();
    ++large;
    std::size_t offset = 0;
    bool malformed = false;
    const auto record = next_record(whole->span(), offset, malformed);
    return record && offset == whole->size() &&
           read_record(*record, {whole->span().begin(), whole->span().end()}, {});
  }
  static bool read_record(const Record& record, const Buffer& bytes, const Bytes& tail) {
    if (record.kind == cluster::k_control) return tail.empty();
    const auto signal =
        cluster::signal_of(intern_node("peer", Life{1}), 1, record,
                           Message::make<grove::detail::PackedBlob>(Bytes::copy(bytes), tail));
    if (signal == nullptr) return false;
    if (!cluster::carries_message(signal->kind())) return tail.empty();
    return cluster::unpack_message(*signal).outcome != cluster::Unpacked::Outcome::malformed;
  }

  cluster::Assembly assembly_{std::size_t{1} << 20U};
};

TEST_P(Transcript, ANodeReadsAllRecords) {
  std::optional<BatchReader> reader;
  for (const Line& line : lines) {
    if (line.mark == 'n') reader.emplace();
    if (kind_of(line.step.frame) != FrameKind::batch) continue;
    EXPECT_TRUE(reader->read(line.step)) << "line " << line.number;
  }
  if (GetParam().stem() != "remote") return;
  EXPECT_TRUE(reader->is_complete());
  EXPECT_GE(reader->pieces, 4);
  EXPECT_EQ(reader->large, 2);
  EXPECT_EQ(reader->tails, 2);
}

/// The frames of a version are what was said then: none is ever recorded anew, or mended.
TEST(Transcripts, StayAsTheyWereRecorded) {
  std::map<std::string, std::uint64_t> found;
  for (const auto& path : all_transcripts()) {
    std::ostringstream text;
    text << std::ifstream{path}.rdbuf();
    found[path.parent_path().filename() / path.filename()] = wire_id_of(text.str());  // FNV-1a
  }
  const std::map<std::string, std::uint64_t> recorded{
      {"v1/control.txt", 0xa0567714c220501d},
      {"v1/refusals.txt", 0xb8fe4abcfcc06ca8},
      {"v1/remote.txt", 0x2926d5033cdb7f6d},
      {"v1/session.txt", 0x7d4737cde4eee91c},
  };
  EXPECT_EQ(found, recorded);
}

TEST(Transcripts, HoldEveryKindOfFrameRecordAndRefusal) {
  const Page page = read_page();
  const auto numbers = [&page](const std::string& heading) {
    std::set<int> found;
    for (const auto& [number, name] : page.numbers(heading)) found.insert(number);
    return found;
  };
  std::set<int> frames;
  std::set<int> records;
  std::set<int> refusals;
  for (const auto& path : all_transcripts()) {
    for (const Line& line : lines_of(path)) {
      const Buffer& frame = line.step.frame;
      const auto kind = kind_of(frame);
      if (!kind) continue;
      frames.insert(static_cast<int>(*kind));
      if (const auto refuse = parse_refuse(frame); refuse && kind == FrameKind::refuse) {
        refusals.insert(static_cast<int>(refuse->reason));
      }
      if (kind != FrameKind::batch) continue;
      std::size_t offset = k_session_header_bytes;
      bool malformed = false;
      while (const auto record = next_record(frame, offset, malformed, line.step.tail.size())) {
        records.insert(record->kind);
      }
    }
  }
  EXPECT_EQ(frames, numbers("Kinds of frames"));
  EXPECT_EQ(records, numbers("Kinds of records"));
  EXPECT_EQ(refusals, numbers("Refusals"));
}

}  // namespace
}  // namespace grove::testkit
