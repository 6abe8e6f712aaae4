// SPDX-License-Identifier: Apache-2.0
//
// What docs/registry.md shows.
#include "grove/node/dynamic_supervisor.hpp"
#include "grove/node/registry.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
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

// [snippet hosts]
/// Hosts by their names, large and small letters alike.
class Hosts final : public grove::Directory {
 public:
  explicit Hosts(const grove::Node& node) : node_{node} {}

  grove::Result<void> register_name(grove::Context& owner, const grove::Via& name) override {
    const std::scoped_lock lock{mutex_};
    grove::Pid& holder = pids_[folded(name.key)];
    if (node_.is_alive(holder)) return grove::Error{grove::Errc::name_taken, to_string(holder)};
    holder = owner.self();
    return {};
  }
  void unregister_name(grove::Context&, const grove::Value& key) override {
    const std::scoped_lock lock{mutex_};
    pids_.erase(folded(key));
  }
  std::optional<grove::Pid> whereis(const grove::Value& key) const override {
    const std::scoped_lock lock{mutex_};
    const auto found = pids_.find(folded(key));
    if (found == pids_.end() || !node_.is_alive(found->second)) return std::nullopt;
    return found->second;
  }

 private:
  static std::string folded(const grove::Value& key) {
    std::string text = to_string(key);
    for (char& letter : text) {
      letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    }
    return text;
  }

  const grove::Node& node_;
  mutable std::mutex mutex_;
  std::map<std::string, grove::Pid> pids_;
};
// [/snippet hosts]

TEST(RegistryDoc, ADirectoryOfTheProgramHasARuleOfItsOwn) {
  LocalWorld{}.run([](grove::Context& context) -> grove::Task<> {
    const grove::StartResult app =
        co_await grove::start_dynamic_supervisor(context, {}, grove::named("app"));
    EXPECT_TRUE(app.ok());
    // [snippet host]
    grove::Node& node = context.node();
    const grove::Result<void> known = node.add_directory("hosts", std::make_shared<Hosts>(node));
    const grove::Via host{"hosts", "DB.Example"};
    const grove::ChildSpec spec = grove::child<Tracker>("tracker").as(host);
    const grove::StartResult started = co_await grove::start_child(context, "app", spec);
    const grove::Via name{"hosts", "db.example"};
    const std::string where = co_await context.call<Where>(name);
    // [/snippet host]
    EXPECT_TRUE(known);
    EXPECT_EQ(where, "nowhere");
    const grove::StartResult again = co_await grove::start_child(context, "app", spec);
    EXPECT_EQ(to_string(again), "already_started " + to_string(started.pid));
    co_await grove::stop_server(context, name, grove::ExitReason::symbol("its_a_crash"));
    co_await context.sleep_for(1ms);
    EXPECT_NE(context.resolve(name).value(), started.pid);
  });
}

}  // namespace
