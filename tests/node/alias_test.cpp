// SPDX-License-Identifier: Apache-2.0
//
// Process aliases. Where a case says nothing else, the outcome is OTP's (semantics ALS-1 to ALS-6).
#include "grove/testkit/local_world.hpp"

#include "relations.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

struct Note {
  int number = 0;
};

Task<> wait_for_ever(Context& context) {
  for (;;) co_await context.receive_any();
}

/// Sends `count` numbered notes through an alias, and ends.
Task<> write_through(Context& context, Ref alias, int count) {
  for (int i = 1; i <= count; ++i) context.send(alias, Note{i});
  co_return;
}

Task<> give_alias(Context& context, Pid to) {
  context.send(to, context.alias());
  co_await context.receive<Note>();
}

std::uint64_t dropped(LocalWorld& world) {
  return world.node().metrics().get(Metric::dead_letters_alias);
}

/// Lets `count` notes come through `alias`. Returns: those that did, by number.
Task<std::vector<int>> notes_through(Context& context, Ref alias, int count) {
  const Spawned writer = context.spawn_monitor(write_through, alias, count);
  const auto is_its_end = [writer](const Down& down) { return down.ref == writer.ref; };
  co_await context.receive<Down>(is_its_end);
  std::vector<int> numbers;
  while (auto note = co_await context.receive_for<Note>(0s)) numbers.push_back(note->number);
  co_return numbers;
}

const std::vector<int> k_none{};
const std::vector<int> k_first{1};
const std::vector<int> k_both{1, 2};

TEST(Alias, DeliversAsToTheOwnersPid) {  // ALS-1
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Ref alias = context.alias();
    const std::vector<int> came = co_await notes_through(context, alias, 2);
    EXPECT_EQ(came, k_both);
    context.send(alias, Note{3});  // its owner may use it, too
    const EnvelopePtr own = co_await context.receive_any();
    EXPECT_EQ(own->from, context.self());
    EXPECT_EQ(own->kind(), SignalKind::info);
  });
  EXPECT_EQ(dropped(world), 0U);
}

TEST(Alias, KeepsTheOrderAmongTheAddressesOfOneProcess) {  // PRC-5
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    EXPECT_TRUE(context.register_name("owner", context.self()));
    const Ref alias = context.alias();
    const Pid owner = context.self();
    context.spawn([alias, owner](Context& writer) -> Task<> {
      for (int i = 0; i < 30; i += 3) {
        writer.send(owner, Note{i});
        writer.send(alias, Note{i + 1});
        writer.send("owner", Note{i + 2});
      }
      co_return;
    });
    for (int i = 0; i < 30; ++i) {
      const Note note = co_await context.receive<Note>();
      EXPECT_EQ(note.number, i);
    }
  });
}

TEST(Alias, AfterUnaliasWhatIsQueuedStaysAndTheRestIsDropped) {  // ALS-2
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Ref alias = context.alias();
    context.send(alias, Note{1});
    EXPECT_TRUE(context.unalias(alias));
    EXPECT_FALSE(context.unalias(alias));
    context.send(alias, Note{2});
    const std::vector<int> later = co_await notes_through(context, alias, 2);
    EXPECT_EQ(later, k_first);  // the one of before unalias()
  });
  EXPECT_EQ(dropped(world), 3U);
}

TEST(Alias, OfModeReplyEndsWithItsFirstMessage) {  // ALS-3
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Ref alias = context.alias(AliasMode::reply);
    const std::vector<int> came = co_await notes_through(context, alias, 4);
    EXPECT_EQ(came, k_first);
    EXPECT_FALSE(context.unalias(alias));
  });
  EXPECT_EQ(dropped(world), 3U);
}

TEST(Alias, OfModeNoneIsNoAlias) {  // OTP has no such mode for alias/1
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Ref alias = context.alias(AliasMode::none);
    const std::vector<int> came = co_await notes_through(context, alias, 1);
    EXPECT_EQ(came, k_none);
    EXPECT_FALSE(context.unalias(alias));
  });
  EXPECT_EQ(dropped(world), 1U);
}

// -- with a monitor -------------------------------------------------------------------------

/// What a monitor with an alias comes to.
struct MonitorCase {
  AliasMode mode;
  std::vector<int> while_it_lives;   // two notes are sent; these come
  bool down_follows;                 // when the target ends afterwards
  std::vector<int> after_down;       // of two more, with no message before the end
  std::vector<int> after_demonitor;  // of two more, likewise
};

