// SPDX-License-Identifier: Apache-2.0
//
// The machines of examples/vm_lifecycle. V-numbers in the names are the steps of the walk-through
// of what it was in Elixir. What it stands on (V-1, V-13 to V-15) is in vm_ground_test.cpp.
#include "examples/vm_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::Lines;

const std::string k_running = "running 1: instance dns configure / ";

class Lifecycle : public testing::Test {
 protected:
  testkit::VmWorld vm;
};

/// The same in any order.
Lines sorted(Lines lines) {
  std::sort(lines.begin(), lines.end());
  return lines;
}

TEST_F(Lifecycle, V2_AMachineIsCreated) {
  const auto before = vm.local.clock().now();
  EXPECT_EQ(vm.create("vm1"), "ok");
  EXPECT_EQ(vm.local.clock().now(), before);
  EXPECT_EQ(vm.record("vm1"), "creating 1: / ");
  EXPECT_EQ(vm.record_later("vm1"), k_running);
  EXPECT_TRUE(vm.workers().empty());
  EXPECT_EQ(vm.monitors(), Value{0});
  EXPECT_EQ(vm.errors(), 0U);
}

TEST_F(Lifecycle, V2b_InstanceAndNameAreMadeAtOnce) {
  vm.cloud->time = {{"instance", 300ms}, {"dns", 400ms}, {"configure", 50ms}};
  vm.create("vm1");
  vm.local.run_for(399ms);
  EXPECT_EQ(sorted(vm.calls("vm1")), (Lines{"dns", "instance"}));
  vm.local.run_for(50ms);
  EXPECT_EQ(vm.find("vm1").state, "creating");
  vm.local.run_for(1ms);
  EXPECT_EQ(vm.record("vm1"), k_running);  // after 450 ms
}

TEST_F(Lifecycle, V3_InvalidParametersReachNobody) {
  const Pid manager = vm.pid("manager");
  EXPECT_EQ(vm.create("vm1", "gigantic"), "invalid_params");
  EXPECT_EQ(vm.create("", "small"), "invalid_params");
  EXPECT_EQ(vm.find("vm1").state, "");
  EXPECT_TRUE(vm.workers().empty());
  EXPECT_EQ(vm.monitors(), Value{0});
  EXPECT_EQ(vm.pid("manager"), manager);
  EXPECT_EQ(testkit::logged(vm.local, LogLevel::error), Lines{});
}

TEST_F(Lifecycle, V4_AStepThatCrashesIsTriedAgain) {
  vm.cloud->faults["dns"] = {"crash"};
  vm.create("vm1");
  const Pid manager = vm.pid("manager");
  const Pid worker = vm.workers().at(0);
  const Down down = vm.local.run([worker](Context& context) -> Task<Down> {
    context.monitor(worker);
    co_return co_await context.receive<Down>();
  });
  EXPECT_EQ(to_string(down.reason), "{error,\"std::runtime_error\",\"the cloud is down\"}");
  EXPECT_EQ(vm.record_later("vm1"), "running 2: instance dns configure / create:exception ");
  EXPECT_EQ(sorted(vm.calls("vm1")), (Lines{"configure", "dns", "dns", "instance"}));
  EXPECT_EQ(vm.pid("manager"), manager);
  const Lines records = testkit::logged(vm.local, LogLevel::error);
  ASSERT_EQ(records.size(), 1U);
  EXPECT_NE(records[0].find("(task)"), std::string::npos);
}

TEST_F(Lifecycle, V4b_AfterThreeFailuresWhatExistsIsDestroyed) {
  vm.cloud->faults["dns"] = Lines(9, "crash");
  vm.create("vm1");
  EXPECT_EQ(vm.record_later("vm1"),
            "failed 1: instance delete_dns delete_instance / "
            "create:exception create:exception create:exception ");
  EXPECT_EQ(sorted(vm.calls("vm1")),
            (Lines{"delete_dns", "delete_instance", "dns", "dns", "dns", "instance"}));
  EXPECT_EQ(vm.monitors(), Value{0});
}

TEST_F(Lifecycle, V4c_AFailureThatIsFinalIsNotTriedAgain) {
  vm.cloud->faults["instance"] = {"quota"};
  vm.create("vm1");
  EXPECT_EQ(vm.record_later("vm1"), "failed 1: / create:quota ");
  EXPECT_EQ(sorted(vm.calls("vm1")), (Lines{"dns", "instance"}));
  EXPECT_EQ(vm.errors(), 0U);
}

