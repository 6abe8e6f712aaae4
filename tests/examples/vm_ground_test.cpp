// SPDX-License-Identifier: Apache-2.0
//
// What examples/vm_lifecycle stands on: monitors of the dead, terminate(), links, restart values.
// V-numbers in the names are the steps of the walk-through of what it was in Elixir.
#include "grove/node/supervisor.hpp"
#include "grove/testkit/local_world.hpp"

#include "examples/example_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;
using testkit::settle;

TEST(VmGround, V1_AMonitorOfTheDeadTellsSo) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid pid = context.spawn([](Context&) -> Task<> { co_return; });
    co_await settle(context);
    const Clock::TimePoint before = context.node().clock().now();
    const Ref ref = context.monitor(pid);
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, ref);
    EXPECT_EQ(down.pid, pid);
    EXPECT_EQ(down.reason, ExitReason::noproc());
    EXPECT_EQ(context.node().clock().now(), before);
  });
}

TEST(VmGround, V1b_TheReasonIsToldToThoseWhoMonitorInTime) {
  LocalWorld world;
  const auto wait = [](Context& context) -> Task<> { co_await context.sleep_for(10ms); };
  const auto exit = [](Context& context, ExitReason reason) -> Task<> {
    co_await context.sleep_for(10ms);
    context.exit(reason);
  };
  const auto crash = [](Context& context) -> Task<> {
    co_await context.sleep_for(10ms);
    throw std::runtime_error{"E"};
  };
  const auto sleep = [](Context& context) -> Task<> { co_await context.sleep_for(1h); };
  world.run([=](Context& context) -> Task<> {
    const std::vector<std::pair<Pid, std::string>> rows{
        {context.spawn(wait), "normal"},
        {context.spawn(exit, ExitReason::symbol("boom")), "boom"},
        {context.spawn(exit, ExitReason::shutdown(Value{1})), "{shutdown,1}"},
        {context.spawn(crash), "{error,\"std::runtime_error\",\"E\"}"},
        {context.spawn(sleep), "killed"}};
    for (const auto& [pid, reason] : rows) context.monitor(pid);
    context.exit(rows.back().first, ExitReason::kill());
    for (const auto& [pid, reason] : rows) {
      const auto is_its = [pid = pid](const Down& down) { return down.pid == pid; };
      const Down down = co_await context.receive<Down>(is_its);
      EXPECT_EQ(to_string(down.reason), reason);
      context.monitor(pid);
      const Down again = co_await context.receive<Down>(is_its);
      EXPECT_EQ(again.reason, ExitReason::noproc()) << reason << " is lost";
    }
  });
}

TEST(VmGround, V1c_AMonitorOfANameThatNobodyHasTellsSo) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.monitor("nobody");
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::noproc());
  });
}

// -- terminate --------------------------------------------------------------------------------

struct Do {
  std::function<void(Context&)> what;
};

/// Tells the reason that its terminate() is given.
class Witness : public GenServer {
 public:
  using Handles = grove::Handles<Do>;
  Witness(std::string* told, bool traps) : told_{*told} { context().trap_exit(traps); }
  void handle_cast(Do order) {
    if (order.what) {
      order.what(context());
    } else {
      stop();
    }
  }
  void terminate(const ExitReason& reason) { told_ = to_string(reason); }

 private:
  std::string& told_;
};

/// Runs a witness, linked to this process, and has `what` end it. Returns: what it tells.
template <class F>
std::string last_words(bool traps, F what) {
  LocalWorld world;
  std::string told = "nothing";
  world.run([&](Context& context) -> Task<> {
    context.trap_exit(true);
    const StartResult server = co_await start_link<Witness>(context, &told, traps);
    co_await what(context, server.pid);
    co_await context.receive<Exit>();
  });
  return told;
}

TEST(VmGround, V13_TerminateIsNoGuarantee) {
  const auto cast = [](std::function<void(Context&)> order) {
    return [order](Context& context, Pid server) -> Task<> {
      context.cast(server, Do{order});
      co_return;
    };
  };
  const auto signal = [](ExitReason reason) {
    return [reason](Context& context, Pid server) -> Task<> {
      context.exit(server, reason);
      co_return;
    };
  };
  EXPECT_EQ(last_words(false, cast(nullptr)), "normal");
  EXPECT_EQ(last_words(false, cast([](Context&) { throw std::runtime_error{"E"}; })),
            "{error,\"std::runtime_error\",\"E\"}");
  EXPECT_EQ(last_words(false,
                       [](Context& context, Pid server) -> Task<> {
                         const auto bye = ExitReason::symbol("bye");
                         co_await stop_server(context, server, bye);
                       }),
            "bye");
  EXPECT_EQ(last_words(false, signal(ExitReason::shutdown())), "nothing");
  EXPECT_EQ(last_words(true, signal(ExitReason::shutdown())), "shutdown");
  EXPECT_EQ(last_words(true, signal(ExitReason::kill())), "nothing");
}

// -- start and monitor, or start_link ---------------------------------------------------------

/// An owner that starts a witness and waits. Returns: both.
std::pair<Pid, Pid> owner_and_owned(LocalWorld& world, std::string* told, bool link) {
  auto owned = std::make_shared<Pid>();
  const Pid owner = world.node().spawn([=](Context& context) -> Task<> {
    ServerOptions options;
    options.link = link;
    const StartResult server = co_await start_server<Witness>(context, options, told, false);
    *owned = server.pid;
    co_await context.sleep_for(1h);
  });
  world.settle();
  return {owner, *owned};
}

TEST(VmGround, V14_OnlyALinkTakesTheWorkerAlongWithItsOwner) {
  for (const bool link : {false, true}) {
    LocalWorld world;
    std::string told;
    const auto [owner, worker] = owner_and_owned(world, &told, link);
    world.node().exit(owner, ExitReason::kill());
    world.settle();
    EXPECT_EQ(world.node().is_alive(worker), !link);
  }
}

TEST(VmGround, V14_ATrappingOwnerIsToldAfterTerminate) {
  LocalWorld world;
  std::string told = "nothing";
  world.run([&told](Context& context) -> Task<> {
    context.trap_exit(true);
    const StartResult worker = co_await start_link<Witness>(context, &told, false);
    const Do crash{[](Context&) { throw std::runtime_error{"E"}; }};
    context.cast(worker.pid, crash);
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(to_string(exit.reason), "{error,\"std::runtime_error\",\"E\"}");
    EXPECT_EQ(told, to_string(exit.reason));
  });
}

// -- restart values ---------------------------------------------------------------------------

TEST(VmGround, V15_WhoIsRestartedAfterWhat) {
  const std::vector<ExitReason> reasons{ExitReason::normal(), ExitReason::symbol("boom"),
                                        ExitReason::shutdown(Value{1})};
  const std::vector<std::pair<Restart, std::string>> rows{
      {temporary, "000"}, {transient, "010"}, {permanent, "111"}};
  for (const auto& [kind, expected] : rows) {
    std::string restarted, told;
    for (const ExitReason& reason : reasons) {
      LocalWorld world;
      SupervisorSpec spec{.children = {child<Witness>("w", &told, false).with(kind).as("w")}};
      EXPECT_TRUE(testkit::start(world, spec).ok());
      world.run([reason](Context& context) -> Task<> {
        co_await stop_server(context, "w", reason);
        co_await settle(context);
      });
      restarted += world.node().whereis("w") ? '1' : '0';
    }
    EXPECT_EQ(restarted, expected);
  }
}

}  // namespace
}  // namespace grove