const std::vector<MonitorCase>& monitor_cases() {
  static const std::vector<MonitorCase> cases{
      {AliasMode::none, k_none, true, k_none, k_none},
      {AliasMode::explicit_unalias, k_both, true, k_both, k_both},
      // OTP's monitor/3 does not take `reply`; here it is an alias for one message.
      {AliasMode::reply, k_first, true, k_first, k_first},
      {AliasMode::demonitor, k_both, true, k_none, k_none},
      {AliasMode::reply_demonitor, k_first, false, k_none, k_none},
  };
  return cases;
}

TEST(MonitorAlias, MessagesComeThroughItAsItsModeSays) {  // ALS-4, ALS-5, ALS-6
  for (const MonitorCase& expected : monitor_cases()) {
    LocalWorld world;
    world.run([&](Context& context) -> Task<> {
      SCOPED_TRACE(static_cast<int>(expected.mode));
      const Pid target = context.spawn(wait_for_ever);
      const Ref ref = context.monitor(target, expected.mode);
      const std::vector<int> came = co_await notes_through(context, ref, 2);
      EXPECT_EQ(came, expected.while_it_lives);
      context.exit(target, ExitReason::kill());
      const auto down = co_await context.receive_for<Down>(1s);
      EXPECT_EQ(down.has_value(), expected.down_follows);
    });
  }
}

TEST(MonitorAlias, TheTargetForgetsAMonitorThatAMessageHasEnded) {  // ALS-5
  LocalWorld world;
  Pid target;
  world.run([&](Context& context) -> Task<> {
    target = context.spawn(wait_for_ever);
    const Ref ref = context.monitor(target, AliasMode::reply_demonitor);
    context.send(ref, Note{});
    co_await context.receive<Note>();
    std::vector<ProcessInfo> rows;
    context.node().inspect({target, context.self()},
                           [&](std::vector<ProcessInfo> all) { rows = std::move(all); });
    co_await context.sleep_for(1ms);
    EXPECT_EQ(rows.size(), 2U);
    for (const ProcessInfo& row : rows) {
      EXPECT_TRUE(row.monitors.empty());
      EXPECT_TRUE(row.monitored_by.empty());
    }
  });
}

TEST(MonitorAlias, SurvivesItsDownOrNotAsItsModeSays) {  // ALS-4, ALS-6
  for (const MonitorCase& expected : monitor_cases()) {
    LocalWorld world;
    world.run([&](Context& context) -> Task<> {
      SCOPED_TRACE(static_cast<int>(expected.mode));
      const Pid target = context.spawn(wait_for_ever);
      const Ref ref = context.monitor(target, expected.mode);
      context.exit(target, ExitReason::kill());
      const Down down = co_await context.receive<Down>();
      EXPECT_EQ(down.reason, ExitReason::killed());
      const std::vector<int> came = co_await notes_through(context, ref, 2);
      EXPECT_EQ(came, expected.after_down);
      EXPECT_FALSE(context.demonitor(ref, Flush::yes));
    });
  }
}

TEST(MonitorAlias, SurvivesDemonitorOrNotAsItsModeSays) {  // ALS-4, ALS-6
  for (const MonitorCase& expected : monitor_cases()) {
    LocalWorld world;
    world.run([&](Context& context) -> Task<> {
      SCOPED_TRACE(static_cast<int>(expected.mode));
      const Pid target = context.spawn(wait_for_ever);
      const Ref ref = context.monitor(target, expected.mode);
      EXPECT_TRUE(context.demonitor(ref));
      EXPECT_FALSE(context.demonitor(ref));
      context.exit(target, ExitReason::kill());
      const std::vector<int> came = co_await notes_through(context, ref, 2);
      EXPECT_EQ(came, expected.after_demonitor);
      const auto down = co_await context.receive_for<Down>(1s);
      EXPECT_FALSE(down.has_value());
    });
  }
}

TEST(MonitorAlias, UnaliasLeavesTheMonitor) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    for (const MonitorCase& one : monitor_cases()) {
      SCOPED_TRACE(static_cast<int>(one.mode));
      const Pid target = context.spawn(wait_for_ever);
      const Ref ref = context.monitor(target, one.mode);
      EXPECT_EQ(context.unalias(ref), one.mode != AliasMode::none);
      const std::vector<int> came = co_await notes_through(context, ref, 1);
      EXPECT_EQ(came, k_none);
      context.exit(target, ExitReason::kill());
      const Down down = co_await context.receive<Down>();
      EXPECT_EQ(down.ref, ref);
    }
  });
}

