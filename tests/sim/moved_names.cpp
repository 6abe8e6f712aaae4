// SPDX-License-Identifier: Apache-2.0
//
// Names that pass from process to process: each is taken from whoever has it, on whichever node,
// and given up by nobody. So somebody must be left who has it.
#include "grove/node/cluster_names.hpp"

#include "scenarios.hpp"
#include "workload.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace grove::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr unsigned k_batons = 10;
constexpr int k_cuts = 4;
constexpr auto k_look = milliseconds{500};
constexpr auto k_back = seconds{60};

std::string baton(std::uint64_t number) { return "baton-" + std::to_string(number); }

/// Has the name until another one has it: moved there, or the winner of a conflict.
Task<> bearer(Context& context, Workload* workload, std::string name) {
  const Life life{*workload, context};
  context.trap_exit(true);
  const Pid self = context.self();
  const auto before = context.whereis(name, Scope::cluster);
  if (workload->hurry && !before) co_return;
  const Result<void> given = before ? global::re_register_name(context, name, self)
                                    : context.register_name(name, self, Scope::cluster);
  if (!given) co_return;
  if (before) workload->moved.insert(*before);
  ++workload->counts[before ? "names_moved" : "names_taken"];
  for (bool stays = false;;) {
    auto told = co_await context.receive_for<Exit>(k_look);
    const bool has = context.whereis(name, Scope::cluster) == self;
    if (!told && !has) told = co_await context.receive_for<Exit>(Clock::Duration::zero());
    if (told) ++workload->counts["bearers_told"];
    if (!told && !has && !workload->moved.contains(self)) {
      workload->wrong.push_back(to_string(self) + " has lost " + name + " and was not told");
    }
    if (told || !has) co_return;
    if (workload->stopping && !std::exchange(stays, true)) workload->kept.push_back(self);
  }
}

Task<> runner(Context& context, Workload* workload) {
  while (!workload->stopping) {
    const std::uint64_t most = workload->hurry ? 20 : 1500;
    co_await context.sleep_for(milliseconds{workload->random().below(most)});
    if (workload->resting) continue;
    context.spawn(bearer, workload, baton(workload->random().below(k_batons)));
  }
}

/// Of which any of the nodes sees that somebody has them.
std::set<std::string> had(Workload& workload, const std::vector<std::string>& nodes) {
  std::set<std::string> names;
  for (unsigned i = 0; i < k_batons; ++i) {
    const bool any = std::any_of(nodes.begin(), nodes.end(), [&](const std::string& node) {
      return workload.world[node].node().whereis(baton(i), Scope::cluster).has_value();
    });
    if (any) names.insert(baton(i));
  }
  return names;
}

/// A cut in which names are moved on all sides: afterwards somebody must have each.
void move_in_a_cut(Workload& workload) {
  testkit::SimWorld& world = workload.world;
  workload.hurry = workload.resting = false;
  const std::vector<std::string> all = world.names();
  std::vector<std::vector<std::string>> parts(3);  // of which some may be empty
  for (const std::string& name : all) parts[workload.random().below(3)].push_back(name);
  std::erase_if(parts, [](const auto& part) { return part.empty(); });
  world.partition(parts);
  world.run_for(milliseconds{workload.random().below(25'000)});  // or nobody is held for dead
  workload.hurry = true;  // so that some are moved in the very moment that the sides meet
  world.run_for(milliseconds{workload.random().below(1'000)});
  const std::set<std::string> names = had(workload, all);
  world.heal();
  want(world, "all meet after a cut", k_back, [&] { return world.connected(all); });
  workload.resting = true;
  for (const std::string& name : names) {
    want(world, "all see that somebody has " + name, k_back, [&] {
      const auto bearer = world[all.front()].node().whereis(name, Scope::cluster);
      return bearer && std::all_of(all.begin(), all.end(), [&](const std::string& node) {
               return world[node].node().whereis(name, Scope::cluster) == bearer;
             });
    });
  }
}

}  // namespace

void populate_names_moved(Workload& workload, const std::string& node) {
  workload.world[node].node().spawn(runner, &workload);
}

void move_in_cuts(Workload& workload) {
  for (int i = 0; i < k_cuts; ++i) move_in_a_cut(workload);
}

void finish_moved_names(Workload& workload, Outcome& outcome) {
  for (const std::string& wrong : workload.wrong) outcome.violations.push_back("names: " + wrong);
  outcome.counts.insert(workload.counts.begin(), workload.counts.end());
}

}  // namespace grove::sim
