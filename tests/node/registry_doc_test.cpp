// SPDX-License-Identifier: Apache-2.0
//
// What docs/registry.md shows.
#include "grove/node/registry.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using grove::testkit::LocalWorld;

struct Where {
  using Reply = std::string;
};
struct Moved {
  std::string to;
};

class Tracker : public grove::GenServer {
 public:
  using Handles = grove::Handles<Where, Moved>;
  std::string handle_call(Where) { return where_; }
  void handle_cast(Moved moved) { where_ = std::move(moved.to); }

 private:
  std::string where_ = "nowhere";
};

TEST(RegistryDoc, NamesServersByKeys) {
  std::string where;
  LocalWorld{}.run([&](grove::Context& context) -> grove::Task<> {
    // [snippet supervised]
    grove::SupervisorSpec app;
    app.children.push_back(grove::registry("trackers", grove::RegistryKind::unique));
    // [/snippet supervised]
    co_await grove::start_supervisor(context, app);
    // [snippet via]
    const grove::Via truck{"trackers", 17};
    co_await grove::start_server<Tracker>(context, grove::named(truck));

    context.cast(truck, Moved{"Rotterdam"});
    where = co_await context.call<Where>(truck);
    // [/snippet via]
  });
  EXPECT_EQ(where, "Rotterdam");
}

struct News {
  std::string text;
};
struct Heard {};

// [snippet reader]
grove::Task<> reader(grove::Context& context, grove::Pid boss) {
  const grove::Registry topics{context, "topics"};
  (void)topics.register_key("weather");  // until this process ends
  const News news = co_await context.receive<News>();
  // [/snippet reader]
  EXPECT_EQ(news.text, "sun");
  context.send(boss, Heard{});
}

TEST(RegistryDoc, HasTopicsWithSubscribers) {
  LocalWorld{}.run([](grove::Context& context) -> grove::Task<> {
    co_await grove::start_registry(context, "topics", grove::RegistryKind::duplicate);
    for (int i = 0; i < 3; ++i) context.spawn(reader, context.self());
    co_await context.sleep_for(1ms);
    // [snippet topic]
    const grove::Registry topics{context, "topics"};
    topics.dispatch("weather", [&](const auto& subscribers) {
      for (const auto& [pid, value] : subscribers) context.send(pid, News{"sun"});
    });
    // [/snippet topic]
    for (int i = 0; i < 3; ++i) co_await context.receive<Heard>();
    EXPECT_TRUE(topics.lookup("weather").empty());
  });
}

TEST(RegistryDoc, SaysWhoHasAKeyThatIsTaken) {
  LocalWorld{}.run([](grove::Context& context) -> grove::Task<> {
    co_await grove::start_registry(context, "leaders", grove::RegistryKind::unique);
    std::string said;
    for (int round = 0; round < 2; ++round) {
      // [snippet taken]
      const grove::Registry leaders{context, "leaders"};
      const grove::Registration mine = leaders.register_key("eu", "since today");
      if (!mine) said = "led by " + to_string(mine.holder());
      // [/snippet taken]
    }
    EXPECT_EQ(said, "led by " + to_string(context.self()));
  });
}

}  // namespace
