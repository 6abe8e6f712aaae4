// SPDX-License-Identifier: Apache-2.0
//
// Children whose ends are hard to see, and parents that end in odd ways.
#include "grove/testkit/local_world.hpp"

#include "node/family.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <utility>

namespace grove {
namespace {

using namespace std::chrono_literals;
using namespace testkit;

Task<> end_in_its_own_time(Context& context) {
  context.trap_exit(true);
  const Exit exit = co_await context.receive<Exit>();
  co_await context.sleep_for(10ms);
  context.exit(ExitReason::symbol("done after " + to_string(exit.reason)));
}

TEST(Parent, R13g_OneThatStopsWithKillLeavesItsChildrenTheirTime) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid family = co_await start_family(context);
    Ref ref;
    co_await ask(context, family, [&](Family& own) -> Task<> {
      ref = context.monitor(own.start_child(job("a", end_in_its_own_time)).pid);
      co_await own.context().sleep_for(1ms);  // it traps exits by now
    });
    co_await stop_server(context, family, ExitReason::kill());
    EXPECT_EQ(co_await reason_of(context, ref), "done after killed");
  });
}

Task<> unlink_and_stay(Context& context) {
  context.unlink(context.parent());
  co_await sleep_long(context);
}

TEST(Parent, AChildsTimeIsUpThoughItHasUnlinkedItself) {
  for (const bool awaited : {false, true}) {
    LocalWorld world;
    const Story story = new_story();
    world.run([&](Context& context) -> Task<> {
      const Pid family = co_await start_family(context, story);
      co_await ask(context, family, [&](Family& own) -> Task<> {
        own.start_child(job("u", unlink_and_stay), {}, 1s);
        if (!awaited) co_return;
        const Result<ChildEnd> end = co_await own.await_child_termination("u", std::nullopt);
        EXPECT_EQ(to_string(end.value().reason), "timeout");
      });
      co_await context.sleep_for(2s);
      co_await ask(context, family, [](Family& own) -> Task<> {
        EXPECT_EQ(own.num_children(), 0U);
        co_return;
      });
    });
    const auto told = std::count_if(story->begin(), story->end(), [](const std::string& line) {
      return line.find("timeout") != std::string::npos;
    });
    EXPECT_EQ(told, awaited ? 0 : 1);
  }
}

Task<> hail_parent(Context& context) {
  context.exit(context.parent(), ExitReason::symbol("hello"));
  co_await sleep_long(context);
}

TEST(Parent, AnExitSignalOfALivingChildIsNotItsEnd) {
  LocalWorld world;
  const Story story = new_story();
  world.run([&](Context& context) -> Task<> {
    const Pid family = co_await start_family(context, story);
    co_await ask(context, family, [](Family& own) -> Task<> {
      own.start_child(job("h", hail_parent));
      co_await own.context().sleep_for(1s);
      const Result<ChildEnd> end = co_await own.await_child_termination("h", 1s);
      EXPECT_FALSE(end);
    });
    co_await ask(context, family, [](Family& own) -> Task<> {
      EXPECT_TRUE(own.is_child("h"));
      co_return;
    });
    co_await stop_server(context, family);
    EXPECT_EQ(context.node().processes().size(), 1U);
  });
  EXPECT_EQ(story->at(0), "exit hello");
}

Task<> hail_parent_and_fail(Context& context) {
  context.exit(context.parent(), ExitReason::symbol("hello"));
  context.exit(ExitReason::symbol("boom"));
  co_return;
}

TEST(Parent, AnExitSignalOfAChildThatThenEndsIsNotItsEnd) {
  LocalWorld world;
  const Story story = new_story();
  world.run([&](Context& context) -> Task<> {
    const Pid family = co_await start_family(context, story);
    co_await ask(context, family, [](Family& own) -> Task<> {
      own.start_child(job("awaited", hail_parent_and_fail));
      const Result<ChildEnd> end = co_await own.await_child_termination("awaited", 1s);
      EXPECT_TRUE(end && end.value().reason == ExitReason::symbol("boom"));
      own.start_child(job("told", hail_parent_and_fail));
      co_await own.context().sleep_for(1s);  // both are there now
    });
    co_await stop_server(context, family);
  });
  const std::vector<std::string> first(story->begin(), story->begin() + 3);
  EXPECT_EQ(first,
            (std::vector<std::string>{"exit hello", "exit hello", "\"told\" nil boom, left 0"}));
}

TEST(Parent, AChildWhoseTimeIsUpMayBeShutDownBeforeItsEndIsTold) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid family = co_await start_family(context);
    const auto ask_later = [](Context& own, Pid parent, Clock::Duration delay,
                              std::function<Task<>(Family&)> what) -> Task<> {
      co_await own.sleep_for(delay);
      co_await ask(own, parent, std::move(what));
    };
    const std::function<Task<>(Family&)> busy = [](Family& own) -> Task<> {
      own.start_child(job("t", sleep_long), {}, 1s);
      co_await own.context().sleep_for(3s);
    };
    const std::function<Task<>(Family&)> shut_down = [](Family& own) -> Task<> {
      EXPECT_TRUE(co_await own.shutdown_child("t"));
    };
    context.spawn(ask_later, family, Clock::Duration{0}, busy);
    context.spawn(ask_later, family, Clock::Duration{2s}, shut_down);
    co_await context.sleep_for(1min);
  });
  EXPECT_EQ(world.log().count(LogLevel::warning), 0U);  // no Down is left over
}

struct Noise {};

TEST(Parent, AChildsTimeIsUpThoughItsParentsMailboxIsFull) {
  for (const MailboxPolicy policy :
       {MailboxPolicy::drop_newest, MailboxPolicy::drop_oldest, MailboxPolicy::fail}) {
    SCOPED_TRACE(static_cast<int>(policy));
    LocalWorld world;
    world.run([policy](Context& context) -> Task<> {
      ServerOptions options;
      options.mailbox = {.messages = 2, .policy = policy};
      const StartResult family = co_await start_server<Family>(context, options, new_story());
      context.spawn(
          [](Context& own, Pid parent) -> Task<> {
            co_await ask(own, parent, [](Family& busy) -> Task<> {
              busy.start_child(job("t", sleep_long), {}, 1s);
              co_await busy.context().sleep_for(3s);
            });
          },
          family.pid);
      for (int i = 0; i < 4; ++i) {
        co_await context.sleep_for(500ms);
        for (int j = 0; j < 2; ++j) context.node().send(family.pid, Noise{});
      }
      co_await context.sleep_for(1min);
      co_await ask(context, family.pid, [](Family& own) -> Task<> {
        EXPECT_FALSE(own.is_child("t"));
        co_return;
      });
    });
  }
}

}  // namespace
}  // namespace grove
