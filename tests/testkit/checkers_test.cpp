// SPDX-License-Identifier: Apache-2.0
//
// Each checker passes a history that is as it should be, and fails it when it is doctored.
#include "grove/testkit/checkers.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <utility>

namespace grove::testkit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const NodeId k_a = intern_node("a", Life{1});
const NodeId k_b = intern_node("b", Life{1});
const NodeId k_b2 = intern_node("b", Life{2});  // its next life
const Pid k_one{k_a, 1, 1};
const Pid k_two{k_b, 1, 1};
const Pid k_three{k_b, 2, 1};
const Ref k_ref{k_a, 1, 1};

Clock::TimePoint at(Clock::Duration time) { return Clock::TimePoint{} + time; }

/// A millisecond between any two.
History told(std::initializer_list<Event> events) {
  History history;
  for (const Event& event : events) {
    history.push_back({at(milliseconds{history.size()}), event});
  }
  return history;
}
History with(History history, const Event& event, Clock::Duration time = seconds{60}) {
  history.push_back({at(time), event});
  return history;
}
History without(History history, std::size_t place) {
  history.erase(history.begin() + static_cast<std::ptrdiff_t>(place));
  return history;
}
History with_these_swapped(History history, std::size_t one, std::size_t other) {
  std::swap(history[one].event, history[other].event);
  return history;
}

#define EXPECT_FINE(violations) EXPECT_EQ((violations), Violations{})
#define EXPECT_CAUGHT(violations) EXPECT_EQ((violations).size(), 1U)

TEST(MonitorChecker, CatchesAMissingASecondAndAStrayDown) {
  const History good = told({Monitored{k_one, k_ref, k_two}, Ended{k_two}, GotDown{k_one, k_ref}});
  EXPECT_FINE(check_monitors(good));
  EXPECT_CAUGHT(check_monitors(without(good, 2)));
  EXPECT_CAUGHT(check_monitors(with(good, GotDown{k_one, k_ref})));
  EXPECT_CAUGHT(check_monitors(with(good, GotDown{k_one, Ref{k_a, 1, 2}})));
  EXPECT_CAUGHT(check_monitors(with(good, GotDown{k_three, k_ref})));
  EXPECT_FINE(check_monitors(with(without(good, 2), Ended{k_one})));
}

TEST(MonitorChecker, CatchesADownAfterADemonitorThatFlushed) {
  const History good =
      told({Monitored{k_one, k_ref, k_two}, Demonitored{k_ref, true}, Ended{k_two}});
  EXPECT_FINE(check_monitors(good));
  EXPECT_CAUGHT(check_monitors(with(good, GotDown{k_one, k_ref})));
}

TEST(LinkChecker, CatchesAHalfLinkASecondAndAMissingExit) {
  const History both =
      told({Linked{k_one, k_two}, LinksSeen{k_one, {k_two}}, LinksSeen{k_two, {k_one}}});
  EXPECT_FINE(check_links(both));
  EXPECT_CAUGHT(check_links(with(both, LinksSeen{k_two, {}})));
  const History over =
      told({Linked{k_one, k_two}, Ended{k_two}, GotExit{k_one, k_two}, LinksSeen{k_one, {}}});
  EXPECT_FINE(check_links(over));
  EXPECT_CAUGHT(check_links(without(over, 2)));
  EXPECT_CAUGHT(check_links(with(over, GotExit{k_one, k_two})));
  EXPECT_CAUGHT(check_links(with(over, LinksSeen{k_one, {k_two}})));
}

TEST(OrderChecker, CatchesWhatOvertakesComesTwiceOrLeavesAHole) {
  const History good = told({Sent{k_one, k_two, 0, 1}, Sent{k_one, k_two, 0, 2},
                             Sent{k_one, k_two, 1, 3}, Received{k_two, k_one, k_two, 1},
                             Received{k_two, k_one, k_two, 2}, Received{k_two, k_one, k_two, 3}});
  EXPECT_FINE(check_order(good));
  EXPECT_FINE(check_order(without(good, 4)));  // the end of what went over the first connection
  EXPECT_CAUGHT(check_order(without(good, 3)));
  EXPECT_CAUGHT(check_order(with_these_swapped(good, 3, 4)));
  EXPECT_CAUGHT(check_order(with(good, Received{k_two, k_one, k_two, 3})));
  EXPECT_CAUGHT(check_order(with(good, Received{k_two, k_one, k_two, 4})));
}

