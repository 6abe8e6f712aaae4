// SPDX-License-Identifier: Apache-2.0
//
// The programs of docs/supervisor.md: three counters, of which some fail, under each strategy.
#include "grove/node/supervisor.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;
using grove::testkit::LocalWorld;

/// What the counters of a test have printed.
std::string& printed() {
  static std::string text;
  return text;
}
void print(const std::string& line) { printed() += line + '\n'; }
std::string take() { return std::exchange(printed(), {}); }

// [snippet counter]
struct Tick {};

class Counter : public grove::GenServer {
 public:
  using Handles = grove::Handles<Tick>;

  Counter(std::string name, int limit) : name_{name}, limit_{limit} {
    print(name + " starts");
    context().send_interval(1s, self(), Tick{});
  }
  void handle_info(Tick) {
    if (count_ == limit_) throw std::runtime_error(name_ + " has had enough");
    print(name_ + ' ' + std::to_string(count_++));
  }

 private:
  std::string name_;
  int limit_;
  int count_ = 0;
};
// [/snippet counter]

std::string counts() {
  std::string last;
  std::map<std::string, std::string> latest;
  const std::string text = take();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    latest[line.substr(0, line.find(' '))] = line.substr(line.find(' ') + 1);
    at = end + 1;
  }
  for (const auto& [name, count] : latest) last += (last.empty() ? "" : ", ") + name + ' ' + count;
  return last;
}

grove::SupervisorSpec counters(grove::Strategy strategy) {
  // [snippet spec]
  grove::SupervisorSpec spec{.strategy = strategy,
                             .children = {grove::child<Counter>("one", "One", 22).as("one"),
                                          grove::child<Counter>("two", "Two", -1).as("two"),
                                          grove::child<Counter>("three", "Three", 5).as("three")}};
  // [/snippet spec]
  return spec;
}

grove::Task<grove::Pid> start(grove::Context& context, grove::Strategy strategy) {
  (void)take();
  context.trap_exit(true);
  const grove::SupervisorSpec spec = counters(strategy);
  const grove::StartResult top = co_await grove::start_supervisor(context, spec);
  EXPECT_EQ(take(), "One starts\nTwo starts\nThree starts\n");
  co_return top.pid;
}

TEST(Counters, S2_OneForOneRestartsOnlyTheOneThatFailed) {
  LocalWorld world;
  world.run([](grove::Context& context) -> grove::Task<> {
    const grove::Pid top = co_await start(context, grove::one_for_one);
    const auto two = context.whereis("two");
    co_await context.sleep_for(5500ms);
    EXPECT_EQ(counts(), "One 4, Three 4, Two 4");
    co_await context.sleep_for(1s);  // Three fails at 6 s
    EXPECT_EQ(counts(), "One 5, Three starts, Two 5");
    co_await context.sleep_for(17s);  // One at 23 s
    EXPECT_EQ(counts(), "One starts, Three 4, Two 22");
    co_await context.sleep_for(8500ms);
    EXPECT_EQ(context.whereis("two"), two);
    EXPECT_TRUE(context.node().is_alive(top));  // one failure in 6 s is never too many
  });
}

TEST(Counters, S3_S4_RestForOneRestartsThoseAfterIt) {
  LocalWorld world;
  world.run([](grove::Context& context) -> grove::Task<> {
    co_await start(context, grove::rest_for_one);
    const auto one = context.whereis("one");
    co_await context.sleep_for(6500ms);
    EXPECT_EQ(counts(), "One 5, Three starts, Two 5");  // nobody is after Three
    context.exit(*context.whereis("two"), grove::ExitReason::kill());
    co_await context.sleep_for(1ms);
    EXPECT_EQ(take(), "Two starts\nThree starts\n");
    EXPECT_EQ(context.whereis("one"), one);
  });
}

TEST(Counters, S5_OneForAllRestartsAll) {
  LocalWorld world;
  world.run([](grove::Context& context) -> grove::Task<> {
    co_await start(context, grove::one_for_all);
    co_await context.sleep_for(6500ms);
    EXPECT_EQ(counts(), "One starts, Three starts, Two starts");

    for (const char* name : {"one", "two", "three"}) context.monitor(name);
    context.exit(*context.whereis("one"), grove::ExitReason::kill());
    for (const char* name : {"one", "three", "two"}) {
      const grove::Down down = co_await context.receive<grove::Down>();
      EXPECT_EQ(down.name, name);
    }
    co_await context.sleep_for(1ms);
    EXPECT_EQ(take(), "One starts\nTwo starts\nThree starts\n");
  });
}

