// SPDX-License-Identifier: Apache-2.0
//
// docs/names.md: its code, compiled and run.
#include "grove/node/cluster_names.hpp"
#include "grove/node/supervisor.hpp"
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <utility>

namespace {

using namespace std::chrono_literals;
using namespace grove;

class Scheduler : public GenServer {
 public:
  using Handles = grove::Handles<>;
};

// [snippet order]
ClusterConfig by_priority(ClusterConfig config) {
  config.names.choose = [](const std::string&, const NameClaim& one, const NameClaim& other) {
    const auto rank = [](const NameClaim& claim) {
      const auto* told = claim.metadata.as_integer();
      return std::pair{told != nullptr ? *told : 0, ~claim.since};  // of equals the oldest
    };
    return rank(other) > rank(one) ? other.pid : one.pid;
  };
  return config;
}
// [/snippet order]

// [snippet singleton]
SupervisorSpec app() {
  SupervisorSpec spec;
  spec.children.push_back(global::singleton("scheduler", child<Scheduler>("scheduler")));
  return spec;
}
// [/snippet singleton]

// [snippet watch]
Task<> follow(Context& context, std::vector<std::string>* out) {
  const global::NameWatch watch = global::watch_names(context, "sched");
  for (const global::NameRow& row : watch.view) out->push_back("is " + row.name);
  for (;;) {
    const auto event = co_await context.receive<global::NameEvent>();
    const bool up = event.kind == global::NameEvent::Kind::up;
    out->push_back((up ? "up " : "down ") + event.row.name);
  }
}
// [/snippet watch]

// [snippet register]
Task<bool> lead(Context& context) {
  global::NameOptions options;
  options.metadata = Value{3};
  options.ack = global::NameAck::majority();
  const Pid self = context.self();
  const auto given = co_await global::register_name(context, "leader", self, options);
  co_return given.has_value();
}
// [/snippet register]

TEST(NamesPage, ItsCodeWorks) {
  testkit::SimWorld world{1};
  world.configure([](ClusterConfig& config) { config = by_priority(std::move(config)); });
  for (const char* name : {"a", "b"}) world.add_node(name);
  ASSERT_TRUE(world.run_until([&] { return world.all_connected(); }, 10s));
  std::vector<std::string> told;
  world["b"].node().spawn(follow, &told);
  world.run_for(1s);
  for (const char* name : {"a", "b"}) {
    world.run(name, [](Context& context) -> Task<> {
      ServerOptions options;
      options.link = false;
      const StartResult started = co_await start_supervisor(context, app(), options);
      EXPECT_TRUE(started.ok());
    });
    world.run_for(1s);
  }
  EXPECT_TRUE(world.run("a", lead));
  world.kill("a");
  world.run_for(2s);
  const std::vector<std::string> wanted{"up scheduler", "down scheduler", "up scheduler"};
  EXPECT_EQ(told, wanted);
}

}  // namespace