TEST(LifeChecker, CatchesWhatIsOfOrForAFormerLife) {
  const Pid next{k_b2, 1, 1};
  const History good = told({Received{k_one, k_two, k_one, 1}, NodeEnded{k_b},
                             Received{k_one, next, k_one, 1}, NamesSeen{k_a, {{"name", next}}}});
  EXPECT_FINE(check_lives(good));
  EXPECT_CAUGHT(check_lives(with_these_swapped(good, 0, 2)));
  EXPECT_CAUGHT(check_lives(with(good, Received{next, k_one, k_two, 1})));
  EXPECT_CAUGHT(check_lives(with(good, NamesSeen{k_a, {{"name", k_two}}})));
}

TEST(CallChecker, CatchesACallThatNeverEndsEndsTwiceOrLate) {
  const History good = told({CallBegan{k_one, 1, at(seconds{2})}, CallEnded{k_one, 1}, Healed{}});
  EXPECT_FINE(check_calls(good));
  EXPECT_CAUGHT(check_calls(with(without(good, 1), Healed{})));
  EXPECT_FINE(check_calls(with(without(good, 1), Ended{k_one})));
  EXPECT_CAUGHT(check_calls(with(good, CallEnded{k_one, 1}, seconds{1})));
  EXPECT_CAUGHT(check_calls(with(without(good, 1), CallEnded{k_one, 1}, seconds{3})));
}

TEST(NameChecker, CatchesForksDeadHoldersAndLosersWhoWereNotToldOnce) {
  const History good =
      told({NameHeld{"name", k_one}, NameHeld{"name", k_two}, NameLost{"name", k_two},
            NamesSeen{k_a, {{"name", k_one}}}, NamesSeen{k_b, {{"name", k_one}}}});
  EXPECT_FINE(check_names(good));
  EXPECT_CAUGHT(check_names(without(good, 2)));
  EXPECT_CAUGHT(check_names(with(good, NameLost{"name", k_two})));
  EXPECT_CAUGHT(check_names(with(good, Ended{k_one})));
  EXPECT_CAUGHT(check_names(with(good, NamesSeen{k_b, {}})));
  EXPECT_CAUGHT(check_names(with(good, NameHeld{"lost", k_one})));
  const History again = told({NameHeld{"name", k_one}, NameGivenUp{"name", k_one},
                              NameHeld{"name", k_one}, NameLost{"name", k_one}});
  EXPECT_FINE(check_names(again));
  EXPECT_CAUGHT(check_names(with(again, NameLost{"name", k_one})));
}

TEST(MemberChecker, CatchesAMemberThatIsMissingOrOver) {
  const History good =
      told({NodeStarted{k_a}, NodeStarted{k_b}, NodeEnded{k_b}, NodeStarted{k_b2},
            MembersSeen{k_a, {k_a, k_b2}, {}}, MembersSeen{k_b2, {k_a, k_b2}, {}}});
  EXPECT_FINE(check_members(good));
  EXPECT_CAUGHT(check_members(with(good, MembersSeen{k_a, {k_a}, {}})));
  EXPECT_CAUGHT(check_members(with(good, MembersSeen{k_a, {k_a, k_b, k_b2}, {}})));
}

