// SPDX-License-Identifier: Apache-2.0
#include "mailbox_bounds.hpp"

#include <gtest/gtest.h>

namespace grove {
namespace {

using detail::MailboxBound;
using Entry = MailboxBound::Entry;

TEST(MailboxBound, CountsWhatIsInAndSaysWhatIsTooMuch) {
  MailboxBound bound;
  bound.begin(1, {2, MailboxPolicy::suspend_sender});
  EXPECT_EQ(bound.enter(1), Entry::free);
  EXPECT_EQ(bound.enter(1), Entry::free);
  EXPECT_EQ(bound.enter(1), Entry::over);
  EXPECT_EQ(bound.pending(), 3U);
  EXPECT_EQ(bound.leave(), 2U);
  bound.turn_back(1);
  EXPECT_EQ(bound.pending(), 1U);
}

TEST(MailboxBound, KnowsNothingOfAnotherLife) {
  MailboxBound bound;
  bound.begin(1, {1, MailboxPolicy::fail});
  EXPECT_EQ(bound.enter(1), Entry::free);
  EXPECT_EQ(bound.enter(3), Entry::stale);
  bound.begin(3, {5, MailboxPolicy::drop_oldest});
  EXPECT_EQ(bound.pending(), 0U);
  EXPECT_EQ(bound.limit(), 5U);
  EXPECT_EQ(bound.policy(), MailboxPolicy::drop_oldest);
  EXPECT_EQ(bound.enter(1), Entry::stale);
  bound.turn_back(1);  // by a sender of before
  EXPECT_EQ(bound.pending(), 0U);
}

}  // namespace
}  // namespace grove