TEST_F(Lifecycle, V5_AMachineIsDestroyed) {
  EXPECT_EQ(vm.create("vm1"), "ok");
  EXPECT_EQ(vm.destroy("vm1"), "creating");
  EXPECT_EQ(vm.create("vm1"), "exists");
  vm.local.run_for(1s);
  EXPECT_EQ(vm.create("vm1"), "exists");
  EXPECT_EQ(vm.destroy("vm1"), "ok");
  vm.local.run_for(1s);
  EXPECT_EQ(vm.find("vm1").state, "deleted");
  EXPECT_EQ(sorted(vm.calls("vm1")),
            (Lines{"configure", "delete_dns", "delete_instance", "dns", "instance"}));
  EXPECT_EQ(vm.destroy("vm1"), "deleted");
  EXPECT_EQ(vm.destroy("unknown"), "not_found");
  EXPECT_EQ(vm.create("vm1"), "ok");
  EXPECT_EQ(vm.record_later("vm1"), k_running);
}

TEST_F(Lifecycle, V6_AKilledWorkerTakesItsTasksAlongAndIsReplaced) {
  vm.create("vm1");
  vm.local.run_for(50ms);  // dns is under way
  const auto tasks = vm.local.node().process_count();
  vm.local.node().exit(vm.workers().at(0), ExitReason::kill());
  EXPECT_EQ(vm.record_later("vm1"), "running 2: instance dns configure / create:killed ");
  EXPECT_EQ(vm.local.node().process_count(), tasks - 2);
  EXPECT_EQ(sorted(vm.calls("vm1")), (Lines{"configure", "dns", "dns", "instance"}));
}

TEST_F(Lifecycle, V7c_ACallerExitsWithTheManagerItAsked) {
  vm.local.run([this](Context& context) -> Task<> {
    const Pid manager = vm.pid("manager");
    co_await sys::suspend(context, manager);
    const auto kill_it = [](Context& killer, Pid victim) -> Task<> {
      co_await killer.sleep_for(1ms);
      killer.exit(victim, ExitReason::kill());
    };
    context.spawn(kill_it, manager);
    const std::string id = "vm1", size = "small";
    try {
      co_await context.call<vm::Create>("manager", id, size);
      ADD_FAILURE() << "nobody can have answered";
    } catch (const ProcessExit& exit) {
      EXPECT_EQ(exit.reason(), ExitReason::killed());
    }
  });
  EXPECT_EQ(vm.record_later("vm1"), " 0: / ");
}

TEST_F(Lifecycle, V9_AfterAStopInMidCreationAllGoesOnFromTheRecord) {
  vm.create("vm1");
  vm.create("vm2");
  vm.local.run_for(50ms);
  const std::vector<Pid> workers = vm.workers();
  EXPECT_EQ(workers.size(), 2U);
  vm.stop();
  vm.start();
  for (const Pid& worker : workers) EXPECT_FALSE(vm.local.node().is_alive(worker));
  vm.local.run_for(1s);
  for (const char* id : {"vm1", "vm2"}) {
    EXPECT_EQ(vm.record(id), "running 2: instance dns configure / create:noproc ");
    EXPECT_EQ(sorted(vm.calls(id)), (Lines{"configure", "dns", "dns", "instance"}));
  }
}

TEST_F(Lifecycle, V9b_AKilledStoreComesBackWithAllRecords) {
  vm.create("vm1");
  vm.local.run_for(1s);
  const Pid manager = vm.pid("manager");
  const Pid store = vm.pid("store");
  vm.kill(store);
  EXPECT_EQ(vm.record_later("vm1"), k_running);
  EXPECT_NE(vm.pid("store"), store);
  EXPECT_EQ(vm.pid("manager"), manager);
}

TEST_F(Lifecycle, V10_FiftyMachinesOutliveSixteenKilledWorkers) {
  for (int i = 0; i < 50; ++i) EXPECT_EQ(vm.create(std::to_string(i)), "ok");
  vm.local.run_for(10ms);
  const std::vector<Pid> workers = vm.workers();
  ASSERT_EQ(workers.size(), 50U);
  for (std::size_t at = 0; at < 16; ++at) vm.local.node().exit(workers[at * 3], ExitReason::kill());
  vm.local.run_for(2s);
  std::vector<int> attempts(3);
  for (int i = 0; i < 50; ++i) {
    const vm::Machine machine = vm.find(std::to_string(i));
    EXPECT_EQ(machine.state, "running");
    ++attempts.at(static_cast<std::size_t>(machine.attempts));
  }
  EXPECT_EQ(attempts, (std::vector<int>{0, 34, 16}));
  EXPECT_EQ(vm.monitors(), Value{0});
  EXPECT_TRUE(vm.workers().empty());
}

