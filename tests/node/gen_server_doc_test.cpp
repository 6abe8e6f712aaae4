// SPDX-License-Identifier: Apache-2.0
//
// The programs of docs/gen_server.md.
#include "grove/node/gen_server.hpp"
#include "grove/node/request_set.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

// [snippet stack]
struct Push {
  std::string item;
};
struct Pop {
  using Reply = std::string;
};

class Stack : public grove::GenServer {
 public:
  using Handles = grove::Handles<Push, Pop>;

  void handle_cast(Push push) {
    if (waiting_.empty()) {
      items_.push_back(std::move(push.item));
    } else {
      reply(waiting_.front(), std::move(push.item));
      waiting_.pop_front();
    }
  }

  std::optional<std::string> handle_call(Pop) {
    if (items_.empty()) {
      waiting_.push_back(from());  // answered by the next push
      return std::nullopt;
    }
    std::string item = std::move(items_.back());
    items_.pop_back();
    return item;
  }

 private:
  std::deque<std::string> items_;
  std::deque<grove::From> waiting_;
};
// [/snippet stack]

TEST(GenServerPage, AStackAnswersNowOrWithTheNextPush) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    // [snippet client]
    const grove::StartResult started =
        co_await grove::start_server<Stack>(context, grove::named("stack"));
    if (!started.ok()) context.exit(started.reason);
    context.cast("stack", Push{"hello"});
    const std::string top = co_await context.call<Pop>("stack");
    // [/snippet client]
    EXPECT_EQ(top, "hello");
    // [snippet typed]
    const grove::ServerOf<Stack> stack{started.pid};
    context.cast(stack, Push{"again"});
    const std::string again = co_await context.call<Pop>(stack);
    // [/snippet typed]
    EXPECT_EQ(again, "again");
  });
}

struct Load {};
struct Idle {
  using Reply = bool;
};

// [snippet cache]
class Cache : public grove::GenServer {
 public:
  using Handles = grove::Handles<Load, Idle>;

  grove::Init init() {
    context().trap_exit(true);
    continue_with(Load{});  // the starter need not wait for it, and no call can overtake it
    return grove::Init::ok();
  }
  grove::Task<> handle_continue(Load) {
    co_await context().sleep_for(200ms);  // read the file, ask the other server ...
    timeout_after(1min);
  }
  bool handle_call(Idle) { return idle_; }
  void handle_info(grove::ServerTimeout) {  // nothing came for a minute
    idle_ = true;
    hibernate();
  }
  void terminate(const grove::ExitReason& reason) {
    node().log().info("cache ends: " + to_string(reason));
  }

 private:
  bool idle_ = false;
};
// [/snippet cache]

TEST(GenServerPage, ACacheLoadsTimesOutAndEnds) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const StartResult cache = co_await start_link<Cache>(context);
    co_await context.sleep_for(61s);
    EXPECT_TRUE(co_await context.call<Idle>(cache.pid));
    // [snippet failure]
    try {
      co_await grove::stop_server(context, cache.pid, grove::ExitReason::shutdown(), 5s);
      co_await context.call<Idle>(cache.pid);
    } catch (const grove::ProcessExit& failed) {
      context.node().log().info("no answer: " + to_string(failed.reason()));  // noproc
    }
    // [/snippet failure]
  });
  EXPECT_EQ(world.log().lines().at(0).second, "cache ends: shutdown");
  EXPECT_EQ(world.log().lines().at(1).second, "no answer: noproc");
}

TEST(GenServerPage, ASetOfRequestsGivesAnswersAsTheyCome) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    std::vector<Pid> stacks;
    for (int i = 0; i < 3; ++i) {
      const StartResult stack = co_await start_link<Stack>(context);
      if (i != 1) context.cast(stack.pid, Push{"item " + std::to_string(i)});
      stacks.push_back(stack.pid);
    }
    std::vector<std::string> popped(3);
    // [snippet set]
    grove::RequestSet<std::string, int> open;
    for (int i = 0; i < 3; ++i) open.add(context.send_request<Pop>(stacks.at(i)), i);
    while (const auto answer = co_await grove::receive_response(context, open, 5s)) {
      if (answer->outcome.ok()) popped.at(answer->label) = answer->outcome.value();
    }
    // [/snippet set]
    EXPECT_EQ(popped, (std::vector<std::string>{"item 0", "", "item 2"}));
    EXPECT_TRUE(open.empty());
  });
}

}  // namespace
}  // namespace grove
