// SPDX-License-Identifier: Apache-2.0
//
// The rules of process groups as values: what is told, what is believed, what watchers hear.
#include "group_table.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace grove::detail {
namespace {

constexpr const char* k_scope = "pg";
using Pids = std::vector<Pid>;
using Whose = GroupTable::Whose;
using Heard = GroupTable::Heard;

/// A node as others know it.
struct Side {
  explicit Side(const char* name, GroupTable::Limits limits = {})
      : id{intern_node(name, Life{1})}, table{id, limits} {}
  [[nodiscard]] Pid pid(std::uint32_t index) const { return {id, index, 1}; }
  GroupTable::Actions join(const Value& group, const Pids& pids) {
    return *table.join(k_scope, group, pids);
  }
  GroupTable::Actions leave(const Value& group, const Pids& pids) {
    return *table.leave(k_scope, group, pids);
  }
  [[nodiscard]] Pids members(const Value& group) const {
    return table.members(k_scope, group, Whose::all);
  }

  /// Hears all of what `other` says. Returns: the last verdict.
  Heard meet(const Side& other) {
    Heard heard = Heard::ok;
    for (GroupsState& part : other.table.state()) {
      heard = table.hear(other.id, std::move(part), notes);
    }
    return heard;
  }
  Heard hear(const Side& other, const GroupTable::Actions& actions) {
    Heard heard = Heard::ok;
    for (const GroupsChange& change : actions.changes) {
      heard = table.hear(other.id, change, notes);
    }
    return heard;
  }

