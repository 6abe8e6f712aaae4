// SPDX-License-Identifier: Apache-2.0
//
// Spawns by request. What is expected here is what OTP 25 answers on one node.
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

struct Ping {
  int number = 0;
};
struct Found {
  Pid pid;
};

Task<> wait_for_ever(Context& context) {
  for (;;) co_await context.receive_any();
}
Task<> quit(Context& context, ExitReason reason) {
  context.exit(reason);
  co_return;
}

TEST(SpawnRequest, IsAnsweredBeforeAnythingElseOfTheChild) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const ExitReason boom = ExitReason::symbol("boom");
    const Ref request = context.spawn_request({.link = true, .monitor = true}, quit, boom);
    const EnvelopePtr first = co_await context.receive_any();
    const auto* reply = first->message.get<SpawnReply>();
    EXPECT_NE(reply, nullptr);
    if (reply == nullptr) co_return;
    EXPECT_EQ(reply->request, request);
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, reply->pid);
    EXPECT_EQ(exit.reason, boom);
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, request);
    EXPECT_EQ(down.pid, reply->pid);
    EXPECT_EQ(down.reason, boom);
    const EnvelopePtr nothing = co_await context.receive_any(1min);
    EXPECT_EQ(nothing, nullptr);
  });
}

TEST(SpawnRequest, IsAnsweredInTheOrderOfWhatItsMakerSendsItself) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.send(context.self(), Ping{1});
    context.spawn_request({}, wait_for_ever);
    context.send(context.self(), Ping{2});
    const EnvelopePtr before = co_await context.receive_any();
    const EnvelopePtr reply = co_await context.receive_any();
    const EnvelopePtr after = co_await context.receive_any();
    EXPECT_EQ(before->message.get<Ping>()->number, 1);
    EXPECT_TRUE(reply->message.is<SpawnReply>());
    EXPECT_EQ(after->message.get<Ping>()->number, 2);
  });
}

TEST(SpawnRequest, StartsAHandlerToo) {
  struct Echo final : Handler {
    void handle(Context& context, Envelope& envelope) override {
      if (const Ping* ping = envelope.message.get<Ping>()) {
        context.send(envelope.from, Ping{ping->number});
      }
    }
  };
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Ref request = context.spawn_request<Echo>({});
    const SpawnReply reply = co_await context.receive<SpawnReply>();
    EXPECT_EQ(reply.request, request);
    context.send(reply.pid, Ping{7});
    const Ping ping = co_await context.receive<Ping>();
    EXPECT_EQ(ping.number, 7);
  });
}

TEST(SpawnRequest, ThatIsAnsweredIsNotAbandoned) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Ref request = context.spawn_request({.link = true}, wait_for_ever);
    EXPECT_FALSE(context.abandon_spawn(request));
    const SpawnReply reply = co_await context.receive<SpawnReply>();
    EXPECT_FALSE(context.abandon_spawn(request));
    EXPECT_FALSE(context.abandon_spawn(context.make_ref()));
    EXPECT_TRUE(context.node().is_alive(reply.pid));
    const EnvelopePtr nothing = co_await context.receive_any(1min);
    EXPECT_EQ(nothing, nullptr);
  });
}

TEST(SpawnRequest, ItsMonitorEndsByDemonitor) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Ref request = context.spawn_request({.monitor = true}, quit, ExitReason::normal());
    EXPECT_TRUE(context.demonitor(request));
    const SpawnReply reply = co_await context.receive<SpawnReply>();
    EXPECT_EQ(reply.request, request);
    const EnvelopePtr nothing = co_await context.receive_any(1min);
    EXPECT_EQ(nothing, nullptr);
    EXPECT_FALSE(context.demonitor(request));
  });
}

TEST(SpawnRequest, OfAParentThatEndsLeavesNoOrphan) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid boss = context.self();
    for (const ExitReason& reason :
         {ExitReason::symbol("bye"), ExitReason::error("type", "text")}) {
      const auto trap = [boss](Context& own) -> Task<> {
        own.send(boss, Found{own.self()});
        const Exit exit = co_await own.receive<Exit>();
        own.send(boss, exit);
      };
      const Pid parent = context.spawn([reason, trap](Context& own) -> Task<> {
        own.spawn_request({.link = true, .trap_exit = true}, trap);
        own.exit(reason);
        co_return;
      });
      const Exit seen = co_await context.receive<Exit>();
      EXPECT_EQ(seen.from, parent);
      EXPECT_EQ(seen.reason, reason);
    }
  });
}

TEST(SpawnRequest, ItsAnswerNeedsNoRoom) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid boss = context.self();
    const auto asks = [boss](Context& own) -> Task<> {
      own.send(own.self(), Ping{1});  // its mailbox is full from now on
      own.spawn_request({}, wait_for_ever);
      const SpawnReply reply = co_await own.receive<SpawnReply>();
      own.send(boss, reply);
    };
    context.spawn_opt({.mailbox = {.messages = 1, .policy = MailboxPolicy::drop_newest}}, asks);
    const auto reply = co_await context.receive_for<SpawnReply>(1min);
    EXPECT_TRUE(reply);
  });
}

struct BadCopy {
  BadCopy() = default;
  BadCopy(const BadCopy&) { throw std::runtime_error{"no copies"}; }
};
Task<> take_bad(Context&, BadCopy) { co_return; }

TEST(SpawnRequest, WhoseArgumentsThrowIsNone) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const BadCopy bad;
    EXPECT_THROW(context.spawn_request({.link = true}, take_bad, bad), std::runtime_error);
    const EnvelopePtr nothing = co_await context.receive_any(1min);
    EXPECT_EQ(nothing, nullptr);
  });
}

}  // namespace
}  // namespace grove
