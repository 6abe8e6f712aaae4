// SPDX-License-Identifier: Apache-2.0
//
// What a program sets of its cluster that no option says, and what it does with it.
#include "grove/core/random.hpp"
#include "grove/grove.hpp"
#include "grove/transport/zmq_transport.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

int twice(int number) { return 2 * number; }
GROVE_REMOTE(twice, "app.twice")

namespace grove {
namespace {

struct StaticQuorum final : PartitionPolicy {
  [[nodiscard]] Side side(const PartitionView& view) const override {
    return view.members.size() >= 3 ? Side::majority : Side::minority;
  }
};

// [snippet app]
App app(SupervisorSpec tree) {
  return App{std::move(tree)}
      .configure([](ClusterConfig& config) {
        config.partition.policy = std::make_shared<StaticQuorum>();
        config.names.order = NameOrder::keep_newest;
      })
      .on_start([](Cluster& cluster) {
        (void)cluster.set_metadata({{"web"}, Value{}});
      });
}
// [/snippet app]

class AppTest : public testing::Test {
 protected:
  AppTest() { setenv("GROVE_RUN_DIR", run_dir_.c_str(), 1); }
  ~AppTest() override { std::filesystem::remove_all(run_dir_); }
  int run(App app) {
    sigset_t end;  // a run before this one has left it blocked, in what a death test starts, too
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    pthread_sigmask(SIG_UNBLOCK, &end, nullptr);
    std::vector<std::string> words{"app",      "run",         "--name", "app",
                                   "--listen", "127.0.0.1:0", "--role", "said"};
    std::vector<char*> args;
    for (std::string& word : words) args.push_back(word.data());
    return grove::run(static_cast<int>(args.size()), args.data(), std::move(app));
  }

 private:
  std::string run_dir_ = testing::TempDir() + "grove-app-" + std::to_string(getpid());
};

struct Done {};

/// Asks who is a member, and is done.
class Look : public GenServer {
 public:
  using Handles = grove::Handles<Done>;
  Look(Cluster** cluster, std::promise<std::vector<Member>>* seen) {
    (*cluster)->members([seen](std::vector<Member> members) { seen->set_value(members); });
    context().send(self(), Done{});
  }
  void handle_info(Done) { stop(); }
};

TEST_F(AppTest, ConfiguresItsClusterAndHasIt) {
  Cluster* cluster = nullptr;
  std::promise<std::vector<Member>> seen;
  App configured;
  configured.configure([](ClusterConfig& config) {
    EXPECT_EQ(config.metadata.roles, std::vector<std::string>{"said"});  // by the command line
    config.metadata.roles.emplace_back("configured");
    config.names.order = NameOrder::keep_newest;
  });
  configured.on_start([&](Cluster& started) {
    cluster = &started;
    EXPECT_TRUE(started.set_metadata({{"said", "told"}, Value::map({{"when", "later"}})}));
  });
  configured.supervise([&] {
    SupervisorSpec spec;
    spec.auto_shutdown = AutoShutdown::any_significant;
    spec.children.push_back(
        child<Look>("look", &cluster, &seen).with(Restart::temporary).significant());
    return spec;
  });
  run(std::move(configured));
  auto told = seen.get_future();
  ASSERT_EQ(told.wait_for(std::chrono::seconds{0}), std::future_status::ready);
  const std::vector<Member> members = told.get();
  ASSERT_EQ(members.size(), 1U);
  EXPECT_EQ(members[0].metadata.roles, (std::vector<std::string>{"said", "told"}));
  EXPECT_EQ(members[0].metadata.values, Value::map({{"when", "later"}}));
}

TEST_F(AppTest, IsAsThePageShows) {
  ClusterConfig config;
  app({}).configure(config);
  EXPECT_EQ(config.names.order, NameOrder::keep_newest);
  EXPECT_EQ(config.partition.policy->side({}), Side::minority);
}

/// Uses of what the pages show that which no other header of this test brings.
Task<> use_the_rest(Context& context, int* result) {
  (void)pg::join(context, "all", context.self());
  context.monitor_nodes(true);
  const auto event = co_await context.receive_for<NodeUp>(std::chrono::seconds{0});
  const int number = co_await erpc::call<twice>(context, "app", std::chrono::seconds{5}, 21);
  *result = event ? 0 : number * static_cast<int>(pg::members(context, "all").size());
}

TEST_F(AppTest, NeedsOneHeader) {
  int result = 0;
  SupervisorSpec spec;
  spec.auto_shutdown = AutoShutdown::any_significant;
  spec.children.push_back(
      task_child("rest", {}, use_the_rest, &result).with(Restart::temporary).significant());
  run(App{std::move(spec)});
  EXPECT_EQ(result, 42);
}

/// Has the node told to stop, and takes an hour to end then.
class Slow : public GenServer {
 public:
  using Handles = grove::Handles<Done>;
  Slow() {
    context().trap_exit(true);
    context().send(self(), Done{});
  }
  void handle_info(Done) { std::raise(SIGTERM); }
  Task<> terminate(const ExitReason&) { co_await context().sleep_for(std::chrono::hours{1}); }
};

TEST_F(AppTest, EndsWithoutATreeThatTakesLongerThanItSays) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  SupervisorSpec spec;
  spec.children.push_back(child<Slow>("slow").with(Shutdown::infinity()));
  App slow{std::move(spec)};
  slow.stop_within(std::chrono::milliseconds{10});
  EXPECT_EXIT(run(std::move(slow)), testing::ExitedWithCode(70), "has not ended in 10 ms");
}

TEST_F(AppTest, WhatItThrowsIsToldAndEndsIt) {
  const auto refuses = [](auto&&...) { throw std::invalid_argument{"no such order"}; };
  const auto fails = [](auto&&...) { throw std::runtime_error{"boom"}; };
  EXPECT_EQ(run(App{}.configure(refuses)), 64);
  EXPECT_EQ(run(App{}.configure(fails)), 70);
  EXPECT_EQ(run(App{}.on_start(refuses)), 64);
  EXPECT_EQ(run(App{}.on_start(fails)), 70);
}

TEST(WithoutRun, AProgramIsANodeAsThePageShows) {
  const std::string secret = transport::random_cookie();
  const auto serve = [](Context& context) -> Task<int> {
    co_return co_await erpc::call<twice>(context, "embedded", std::chrono::seconds{5}, 21);
  };
  // [snippet embedded]
  const auto clock = grove::make_system_clock();
  const auto scheduler = grove::make_thread_scheduler();
  grove::Node node{{.name = "embedded",
                    .clock = clock.get(),
                    .scheduler = scheduler.get(),
                    .log = grove::make_stderr_log("embedded", grove::LogLevel::info)}};
  const auto network = grove::transport::make_zmq_transport(*clock);
  grove::ClusterConfig config;
  config.listen = "127.0.0.1:0";
  config.cookie = grove::transport::Cookie{secret};
  config.random_seed = grove::seed_from_system();
  grove::Cluster cluster{node, *network, std::move(config)};
  if (const auto bound = cluster.start(); !bound) throw std::runtime_error{bound.error().detail};

  auto served = node.async(serve);  // a coroutine of a Context&: starts servers, a supervisor ...
  const int result = served.get();

  std::promise<void> left;
  cluster.leave([&] { left.set_value(); });
  left.get_future().wait();
  node.kill_all();
  const bool clean = node.wait_until_empty(std::chrono::seconds{5});
  cluster.stop();
  scheduler->stop();
  // [/snippet embedded]
  EXPECT_EQ(result, 42);
  EXPECT_TRUE(clean);
}

}  // namespace
}  // namespace grove
