// SPDX-License-Identifier: Apache-2.0
//
// A worker does what is under way for one machine, and ends: normal when all is done. It begins
// when it is told to, so that whoever starts it can monitor it first.
//
// Steps run at once where they can, each as a task: a process linked to the worker.
#pragma once

#include "cloud.hpp"
#include "store.hpp"

#include <set>

namespace vm {

/// The steps that can be done at once, now. None: all is done.
inline std::vector<std::string> next_steps(const Machine& machine) {
  std::vector<std::vector<std::string>> stages{{"instance", "dns"}, {"configure"}};
  if (machine.state == "destroying") stages = {{"delete_instance", "delete_dns"}};
  for (auto& stage : stages) {
    std::erase_if(stage, [&](const auto& step) {
      return (' ' + machine.steps).find(' ' + step + ' ') != std::string::npos;
    });
    if (!stage.empty()) return stage;
  }
  return {};
}

struct Go {};
struct StepDone {
  std::string id, step;
};

class Worker : public grove::GenServer {
 public:
  using Handles = grove::Handles<Go, grove::TaskReply<std::string>>;
  Worker(Cloud cloud, Machine machine) : cloud_{std::move(cloud)}, machine_{std::move(machine)} {}

  /// What can be known to be wrong is told now: the start fails.
  grove::Init init() const {
    const std::set<std::string> sizes{"small", "medium", "large"};
    if (!machine_.id.empty() && sizes.contains(machine_.size)) return grove::Init::ok();
    return grove::Init::stop(grove::ExitReason::shutdown(grove::Symbol{"invalid_params"}));
  }

  void handle_cast(Go) {
    for (const auto& step : next_steps(machine_)) {
      running_.insert(grove::async(context(), run, cloud_, step, machine_.id).ref());
    }
    if (running_.empty()) stop();
  }

  /// Nothing is done on a step that is not recorded. The worker tells the manager, not the task:
  /// what a process has told comes before its DOWN.
  grove::Task<> handle_info(grove::TaskReply<std::string> done) {
    co_await context().call<StepDone>("manager", machine_.id, done.value);
    machine_.steps += done.value + ' ';
    running_.erase(done.ref);
    context().demonitor(done.ref, grove::Flush::yes);
    if (running_.empty()) handle_cast(Go{});
  }

 private:
  static grove::Task<std::string> run(grove::Context& context, Cloud cloud, std::string step,
                                      std::string id) {
    grove::Task<> call = cloud(context, step, id);
    co_await call;
    co_return step;
  }

  Cloud cloud_;
  Machine machine_;
  std::set<grove::Ref> running_;
};

}  // namespace vm
