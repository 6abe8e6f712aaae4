// SPDX-License-Identifier: Apache-2.0
//
// Process groups on one node, as its processes use them.
#include "grove/node/pg.hpp"

#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;
using Pids = std::vector<Pid>;

Task<> sleeper(Context& context) {
  for (;;) co_await context.receive_any();
}

TEST(Pg, OfANodeAloneHasMembersAsOftenAsTheyHaveJoined) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    const Pid self = context.self();
    const Pid other = context.spawn(sleeper);
    EXPECT_TRUE(pg::join(context, "g", self));
    EXPECT_TRUE(pg::join(context, "g", {self, other}));
    EXPECT_TRUE(pg::join(context, Value::symbol("g"), other));
    EXPECT_TRUE(pg::join(context, "g", self, "other scope"));
    EXPECT_EQ(pg::members(context, "g"), (Pids{self, self, other}));
    EXPECT_EQ(pg::local_members(context, "g"), (Pids{self, self, other}));
    EXPECT_EQ(pg::which_groups(context), (std::vector<Value>{"g", Value::symbol("g")}));
    EXPECT_EQ(pg::which_local_groups(context), pg::which_groups(context));
    EXPECT_TRUE(pg::leave(context, "g", {self, self, self}));
    EXPECT_EQ(pg::leave(context, "g", self).error().code, Errc::not_found);
    EXPECT_EQ(pg::members(context, "g"), Pids{other});
    EXPECT_EQ(pg::members(context, "g", "other scope"), Pids{self});
    co_return;
  });
}

TEST(Pg, OnlyAProcessOfThisNodeCanJoinAndARefusalChangesNothing) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    const Pid self = context.self();
    const Pid foreign{intern_node("elsewhere", Life{1}), 1, 1};
    EXPECT_EQ(pg::join(context, "g", foreign).error().code, Errc::bad_argument);
    EXPECT_EQ(pg::join(context, "g", {self, foreign}).error().code, Errc::bad_argument);
    EXPECT_EQ(pg::leave(context, "g", foreign).error().code, Errc::bad_argument);
    EXPECT_EQ(pg::join(context, "g", Pid{}).error().code, Errc::bad_argument);
    const Pid dead = context.spawn([](Context&) -> Task<> { co_return; });
    co_await context.sleep_for(1ms);
    EXPECT_EQ(pg::join(context, "g", {self, dead}).error().code, Errc::noproc);
    EXPECT_TRUE(pg::join(context, "g", Pids{}));
    EXPECT_TRUE(pg::which_groups(context).empty());
  });
}

TEST(Pg, WhoSeesADownSeesNoMembershipOfTheDead) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    const auto [member, ref] = context.spawn_monitor(sleeper);
    EXPECT_TRUE(pg::join(context, "g", {member, member}));
    EXPECT_TRUE(pg::join(context, "h", member));
    context.exit(member, ExitReason::kill());
    co_await context.receive<Down>();
    EXPECT_TRUE(pg::which_groups(context).empty());
    EXPECT_EQ(pg::leave(context, "g", member).error().code, Errc::not_found);
  });
}

TEST(Pg, AMonitorHasAFirstViewAndThenEachChange) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    const Pid member = context.spawn(sleeper);
    const Pid self = context.self();
    EXPECT_TRUE(pg::join(context, "g", self));
    const auto [ref, members] = pg::monitor(context, "g");
    EXPECT_EQ(members, Pids{self});
    EXPECT_TRUE(pg::join(context, "g", {member, member}));
    const PgJoin joined = co_await context.receive<PgJoin>();
    EXPECT_EQ(joined.ref, ref);
    EXPECT_EQ(joined.group, Value{"g"});
    EXPECT_EQ(joined.pids, (Pids{member, member}));
    context.exit(member, ExitReason::kill());
    const PgLeave left = co_await context.receive<PgLeave>();
    EXPECT_EQ(left.pids, joined.pids);
    EXPECT_TRUE(pg::join(context, "h", self));
    EXPECT_FALSE(co_await context.receive_for<PgJoin>(1s));
  });
}

TEST(Pg, AMonitorOfAScopeSeesItsGroupsComeAndGo) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    const Pid self = context.self();
    EXPECT_TRUE(pg::join(context, "g", self));
    const auto [ref, groups] = pg::monitor_scope(context);
    const pg::Group only{"g", {self}};
    EXPECT_EQ(groups, std::vector<pg::Group>(1, only));
    EXPECT_TRUE(pg::join(context, 7, self));
    const PgJoin joined = co_await context.receive<PgJoin>();
    EXPECT_EQ(joined.group, Value{7});
    EXPECT_TRUE(pg::leave(context, "g", self));
    const PgLeave left = co_await context.receive<PgLeave>();
    EXPECT_EQ(left.group, Value{"g"});
  });
}

