// SPDX-License-Identifier: Apache-2.0
#include "workload.hpp"

#include <utility>

namespace grove::sim {
namespace {

using std::chrono::milliseconds;

constexpr unsigned k_names = 4;

bool give_up(Context& context, const std::string& name) {
  return context.whereis(name, Scope::cluster) == context.self() &&
         context.unregister_name(name, Scope::cluster);
}

/// Takes a name when it is free, and another one when it has given that up.
Task<> holder(Context& context, Workload* workload) {
  const Life life{*workload, context};
  Random& random = workload->random();
  context.trap_exit(true);
  while (!workload->stopping) {
    co_await context.sleep_for(milliseconds{50 + random.below(500)});
    const std::string name = "name-" + std::to_string(random.below(k_names));
    if (!context.register_name(name, context.self(), Scope::cluster)) continue;
    const Holding held = co_await hold_name(context, workload, name);
    if (held.lost) workload->world.trace(to_string(held.lost->reason));
    if (!held.given_up) co_return;
  }
}

Task<> parent(Context& context, Workload* workload) {
  std::vector<Pid> holders;
  while (!workload->stopping) {
    std::erase_if(holders, [&](const Pid& pid) { return !context.node().is_alive(pid); });
    if (holders.size() < 3) holders.push_back(context.spawn(holder, workload));
    co_await context.sleep_for(milliseconds{300});
  }
}

}  // namespace

Task<Holding> hold_name(Context& context, Workload* workload, std::string name,
                        std::optional<Exit> lost) {
  Random& random = workload->random();
  workload->world.note(testkit::NameHeld{name, context.self()});
  if (!lost) lost = co_await context.receive_for<Exit>(milliseconds{random.below(10000)});
  if (!lost && workload->stopping) {
    workload->kept.push_back(context.self());
  } else if (!lost) {
    if (random.percent(30)) co_return Holding{};
    if (give_up(context, name)) {
      workload->world.note(testkit::NameGivenUp{name, context.self()});
      co_return Holding{true, {}};
    }
  }
  if (!lost) lost = co_await context.receive<Exit>();
  workload->world.note(testkit::NameLost{name, context.self()});
  co_return Holding{false, lost};  // its node has taken the name back already
}

void populate_names(Workload& workload, const std::string& name) {
  workload.world[name].node().spawn(parent, &workload);
}

}  // namespace grove::sim
