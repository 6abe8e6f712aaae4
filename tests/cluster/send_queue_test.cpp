// SPDX-License-Identifier: Apache-2.0
#include "send_queue.hpp"

#include "grove/core/random.hpp"

#include "cluster/flow_frames.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using cluster::k_piece_bytes;
using cluster::k_streams_max;
using cluster::k_whole_bytes_max;
using cluster::k_window_bytes;
using cluster::SendQueue;
using testkit::bytes_in;
using testkit::FarEnd;
using testkit::k_mib;
using testkit::push;

constexpr std::size_t k_budget = 64 * k_mib;
constexpr std::size_t k_longest = 256 * k_mib;

std::string text_of(char letter, std::size_t size) { return std::string(size, letter); }
std::string summary(const FarEnd& end) {  // the first letter of each, in order
  std::string letters;
  for (const auto& got : end.got) letters += got.text.front();
  return letters;
}

TEST(SendQueue, SmallRecordsShareAFrame) {
  SendQueue queue{k_budget, k_longest};
  FarEnd end;
  push(queue, 1, "a");
  push(queue, 2, "b");
  const auto frame = queue.next();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->sequence, 1U);
  end.take(*frame);
  EXPECT_EQ(summary(end), "ab");
  EXPECT_FALSE(queue.next());
}