TEST(Pg, AMonitorThatEndsTakesWhatItHasSentAlong) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    const Pid self = context.self();
    const auto first = pg::monitor(context, "g");
    const auto second = pg::monitor(context, "g");
    EXPECT_TRUE(pg::join(context, "g", self));
    EXPECT_TRUE(pg::leave(context, "g", self));
    EXPECT_TRUE(pg::demonitor(context, first.ref));
    EXPECT_FALSE(pg::demonitor(context, first.ref));
    EXPECT_EQ((co_await context.receive<PgJoin>()).ref, second.ref);
    EXPECT_EQ((co_await context.receive<PgLeave>()).ref, second.ref);
    EXPECT_EQ(co_await context.receive_any(0ms), nullptr);
  });
}

// Each message of the mailbox is looked at once: else this takes a minute.
TEST(Pg, AMonitorThatEndsTakesAHundredThousandFromBehindAsManyOthers) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    constexpr int k_others = 100'000;
    for (int i = 0; i < k_others; ++i) context.send(context.self(), i);
    const auto watch = pg::monitor(context, "g");
    for (int i = 0; i < 50'000; ++i) {
      EXPECT_TRUE(pg::join(context, "g", context.self()));
      EXPECT_TRUE(pg::leave(context, "g", context.self()));
    }
    EXPECT_TRUE(pg::demonitor(context, watch.ref));
    for (int i = 0; i < k_others; ++i) EXPECT_EQ(co_await context.receive<int>(), i);
    EXPECT_EQ(co_await context.receive_any(0ms), nullptr);
  });
}

TEST(Pg, AMonitorsWordTakesNoRoomInABoundedMailbox) {
  LocalWorld world;
  Pids seen;
  world.run([&](Context& context) -> Task<> {
    SpawnOptions bounded;
    bounded.mailbox = {.messages = 1, .policy = MailboxPolicy::drop_newest};
    const Pid watcher = context
                            .spawn_opt(bounded,
                                       [&seen](Context& own) -> Task<> {
                                         (void)pg::monitor(own, "g");
                                         co_await own.sleep_for(1s);
                                         for (int i = 0; i < 3; ++i) {
                                           const PgJoin joined = co_await own.receive<PgJoin>();
                                           seen.push_back(joined.pids.at(0));
                                         }
                                       })
                            .pid;
    co_await context.sleep_for(1ms);
    context.send(watcher, std::string{"takes the room"});
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(pg::join(context, "g", context.self()));
    co_await context.sleep_for(2s);
  });
  EXPECT_EQ(seen.size(), 3U);
}

// -- what docs/pg.md shows ------------------------------------------------------------------

struct Forget {
  std::string key;
};

// [snippet cache]
grove::Task<> cache(grove::Context& context) {
  (void)grove::pg::join(context, "caches", context.self());  // until this process ends
  const Forget forget = co_await context.receive<Forget>();
  // [/snippet cache]
  EXPECT_EQ(forget.key, "user-17");
}

TEST(PgDoc, TellsAllMembersOfAGroup) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    for (int i = 0; i < 3; ++i) context.spawn(cache);
    co_await context.sleep_for(1ms);
    EXPECT_EQ(pg::members(context, "caches").size(), 3U);
    // [snippet tell]
    for (const grove::Pid& member : grove::pg::members(context, "caches")) {
      context.send(member, Forget{"user-17"});
    }
    // [/snippet tell]
    co_await context.sleep_for(1ms);
    EXPECT_TRUE(pg::members(context, "caches").empty());
  });
}

/// Returns when the group is empty.
Task<> await_the_last(Context& context) {
  // [snippet watch]
  auto [ref, members] = grove::pg::monitor(context, "caches");
  while (!members.empty()) {
    const auto gone = co_await context.receive<grove::PgLeave>();
    for (const grove::Pid& pid : gone.pids) std::erase(members, pid);
  }
  grove::pg::demonitor(context, ref);
  // [/snippet watch]
}

TEST(PgDoc, KeepsAViewOfAGroup) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    Pids caches;
    for (int i = 0; i < 2; ++i) caches.push_back(context.spawn(cache));
    co_await context.sleep_for(1ms);
    for (const Pid& pid : caches) context.send_after(1s, pid, Forget{"user-17"});
    co_await await_the_last(context);
    EXPECT_TRUE(pg::which_groups(context).empty());
  });
}

}  // namespace
}  // namespace grove
