// SPDX-License-Identifier: Apache-2.0
#include "faults.hpp"
#include "scenarios.hpp"

#include <map>

namespace grove::sim {
namespace {

constexpr int k_steps = 20;
constexpr unsigned k_names = 4;

struct Shared {
  explicit Shared(std::uint64_t seed) : world{seed} {}
  testkit::SimWorld world;
  std::map<Pid, int> conflicts;  // exits for a lost name, by loser
  bool stopping = false;
};

std::string some_name(Random& random) { return "name-" + std::to_string(random.below(k_names)); }

/// Takes a name when it is free, keeps it for a while, gives it up or dies with it.
Task<> holder(Context& context, Shared* shared) {
  Random& random = shared->world.random();
  context.trap_exit(true);
  while (!shared->stopping) {
    const std::string name = some_name(random);
    if (context.register_name(name, context.self(), Scope::cluster)) {
      const auto lost =
          co_await context.receive_for<Exit>(std::chrono::milliseconds{random.below(10000)});
      if (lost) {
        ++shared->conflicts[context.self()];
        co_return;  // its node has taken the name back already
      }
      if (random.percent(30)) co_return;
      context.unregister_name(name, Scope::cluster);
    }
    co_await context.sleep_for(std::chrono::milliseconds{50 + random.below(500)});
  }
}

Task<> parent(Context& context, Shared* shared) {
  while (!shared->stopping) {
    if (context.node().process_count() < 4) context.spawn(holder, shared);
    co_await context.sleep_for(std::chrono::milliseconds{300});
  }
}

/// Takes one name and keeps it to the end.
Task<> keeper(Context& context, std::string name) {
  if (!context.register_name(name, context.self(), Scope::cluster)) co_return;
  for (;;) co_await context.receive_any();
}

}  // namespace

Outcome run_names(std::uint64_t seed, unsigned nodes) {
  Shared shared{seed};
  Faults faults{shared.world, nodes};
  faults.on_start = [&shared](const std::string& name) {
    shared.world[name].node().spawn(parent, &shared);
  };
  faults.start_all();
  for (int step = 0; step < k_steps; ++step) faults.step();

  Outcome outcome;
  if (!faults.recover()) outcome.violations.push_back("the mesh does not heal within 60 s");
  shared.stopping = true;
  shared.world.run_for(std::chrono::seconds{30});
  for (const std::string& name : faults.all()) {
    shared.world[name].node().spawn(keeper, "kept-by-" + name);
  }
  shared.world.run_for(std::chrono::seconds{5});

  const auto view = [&shared](const std::string& name) {
    std::map<std::string, Pid> names;
    for (const auto& [text, pid] : shared.world[name].node().global_names()) names[text] = pid;
    return names;
  };
  const auto reference = view(faults.all().front());
  for (const std::string& name : faults.all()) {
    if (view(name) != reference) {
      outcome.violations.push_back("nodes " + faults.all().front() + " and " + name +
                                   " disagree on the names");
    }
    if (!reference.contains("kept-by-" + name)) {
      outcome.violations.push_back("a living process of " + name + " has lost its name");
    }
  }
  for (const auto& [name, pid] : reference) {
    bool alive = false;
    for (const std::string& node : faults.all()) {
      alive = alive || shared.world[node].node().is_alive(pid);
    }
    if (!alive) outcome.violations.push_back(name + " is bound to a dead process");
  }
  std::uint64_t conflicts = 0;
  for (const auto& [pid, count] : shared.conflicts) {
    conflicts += 1;
    if (count != 1) outcome.violations.push_back("a loser was told " + std::to_string(count));
  }
  outcome.invariants.push_back("I6 all nodes agree on " + std::to_string(reference.size()) +
                               " names, none dead, each loser told once");
  outcome.trace_hash = shared.world.trace_hash();
  outcome.counts = {{"name_conflicts", shared.world.total(Metric::name_conflicts)},
                    {"losers_told", conflicts},
                    {"sessions_down", shared.world.total(Metric::sessions_down)}};
  return outcome;
}

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all{
      {"monitors", "partitions and restarts; each monitor fires exactly once", run_monitors},
      {"names", "conflicts, takeovers and deaths; names converge, none stays forked", run_names},
      {"groups", "joins, leaves and deaths; all nodes see the same members", run_groups}};
  return all;
}

}  // namespace grove::sim
