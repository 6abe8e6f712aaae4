// SPDX-License-Identifier: Apache-2.0
//
// The tree of examples/pool on virtual time, and what its tests do with it.
#pragma once

#include "grove/node/sys.hpp"
#include "grove/testkit/local_world.hpp"

#include "examples/pool/doubler.hpp"
#include "examples/pool/pool_toy.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace grove::testkit {

/// Tells a client to end; before that it checks in what it has, or not.
struct Leave {
  ExitReason reason;
  bool check_in = false;
};

class PoolToy : public testing::Test {
 protected:
  struct Client {
    Pid pid;
    std::vector<Pid> workers;
  };

  PoolToy() {
    world.run([](Context& context) -> Task<> {
      ServerOptions options = named("top");
      options.link = false;
      SupervisorSpec spec = pool_toy::application();
      const StartResult started = co_await start_supervisor(context, spec, options);
      EXPECT_TRUE(started.ok());
    });
  }

  StartResult start(pool_toy::PoolArgs args) {
    return world.run([args](Context& context) -> Task<StartResult> {
      co_return co_await pool_toy::start_pool(context, args);
    });
  }
  StartResult start(const std::string& name, int size) {
    return start({name, child<pool_toy::Doubler>("doubler"), size});
  }
  bool stop(const std::string& name) {
    return world.run([name](Context& context) -> Task<bool> {
      const auto stopped = co_await pool_toy::stop_pool(context, name);
      co_return stopped.has_value();
    });
  }

  Pid whereis(const std::string& name) { return world.node().whereis(name).value_or(Pid{}); }
  Pid pool_sup(const std::string& name) {
    const Registry registry{world.node(), pool_toy::k_registry};
    return registry.whereis(name).value_or(Pid{});
  }
  std::vector<ChildInfo> children(Pid supervisor) {
    return world.run([supervisor](Context& context) -> Task<std::vector<ChildInfo>> {
      co_return co_await which_children(context, supervisor);
    });
  }
  Pid worker_sup(const std::string& pool) { return children(pool_sup(pool)).at(0).pid; }
  std::vector<Pid> workers(const std::string& pool) {
    std::vector<Pid> pids;
    for (const ChildInfo& worker : children(worker_sup(pool))) pids.push_back(worker.pid);
    return pids;
  }
  std::vector<std::string> tables() {
    std::vector<std::string> names;
    for (const TableInfo& table : world.node().tables()) names.push_back(table.name);
    return names;
  }
  /// Idle workers / entries in the monitors table / workers that live.
  std::string summary(const std::string& pool) {
    world.settle();
    std::size_t monitors = 0;
    for (const TableInfo& table : world.node().tables()) {
      if (table.name == "monitors_" + pool) monitors = table.size;
    }
    const Pid manager = whereis(pool);
    const Value idle =
        world.run([manager](Context& context) { return sys::get_state(context, manager); });
    return to_string(idle) + '/' + std::to_string(monitors) + '/' +
           std::to_string(workers(pool).size());
  }

  /// A client that has so many workers, or as many as it gets, until it is told to leave.
  Client check_out(const std::string& pool, int count = 1) {
    auto held = std::make_shared<std::vector<Pid>>();
    const Pid client = world.node().spawn([pool, count, held](Context& context) -> Task<> {
      for (int i = 0; i < count; ++i) {
        if (const auto worker = co_await pool_toy::checkout(context, pool))
          held->push_back(*worker);
      }
      const Leave leave = co_await context.receive<Leave>();
      if (leave.check_in) {
        for (const Pid& worker : *held) pool_toy::checkin(context, pool, worker);
      }
      context.exit(leave.reason);
    });
    world.settle();
    return {client, *held};
  }
  void check_in(const std::string& pool, Pid worker) {
    act([&](Context& context) { pool_toy::checkin(context, pool, worker); });
  }
  void leave(Pid client, ExitReason reason = ExitReason::normal(), bool check_in = false) {
    act([&](Context& context) { context.send(client, Leave{reason, check_in}); });
  }
  void kill(Pid pid) {
    act([&](Context& context) { context.exit(pid, ExitReason::kill()); });
  }
  /// Ends a server as by itself.
  void end(ServerRef server, ExitReason reason) {
    world.run([server, reason](Context& context) { return stop_server(context, server, reason); });
    world.settle();
  }
  /// Why a process ends, once it has.
  std::shared_ptr<std::string> watch(Pid pid) {
    auto reason = std::make_shared<std::string>("lives");
    world.node().spawn([pid, reason](Context& context) -> Task<> {
      context.monitor(pid);
      const Down down = co_await context.receive<Down>();
      *reason = to_string(down.reason);
    });
    world.settle();
    return reason;
  }
  /// Calls T{args...}. Returns: why the caller exits; nothing when it is answered.
  template <class T, class... Args>
  std::shared_ptr<std::string> call(ServerRef server, Args... args) {
    auto reason = std::make_shared<std::string>();
    world.node().spawn([server, reason, args...](Context& context) -> Task<> {
      try {
        (void)co_await context.call<T>(server, args...);
      } catch (const ProcessExit& exit) {
        *reason = to_string(exit.reason());
      }
    });
    world.settle();
    return reason;
  }
  std::size_t errors() { return world.log().count(LogLevel::error); }

  LocalWorld world;

 private:
  void act(const std::function<void(Context&)>& action) {
    world.run([action](Context& context) -> Task<> {
      action(context);
      co_return;
    });
    world.settle();
  }
};

}  // namespace grove::testkit