TEST(Counters, S8_APermanentOneThatEndsNormallyIsRestartedToo) {
  LocalWorld world;
  world.run([](grove::Context& context) -> grove::Task<> {
    const grove::Pid top = co_await start(context, grove::one_for_one);
    co_await grove::stop_server(context, "two");
    co_await context.sleep_for(1ms);
    EXPECT_EQ(take(), "Two starts\n");
    for (const char* name : {"one", "two", "three"}) context.monitor(name);
    context.exit(top, grove::ExitReason::shutdown());
    for (const char* name : {"three", "two", "one"}) {
      const grove::Down down = co_await context.receive<grove::Down>();
      EXPECT_EQ(down.name, name);
      EXPECT_EQ(down.reason, grove::ExitReason::shutdown());
    }
  });
}

class Database : public grove::GenServer {};
class Cache : public grove::GenServer {};
class Import : public grove::GenServer {};

grove::SupervisorSpec tree() {
  // [snippet tree]
  const grove::SupervisorSpec storage{
      .strategy = grove::rest_for_one,  // a new database needs a new cache
      .children = {grove::child<Database>("database").with(grove::Shutdown::within(30s)),
                   grove::child<Cache>("cache").as("cache")}};
  const grove::SupervisorSpec app{
      .children = {grove::supervisor("storage", storage),
                   grove::child<Import>("import").with(grove::transient).significant()},
      .intensity = {.restarts = 10, .period = 60s},
      .auto_shutdown = grove::any_significant};  // when the import is done, so is the program
  // [/snippet tree]
  return app;
}

TEST(SupervisorPage, ShowsATreeThatEndsWithItsSignificantChild) {
  LocalWorld world;
  world.run([](grove::Context& context) -> grove::Task<> {
    context.trap_exit(true);
    const grove::SupervisorSpec app = tree();
    const auto started = co_await grove::start_supervisor(context, app, grove::named("app"));
    EXPECT_TRUE(started.ok());
    const auto children = co_await grove::which_children(context, "app");
    co_await grove::stop_server(context, children.front().pid);
    const grove::Exit exit = co_await context.receive<grove::Exit>();
    EXPECT_EQ(exit.reason, grove::ExitReason::shutdown());
    EXPECT_EQ(context.whereis("cache"), std::nullopt);
  });
}

TEST(SupervisorPage, ShowsHowToAskASupervisor) {
  LocalWorld world;
  world.run([](grove::Context& context) -> grove::Task<> {
    const grove::SupervisorSpec spec;
    const auto app = co_await grove::start_supervisor(context, spec, grove::named("app"));
    EXPECT_TRUE(app.ok());
    // [snippet ask]
    grove::ChildSpec cache = grove::child<Cache>("cache");
    const grove::StartResult started = co_await grove::start_child(context, "app", cache);
    const auto ended = co_await grove::terminate_child(context, "app", "cache");
    const grove::StartResult again = co_await grove::restart_child(context, "app", "cache");
    const grove::ChildCounts counts = co_await grove::count_children(context, "app");
    // [/snippet ask]
    EXPECT_TRUE(started.ok() && ended && again.ok());
    EXPECT_EQ(counts.active, 1U);
  });
}

// [snippet importer]
class Importer : public grove::GenServer {
 public:
  static void child_spec(grove::ChildSpec& spec) {
    spec.restart = grove::transient;
    spec.shutdown = grove::Shutdown::within(30s);
  }
};
// [/snippet importer]

TEST(SupervisorPage, AClassHasDefaultsOfItsOwnAndTheTreesAuthorTheLastWord) {
  const grove::ChildSpec spec = grove::child<Importer>("importer");
  EXPECT_EQ(spec.restart, grove::transient);
  EXPECT_EQ(spec.shutdown.wait, 30s);
  EXPECT_FALSE(spec.supervisor);
  const grove::ChildSpec changed = grove::child<Importer>("importer").with(grove::temporary);
  EXPECT_EQ(changed.restart, grove::temporary);
  EXPECT_EQ(changed.shutdown.wait, 30s);
}

}  // namespace