TEST(RestartChecker, CatchesOneRestartTooManyAndChildrenEndedInAnyOrder) {
  const History good =
      told({Supervises{k_one, 1, seconds{5}}, ChildStarted{k_one, "x", k_two},
            ChildStarted{k_one, "y", k_three}, ChildEnded{k_one, k_two},
            ChildStarted{k_one, "x", Pid{k_b, 3, 1}}, ChildEnded{k_one, k_three, true},
            ChildEnded{k_one, Pid{k_b, 3, 1}, true}});
  EXPECT_FINE(check_restarts(good));
  EXPECT_CAUGHT(check_restarts(with_these_swapped(good, 5, 6)));
  EXPECT_CAUGHT(check_restarts(with(good, ChildEnded{k_one, k_two})));
  const Event again = ChildStarted{k_one, "x", Pid{k_b, 4, 1}};
  EXPECT_CAUGHT(check_restarts(with(good, again, seconds{1})));
  EXPECT_FINE(check_restarts(with(good, again, seconds{6})));
}

TEST(OrphanChecker, CatchesWhoOutlivesHisParentAndWhatStaysBehind) {
  const History good =
      told({Started{k_two, k_one}, Ended{k_two}, Ended{k_one}, Census{k_b, {k_three}, 1}});
  EXPECT_FINE(check_orphans(good));
  EXPECT_CAUGHT(check_orphans(with(good, Census{k_b, {k_two}, 1})));
  EXPECT_CAUGHT(check_orphans(with(good, Census{k_b, {}, 1})));
}

TEST(MemoryChecker, CatchesWhatIsOverTheBudget) {
  const History good = told({Queued{k_a, "b", 100}, Queued{k_a, "c", 99}});
  EXPECT_FINE(check_memory(good, 100));
  EXPECT_CAUGHT(check_memory(good, 99));
}

TEST(RemovalChecker, CatchesTheRemovalOfWhoIsHealthyAndOfNobodyElse) {
  const History good =
      told({NodeStarted{k_a}, NodeStarted{k_b}, NodePaused{"a"}, NodeResumed{"a"}});
  const Event removed = MembersSeen{k_a, {k_a}, {k_b}};
  EXPECT_CAUGHT(check_removals(with(good, removed)));
  EXPECT_FINE(check_removals(with(with(good, NodePaused{"b"}), removed)));
  EXPECT_FINE(check_removals(with(with(good, LinkCut{"a", "b"}), removed)));
  EXPECT_FINE(check_removals(with(with(good, NodeEnded{k_b}), removed)));
  EXPECT_FINE(check_removals(with(with(good, NodeResumed{"b"}, seconds{50}), removed)));
}

TEST(DetectionChecker, CatchesADownThatIsLateOrNeverComes) {
  const History loud = told({Monitored{k_one, k_ref, k_two}, NodeEnded{k_b}});
  EXPECT_FINE(check_detection(with(loud, GotDown{k_one, k_ref}, milliseconds{150})));
  EXPECT_CAUGHT(check_detection(with(loud, GotDown{k_one, k_ref}, milliseconds{250})));
  EXPECT_CAUGHT(check_detection(with(loud, Healed{})));
  const History silent = told({Monitored{k_one, k_ref, k_two}, NodeEnded{k_b, true}});
  EXPECT_FINE(check_detection(with(silent, GotDown{k_one, k_ref}, seconds{4})));
  EXPECT_CAUGHT(check_detection(with(silent, GotDown{k_one, k_ref}, seconds{6})));
  EXPECT_FINE(check_detection(with(with(silent, NodePaused{"a"}), GotDown{k_one, k_ref})));
}

TEST(LivenessChecker, CatchesWhatComesLateOrNever) {
  const History good = told({Wanted{"x", at(seconds{1})}, Done{"x"}, Healed{}});
  EXPECT_FINE(check_liveness(good));
  EXPECT_CAUGHT(check_liveness(with(without(good, 1), Healed{})));
  EXPECT_CAUGHT(check_liveness(with(without(good, 1), Done{"x"}, seconds{2})));
}

TEST(AllCheckers, SayWhichInvariantIsViolated) {
  const Violations wrong = check_all(told({Received{k_one, k_two, k_three, 1}}));
  EXPECT_EQ(wrong, (Violations{"I3: from b:1:1.1 to b:1:2.1, 1 came and was never sent",
                               "I4: what was for b:1:2.1 reached a:1:1.1"}));
}

}  // namespace
}  // namespace grove::testkit
