// SPDX-License-Identifier: Apache-2.0
//
// What nodes of each version said, as it was recorded, is understood for ever.
#include "transport/transcript.hpp"

#include "grove/transport/cookie.hpp"

#include "transport/frame_text.hpp"
#include "transport/recorded.hpp"
#include "transport/wire_messages.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

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

/// What was appended to a message since is nil in what is older: `now` without such fields.
std::string without_new_fields(std::string now, const std::string& then) {
  const std::string_view appended = ", nil";
  for (std::size_t at = 0; at < std::min(now.size(), then.size()); ++at) {
    while (now[at] != then[at] && then[at] == ']' &&
           now.compare(at, appended.size(), appended) == 0) {
      now.erase(at, appended.size());
    }
  }
  return now;
}

TEST_P(Transcript, EachFrameMeansWhatItMeant) {
  int frames = 0;
  for (const Line& line : lines) {
    if (line.step.frame.empty()) continue;
    ++frames;
    EXPECT_EQ(without_new_fields(meaning_of(line.step.frame), line.meaning), line.meaning)
        << "line " << line.number;
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
    return steps_of(node_.hear(words, frame));
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

TEST(Transcripts, HoldEveryKindOfFrameRecordAndRefusal) {
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
      while (const auto record = next_record(frame, offset, malformed))
        records.insert(record->kind);
    }
  }
  EXPECT_EQ(frames, (std::set<int>{1, 2, 3, 4, 5, 6, 16, 17}));
  EXPECT_EQ(records, (std::set<int>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 64}));
  EXPECT_EQ(refusals, (std::set<int>{1, 2, 3, 4, 5, 6}));
}

}  // namespace
}  // namespace grove::testkit
