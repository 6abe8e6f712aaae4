// SPDX-License-Identifier: Apache-2.0
//
// The manager has workers create and destroy machines, and decides what to do when one fails. It
// keeps nothing but its monitors: the truth is in the store, and each change is written there
// before anything is done on it.
#pragma once

#include "worker.hpp"

#include <algorithm>
#include <map>

namespace vm {

// Both are answered as soon as the work is under way.
struct Create {
  using Reply = std::string;  // ok, exists, or why not
  std::string id, size;
};
struct Destroy {
  using Reply = std::string;  // ok, not_found, or the state that is in the way
  std::string id;
};
struct Resume {};

class Manager : public grove::GenServer {
 public:
  using Handles = grove::Handles<Create, Destroy, StepDone, Resume>;
  explicit Manager(Cloud cloud) : cloud_{std::move(cloud)} {}

  /// Nobody has watched the workers while there was no manager: what they did is begun again from
  /// the record. Steps that they have told are in the mailbox, before the Resume.
  grove::Task<> init() {
    const auto workers = co_await grove::which_children(context(), "workers");
    for (const grove::ChildInfo& worker : workers) {
      (void)co_await grove::terminate_child(context(), "workers", worker.pid);
    }
    context().send(self(), Resume{});
  }
  grove::Task<> handle_info(Resume) {
    const std::string all;
    const auto machines = co_await context().call<Load>("store", all);
    for (const Machine& machine : machines) {
      const auto is_its = [&](const auto& worker) { return worker.second == machine.id; };
      const bool begun = std::any_of(workers_.begin(), workers_.end(), is_its);
      if (machine.busy() && !begun) co_await fail(machine, "noproc");
    }
  }

  grove::Task<std::string> handle_call(Create create) {
    Machine machine = co_await load(create.id);
    if (machine.busy() || machine.state == "running") co_return "exists";
    machine = {create.id, create.size, "creating", "running", 0, {}, {}};
    const grove::StartResult worker = co_await begin(machine);
    co_return worker.ok() ? "ok" : kind_of(worker.reason);
  }
  grove::Task<std::string> handle_call(Destroy destroy) {
    const Machine machine = co_await load(destroy.id);
    if (machine.state != "running") {
      co_return machine.state.empty() ? "not_found" : machine.state;
    }
    co_await begin_destruction(machine, "deleted");
    co_return "ok";
  }
  grove::Task<> handle_call(StepDone done) {
    Machine machine = co_await load(done.id);
    machine.steps += done.step + ' ';
    co_await save(machine);
  }

  grove::Task<> handle_info(grove::Down down) {
    const auto worker = workers_.extract(down.ref);
    Machine machine = co_await load(worker.mapped());
    if (down.reason.is_normal()) {
      machine.state = machine.goal;
      co_await save(machine);
    } else {
      co_await fail(machine, kind_of(down.reason));
    }
  }

  int debug_state() const { return static_cast<int>(workers_.size()); }

 private:
  static constexpr int k_attempts_max = 3;

  static std::string kind_of(const grove::ExitReason& reason) {
    const auto* parts = reason.term().as_tuple();
    if (parts == nullptr) return to_string(reason);
    return reason.is_clean() ? to_string(parts->at(1)) : "exception";
  }

  /// Tries again, or gives up; then what exists already is destroyed.
  grove::Task<> fail(Machine machine, std::string kind) {
    const bool creating = machine.state == "creating";
    machine.failures += (creating ? "create:" : "destroy:") + kind + ' ';
    if (kind != "quota" && machine.attempts < k_attempts_max) {
      co_await begin(machine);
    } else if (creating && !machine.steps.empty()) {
      co_await begin_destruction(machine, "failed");
    } else {
      machine.state = "failed";
      co_await save(machine);
    }
  }
  grove::Task<> begin_destruction(Machine machine, std::string goal) {
    machine.state = "destroying";
    machine.goal = goal;
    machine.attempts = 0;
    co_await begin(machine);
  }
  /// Starts a worker, which may refuse, and writes down that there is one before it may begin.
  grove::Task<grove::StartResult> begin(Machine machine) {
    ++machine.attempts;
    grove::ChildSpec spec = grove::child<Worker>("worker", cloud_, machine).with(grove::temporary);
    const grove::StartResult worker = co_await grove::start_child(context(), "workers", spec);
    if (worker.ok()) {
      co_await save(machine);
      workers_[context().monitor(worker.pid)] = machine.id;
      context().cast(worker.pid, Go{});
    }
    co_return worker;
  }

  grove::Task<Machine> load(std::string id) {
    const auto found = co_await context().call<Load>("store", id);
    co_return found.empty() ? Machine{} : found[0];
  }
  grove::Task<> save(Machine machine) {
    co_await context().call<Save>("store", machine);
    node().log().info("machine " + machine.id + ": " + machine.state);
  }

  Cloud cloud_;
  std::map<grove::Ref, std::string> workers_;  // which machine, by monitor
};

}  // namespace vm
