// SPDX-License-Identifier: Apache-2.0
//
// The programs of docs/parent.md.
#include "grove/node/parent.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;

grove::Task<> fetch(grove::Context& context, std::string url) {
  if (url == "slow") co_await context.sleep_for(1h);
  if (url == "bad") throw std::runtime_error{"no such page"};
}

// [snippet fetcher]
struct Fetch {
  using Reply = bool;
  std::string url;
};

class Fetcher : public grove::ParentServer {
 public:
  using Handles = grove::Handles<Fetch>;

  grove::NoReply handle_call(Fetch request) {  // answered when the job has ended
    const grove::Ref id = context().make_ref();
    start_child(grove::job(id, fetch, request.url), request.url, 10s);
    callers_[id] = from();
    return {};
  }

  void handle_child_terminated(const grove::Value& id, const grove::Value& url, grove::Pid,
                               const grove::ExitReason& reason) {
    node().log().info(to_string(url) + ": " + to_string(reason));
    reply(callers_.extract(*id.as_ref()).mapped(), reason.is_normal());
  }

 private:
  std::map<grove::Ref, grove::From> callers_;
};
// [/snippet fetcher]

TEST(ParentDoc, AFetcherAnswersWhenItsJobHasEnded) {
  grove::testkit::LocalWorld world;
  world.run([](grove::Context& context) -> grove::Task<> {
    // [snippet supervised]
    grove::SupervisorSpec app;
    app.children.push_back(grove::child<Fetcher>("fetcher").as("fetcher"));
    // [/snippet supervised]
    const grove::StartResult started = co_await grove::start_supervisor(context, app);
    EXPECT_TRUE(started.ok());
    const bool good = co_await context.call<Fetch>("fetcher", "good");
    const bool bad = co_await context.call<Fetch>("fetcher", "bad");
    EXPECT_TRUE(good);
    EXPECT_FALSE(bad);
    const bool slow = co_await context.call_for<Fetch>(1min, "fetcher", "slow");
    EXPECT_FALSE(slow);
  });
  const auto lines = world.log().lines();
  EXPECT_EQ(lines.front().second, "\"good\": normal");
  EXPECT_EQ(lines.back().second, "\"slow\": timeout");
}

class Connection : public grove::GenServer {};

struct Sum {
  using Reply = int;
};
struct Part {
  int value = 0;
};

// [snippet part]
grove::Task<> work(grove::Context& context, int number) {
  context.send(context.parent(), Part{number * number});
  co_return;
}
// [/snippet part]

class Adder : public grove::ParentServer {
 public:
  using Handles = grove::Handles<Sum>;

  // [snippet init]
  grove::Task<> init() {
    const grove::ChildSpec spec = grove::child<Connection>("connection");
    const grove::StartResult started = co_await start_child(spec);
    if (!started.ok()) stop(started.reason);
  }
  // [/snippet init]

  // [snippet await]
  grove::Task<int> handle_call(Sum) {
    for (int number = 1; number <= 3; ++number) start_child(grove::job(number, work, number));
    int sum = 0;
    for (int number = 1; number <= 3; ++number) {
      const auto end = co_await await_child_termination(number, 1s);
      const auto part = co_await context().receive_for<Part>(0ms);
      if (end && part) sum += part->value;
    }
    co_return sum;
  }
  // [/snippet await]
};

TEST(ParentDoc, AnAdderAwaitsItsJobs) {
  grove::testkit::LocalWorld world;
  world.run([](grove::Context& context) -> grove::Task<> {
    const grove::StartResult started = co_await grove::start_link<Adder>(context);
    EXPECT_TRUE(started.ok());
    const int sum = co_await context.call<Sum>(started.pid);
    EXPECT_EQ(sum, 14);
    const auto rows = co_await grove::which_children(context, started.pid);
    EXPECT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows.at(0).id, "connection");
  });
}

}  // namespace
