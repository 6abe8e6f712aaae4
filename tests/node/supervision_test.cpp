// SPDX-License-Identifier: Apache-2.0
//
// The decisions of a supervisor, by table: no process here.
#include "supervision.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace grove::detail {
namespace {

using namespace std::chrono_literals;
using Act = Supervision::Act;
using Step = Supervision::Step;

ChildSpec spec_of(std::string id, Restart restart = permanent) {
  return ChildSpec{std::move(id),
                   [](Context&, ServerOptions) -> Task<StartResult> { co_return StartResult{}; }}
      .with(restart);
}

std::vector<ChildSpec> specs_of(std::string_view ids, Restart restart = permanent) {
  std::vector<ChildSpec> specs;
  for (const char id : ids) specs.push_back(spec_of(std::string{id}, restart));
  return specs;
}

/// Does what a Supervision says, and writes it down: `+a` a starts, `!a` it fails to, `~a` it is
/// ignored, `-a` it is ended, `?a` a retry is asked for, `END`, `GIVE UP`, `FAIL`.
class Play {
 public:
  explicit Play(SupervisorSpec spec) : supervision_{std::move(spec)} {}
  Play(Strategy strategy, std::vector<ChildSpec> children, std::size_t intensity = 9)
      : Play{SupervisorSpec{.strategy = strategy,
                            .children = std::move(children),
                            .intensity = {.restarts = intensity, .period = 5s}}} {}

  std::set<std::string> failing;  // ids that cannot start
  std::set<std::string> ignoring;
  Clock::TimePoint now{};

  std::string begin() { return run(supervision_.begin()); }
  std::string exit(const std::string& id, const ExitReason& why = ExitReason::symbol("boom")) {
    return run(supervision_.exited(pids_.at(id), why, now));
  }
  std::string exit_of(const Pid& pid) {
    return run(supervision_.exited(pid, ExitReason::shutdown(), now));
  }
  std::string retry(const std::string& id) { return run(supervision_.retry(id, now)); }
  std::string end() { return run(supervision_.end()); }
  std::string terminate(const std::string& id) {
    const auto step = supervision_.terminate(id);
    return step ? run(*step) : "not_found";
  }
  std::string add(ChildSpec spec) {
    return answer(supervision_.add(std::make_shared<const ChildSpec>(std::move(spec))));
  }
  std::string restart(const std::string& id) { return answer(supervision_.restart(id)); }
  std::string remove(const std::string& id) {
    const auto result = supervision_.remove(id);
    return result ? "ok" : std::string{to_string(result.error().code)};
  }
  const ExitReason& failure() { return supervision_.failure(); }

  /// `a1 b- c*`: a runs and has been started once, b does not run, c's restart is tried again.
  std::string children() {
    std::string text;
    for (const Child& child : supervision_.children()) {
      text += (text.empty() ? "" : " ") + child.spec->id;
      text += child.pid ? std::to_string(starts_[child.spec->id]) : child.restarting ? "*" : "-";
    }
    return text;
  }
  Pid pid_of(const std::string& id) { return pids_.at(id); }

 private:
  std::string answer(Supervision::StartRequest request) {
    if (request.step.act != Act::start) {
      return request.answer.status == StartResult::Status::already_started
                 ? "already_started"
                 : to_string(request.answer.reason);
    }
    return run(request.step);
  }

  std::string run(Step step) {
    std::string log;
    const auto write = [&log](const std::string& text) { log += (log.empty() ? "" : " ") + text; };
    for (;;) {
      switch (step.act) {
        case Act::start: {
          const StartResult result = start(step.child->spec->id, write);
          step = supervision_.started(result);
          continue;
        }
        case Act::stop:
          write("-" + step.child->spec->id);
          step = supervision_.stopped();
          continue;
        case Act::retry: write("?" + step.child->spec->id); return log;
        case Act::end: write("END"); return log;
        case Act::give_up: write("GIVE UP"); return log;
        case Act::fail: write("FAIL"); return log;
        case Act::none: return log;
      }
    }
  }