TEST(MonitorAlias, OfADeadProcessEndsWithItsNoproc) {  // mon/monitor_3_noproc_gh6185
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Spawned dead = context.spawn_monitor([](Context&) -> Task<> { co_return; });
    co_await context.receive<Down>();
    const Ref ends = context.monitor(dead.pid, AliasMode::demonitor);
    const Ref stays = context.monitor(dead.pid, AliasMode::explicit_unalias);
    for (int i = 0; i < 2; ++i) {
      const Down down = co_await context.receive<Down>();
      EXPECT_EQ(down.reason, ExitReason::noproc());
    }
    const std::vector<int> through_ends = co_await notes_through(context, ends, 1);
    EXPECT_EQ(through_ends, k_none);
    const std::vector<int> through_stays = co_await notes_through(context, stays, 1);
    EXPECT_EQ(through_stays, k_first);
    EXPECT_TRUE(context.unalias(stays));
  });
}

// OTP 25 makes no alias of a monitor of oneself, whatever the mode (observed).
TEST(MonitorAlias, OfOneselfIsNeitherMonitorNorAlias) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    for (const MonitorCase& one : monitor_cases()) {
      const Ref ref = context.monitor(context.self(), one.mode);
      const std::vector<int> came = co_await notes_through(context, ref, 1);
      EXPECT_EQ(came, k_none);
      EXPECT_FALSE(context.unalias(ref));
      EXPECT_FALSE(context.demonitor(ref));
    }
  });
}

// -- of others, of the dead ------------------------------------------------------------------

TEST(Alias, OfADeadProcessIsADeadLetter) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid owner = context.spawn(give_alias, context.self());
    const Ref alias = co_await context.receive<Ref>();
    const Ref ref = context.monitor(owner);
    context.send(alias, Note{});
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, ref);
    context.send(alias, Note{});
    co_await context.sleep_for(1ms);
  });
  EXPECT_EQ(dropped(world), 1U);
}

TEST(Alias, NeverReachesTheNextProcessOfItsOwnersPlace) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid owner = context.spawn(give_alias, context.self());
    const Ref alias = co_await context.receive<Ref>();
    context.monitor(owner);
    context.exit(owner, ExitReason::kill());
    co_await context.receive<Down>();
    // Each has as many aliases as the owner made references, and tells what comes.
    const auto heir = [](Context& own, Pid tell) -> Task<> {
      for (int i = 0; i < 8; ++i) static_cast<void>(own.alias());
      for (;;) {
        const Note note = co_await own.receive<Note>();
        own.send(tell, Note{note.number});
      }
    };
    Pid next;
    for (int tries = 0; tries < 200 && next.index != owner.index; ++tries) {
      next = context.spawn(heir, context.self());
    }
    EXPECT_EQ(next.index, owner.index);
    EXPECT_NE(next, owner);
    co_await context.sleep_for(1ms);
    context.send(alias, Note{1});
    const auto strayed = co_await context.receive_for<Note>(1s);
    EXPECT_FALSE(strayed.has_value());
  });
  EXPECT_EQ(dropped(world), 1U);
}

TEST(Alias, BelongsToWhoMadeIt) {  // OTP: unalias of another's is false
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Ref alias = context.alias();
    const Spawned other = context.spawn_monitor([alias](Context& own) -> Task<> {
      EXPECT_FALSE(own.unalias(alias));
      EXPECT_FALSE(own.demonitor(alias));
      co_return;
    });
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, other.ref);
    const std::vector<int> came = co_await notes_through(context, alias, 1);
    EXPECT_EQ(came, k_first);
    EXPECT_FALSE(context.demonitor(alias));  // it is no monitor, so it stays
    EXPECT_TRUE(context.unalias(alias));
  });
}

TEST(Alias, ThatNobodyMadeIsADeadLetter) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.send(context.make_ref(), Note{});                 // no alias
    context.send(Ref{context.node().id(), 9999, 7}, Note{});  // of no process
    EXPECT_FALSE(context.unalias(Ref{}));
    co_await context.sleep_for(1ms);
  });
  EXPECT_EQ(dropped(world), 2U);
}

TEST(Alias, OfAnotherNodeWithoutAConnectionIsADeadLetter) {
  LocalWorld world;
  const NodeId elsewhere = intern_node("elsewhere", Life{7});
  world.run([&](Context& context) -> Task<> {
    const Ref foreign{elsewhere, 1, 1};
    context.send(foreign, Note{});
    context.send(Ref{}, Note{});  // nobody's
    EXPECT_FALSE(context.unalias(foreign));
    co_await context.sleep_for(1ms);
  });
  EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_no_connection), 1U);
  EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_no_process), 1U);
}

struct Ask {
  using Reply = int;
};

/// Answers long after its caller has given up.
class Slow : public GenServer {
 public:
  using Handles = grove::Handles<Ask>;
  Task<int> handle_call(Ask) {
    co_await context().sleep_for(10s);
    co_return 1;
  }
};

