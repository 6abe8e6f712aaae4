// SPDX-License-Identifier: Apache-2.0
//
// The programs of docs/processes.md and docs/inspect.md.
#include "grove/node/blocking.hpp"
#include "grove/node/gen_server.hpp"
#include "grove/node/sys.hpp"
#include "grove/node/table.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

// [snippet message]
struct Item {
  std::string name;
  int pieces = 0;
};
GROVE_MESSAGE(Item, "shop.item", name, pieces)

struct Order {
  grove::Pid customer;
  std::vector<Item> items;
  std::optional<std::string> note;
};
GROVE_MESSAGE(Order, "shop.order", customer, items, note)
// [/snippet message]

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

// [snippet process]
struct Ping {
  grove::Pid from;
};
struct Pong {
  int count = 0;
};

grove::Task<> ponger(grove::Context& context, int first) {
  for (int count = first;; ++count) {
    const Ping ping = co_await context.receive<Ping>();
    context.send(ping.from, Pong{count});
  }
}
// [/snippet process]

// [snippet handler]
class Ponger : public grove::Handler {
 public:
  explicit Ponger(int first) : count_{first} {}
  void handle(grove::Context& context, grove::Envelope& envelope) override {
    if (const auto* ping = envelope.message.get<Ping>()) {
      context.send(ping->from, Pong{count_++});
    }
  }

 private:
  int count_;
};
// [/snippet handler]

TEST(ProcessPage, ACoroutineAndAHandlerAreProcesses) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    // [snippet spawn]
    const grove::Pid one = context.spawn_link(ponger, 1);
    const grove::Pid other = context.spawn<Ponger>(7);
    const grove::Spawned third = context.spawn_monitor(ponger, 3);
    context.send(one, Ping{context.self()});
    const Pong pong = co_await context.receive<Pong>();
    // [/snippet spawn]
    EXPECT_EQ(pong.count, 1);
    context.send(other, Ping{context.self()});
    const Pong seven = co_await context.receive<Pong>();
    EXPECT_EQ(seven.count, 7);
    context.exit(third.pid, ExitReason::symbol("enough"));
    // [snippet down]
    const auto is_its = [&](const grove::Down& down) { return down.ref == third.ref; };
    const auto down = co_await context.receive_for<grove::Down>(5s, is_its);
    if (down) context.node().log().info("it ended: " + to_string(down->reason));
    // [/snippet down]
    EXPECT_TRUE(down && down->reason == ExitReason::symbol("enough"));
    context.unlink(one);
  });
  EXPECT_EQ(world.log().lines().back().second, "it ended: enough");
}

TEST(ProcessPage, AMessageOfAnyTypeIsLookedAt) {
  LocalWorld world;
  const Pid pid = world.node().spawn([](Context& context) -> Task<> {
    // [snippet any]
    context.trap_exit(true);
    for (;;) {
      const auto envelope = co_await context.receive_any(1min);
      if (!envelope) break;  // nothing for a minute
      if (const auto* ping = envelope->message.get<Ping>()) {
        context.send(ping->from, Pong{});
      } else if (const auto* end = envelope->message.get<grove::Exit>()) {
        context.exit(end->reason);
      }
    }
    // [/snippet any]
  });
  const int pongs = world.run([pid](Context& context) -> Task<int> {
    context.send(pid, Ping{context.self()});
    const Pong pong = co_await context.receive<Pong>();
    co_return pong.count + 1;
  });
  EXPECT_EQ(pongs, 1);
  EXPECT_TRUE(world.node().is_alive(pid));
  world.run_for(1min);
  EXPECT_FALSE(world.node().is_alive(pid));
}

struct Remind {};

TEST(ProcessPage, TimersAreCancelled) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    // [snippet timer]
    const grove::TimerId timer = context.send_after(10s, context.self(), Remind{});
    const auto reminded = co_await context.receive_for<Remind>(3s);  // too early
    const auto left = context.cancel_timer(timer);                   // 7 s; it never comes
    // [/snippet timer]
    EXPECT_FALSE(reminded);
    EXPECT_EQ(left, Clock::Duration{7s});
    EXPECT_FALSE(co_await context.receive_for<Remind>(1min));
  });
}