  StartResult start(const std::string& id, const auto& write) {
    StartResult result;
    result.pid = Pid{{}, ++pid_, 1};
    if (failing.contains(id)) {
      write("!" + id);
      result.reason = ExitReason::symbol("init_failed");
      return result;
    }
    result.status = ignoring.contains(id) ? StartResult::Status::ignored : StartResult::Status::ok;
    write((result.ok() ? "+" : "~") + id);
    if (result.ok()) {
      ++starts_[id];
      pids_[id] = result.pid;
    }
    return result;
  }

  Supervision supervision_;
  std::map<std::string, Pid> pids_;
  std::map<std::string, int> starts_;
  std::uint32_t pid_ = 0;
};

// -- whether to restart ---------------------------------------------------------------------

struct KindRow {
  Restart kind;
  const char* reason;
  bool restarts;
};
void PrintTo(const KindRow& row, std::ostream* out) { *out << row.reason; }

class RestartKind : public testing::TestWithParam<std::tuple<Strategy, KindRow>> {};

ExitReason reason_named(std::string_view name) {
  return name == "shutdown_term" ? ExitReason::shutdown(Value{1}) : ExitReason::symbol(name);
}

TEST_P(RestartKind, DecidesWithTheReason) {
  const auto& [strategy, row] = GetParam();
  const auto& [kind, reason, restarts] = row;
  Play play{strategy, {spec_of("x", kind), spec_of("y", permanent)}};
  EXPECT_EQ(play.begin(), "+x +y");
  const std::string group = strategy == one_for_one ? "+x" : "-y +x +y";
  EXPECT_EQ(play.exit("x", reason_named(reason)), restarts ? group : "");
  const std::string y = strategy == one_for_one || !restarts ? "y1" : "y2";
  const std::string x = restarts ? "x2 " : kind == temporary ? "" : "x- ";
  EXPECT_EQ(play.children(), x + y);
}

const char* name_of(Strategy strategy) {
  const char* names[] = {"one_for_one", "rest_for_one", "one_for_all"};
  return names[static_cast<int>(strategy)];
}

std::string kind_row_name(const testing::TestParamInfo<RestartKind::ParamType>& info) {
  const auto& [strategy, row] = info.param;
  const auto& [kind, reason, restarts] = row;
  const char* kinds[] = {"permanent_", "transient_", "temporary_"};
  return std::string{name_of(strategy)} + '_' + kinds[static_cast<int>(kind)] + reason +
         (restarts ? "_restarts" : "_stays_down");
}

INSTANTIATE_TEST_SUITE_P(
    Matrix, RestartKind,
    testing::Combine(
        testing::Values(one_for_one, rest_for_one, one_for_all),
        testing::Values(KindRow{permanent, "normal", true}, KindRow{permanent, "shutdown", true},
                        KindRow{permanent, "shutdown_term", true},
                        KindRow{permanent, "abnormal", true}, KindRow{permanent, "killed", true},
                        KindRow{transient, "normal", false}, KindRow{transient, "shutdown", false},
                        KindRow{transient, "shutdown_term", false},
                        KindRow{transient, "abnormal", true}, KindRow{transient, "killed", true},
                        KindRow{temporary, "normal", false}, KindRow{temporary, "shutdown", false},
                        KindRow{temporary, "shutdown_term", false},
                        KindRow{temporary, "abnormal", false},
                        KindRow{temporary, "killed", false})),
    kind_row_name);

// -- whom to restart ------------------------------------------------------------------------

struct GroupRow {
  Strategy strategy;
  const char* dead;
  const char* steps;
  const char* after;
};
void PrintTo(const GroupRow& row, std::ostream* out) { *out << row.steps; }

class StrategyOf : public testing::TestWithParam<GroupRow> {};

TEST_P(StrategyOf, FiveChildrenRestartsTheRightOnesInOrder) {
  const GroupRow& row = GetParam();
  Play play{row.strategy, specs_of("baced")};
  EXPECT_EQ(play.begin(), "+b +a +c +e +d");
  EXPECT_EQ(play.exit(row.dead), row.steps);
  EXPECT_EQ(play.children(), row.after);
  EXPECT_EQ(play.end(), "-d -e -c -a -b");
}

std::string group_row_name(const testing::TestParamInfo<GroupRow>& row) {
  return std::string{name_of(row.param.strategy)} + "_" + row.param.dead + "_dies";
}

INSTANTIATE_TEST_SUITE_P(
    Matrix, StrategyOf,
    testing::Values(GroupRow{one_for_one, "b", "+b", "b2 a1 c1 e1 d1"},
                    GroupRow{one_for_one, "c", "+c", "b1 a1 c2 e1 d1"},
                    GroupRow{one_for_one, "d", "+d", "b1 a1 c1 e1 d2"},
                    GroupRow{rest_for_one, "b", "-d -e -c -a +b +a +c +e +d", "b2 a2 c2 e2 d2"},
                    GroupRow{rest_for_one, "c", "-d -e +c +e +d", "b1 a1 c2 e2 d2"},
                    GroupRow{rest_for_one, "d", "+d", "b1 a1 c1 e1 d2"},
                    GroupRow{one_for_all, "b", "-d -e -c -a +b +a +c +e +d", "b2 a2 c2 e2 d2"},
                    GroupRow{one_for_all, "c", "-d -e -a -b +b +a +c +e +d", "b2 a2 c2 e2 d2"},
                    GroupRow{one_for_all, "d", "-e -c -a -b +b +a +c +e +d", "b2 a2 c2 e2 d2"}),
    group_row_name);

TEST(Supervision, TemporarySiblingsOfAGroupAreEndedAndForgotten) {
  for (const Strategy strategy : {rest_for_one, one_for_all}) {
    Play play{strategy, {spec_of("p"), spec_of("t", temporary)}};
    (void)play.begin();
    EXPECT_EQ(play.exit("p"), "-t +p");
    EXPECT_EQ(play.children(), "p2");
  }
  Play first{one_for_all, {spec_of("t", temporary), spec_of("u", temporary), spec_of("p")}};
  (void)first.begin();
  EXPECT_EQ(first.exit("p"), "-u -t +p");
  EXPECT_EQ(first.children(), "p2");
}

TEST(Supervision, AGroupStartsThoseThatHadEndedToo) {
  Play play{one_for_all, {spec_of("a"), spec_of("t", transient), spec_of("c")}};
  (void)play.begin();
  EXPECT_EQ(play.exit("t", ExitReason::normal()), "");
  EXPECT_EQ(play.terminate("c"), "-c");
  EXPECT_EQ(play.exit("a"), "+a +t +c");
}

// -- starts that fail -----------------------------------------------------------------------

TEST(Supervision, AFailedStartEndsTheOthersInReverse) {
  Play play{one_for_one, specs_of("abcd")};
  play.failing = {"c"};
  EXPECT_EQ(play.begin(), "+a +b !c -b -a FAIL");
  EXPECT_EQ(to_string(play.failure()), "{shutdown,{failed_to_start_child,\"c\",init_failed}}");
}

TEST(Supervision, AnIgnoredChildIsKeptUnlessTemporary) {
  Play play{one_for_one, {spec_of("p"), spec_of("t", temporary), spec_of("q")}};
  play.ignoring = {"p", "t"};
  EXPECT_EQ(play.begin(), "~p ~t +q");
  EXPECT_EQ(play.children(), "p- q1");
  EXPECT_EQ(play.add(spec_of("t", temporary)), "~t");
  EXPECT_EQ(play.children(), "p- q1");
  play.ignoring = {"q"};
  EXPECT_EQ(play.exit("q"), "~q");  // ignored at a restart: not running, and no retry
  EXPECT_EQ(play.children(), "p- q-");
}

TEST(Supervision, ARestartThatFailsIsTriedAgainOnceATime) {
  Play play{one_for_one, specs_of("ab"), 3};
  (void)play.begin();
  play.failing = {"a"};
  EXPECT_EQ(play.exit("a"), "!a ?a");
  EXPECT_EQ(play.children(), "a* b1");
  EXPECT_EQ(play.retry("a"), "!a ?a");
  play.failing = {};
  EXPECT_EQ(play.retry("a"), "+a");
  EXPECT_EQ(play.retry("a"), "");  // one that came too late
  EXPECT_EQ(play.exit("b"), "GIVE UP");
  EXPECT_EQ(play.end(), "-a");
}

TEST(Supervision, EveryAttemptCountsAsARestart) {
  for (const Strategy strategy : {one_for_one, rest_for_one, one_for_all}) {
    Play play{strategy, specs_of("a"), 4};
    (void)play.begin();
    play.failing = {"a"};
    EXPECT_EQ(play.exit("a"), "!a ?a");
    for (int attempt = 2; attempt <= 4; ++attempt) EXPECT_EQ(play.retry("a"), "!a ?a");
    EXPECT_EQ(play.retry("a"), "GIVE UP");
  }
}

TEST(Supervision, RestForOneTriesAgainFromTheOneThatFailed) {
  Play play{rest_for_one, specs_of("abc")};
  (void)play.begin();
  play.failing = {"b"};
  EXPECT_EQ(play.exit("a"), "-c -b +a !b ?b");
  EXPECT_EQ(play.children(), "a2 b* c-");
  play.failing = {};
  EXPECT_EQ(play.retry("b"), "+b +c");
  EXPECT_EQ(play.children(), "a2 b2 c2");
}

TEST(Supervision, OneForAllEndsThoseStartedAndBeginsAgain) {
  Play play{one_for_all, specs_of("abc")};
  (void)play.begin();
  play.failing = {"b"};
  EXPECT_EQ(play.exit("c"), "-b -a +a !b ?b");
  EXPECT_EQ(play.children(), "a2 b* c-");
  play.failing = {};
  EXPECT_EQ(play.retry("b"), "-a +a +b +c");
  EXPECT_EQ(play.children(), "a3 b2 c2");
}

TEST(Supervision, ADeathWhileASiblingIsRetriedRestartsItToo) {
  Play play{rest_for_one, specs_of("abc")};
  (void)play.begin();
  play.failing = {"b"};
  (void)play.exit("b");
  play.failing = {};
  EXPECT_EQ(play.exit("a"), "+a +b +c");
  EXPECT_EQ(play.retry("b"), "");
}

// -- requests -------------------------------------------------------------------------------

TEST(Supervision, AnswersRequestsAboutARetriedChildAsOtpDoes) {
  Play play{one_for_one, specs_of("a")};
  (void)play.begin();
  play.failing = {"a"};
  (void)play.exit("a");
  EXPECT_EQ(play.add(spec_of("a")), "already_present");
  EXPECT_EQ(play.restart("a"), "restarting");
  EXPECT_EQ(play.remove("a"), "unavailable");
  EXPECT_EQ(play.terminate("a"), "");
  EXPECT_EQ(play.retry("a"), "");
  EXPECT_EQ(play.restart("a"), "!a");  // and stays down
  EXPECT_EQ(play.children(), "a-");
  play.failing = {};
  EXPECT_EQ(play.restart("a"), "+a");
}

TEST(Supervision, AdministersItsChildren) {
  Play play{one_for_one, specs_of("a")};
  (void)play.begin();
  EXPECT_EQ(play.add(spec_of("a")), "already_started");
  EXPECT_EQ(play.restart("a"), "running");
  EXPECT_EQ(play.remove("a"), "already_started");
  EXPECT_EQ(play.terminate("a"), "-a");
  EXPECT_EQ(play.terminate("a"), "");
  EXPECT_EQ(play.add(spec_of("a")), "already_present");
  EXPECT_EQ(play.remove("a"), "ok");
  EXPECT_EQ(play.remove("a"), "not_found");
  EXPECT_EQ(play.restart("a"), "not_found");
  EXPECT_EQ(play.terminate("a"), "not_found");
  play.failing = {"b"};
  EXPECT_EQ(play.add(spec_of("b")), "!b");
  EXPECT_EQ(play.children(), "");  // nothing of b stays
  EXPECT_EQ(play.add(spec_of("t", temporary)), "+t");
  EXPECT_EQ(play.terminate("t"), "-t");
  EXPECT_EQ(play.children(), "");
}

TEST(Supervision, AStrangersExitIsNothing) {
  Play play{one_for_all, specs_of("ab")};
  (void)play.begin();
  EXPECT_EQ(play.exit_of(Pid{{}, 77, 1}), "");
  const Pid former = play.pid_of("a");
  (void)play.exit("a");
  EXPECT_EQ(play.exit_of(former), "");
  EXPECT_EQ(play.children(), "a2 b2");
}

// -- intensity ------------------------------------------------------------------------------

TEST(Intensity, CountsAGroupOnceAndCleanEndsNotAtAll) {
  Play play{one_for_all, {spec_of("a"), spec_of("b"), spec_of("t", transient)}, 2};
  (void)play.begin();
  EXPECT_EQ(play.exit("t", ExitReason::normal()), "");
  EXPECT_EQ(play.exit("a"), "-b +a +b +t");
  EXPECT_EQ(play.exit("b"), "-t -a +a +b +t");
  EXPECT_EQ(play.exit("a"), "GIVE UP");
  EXPECT_EQ(play.end(), "-t -b");
}

TEST(Intensity, OfZeroAllowsNoRestart) {
  Play play{one_for_one, specs_of("a"), 0};
  (void)play.begin();
  EXPECT_EQ(play.exit("a"), "GIVE UP");
}

TEST(Intensity, SlidesWithTime) {
  SupervisorSpec spec{.children = specs_of("a"), .intensity = {.restarts = 1, .period = 1s}};
  Play play{std::move(spec)};
  (void)play.begin();
  for (int crash = 0; crash < 10; ++crash) {
    EXPECT_EQ(play.exit("a"), "+a");
    play.now += 2100ms;
  }
}

// -- specs ----------------------------------------------------------------------------------

std::string refusal(SupervisorSpec spec) {
  Play play{std::move(spec)};
  EXPECT_EQ(play.begin(), "FAIL");
  return to_string(play.failure());
}

TEST(BadSpec, IsRefusedWithOtpsReason) {
  const SupervisorSpec never{.children = {spec_of("a", transient).significant()}};
  EXPECT_EQ(refusal(never),
            "{start_spec,{bad_combination,[{auto_shutdown,never},{significant,true}]}}");
  const SupervisorSpec both{.children = {spec_of("a").significant()}};
  EXPECT_EQ(refusal(both), refusal(never));
  const SupervisorSpec always{.children = {spec_of("a").significant()},
                              .auto_shutdown = any_significant};
  EXPECT_EQ(refusal(always),
            "{start_spec,{bad_combination,[{restart,permanent},{significant,true}]}}");
  EXPECT_EQ(refusal({.children = specs_of("aba")}), "{start_spec,{duplicate_child_name,\"a\"}}");
  const SupervisorSpec negative{.children = {spec_of("a").with(Shutdown::within(-1ms))}};
  EXPECT_EQ(refusal(negative), "{start_spec,{invalid_shutdown,-1}}");
  EXPECT_EQ(refusal({.children = {spec_of("")}}), "{start_spec,missing_id}");
  EXPECT_EQ(refusal({.children = {ChildSpec{"a", {}}}}), "{start_spec,missing_start}");
  EXPECT_EQ(refusal({.intensity = {.restarts = 1, .period = 0s}}),
            "{supervisor_data,{invalid_period,0}}");
}

TEST(BadSpec, OfAnAddedChildIsTheAnswer) {
  Play play{one_for_one, {}};
  (void)play.begin();
  EXPECT_EQ(play.add(spec_of("a", transient).significant()),
            "{bad_combination,[{auto_shutdown,never},{significant,true}]}");
  EXPECT_EQ(play.children(), "");
}

// -- auto_shutdown --------------------------------------------------------------------------

struct SignificantRow {
  const char* name;
  AutoShutdown when;
  Restart kind;
  const char* reason;
  const char* first;   // what the end of the first of two significant children leads to
  const char* second;  // ... and that of the other
};
void PrintTo(const SignificantRow& row, std::ostream* out) { *out << row.reason; }

class Significant : public testing::TestWithParam<SignificantRow> {};

TEST_P(Significant, ChildrenEndTheirSupervisorAsOtpSays) {
  const SignificantRow& row = GetParam();
  Play play{{.children = {spec_of("a", row.kind).significant(), spec_of("p"),
                          spec_of("b", row.kind).significant(), spec_of("t", temporary)},
             .intensity = {.restarts = 9},
             .auto_shutdown = row.when}};
  (void)play.begin();
  EXPECT_EQ(play.exit("t"), "");  // is not significant
  EXPECT_EQ(play.exit("a", reason_named(row.reason)), row.first);
  EXPECT_EQ(play.exit("b", reason_named(row.reason)), row.second);
}

std::string significant_row_name(const testing::TestParamInfo<SignificantRow>& row) {
  return row.param.name;
}

INSTANTIATE_TEST_SUITE_P(
    Matrix, Significant,
    testing::Values(
        SignificantRow{"any_transient_normal", any_significant, transient, "normal", "END", "END"},
        SignificantRow{"any_transient_shutdown", any_significant, transient, "shutdown", "END",
                       "END"},
        SignificantRow{"any_transient_shutdown_term", any_significant, transient, "shutdown_term",
                       "END", "END"},
        SignificantRow{"any_transient_abnormal", any_significant, transient, "abnormal", "+a",
                       "+b"},
        SignificantRow{"any_transient_killed", any_significant, transient, "killed", "+a", "+b"},
        SignificantRow{"any_temporary_normal", any_significant, temporary, "normal", "END", "END"},
        SignificantRow{"any_temporary_abnormal", any_significant, temporary, "abnormal", "END",
                       "END"},
        SignificantRow{"all_transient_normal", all_significant, transient, "normal", "", "END"},
        SignificantRow{"all_transient_abnormal", all_significant, transient, "abnormal", "+a",
                       "+b"},
        SignificantRow{"all_temporary_normal", all_significant, temporary, "normal", "", "END"},
        SignificantRow{"all_temporary_killed", all_significant, temporary, "killed", "", "END"}),
    significant_row_name);

TEST(AutoShutdown, IsNotForChildrenThatWereTerminatedOrBystanders) {
  Play play{{.strategy = one_for_all,
             .children = {spec_of("p"), spec_of("a", temporary).significant(),
                          spec_of("b", transient).significant()},
             .auto_shutdown = any_significant}};
  (void)play.begin();
  EXPECT_EQ(play.exit("p"), "-b -a +p +b");
  EXPECT_EQ(play.terminate("b"), "-b");
  EXPECT_EQ(play.children(), "p2 b-");
}

TEST(AutoShutdown, OfAllWaitsForOneThatIsTriedAgain) {
  Play play{
      {.children = {spec_of("a", transient).significant(), spec_of("b", temporary).significant()},
       .auto_shutdown = all_significant}};
  (void)play.begin();
  play.failing = {"a"};
  EXPECT_EQ(play.exit("a"), "!a ?a");
  EXPECT_EQ(play.exit("b"), "");
  EXPECT_EQ(play.terminate("a"), "");
}

}  // namespace
}  // namespace grove::detail