  NodeId id;
  GroupTable table;
  GroupTable::Notes notes;  // by others' news
};

class TwoSides : public ::testing::Test {
 protected:
  TwoSides() {
    a.meet(b);
    b.meet(a);
  }
  Side a{"group-a"};
  Side b{"group-b"};
};

using GroupTableOfANode = TwoSides;
using GroupTableOfOthers = TwoSides;
using GroupWatch = TwoSides;
using GroupNews = TwoSides;

// -- PGR-2, 3, 4 ----------------------------------------------------------------------------

TEST_F(GroupTableOfANode, CountsAProcessAsOftenAsItHasJoined) {
  a.join("g", {a.pid(1)});
  a.join("g", {a.pid(1), a.pid(2), a.pid(1)});
  EXPECT_EQ(a.members("g"), (Pids{a.pid(1), a.pid(1), a.pid(1), a.pid(2)}));
  a.leave("g", {a.pid(1)});
  EXPECT_EQ(a.members("g"), (Pids{a.pid(1), a.pid(1), a.pid(2)}));
}

TEST_F(GroupTableOfANode, LeavingIsAnErrorOnlyWhenNobodyWasAMember) {
  a.join("g", {a.pid(1)});
  EXPECT_EQ(a.table.leave(k_scope, "g", {a.pid(2)}).error().code, Errc::not_found);
  EXPECT_EQ(a.table.leave(k_scope, "h", {a.pid(1)}).error().code, Errc::not_found);
  EXPECT_EQ(a.table.leave("other", "g", {a.pid(1)}).error().code, Errc::not_found);
  const auto left = a.leave("g", {a.pid(2), a.pid(1), a.pid(1)});
  ASSERT_EQ(left.changes.size(), 1U);
  EXPECT_EQ(left.changes[0].left.at(0).members.at(0).times, 1U);
  EXPECT_EQ(a.table.leave(k_scope, "g", {a.pid(1)}).error().code, Errc::not_found);
}

TEST_F(GroupTableOfANode, AProcessThatEndsLeavesAllItsGroupsAndTheyDisappearWhenEmpty) {
  a.join("g", {a.pid(1), a.pid(1), a.pid(2)});
  a.join("h", {a.pid(1)});
  EXPECT_EQ(a.table.groups(k_scope, Whose::all), (std::vector<Value>{"g", "h"}));
  const auto ended = a.table.ended(a.pid(1));
  ASSERT_EQ(ended.changes.size(), 1U);
  EXPECT_EQ(ended.changes[0].left.size(), 2U);
  EXPECT_EQ(a.members("g"), Pids{a.pid(2)});
  EXPECT_EQ(a.table.groups(k_scope, Whose::all), std::vector<Value>{"g"});
  a.leave("g", {a.pid(2)});
  EXPECT_TRUE(a.table.scopes().empty());
  EXPECT_TRUE(a.table.ended(a.pid(1)).changes.empty());
}

TEST_F(GroupTableOfANode, ScopesHaveNothingToDoWithEachOther) {
  a.join("g", {a.pid(1)});
  ASSERT_TRUE(a.table.join("other", "g", {a.pid(2)}));
  EXPECT_EQ(a.members("g"), Pids{a.pid(1)});
  EXPECT_EQ(a.table.members("other", "g", Whose::all), Pids{a.pid(2)});
  EXPECT_EQ(a.table.scopes(), (std::vector<std::string>{"other", k_scope}));
}

// -- bad input ------------------------------------------------------------------------------

TEST_F(GroupTableOfANode, RefusesScopesAndKeysThatNoneCanHave) {
  const auto refusal = [this](const std::string& scope, const Value& group) {
    const auto joined = a.table.join(scope, group, {a.pid(1)});
    return joined ? Errc{} : joined.error().code;
  };
  Value deep = 1;
  for (int i = 0; i < 40; ++i) deep = Value::tuple({deep});
  EXPECT_EQ(refusal("", "g"), Errc::bad_argument);
  EXPECT_EQ(refusal(std::string(256, 'x'), "g"), Errc::too_large);
  EXPECT_EQ(refusal(k_scope, std::string(256, 'x')), Errc::too_large);
  EXPECT_EQ(refusal(k_scope, Value::list(Value::Items(100, Value{7}))), Errc::too_large);
  EXPECT_EQ(refusal(k_scope, deep), Errc::too_large);
  EXPECT_EQ(refusal(std::string(255, 'x'), std::string(255, 'x')), Errc{});
  EXPECT_EQ(refusal(k_scope, Value::tuple({Value::symbol("room"), 7, a.pid(1)})), Errc{});
  EXPECT_EQ(refusal(k_scope, std::numeric_limits<double>::quiet_NaN()), Errc{});
}

TEST(GroupLimits, ANodesProcessesHaveAtMostSoManyMemberships) {
  Side a{"group-limit", {.memberships = 3}};
  a.join("g", {a.pid(1), a.pid(1)});
  EXPECT_EQ(a.table.join(k_scope, "h", {a.pid(1), a.pid(2)}).error().code, Errc::unavailable);
  a.join("h", {a.pid(2)});
  EXPECT_EQ(a.table.join(k_scope, "h", {a.pid(2)}).error().code, Errc::unavailable);
  a.leave("g", {a.pid(1)});
  EXPECT_TRUE(a.table.join(k_scope, "h", {a.pid(2)}));
}

TEST_F(GroupTableOfOthers, NewsThatBreakTheRulesAreMalformed) {
  const auto verdict = [this](const GroupRow& row) {
    Side fresh{"group-fresh"};
    return fresh.table.hear(b.id, GroupsState{1, true, true, {row}}, fresh.notes);
  };
  EXPECT_EQ(verdict({k_scope, "g", {{1, 1, 1}}}), Heard::ok);
  EXPECT_EQ(verdict({k_scope, "g", {{1, 2, 1}}}), Heard::malformed);  // no life
  EXPECT_EQ(verdict({k_scope, "g", {{0, 1, 1}}}), Heard::malformed);
  EXPECT_EQ(verdict({k_scope, "g", {{1, 1, 0}}}), Heard::malformed);
  EXPECT_EQ(verdict({k_scope, "g", {}}), Heard::malformed);
  EXPECT_EQ(verdict({"", "g", {{1, 1, 1}}}), Heard::malformed);
  EXPECT_EQ(verdict({k_scope, std::string(300, 'x'), {{1, 1, 1}}}), Heard::malformed);
  EXPECT_EQ(verdict({k_scope, "g", {{1, 1, 4'000'000'000U}}}), Heard::malformed);
  // A part that nothing leads to, and one of ourselves.
  EXPECT_EQ(a.table.hear(b.id, GroupsState{9, false, true, {}}, a.notes), Heard::malformed);
  EXPECT_EQ(a.table.hear(a.id, GroupsState{1, true, true, {}}, a.notes), Heard::malformed);
  EXPECT_EQ(a.table.hear(b.id, GroupsChange{1, {}, {{k_scope, "g", {{1, 1, 1}}}}}, a.notes),
            Heard::malformed);  // who leaves was never there
}

TEST(GroupLimits, AFloodingPeerIsMalformedAtTheLimitAndTakesNoMore) {
  Side a{"group-here", {.memberships = 10}};
  Side b{"group-flood"};
  a.meet(b);
  for (std::uint32_t i = 1; i <= 10; ++i) {
    EXPECT_EQ(a.hear(b, b.join("g" + std::to_string(i), {b.pid(i)})), Heard::ok);
  }
  EXPECT_EQ(a.hear(b, b.join("more", {b.pid(11)})), Heard::malformed);
  EXPECT_TRUE(a.members("more").empty());
  a.table.drop(b.id);
  EXPECT_EQ(a.meet(b), Heard::malformed);  // all at once: no better
  EXPECT_TRUE(a.table.groups(k_scope, Whose::all).empty());
}

// -- PGR-5, 6, 8 ----------------------------------------------------------------------------

TEST_F(GroupTableOfOthers, ChangesOfANodeAreAppliedInOrder) {
  b.hear(a, a.join("g", {a.pid(1), a.pid(2)}));
  b.hear(a, a.join("g", {a.pid(1)}));
  EXPECT_EQ(b.members("g"), (Pids{a.pid(1), a.pid(1), a.pid(2)}));
  EXPECT_TRUE(b.table.members(k_scope, "g", Whose::local).empty());
  EXPECT_TRUE(b.table.groups(k_scope, Whose::local).empty());
  b.hear(a, a.table.ended(a.pid(1)));
  EXPECT_EQ(b.members("g"), Pids{a.pid(2)});
  b.hear(a, a.leave("g", {a.pid(2)}));
  EXPECT_TRUE(b.table.groups(k_scope, Whose::all).empty());
}

TEST_F(GroupTableOfOthers, OfAnUnknownNodeNothingIsBelieved) {
  Side c{"group-c"};
  const auto early = c.join("g", {c.pid(1)});
  EXPECT_EQ(a.hear(c, early), Heard::ok);
  EXPECT_TRUE(a.members("g").empty());
  a.meet(c);
  EXPECT_EQ(a.hear(c, early), Heard::ok);  // told once more: it has that already
  EXPECT_EQ(a.members("g"), Pids{c.pid(1)});
  EXPECT_EQ(a.table.drop(c.id).size(), 0U);
  a.hear(c, c.join("g", {c.pid(2)}));  // known no longer
  EXPECT_TRUE(a.members("g").empty());
}

TEST_F(GroupTableOfOthers, TheirStateReplacesWhatWasKnownOfThemAndTouchesNobodyElse) {
  Side c{"group-c2"};
  a.join("g", {a.pid(1)});
  c.join("g", {c.pid(1)});
  a.meet(c);
  a.hear(b, b.join("g", {b.pid(1), b.pid(2), b.pid(2)}));
  b.leave("g", {b.pid(1), b.pid(2)});  // not heard of
  b.join("h", {b.pid(3)});
  a.meet(b);
  EXPECT_EQ(a.members("g"), (Pids{a.pid(1), c.pid(1), b.pid(2)}));
  EXPECT_EQ(a.members("h"), Pids{b.pid(3)});
  a.table.drop(b.id);
  EXPECT_EQ(a.members("g"), (Pids{a.pid(1), c.pid(1)}));
  EXPECT_EQ(a.table.groups(k_scope, Whose::all), std::vector<Value>{"g"});
}

TEST_F(GroupTableOfOthers, AMissingVersionIsAskedForOnceAndRepaired) {
  a.join("g", {a.pid(1)});  // lost
  EXPECT_EQ(b.hear(a, a.join("g", {a.pid(2)})), Heard::gap);
  EXPECT_EQ(b.hear(a, a.join("g", {a.pid(3)})), Heard::ok);  // asked already
  EXPECT_TRUE(b.members("g").empty());
  EXPECT_EQ(b.meet(a), Heard::ok);
  EXPECT_EQ(b.members("g"), a.members("g"));
  EXPECT_EQ(b.hear(a, a.leave("g", {a.pid(1)})), Heard::ok);
  EXPECT_EQ(b.members("g"), a.members("g"));
}

TEST(GroupPieces, LargeNewsGoInBoundedPiecesAndComeOutTheSame) {
  Side a{"group-big", {.news_bytes = 1000}};
  Side b{"group-small"};
  Pids many;
  for (std::uint32_t i = 1; i <= 200; ++i) many.push_back(a.pid(i));
  const auto one_group = a.join("crowd", many);
  EXPECT_GT(one_group.changes.size(), 2U);
  for (int i = 0; i < 50; ++i) a.join(i, {a.pid(1)});
  const auto state = a.table.state();
  ASSERT_GT(state.size(), 4U);
  for (const GroupsState& part : state) {
    std::size_t members = 0;
    for (const GroupRow& row : part.rows) members += row.members.size();
    EXPECT_LE(members, 1000U / 16U + 1);
  }
  EXPECT_EQ(b.meet(a), Heard::ok);
  EXPECT_EQ(b.members("crowd"), many);
  EXPECT_EQ(b.table.groups(k_scope, Whose::all), a.table.groups(k_scope, Whose::all));
  EXPECT_EQ(b.hear(a, a.table.ended(a.pid(1))), Heard::ok);
  EXPECT_EQ(b.table.groups(k_scope, Whose::all), std::vector<Value>{"crowd"});
}

TEST(GroupPieces, OfAStateThatIsCutShortNothingIsBelieved) {
  Side a{"group-long", {.news_bytes = 100}};
  Side b{"group-waits"};
  for (int i = 0; i < 20; ++i) a.join(i, {a.pid(1)});
  auto state = a.table.state();
  ASSERT_GT(state.size(), 3U);
  b.table.hear(a.id, state[0], b.notes);
  b.table.hear(a.id, state[1], b.notes);
  EXPECT_TRUE(b.table.groups(k_scope, Whose::all).empty());
  EXPECT_EQ(b.meet(a), Heard::ok);  // it begins anew
  EXPECT_EQ(b.table.groups(k_scope, Whose::all).size(), 20U);
}

// -- PGR-10 ---------------------------------------------------------------------------------

/// What watchers are told, in words.
std::vector<std::string> words(const GroupTable::Notes& notes) {
  std::vector<std::string> told;
  for (const auto& note : notes) {
    std::string text = std::to_string(note.ref.serial) + (note.joined ? " join " : " leave ") +
                       to_string(note.group);
    for (const Pid& pid : note.pids) text += " " + std::to_string(pid.index);
    told.push_back(std::move(text));
  }
  return told;
}
using Words = std::vector<std::string>;

TEST_F(GroupWatch, HearsOfEachChangeOfItsGroupOrScopeAndOfNoOther) {
  const Pid watcher = a.pid(9);
  a.table.watch({a.id, 9, 1}, watcher, k_scope, Value{"g"});
  a.table.watch({a.id, 9, 2}, watcher, k_scope, std::nullopt);
  EXPECT_EQ(words(a.join("g", {a.pid(1), a.pid(1)}).notes),
            (Words{"1 join \"g\" 1 1", "2 join \"g\" 1 1"}));
  EXPECT_EQ(words(a.join("h", {a.pid(2)}).notes), Words{"2 join \"h\" 2"});
  EXPECT_TRUE(a.table.join("other", "g", {a.pid(3)})->notes.empty());
  EXPECT_EQ(words(a.leave("g", {a.pid(7), a.pid(1)}).notes),
            (Words{"1 leave \"g\" 1", "2 leave \"g\" 1"}));
  a.join("g", {a.pid(1)});
  EXPECT_EQ(words(a.table.ended(a.pid(1)).notes),
            (Words{"1 leave \"g\" 1 1", "2 leave \"g\" 1 1"}));
}

TEST_F(GroupWatch, HearsOfOtherNodesAndOfTheirLoss) {
  a.table.watch({a.id, 9, 1}, a.pid(9), k_scope, Value{"g"});
  a.hear(b, b.join("g", {b.pid(1), b.pid(2)}));
  EXPECT_EQ(words(a.notes), Words{"1 join \"g\" 1 2"});
  EXPECT_EQ(words(a.table.drop(b.id)), Words{"1 leave \"g\" 1 2"});
}

TEST_F(GroupWatch, OfANewStateHearsOnlyWhatIsDifferent) {
  a.table.watch({a.id, 9, 1}, a.pid(9), k_scope, std::nullopt);
  a.hear(b, b.join("g", {b.pid(1), b.pid(2), b.pid(2)}));
  a.hear(b, b.join("h", {b.pid(1)}));
  b.leave("g", {b.pid(2)});
  b.join("g", {b.pid(3)});
  b.leave("h", {b.pid(1)});
  a.notes.clear();
  a.meet(b);
  EXPECT_EQ(words(a.notes), (Words{"1 leave \"g\" 2", "1 leave \"h\" 1", "1 join \"g\" 3"}));
  a.notes.clear();
  a.meet(b);
  EXPECT_TRUE(a.notes.empty());
}

TEST_F(GroupWatch, OfAGroupThatNobodyCanJoinIsNone) {
  a.table.watch({a.id, 9, 1}, a.pid(9), k_scope, Value{std::string(256, 'x')});
  EXPECT_FALSE(a.table.unwatch({a.id, 9, 1}, a.pid(9)));
  EXPECT_TRUE(a.table.ended(a.pid(9)).changes.empty());
}

TEST_F(GroupWatch, EndsOnceByItsOwnProcessOrWithIt) {
  const Ref ref{a.id, 9, 1};
  a.table.watch(ref, a.pid(9), k_scope, Value{"g"});
  EXPECT_FALSE(a.table.unwatch(ref, a.pid(8)));
  EXPECT_TRUE(a.table.unwatch(ref, a.pid(9)));
  EXPECT_FALSE(a.table.unwatch(ref, a.pid(9)));
  a.table.watch(ref, a.pid(9), k_scope, std::nullopt);
  a.join("g", {a.pid(9)});
  a.table.ended(a.pid(9));
  EXPECT_FALSE(a.table.unwatch(ref, a.pid(9)));
  EXPECT_TRUE(a.join("g", {a.pid(1)}).notes.empty());
}

TEST_F(GroupWatch, OfAHundredThousandOfOneGroupEndWithTheirProcess) {
  constexpr std::uint64_t k_watches = 100'000;
  for (std::uint64_t i = 1; i <= k_watches; ++i) {
    a.table.watch({a.id, 9, i}, a.pid(9), k_scope, Value{"g"});
  }
  EXPECT_EQ(a.join("g", {a.pid(1)}).notes.size(), k_watches);
  a.table.ended(a.pid(9));
  EXPECT_TRUE(a.join("g", {a.pid(1)}).notes.empty());
}

}  // namespace
}  // namespace grove::detail
