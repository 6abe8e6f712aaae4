// SPDX-License-Identifier: Apache-2.0
#include "pool_state.hpp"

#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using detail::PoolState;
using Act = PoolState::Step::Act;

const NodeId k_node = intern_node("table", Life{1});

/// Tells a PoolState of events, does what it says, and writes that down. Workers are w1, w2, ... as
/// they are started; clients are letters.
///   out a    a wants a worker, and waits      try a    the same, and does not wait
///   in w1    w1 is given back                 bad      from now on workers do not start
///   gone a   a ends                           good     they do again
///   late a   a has waited long enough         end w1   w1 ends
///   at 7     so many seconds have passed
class Story {
 public:
  Story(std::size_t size, std::size_t max_overflow, Clock::Duration cool_down)
      : state_{size, max_overflow, cool_down} {}

  std::string tell(const std::string& event) {
    std::istringstream words{event};
    std::string what;
    std::string who;
    words >> what >> who;
    if (what == "out" || what == "try") state_.add_client({{}, client(who), what == "out"});
    if (what == "in") state_.returned(worker(who), now_);
    if (what == "gone" && !state_.remove_waiting(client(who))) {
      state_.client_ended(client(who), now_);
    }
    if (what == "late") state_.remove_waiting(client(who));
    if (what == "end") state_.worker_ended(worker(who));
    if (what == "bad" || what == "good") failing_ = what == "bad";
    if (what == "at") now_ = Clock::TimePoint{std::chrono::seconds{std::stoi(who)}};
    return steps();
  }
  [[nodiscard]] const PoolState& state() const { return state_; }

 private:
  static Ref client(const std::string& name) {
    return {k_node, 1, static_cast<std::uint64_t>(name.at(0))};
  }
  static Pid worker(const std::string& name) {
    return {k_node, static_cast<std::uint32_t>(std::stoi(name.substr(1))), 1};
  }

  std::string steps() {
    std::string text;
    for (;;) {
      const PoolState::Step step = state_.next(now_);
      const std::string who{static_cast<char>(step.client.monitor.serial)};
      const std::string which = 'w' + std::to_string(step.worker.index);
      if (step.act == Act::none) return text;
      if (!text.empty()) text += ", ";
      if (step.act == Act::lend) text += which + " to " + who;
      if (step.act == Act::refuse) text += "refuse " + who;
      if (step.act == Act::dismiss) text += "dismiss " + which;
      if (step.act != Act::start) continue;
      if (failing_) {
        state_.start_failed(now_);
        text += "no start";
      } else {
        const std::string started = 'w' + std::to_string(++workers_);
        state_.started(worker(started), now_);
        text += "start " + started;
      }
    }
  }

  PoolState state_;
  Clock::TimePoint now_;
  bool failing_ = false;
  int workers_ = 0;
};

struct Row {
  std::string event;
  std::string steps;
};

void play(Story story, const std::vector<Row>& rows) {
  for (const Row& row : rows) EXPECT_EQ(story.tell(row.event), row.steps) << "at: " << row.event;
}

TEST(PoolState, LendsTheWorkerThatCameBackLast) {
  play({3, 0, 0s}, {{"", "start w1, start w2, start w3"},
                    {"out a", "w3 to a"},
                    {"out b", "w2 to b"},
                    {"in w3", ""},
                    {"in w3", ""},
                    {"out c", "w3 to c"},
                    {"out d", "w1 to d"},
                    {"in w1", ""},
                    {"in w2", ""},
                    {"out e", "w2 to e"}});
}

TEST(PoolState, ServesThoseWhoWaitInTheirOrder) {
  play({1, 0, 0s}, {{"", "start w1"},
                    {"out a", "w1 to a"},
                    {"out b", ""},
                    {"out c", ""},
                    {"out d", ""},
                    {"try e", "refuse e"},
                    {"late c", ""},
                    {"in w1", "w1 to b"},
                    {"gone b", "w1 to d"},
                    {"in w1", ""},
                    {"try e", "w1 to e"}});
}

