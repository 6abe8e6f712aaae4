// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/monitor_checker.hpp"

#include "faults.hpp"
#include "scenarios.hpp"

#include <map>

namespace grove::sim {
namespace {

constexpr int k_steps = 25;
constexpr int k_workers = 3;
constexpr auto k_step = std::chrono::milliseconds{80};

/// What all processes of one run share; the simulation has one thread.
struct Shared {
  explicit Shared(std::uint64_t seed) : world{seed} {}
  testkit::SimWorld world;
  testkit::MonitorChecker checker;
  std::vector<Pid> seen;  // every worker that ever was, dead ones and dead lives too
  bool stopping = false;
};

/// Lives for a while, then ends: normally, with an error, or not before the end of the run.
Task<> worker(Context& context, Shared* shared) {
  Random& random = shared->world.random();
  shared->seen.push_back(context.self());
  const bool patient = random.percent(60);
  const auto life = std::chrono::milliseconds{random.below(8000)};
  const auto born = context.node().clock().now();
  while (!shared->stopping && (patient || context.node().clock().now() - born < life)) {
    co_await context.sleep_for(k_step);
  }
  if (random.percent(30)) context.exit(ExitReason::symbol("boom"));
}

/// Keeps workers alive on its node, and monitors workers anywhere, living and dead.
Task<> watcher(Context& context, Shared* shared) {
  Random& random = shared->world.random();
  while (!shared->stopping) {
    if (random.percent(25)) context.spawn(worker, shared);
    if (random.percent(60) && !shared->seen.empty()) {
      // Mostly young ones: the old ones are dead for certain.
      const std::size_t back = random.below(std::min<std::size_t>(shared->seen.size(), 30));
      const Pid pid = shared->seen[shared->seen.size() - 1 - back];
      if (pid != context.self()) {
        // Before the call: its DOWN must find it, whatever comes first.
        const Ref ref = context.monitor(pid);
        shared->checker.on_monitor(ref);
      }
    }
    while (const auto down = co_await context.receive_for<Down>(k_step)) {
      shared->checker.on_down(down->ref);
      shared->world.trace(to_string(down->reason));
    }
  }
  while (const auto down = co_await context.receive_for<Down>(std::chrono::seconds{10})) {
    shared->checker.on_down(down->ref);
  }
}

}  // namespace

Outcome run_monitors(std::uint64_t seed, unsigned nodes) {
  Shared shared{seed};
  Faults faults{shared.world, nodes};
  faults.on_start = [&shared](const std::string& name) {
    Node& node = shared.world[name].node();
    for (int i = 0; i < k_workers; ++i) node.spawn(worker, &shared);
    for (int i = 0; i < 2; ++i) node.spawn(watcher, &shared);
  };
  faults.before_kill = [&shared](const std::string& name) {
    shared.checker.on_node_killed(shared.world[name].node().id());
  };
  faults.start_all();
  for (int step = 0; step < k_steps; ++step) faults.step();

  Outcome outcome;
  if (!faults.recover()) outcome.violations.push_back("the mesh does not heal within 60 s");
  shared.stopping = true;  // all workers end: what is still monitored has its DOWN coming
  shared.world.run_for(std::chrono::seconds{25});
  for (std::string& violation : shared.checker.finish()) {
    outcome.violations.push_back(std::move(violation));
  }
  outcome.invariants.push_back("I1 exactly one DOWN for each of " +
                               std::to_string(shared.checker.monitors()) + " monitors");
  outcome.trace_hash = shared.world.trace_hash();
  outcome.counts = {{"downs_normal", shared.world.total(Metric::downs_normal)},
                    {"downs_noproc", shared.world.total(Metric::downs_noproc)},
                    {"downs_noconnection", shared.world.total(Metric::downs_noconnection)},
                    {"frames_stale", shared.world.total(Metric::frames_stale)},
                    {"sessions_down", shared.world.total(Metric::sessions_down)}};
  return outcome;
}

}  // namespace grove::sim
