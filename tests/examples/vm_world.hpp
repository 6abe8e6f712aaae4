// SPDX-License-Identifier: Apache-2.0
//
// The application of examples/vm_lifecycle on virtual time, with a cloud that does as it is told
// and a database of its own.
#pragma once

#include "examples/example_world.hpp"
#include "examples/vm_lifecycle/application.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

namespace grove::testkit {

/// What the cloud is to do, and what it was asked for.
struct FakeCloud {
  Lines calls;                                  // `instance vm1`
  std::map<std::string, Clock::Duration> time;  // of a step
  std::map<std::string, Lines> faults;          // of the calls of a step: crash, quota or nothing
};

inline Task<> fake_step(Context& context, std::shared_ptr<FakeCloud> cloud, std::string step,
                        std::string id) {
  cloud->calls.push_back(step + ' ' + id);
  Lines& faults = cloud->faults[step];
  std::string fault;
  if (!faults.empty()) {
    fault = faults.front();
    faults.erase(faults.begin());
  }
  co_await context.sleep_for(cloud->time[step]);
  if (fault == "crash") throw std::runtime_error{"the cloud is down"};
  if (fault == "quota") context.exit(ExitReason::shutdown(Value::symbol("quota")));
}

enum class FolderIn : bool { memory, disk };

/// In memory where that can be, if the disk's time is not what is tested.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(FolderIn where) {
    const bool memory = where == FolderIn::memory && access("/dev/shm", W_OK) == 0;
    std::string path = (memory ? "/dev/shm/" : testing::TempDir()) + "grove_vm_XXXXXX";
    if (mkdtemp(path.data()) == nullptr) throw std::runtime_error{"no temporary folder"};
    path_ = path;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

class VmWorld {
 public:
  VmWorld() {
    using namespace std::chrono_literals;
    cloud->time = {{"instance", 30ms},
                   {"dns", 70ms},
                   {"configure", 20ms},
                   {"delete_dns", 20ms},
                   {"delete_instance", 30ms}};
    start();
  }

  void start() {
    const vm::Cloud steps = [cloud = cloud](Context& context, std::string step, std::string id) {
      return fake_step(context, cloud, step, id);
    };
    const StartResult started = testkit::start(local, vm::application(folder / "vm.db", steps));
    EXPECT_TRUE(started.ok()) << to_string(started);
    top = started.pid;
  }
  void stop() {
    local.run([pid = top](Context& context) -> Task<> { co_await stop_server(context, pid); });
  }

  std::string create(const std::string& id, const std::string& size = "small") {
    return local.run([=](Context& context) -> Task<std::string> {
      co_return co_await context.call<vm::Create>("manager", id, size);
    });
  }
  std::string destroy(const std::string& id) {
    return local.run([=](Context& context) -> Task<std::string> {
      co_return co_await context.call<vm::Destroy>("manager", id);
    });
  }
  /// The record of a machine; for one that is not there, an empty one.
  vm::Machine find(const std::string& id) {
    return local.run([=](Context& context) -> Task<vm::Machine> {
      const auto found = co_await context.call<vm::Load>("store", id);
      co_return found.empty() ? vm::Machine{} : found[0];
    });
  }
  /// `running 1: instance dns configure / create:killed`.
  std::string record(const std::string& id) {
    const vm::Machine machine = find(id);
    return machine.state + ' ' + std::to_string(machine.attempts) + ": " + machine.steps + "/ " +
           machine.failures;
  }
  /// Lets a second pass. Returns: the record then.
  std::string record_later(const std::string& id) {
    local.run_for(std::chrono::seconds{1});
    return record(id);
  }

  [[nodiscard]] Pid pid(const std::string& name) {
    return local.node().whereis(name).value_or(Pid{});
  }
  [[nodiscard]] std::vector<Pid> workers() {
    return local.run([](Context& context) -> Task<std::vector<Pid>> {
      std::vector<Pid> pids;
      for (const ChildInfo& row : co_await which_children(context, "workers")) {
        pids.push_back(row.pid);
      }
      co_return pids;
    });
  }
  /// How many workers the manager monitors.
  [[nodiscard]] Value monitors() {
    return local.run([manager = pid("manager")](Context& context) -> Task<Value> {
      co_return co_await sys::get_state(context, manager);
    });
  }
  void kill(const Pid& victim) {
    local.node().exit(victim, ExitReason::kill());
    local.settle();
  }
  [[nodiscard]] std::size_t errors() { return local.log().count(LogLevel::error); }
  /// What the cloud was asked for, for one machine.
  [[nodiscard]] Lines calls(const std::string& id, std::size_t first = 0) {
    Lines steps;
    for (std::size_t at = first; at < cloud->calls.size(); ++at) {
      const std::string& call = cloud->calls[at];
      const std::size_t space = call.find(' ');
      if (call.substr(space + 1) == id) steps.push_back(call.substr(0, space));
    }
    return steps;
  }

  TemporaryFolder folder{FolderIn::memory};
  std::shared_ptr<FakeCloud> cloud = std::make_shared<FakeCloud>();
  LocalWorld local;
  Pid top;
};

}  // namespace grove::testkit