TEST(PoolState, TheEndOfAClientGivesBackAllThatIsItsAndNoMore) {
  play({2, 0, 0s}, {{"", "start w1, start w2"},
                    {"out a", "w2 to a"},
                    {"in w2", ""},
                    {"out b", "w2 to b"},
                    {"gone a", ""},
                    {"out c", "w1 to c"},
                    {"out d", ""},
                    {"gone d", ""},
                    {"gone b", ""},
                    {"try e", "w2 to e"}});
}

TEST(PoolState, ReplacesWorkersThatEndIdleOrLent) {
  play({2, 0, 0s}, {{"", "start w1, start w2"},
                    {"end w1", "start w3"},
                    {"out a", "w3 to a"},
                    {"out b", "w2 to b"},
                    {"out c", ""},
                    {"end w3", "start w4, w4 to c"},
                    {"in w3", ""},
                    {"gone a", ""},
                    {"end w99", ""}});
}

TEST(PoolState, AnOverflowWorkerGoesAtOnceWithoutACoolDown) {
  play({1, 1, 0s}, {{"", "start w1"},
                    {"out a", "w1 to a"},
                    {"try b", "start w2, w2 to b"},
                    {"try c", "refuse c"},
                    {"out d", ""},
                    {"in w1", "w1 to d"},
                    {"in w1", "dismiss w1"},
                    {"in w2", ""}});
}

TEST(PoolState, AnOverflowWorkerGoesWhenItHasBeenIdleForTheCoolDown) {
  Story story{1, 2, 5s};
  play(story, {{"", "start w1"},
               {"out a", "w1 to a"},
               {"out b", "start w2, w2 to b"},
               {"out c", "start w3, w3 to c"},
               {"in w1", ""},
               {"at 3", ""},
               {"in w2", ""},
               {"at 4", ""},
               {"out d", "w2 to d"},
               {"in w2", ""},
               {"at 5", "dismiss w1"},
               {"at 8", ""},
               {"at 9", "dismiss w2"},
               {"in w3", ""},
               {"at 99", ""}});
}

TEST(PoolState, AnOverflowWorkerThatEndsIsReplacedOnlyForAClient) {
  play({1, 1, 5s}, {{"", "start w1"},
                    {"out a", "w1 to a"},
                    {"out b", "start w2, w2 to b"},
                    {"end w2", ""},
                    {"out c", "start w3, w3 to c"},
                    {"out d", ""},
                    {"end w3", "start w4, w4 to d"}});
}

TEST(PoolState, AStartThatFailsIsTriedAgainAfterAPause) {
  play({2, 1, 0s}, {{"", "start w1, start w2"},
                    {"bad", ""},
                    {"end w1", "no start"},
                    {"out a", "w2 to a"},
                    {"out b", ""},
                    {"try c", "refuse c"},
                    {"at 1", "no start"},
                    {"good", ""},
                    {"in w2", "w2 to b"},
                    {"at 2", "start w3"},
                    {"out d", "w3 to d"},
                    {"out e", "start w4, w4 to e"}});
}

TEST(PoolState, SaysWhenItIsDue) {
  const Clock::TimePoint zero;
  Story story{1, 1, 5s};
  story.tell("");
  EXPECT_EQ(story.state().due(), std::nullopt);
  story.tell("out a");
  story.tell("out b");
  EXPECT_EQ(story.state().due(), std::nullopt);
  story.tell("at 3");
  story.tell("in w1");
  EXPECT_EQ(story.state().due(), zero + 8s);
  story.tell("end w1");
  EXPECT_EQ(story.state().due(), std::nullopt);
  story.tell("bad");
  story.tell("end w2");
  EXPECT_EQ(story.state().due(), zero + 3s + PoolState::k_pause);
}

TEST(PoolState, CountsWhatItHas) {
  Story story{2, 2, 5s};
  for (const char* event : {"", "out a", "out b", "out c", "out d", "out e", "out f", "in w1"}) {
    story.tell(event);
  }
  EXPECT_EQ(story.state().status(), (PoolStatus{0, 4, 2, 1}));
  story.tell("in w2");
  story.tell("in w3");
  EXPECT_EQ(story.state().status(), (PoolStatus{1, 3, 2, 0}));
}

}  // namespace
}  // namespace grove