TEST_F(Lifecycle, V11_AStepThatADeadWorkerHasToldIsInTheRecord) {
  vm.create("vm1");
  const Pid worker = vm.workers().at(0);
  const Pid manager = vm.pid("manager");
  vm.local.run([=](Context& context) -> Task<> {
    co_await sys::suspend(context, manager);
    co_await context.sleep_for(50ms);  // instance is done
    context.exit(worker, ExitReason::kill());
    co_await context.sleep_for(1ms);
    co_await sys::resume(context, manager);
  });
  EXPECT_EQ(vm.record_later("vm1"), "running 2: instance dns configure / create:killed ");
  EXPECT_EQ(sorted(vm.calls("vm1")), (Lines{"configure", "dns", "dns", "instance"}));
}

TEST_F(Lifecycle, V12b_AWorkerThatDiesBeforeItIsMonitoredIsNoticed) {
  vm.local.run([](Context& context) -> Task<> {
    const vm::Machine machine{"vm1", "small", "creating", "running", 1, {}, {}};
    const vm::Cloud cloud = vm::simulated_cloud(0);
    const ChildSpec spec = child<vm::Worker>("worker", cloud, machine).with(temporary);
    const StartResult worker = co_await start_child(context, "workers", spec);
    context.exit(worker.pid, ExitReason::kill());
    co_await testkit::settle(context);
    EXPECT_FALSE(context.node().is_alive(worker.pid));
    context.monitor(worker.pid);
    context.cast(worker.pid, vm::Go{});
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::noproc());
  });
}

TEST_F(Lifecycle, AStepToldWhileTheManagerStartsIsNotLost) {
  vm.create("vm1");
  vm.local.run([this](Context& context) -> Task<> {
    const Pid workers = vm.pid("workers");
    co_await sys::suspend(context, workers);  // the next manager waits for it in init
    context.exit(vm.pid("manager"), ExitReason::kill());
    co_await context.sleep_for(50ms);  // instance is done
    co_await sys::resume(context, workers);
  });
  EXPECT_EQ(vm.record_later("vm1"), "running 2: instance dns configure / create:noproc ");
  EXPECT_EQ(sorted(vm.calls("vm1")), (Lines{"configure", "dns", "dns", "instance"}));
}

// -- kills at any moment ------------------------------------------------------------------------

/// Who is killed, and how long after the beginning.
class Killed : public testing::TestWithParam<std::tuple<std::string, int>> {};

TEST_P(Killed, NoChangeIsLostAndNoRecordedStepIsRepeated) {
  const auto [name, time] = GetParam();
  testkit::VmWorld vm;
  EXPECT_EQ(vm.create("vm1"), "ok");
  EXPECT_EQ(vm.create("vm2"), "ok");
  vm.local.run_for(std::chrono::milliseconds{time});
  std::vector<vm::Machine> before;
  for (const char* id : {"vm1", "vm2"}) before.push_back(vm.find(id));
  const std::size_t seen = vm.cloud->calls.size();
  vm.kill(vm.pid(name));
  vm.local.run_for(10s);
  EXPECT_TRUE(vm.local.node().is_alive(vm.top));
  for (const vm::Machine& machine : before) {
    EXPECT_EQ(vm.find(machine.id).state, "running");
    const std::string steps = vm.find(machine.id).steps;
    EXPECT_TRUE(steps == "instance dns configure " || steps == "dns instance configure ") << steps;
    EXPECT_EQ(steps.find(machine.steps), 0U);
    for (const std::string& step : vm.calls(machine.id, seen)) {
      EXPECT_EQ((' ' + machine.steps).find(' ' + step + ' '), std::string::npos) << step;
    }
  }
  EXPECT_TRUE(vm.workers().empty());
  EXPECT_EQ(vm.monitors(), Value{0});
}

INSTANTIATE_TEST_SUITE_P(AtAnyTime, Killed,
                         testing::Combine(testing::Values("manager", "store", "workers"),
                                          testing::Values(0, 10, 30, 31, 50, 70, 71, 89, 90, 91)),
                         [](const auto& row) {
                           return std::get<0>(row.param) + "_after_" +
                                  std::to_string(std::get<1>(row.param)) + "_ms";
                         });

}  // namespace
}  // namespace grove