TEST(Reply, ThatIsLateIsADeadLetter) {  // as OTP's, whose calls use an alias
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult slow = co_await start_link<Slow>(context);
    try {
      co_await context.call_for<Ask>(1s, slow.pid);
      ADD_FAILURE() << "it has answered";
    } catch (const ProcessExit& exit) {
      EXPECT_EQ(exit.reason(), ExitReason::symbol("timeout"));
    }
    const EnvelopePtr late = co_await context.receive_any(1min);
    EXPECT_EQ(late, nullptr);
  });
  EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_late_reply), 1U);
}

TEST(Reply, ToAMonitorsReferenceDoesNotEndTheMonitor) {  // no such thing in OTP
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid target = context.spawn(wait_for_ever);
    const Ref ref = context.monitor(target);
    context.reply(From{context.self(), ref.serial}, 1);
    co_await context.sleep_for(1ms);
    context.exit(target, ExitReason::kill());
    const auto down = co_await context.receive_for<Down>(1s);
    EXPECT_TRUE(down.has_value());
  });
  EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_late_reply), 1U);
}

// -- Relations ------------------------------------------------------------------------------

using detail::Relations;
using detail::Watch;

struct WatchCase {
  Watch::Kind kind;
  AliasMode mode;
  bool first_comes;     // a message through it
  bool second_comes;    // the next one
  bool message_ends;    // the first one ends a monitor
  bool end_watch_ends;  // end_watch() of a fresh one ends something
  bool after_end;       // a message through it after that
};

constexpr WatchCase k_watch_cases[] = {
    {Watch::Kind::call, AliasMode::none, false, false, false, true, false},
    {Watch::Kind::monitor, AliasMode::none, false, false, false, true, false},
    {Watch::Kind::monitor, AliasMode::explicit_unalias, true, true, false, true, true},
    {Watch::Kind::monitor, AliasMode::reply, true, false, false, true, true},
    {Watch::Kind::monitor, AliasMode::demonitor, true, true, false, true, false},
    {Watch::Kind::monitor, AliasMode::reply_demonitor, true, false, true, true, false},
    {Watch::Kind::alias, AliasMode::explicit_unalias, true, true, false, false, true},
    {Watch::Kind::alias, AliasMode::reply, true, false, false, false, true},
};

Relations with_watch(const WatchCase& one) {
  Relations relations;
  relations.watch(7, {.kind = one.kind, .alias = one.mode});
  return relations;
}

TEST(Relations, AMessageThroughAnAliasEndsWhatItsModeSays) {
  for (const WatchCase& one : k_watch_cases) {
    SCOPED_TRACE(std::to_string(static_cast<int>(one.kind)) + ' ' +
                 std::to_string(static_cast<int>(one.mode)));
    Relations relations = with_watch(one);
    std::optional<Watch> ended;
    EXPECT_EQ(relations.on_alias(7, ended), one.first_comes);
    EXPECT_EQ(ended.has_value(), one.message_ends);
    EXPECT_EQ(relations.on_alias(7, ended), one.second_comes);
    EXPECT_FALSE(relations.on_alias(8, ended));
    // A monitor that no message has ended is still there, and can be ended once.
    const bool still = one.kind != Watch::Kind::alias && !one.message_ends;
    EXPECT_EQ(relations.end_watch(7).has_value(), still);
    EXPECT_FALSE(relations.end_watch(7).has_value());
  }
}

TEST(Relations, TheEndOfAMonitorEndsItsAliasOrNot) {
  for (const WatchCase& one : k_watch_cases) {
    SCOPED_TRACE(std::to_string(static_cast<int>(one.kind)) + ' ' +
                 std::to_string(static_cast<int>(one.mode)));
    Relations relations = with_watch(one);
    EXPECT_EQ(relations.end_watch(7).has_value(), one.end_watch_ends);
    std::optional<Watch> ended;
    EXPECT_EQ(relations.on_alias(7, ended), one.after_end);
    EXPECT_FALSE(ended.has_value());
  }
}

TEST(Relations, UnaliasEndsAnAliasAndNoMonitor) {
  for (const WatchCase& one : k_watch_cases) {
    Relations relations = with_watch(one);
    EXPECT_EQ(relations.unalias(7), one.mode != AliasMode::none);
    EXPECT_FALSE(relations.unalias(7));
    std::optional<Watch> ended;
    EXPECT_FALSE(relations.on_alias(7, ended));
    EXPECT_EQ(relations.end_watch(7).has_value(), one.kind != Watch::Kind::alias);
    EXPECT_TRUE(relations.watches().empty());
  }
}

}  // namespace
}  // namespace grove