TEST(ProcessPage, ATableIsReadByOthers) {
  LocalWorld world;
  const Pid owner = world.node().spawn([](Context& context) -> Task<> {
    // [snippet table]
    const auto stock = context.new_table<std::string, int>("stock");  // goes with this process
    if (!stock) context.exit(grove::ExitReason::symbol("no_table"));
    (void)stock->insert("apples", 5);
    (void)stock->update("apples", [](int& pieces) { pieces -= 2; });
    // [/snippet table]
    (void)co_await context.receive<Remind>();
  });
  world.settle();
  const int left = world.run([](Context& context) -> Task<int> {
    // [snippet find]
    const auto stock = context.node().find_table<std::string, int>("stock");
    if (!stock) context.exit(grove::ExitReason::noproc());
    const grove::Result<int> apples = stock->lookup("apples");
    // [/snippet find]
    co_return apples ? *apples : 0;
  });
  EXPECT_EQ(left, 3);
  world.node().exit(owner, ExitReason::kill());
}

TEST(ProcessPage, AMailboxMayBeBounded) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    // [snippet bounded]
    grove::SpawnOptions options;
    options.mailbox = {.messages = 1000, .policy = grove::MailboxPolicy::drop_oldest};
    const grove::Pid viewer = context.spawn_opt(options, ponger, 1).pid;
    // [/snippet bounded]
    EXPECT_TRUE(context.node().is_alive(viewer));
    co_return;
  });
}

// [snippet letters]
grove::Task<> undeliverable(grove::Context& context) {
  context.node().subscribe_dead_letters(context.self());
  for (;;) {
    const auto letter = co_await context.receive<grove::DeadLetter>();
    context.node().log().warning(letter.type + " to " + to_string(letter.to) + ": " +
                                 std::string{to_string(letter.reason)});
  }
}
// [/snippet letters]

TEST(InspectPage, DeadLettersAreTold) {
  LocalWorld world;
  world.node().spawn(undeliverable);
  world.settle();
  world.run([](Context& context) -> Task<> {
    const Pid gone = context.spawn([](Context&) -> Task<> { co_return; });
    co_await context.sleep_for(1ms);
    context.send(gone, Remind{});
  });
  ASSERT_EQ(world.log().count(LogLevel::warning), 1U);
  EXPECT_NE(world.log().lines().back().second.find("no_process"), std::string::npos);
}

struct Add {
  int by = 0;
};
struct Total {
  int sum = 0;
};

// [snippet state]
class Adder : public grove::GenServer {
 public:
  using Handles = grove::Handles<Add>;
  void handle_cast(Add add) { total_.sum += add.by; }
  Total& state() { return total_; }                          // for sys:: in a program
  grove::Value debug_state() const { return {total_.sum}; }  // for people, and crashes

 private:
  Total total_;
};
// [/snippet state]

TEST(InspectPage, AServerIsLookedIntoAndTraced) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult started = co_await start_link<Adder>(context);
    const Pid adder = started.pid;
    // [snippet sys]
    const grove::Value shown = co_await grove::sys::get_state(context, adder);
    const Total total = co_await grove::sys::get_state<Total>(context, adder);
    const auto doubled = [](Total now) { return Total{now.sum * 2}; };
    (void)co_await grove::sys::replace_state<Total>(context, adder, doubled);
    const auto info = co_await grove::process_info(context, adder);  // of any process, any node
    // [/snippet sys]
    EXPECT_EQ(shown, Value{0});
    EXPECT_EQ(total.sum, 0);
    EXPECT_TRUE(info && info->mailbox == 0);
    // [snippet trace]
    const grove::sys::TraceOptions options{.limit = 100, .sent = false};
    co_await grove::sys::trace(context, adder, options);
    context.cast(adder, Add{3});
    const auto event = co_await context.receive<grove::sys::TraceEvent>();
    context.node().log().info(event.type + " from " + to_string(event.peer));
    co_await grove::sys::untrace(context, adder);
    // [/snippet trace]
    EXPECT_NE(event.type.find("Add"), std::string::npos);
  });
}

TEST(ProcessPage, WhatBlocksRunsElsewhere) {
  LocalWorld world;
  const int result = world.run([](Context&) -> Task<int> {
    const std::string path = "/";
    // [snippet blocking]
    const auto length_of = [&] { return static_cast<int>(path.size()); };  // a read, a query ...
    const int length = co_await grove::blocking(length_of);
    // [/snippet blocking]
    co_return length;
  });
  EXPECT_EQ(result, 1);
}

}  // namespace
}  // namespace grove
