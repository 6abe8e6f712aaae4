// SPDX-License-Identifier: Apache-2.0
//
// The programs of docs/remote.md.
#include "grove/node/erpc.hpp"
#include "grove/node/inspect.hpp"
#include "grove/node/remote.hpp"
#include "grove/node/supervisor.hpp"
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

// [snippet declare]
grove::Task<> track(grove::Context& context, std::string order, int tries);
GROVE_REMOTE(track, "tracker.track")

int free_space(const std::string& path);
GROVE_REMOTE(free_space, "disk.free_space")

struct Read {
  using Reply = int;
};
GROVE_MESSAGE(Read, "app.read")

class Counter : public grove::GenServer {
 public:
  using Handles = grove::Handles<Read>;
  explicit Counter(int start) : count_{start} {}
  int handle_call(Read) { return count_++; }

 private:
  int count_;
};
GROVE_REMOTE_CLASS(Counter, "app.counter", int)
// [/snippet declare]

grove::Task<> track(grove::Context& context, std::string order, int tries) {
  if (tries < 0) throw std::invalid_argument{"tries"};
  context.set_label(order);
  const grove::Exit end = co_await context.receive<grove::Exit>();
  context.exit(end.reason);
}

int free_space(const std::string& path) {
  if (path.empty()) throw std::invalid_argument{"path"};
  return static_cast<int>(path.size());
}

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::SimWorld;

class RemotePage : public testing::Test {
 protected:
  RemotePage() {
    for (const char* name : {"a", "b", "c"}) world.add_node(name);
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  }
  SimWorld world{1};
};

TEST_F(RemotePage, SpawnsOnAnotherNode) {
  world.run("a", [](Context& context) -> Task<> {
    context.trap_exit(true);
    // [snippet spawn]
    const grove::Pid tracker = co_await grove::spawn_link_on<track>(context, "b", "order-7", 3);
    const grove::Spawned other =
        co_await grove::spawn_monitor_on<track>(context, "c", "order-8", 3);
    // [/snippet spawn]
    const auto info = co_await process_info(context, tracker);
    EXPECT_EQ(info ? info->label : "", "order-7");
    context.exit(tracker, ExitReason::kill());
    context.exit(other.pid, ExitReason::kill());
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, tracker);
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, other.ref);
  });
}

TEST_F(RemotePage, AsksForASpawn) {
  world.run("a", [](Context& context) -> Task<> {
    // [snippet request]
    const grove::SpawnOptions options{.link = true, .trap_exit = true};
    const grove::Ref request = grove::spawn_request_on<track>(context, "b", options, "order-9", 3);
    const grove::SpawnReply reply = co_await context.receive<grove::SpawnReply>();
    if (!reply.pid) context.exit(reply.reason);  // noconnection, {undef, "tracker.track"} ...
    // [/snippet request]
    EXPECT_EQ(reply.request, request);
    context.unlink(reply.pid);
    context.exit(reply.pid, ExitReason::kill());
  });
}

TEST_F(RemotePage, StartsServersAndSupervisesThem) {
  world.run("a", [](Context& context) -> Task<> {
    // [snippet start]
    const grove::StartResult started = co_await grove::start_link_on<Counter>(context, "b", 5);
    if (!started.ok()) context.exit(started.reason);
    const int five = co_await context.call<Read>(started.pid);
    // [/snippet start]
    EXPECT_EQ(five, 5);
    // [snippet child]
    grove::SupervisorSpec spec;
    spec.children.push_back(grove::child<Counter>("local", 0));
    spec.children.push_back(grove::child<Counter>("remote", 0).on("b").as("counter"));
    const grove::StartResult supervisor = co_await grove::start_supervisor(context, spec);
    const grove::RemoteName counter{"counter", "b"};
    const int zero = co_await context.call<Read>(counter);
    // [/snippet child]
    EXPECT_TRUE(supervisor.ok());
    EXPECT_EQ(zero, 0);
    co_await stop_server(context, supervisor.pid);
    co_await stop_server(context, started.pid);
  });
}

TEST_F(RemotePage, CallsFunctions) {
  world.run("a", [](Context& context) -> Task<> {
    using namespace grove;
    // [snippet call]
    try {
      const int space = co_await erpc::call<free_space>(context, "b", 5s, "/var");
      context.set_label(std::to_string(space) + " left");
    } catch (const erpc::Error& error) {
      switch (error.failure()) {
        case erpc::Failure::exception:     // it threw: {error, Type, Text}
        case erpc::Failure::exit:          // it ended its process itself
        case erpc::Failure::signal:        // somebody ended its process
        case erpc::Failure::undefined:     // that program does not declare it
        case erpc::Failure::noconnection:  // it may have run, or not
        case erpc::Failure::timeout:       // it may still run
        case erpc::Failure::refused:       // nothing has run
          context.node().log().warning(error.what());
      }
    }
    // [/snippet call]
    const auto own = co_await process_info(context, context.self());
    EXPECT_EQ(own ? own->label : "", "4 left");
    // [snippet many]
    const std::vector<std::string> nodes{"a", "b", "c"};
    auto all = co_await erpc::multicall<free_space>(context, nodes, 5s, "/var");
    int sum = 0;
    for (auto& outcome : all) {
      if (outcome.ok()) sum += outcome.value();
    }
    erpc::cast<free_space>(context, "c", "/tmp");  // nobody hears what comes of it
    auto request = erpc::send_request<free_space>(context, "b", "/tmp");
    const int later = co_await erpc::receive_response(context, std::move(request), 5s);
    // [/snippet many]
    EXPECT_EQ(sum, 12);
    EXPECT_EQ(later, 4);
  });
}

}  // namespace
}  // namespace grove