TEST(SendQueue, AFullBatchIsAFrame) {
  SendQueue queue{k_budget, k_longest};
  for (int i = 0; i < 3; ++i) push(queue, 1, text_of('a', 40'000));
  ASSERT_TRUE(queue.next());
  ASSERT_TRUE(queue.next());
  EXPECT_FALSE(queue.next());
}

TEST(SendQueue, ASmallRecordOvertakesALargeOne) {
  SendQueue queue{k_budget, k_longest};
  FarEnd end;
  push(queue, 1, text_of('L', 3 * k_mib));
  push(queue, 2, "a");
  end.take(*queue.next());
  EXPECT_EQ(summary(end), "a");
  end.take(*queue.next());
  EXPECT_EQ(end.pieces, 1);
  push(queue, 3, "b");
  end.drain(queue);
  EXPECT_EQ(summary(end), "abL");
  EXPECT_EQ(end.got.back().text, text_of('L', 3 * k_mib));
}

TEST(SendQueue, WhatASenderSaysLaterWaitsForItsLargeRecord) {
  SendQueue queue{k_budget, k_longest};
  FarEnd end;
  push(queue, 1, text_of('L', 2 * k_mib));
  push(queue, 1, "a");
  push(queue, 1, text_of('M', 2 * k_mib));
  push(queue, 1, "b");
  push(queue, 2, "o");
  end.drain(queue);
  EXPECT_EQ(summary(end), "oLaMb");
}

TEST(SendQueue, ALargeRecordOvertakesNothingOfItsSender) {
  SendQueue queue{k_budget, k_longest};
  FarEnd end;
  for (int i = 0; i < 50; ++i) push(queue, 2, text_of('o', 60'000));
  push(queue, 1, "a");
  push(queue, 1, text_of('L', 2 * k_mib));
  end.drain(queue);
  const std::string letters = summary(end);
  EXPECT_LT(letters.find('a'), letters.find('L'));
}

TEST(SendQueue, LargeRecordsTakeTurns) {
  SendQueue queue{k_budget, k_longest};
  FarEnd end;
  push(queue, 1, text_of('L', 4 * k_mib));
  push(queue, 2, text_of('M', 2 * k_mib));
  push(queue, 3, text_of('N', 2 * k_mib));
  end.drain(queue);
  EXPECT_EQ(summary(end), "MNL");
}

TEST(SendQueue, BatchesAndPiecesShareTheWay) {
  SendQueue queue{k_budget, k_longest};
  FarEnd end;
  push(queue, 1, text_of('L', 2 * k_mib));
  for (int i = 0; i < 200; ++i) push(queue, 2, text_of('o', 60'000));
  end.drain(queue);
  const std::size_t at = summary(end).find('L');
  EXPECT_GT(at, 10U);   // small ones went first,
  EXPECT_LT(at, 100U);  // and it waited for few more bytes than it has
}

TEST(SendQueue, OnlySoManyLargeRecordsAreUnderWayAtOnce) {
  SendQueue queue{k_budget, k_longest};
  FarEnd end;
  for (std::uint64_t sender = 1; sender <= 2 * k_streams_max; ++sender) {
    push(queue, sender, text_of('L', 2 * k_mib));
  }
  std::size_t most = 0;
  while (const auto frame = queue.next()) {
    end.take(*frame);
    most = std::max(most, end.assembly.streams());
    ASSERT_TRUE(queue.acknowledge(frame->sequence));
  }
  EXPECT_EQ(most, k_streams_max);
  EXPECT_EQ(end.got.size(), 2 * k_streams_max);
}

TEST(SendQueue, LargeRecordsUnderWayAreTogetherNoLongerThanTheLongest) {
  SendQueue queue{k_budget, 5 * k_mib};
  FarEnd end{5 * k_mib};
  for (std::uint64_t sender = 1; sender <= 4; ++sender) {
    EXPECT_TRUE(push(queue, sender, text_of('L', 2 * k_mib)));
  }
  std::size_t most = 0;
  while (const auto frame = queue.next()) {
    end.take(*frame);
    most = std::max(most, end.assembly.bytes());
    ASSERT_TRUE(queue.acknowledge(frame->sequence));
  }
  EXPECT_GT(most, 4 * k_mib);
  EXPECT_LE(most, 5 * k_mib);
  EXPECT_EQ(end.got.size(), 4U);
}

TEST(SendQueue, ATooLongRecordIsLeftOut) {
  SendQueue queue{k_budget, 2 * k_mib};
  FarEnd end{2 * k_mib};
  push(queue, 1, "a");
  EXPECT_FALSE(push(queue, 1, text_of('L', 2 * k_mib)));
  EXPECT_FALSE(push(queue, 1, "head", bytes_in(text_of('L', 2 * k_mib))));
  push(queue, 1, "b");
  end.drain(queue);
  EXPECT_EQ(summary(end), "ab");
  EXPECT_EQ(queue.bytes(), 0U);
}

TEST(SendQueue, ATailGoesFromWhereItLies) {
  SendQueue queue{k_budget, k_longest};
  FarEnd end;
  const Bytes payload = bytes_in(text_of('t', 100'000));
  push(queue, 1, "a");
  push(queue, 1, "b", payload);
  push(queue, 1, "c");
  const auto frame = queue.next();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->tail.data(), payload.data());
  end.take(*frame);
  end.drain(queue);
  EXPECT_EQ(summary(end), "abc");
  EXPECT_EQ(end.got[1].text, "b" + text_of('t', 100'000));
}

TEST(SendQueue, ALongTailGoesInPiecesFromWhereItLies) {
  SendQueue queue{k_budget, k_longest};
  FarEnd end;
  const Bytes payload = bytes_in(text_of('t', 3 * k_mib));
  push(queue, 1, "L", payload);
  push(queue, 1, "b", bytes_in(text_of('u', 100'000)));
  push(queue, 1, "c");
  while (const auto frame = queue.next()) {
    if (end.pieces < 5) {
      EXPECT_GE(frame->tail.data(), payload.data());
      EXPECT_LT(frame->head.size(), 200U);
    }
    end.take(*frame);
    ASSERT_TRUE(queue.acknowledge(frame->sequence));
  }
  EXPECT_EQ(summary(end), "Lbc");
  EXPECT_EQ(end.got[0].text, "L" + text_of('t', 3 * k_mib));
}

// -- the window and the budget --------------------------------------------------------------

TEST(SendQueue, NoMoreThanAWindowIsUnderWay) {
  SendQueue queue{k_budget, k_longest};
  push(queue, 1, text_of('L', 30 * k_mib));
  std::size_t taken = 0;
  std::uint64_t last = 0;
  while (const auto frame = queue.next()) {
    taken += frame->head.size() + frame->tail.size();
    last = frame->sequence;
  }
  EXPECT_GE(taken, k_window_bytes - k_piece_bytes);
  EXPECT_LE(taken, k_window_bytes + k_piece_bytes);
  EXPECT_TRUE(queue.acknowledge(1));
  EXPECT_TRUE(queue.next());
  EXPECT_FALSE(queue.next());
  EXPECT_TRUE(queue.acknowledge(last + 1));
}

TEST(SendQueue, SmallFramesFillTheWindowToo) {
  SendQueue queue{k_budget, k_longest};
  std::size_t frames = 0;
  for (; frames < 1'000'000; ++frames) {
    push(queue, 1, "a");
    if (!queue.next()) break;
  }
  EXPECT_GT(frames, 10'000U);
  EXPECT_LT(frames, k_window_bytes / transport::k_frame_cost);
}

TEST(SendQueue, WhatWasNeverSentIsNotAcknowledged) {
  SendQueue queue{k_budget, k_longest};
  EXPECT_TRUE(queue.acknowledge(0));
  EXPECT_FALSE(queue.acknowledge(1));
  push(queue, 1, "a");
  EXPECT_FALSE(queue.acknowledge(1));  // it waits
  ASSERT_TRUE(queue.next());
  EXPECT_TRUE(queue.acknowledge(1));
  EXPECT_TRUE(queue.acknowledge(1));
  EXPECT_TRUE(queue.acknowledge(0));  // a late one
  EXPECT_FALSE(queue.acknowledge(2));
}

TEST(SendQueue, CountsWhatWaitsAndWhatIsUnderWay) {
  SendQueue queue{10'000, k_longest};
  EXPECT_EQ(queue.bytes(), 0U);
  push(queue, 1, text_of('a', 6'000));
  EXPECT_GT(queue.bytes(), 6'000U);
  EXPECT_FALSE(queue.over_budget());
  EXPECT_FALSE(queue.half_empty());
  push(queue, 1, text_of('a', 6'000));
  EXPECT_TRUE(queue.over_budget());
  ASSERT_TRUE(queue.next());
  EXPECT_TRUE(queue.over_budget());  // under way is not gone
  EXPECT_TRUE(queue.acknowledge(1));
  EXPECT_TRUE(queue.half_empty());
  EXPECT_EQ(queue.bytes(), 0U);
}

TEST(SendQueue, ForgetsAllWhenItIsCleared) {
  SendQueue queue{k_budget, k_longest};
  const Bytes payload = bytes_in(text_of('t', 2 * k_mib));
  push(queue, 1, "L", payload);
  push(queue, 1, "a");
  push(queue, 2, "b");
  ASSERT_TRUE(queue.next());
  queue.clear();
  EXPECT_EQ(queue.bytes(), 0U);
  EXPECT_FALSE(queue.next());
}

TEST(SendQueue, APeerIsSlowWhenItTakesLessThanAWindowWhileOverBudget) {
  SendQueue queue{k_mib, k_longest};
  const Clock::TimePoint start{1000s};
  EXPECT_FALSE(queue.stalled(start, 5s));
  push(queue, 1, text_of('L', 40 * k_mib));
  EXPECT_FALSE(queue.stalled(start, 5s));
  EXPECT_FALSE(queue.stalled(start + 4999ms, 5s));
  EXPECT_TRUE(queue.stalled(start + 5s, 5s));
  // It took a window: that counts from now on.
  std::uint64_t last = 0;
  while (const auto frame = queue.next()) last = frame->sequence;
  EXPECT_TRUE(queue.acknowledge(last));
  EXPECT_FALSE(queue.stalled(start + 5s, 5s));
  EXPECT_FALSE(queue.stalled(start + 9s, 5s));
  EXPECT_TRUE(queue.stalled(start + 10s, 5s));
}

TEST(SendQueue, APeerThatCatchesUpIsNotSlow) {
  SendQueue queue{k_mib, k_longest};
  const Clock::TimePoint start{1000s};
  FarEnd end;
  push(queue, 1, text_of('L', 2 * k_mib));
  EXPECT_FALSE(queue.stalled(start, 5s));
  end.drain(queue);
  EXPECT_FALSE(queue.stalled(start + 6s, 5s));
  push(queue, 1, text_of('L', 2 * k_mib));
  EXPECT_FALSE(queue.stalled(start + 7s, 5s));
}

// -- any order ------------------------------------------------------------------------------

/// Random records of a few senders, taken and acknowledged at random.
void run_random(std::uint64_t seed) {
  Random random{seed};
  SendQueue queue{k_mib, 8 * k_mib};
  FarEnd end{8 * k_mib};
  std::map<std::uint64_t, std::vector<std::string>> sent;
  std::vector<std::uint64_t> unacknowledged;
  const auto take = [&] {
    const auto frame = queue.next();
    if (!frame) return false;
    end.take(*frame);
    unacknowledged.push_back(frame->sequence);
    return true;
  };
  for (int step = 0; step < 40; ++step) {
    const std::uint64_t sender = 1 + random.below(4);
    const bool large = random.below(8) == 0;
    const std::size_t size = large ? k_mib + random.below(k_mib) : 1 + random.below(70'000);
    const bool with_tail = random.below(2) == 0;
    std::string text = std::to_string(step) + text_of('x', with_tail ? 0 : size);
    const std::string rest = with_tail ? text_of('y', size) : "";
    ASSERT_TRUE(push(queue, sender, text, bytes_in(rest)));
    sent[sender].push_back(text + rest);
    for (auto left = random.below(6); left > 0 && take(); --left) {
    }
    if (random.below(3) == 0 && !unacknowledged.empty()) {
      ASSERT_TRUE(queue.acknowledge(unacknowledged.back()));
    }
  }
  for (;;) {
    while (take()) {
    }
    if (queue.bytes() == 0) break;
    ASSERT_TRUE(queue.acknowledge(unacknowledged.back()));
  }
  std::map<std::uint64_t, std::vector<std::string>> received;
  for (const auto& got : end.got) received[got.from].push_back(got.text);
  EXPECT_TRUE(received == sent) << "seed " << seed;
  EXPECT_EQ(end.assembly.streams(), 0U);
  EXPECT_EQ(end.assembly.bytes(), 0U);
}

TEST(SendQueue, KeepsTheOrderOfEachSenderInAnyRun) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr std::uint64_t k_runs = 40;  // twenty times slower each
#else
  constexpr std::uint64_t k_runs = 200;
#endif
  for (std::uint64_t seed = 1; seed <= k_runs; ++seed) run_random(seed);
}

}  // namespace
}  // namespace grove
