// SPDX-License-Identifier: Apache-2.0
#include "grove/node/pg.hpp"

#include "faults.hpp"
#include "scenarios.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace grove::sim {
namespace {

constexpr int k_steps = 12;
constexpr unsigned k_groups = 4;
constexpr unsigned k_members = 3;  // of a node

using Members = std::map<Pid, int>;  // how often each is a member

struct Shared {
  explicit Shared(std::uint64_t seed) : world{seed} {}
  testkit::SimWorld world;
  std::uint64_t changes = 0;  // that watchers were told
  bool stopping = false;
};

Value some_group(Random& random) {
  return Value::tuple({Value::symbol("group"), static_cast<int>(random.below(k_groups))});
}

/// Joins and leaves, and at times ends with memberships.
Task<> member(Context& context, Shared* shared) {
  Random& random = shared->world.random();
  while (!shared->stopping) {
    const Value group = some_group(random);
    if (random.percent(60)) {
      (void)pg::join(context, group, context.self());
    } else {
      (void)pg::leave(context, group, context.self());
    }
    if (random.percent(5)) co_return;
    co_await context.sleep_for(std::chrono::milliseconds{50 + random.below(2000)});
  }
  for (;;) co_await context.receive_any();
}

/// A watcher of the whole scope: what it was told, added up.
struct View {
  std::map<std::string, Members> groups;
};
Task<> watcher(Context& context, Shared* shared, View* view) {
  const auto add = [view](const Value& group, const std::vector<Pid>& pids, int sign) {
    Members& members = view->groups[to_string(group)];
    for (const Pid& pid : pids) {
      if ((members[pid] += sign) == 0) members.erase(pid);
    }
  };
  for (const pg::Group& group : pg::monitor_scope(context).groups) {
    add(group.group, group.members, 1);
  }
  for (;;) {
    const EnvelopePtr next = co_await context.receive_any();
    ++shared->changes;
    if (const auto* join = next->message.get<PgJoin>()) add(join->group, join->pids, 1);
    if (const auto* leave = next->message.get<PgLeave>()) add(leave->group, leave->pids, -1);
  }
}

Task<> parent(Context& context, Shared* shared) {
  while (!shared->stopping) {
    if (context.node().process_count() < k_members + 2) context.spawn(member, shared);
    co_await context.sleep_for(std::chrono::milliseconds{300});
  }
}

std::map<std::string, Members> groups_of(Node& node) {
  std::map<std::string, Members> groups;
  for (const pg::Group& group : node.groups().view(pg::k_scope)) {
    for (const Pid& pid : group.members) ++groups[to_string(group.group)][pid];
  }
  return groups;
}

/// What all nodes say of their own members: the truth.
std::map<std::string, Members> truth(Shared& shared, const std::vector<std::string>& nodes) {
  std::map<std::string, Members> groups;
  for (const std::string& name : nodes) {
    Groups& own = shared.world[name].node().groups();
    for (const Value& group : own.which_local(pg::k_scope)) {
      for (const Pid& pid : own.local_members(pg::k_scope, group)) ++groups[to_string(group)][pid];
    }
  }
  return groups;
}

}  // namespace

Outcome run_groups(std::uint64_t seed, unsigned nodes) {
  Shared shared{seed};
  std::map<std::string, View> views;
  Faults faults{shared.world, nodes};
  faults.on_start = [&](const std::string& name) {
    views[name] = {};
    Node& node = shared.world[name].node();
    node.spawn(watcher, &shared, &views[name]);
    node.spawn(parent, &shared);
  };
  faults.start_all();
  for (int step = 0; step < k_steps; ++step) faults.step();

  Outcome outcome;
  if (!faults.recover()) outcome.violations.push_back("the mesh does not heal within 60 s");
  shared.stopping = true;
  shared.world.run_for(std::chrono::seconds{5});

  const auto wanted = truth(shared, faults.all());
  std::size_t memberships = 0;
  for (const auto& [group, members] : wanted) {
    for (const auto& [pid, times] : members) {
      memberships += static_cast<std::size_t>(times);
      if (!shared.world[node_name(pid.node)].node().is_alive(pid)) {
        outcome.violations.push_back("a dead process is a member of " + group);
      }
    }
  }
  for (const std::string& name : faults.all()) {
    if (groups_of(shared.world[name].node()) != wanted) {
      outcome.violations.push_back("node " + name + " has not all members, or others");
    }
    std::erase_if(views[name].groups, [](const auto& group) { return group.second.empty(); });
    if (views[name].groups != wanted) {
      outcome.violations.push_back("a watcher of " + name + " was not told of each change once");
    }
  }
  outcome.invariants.push_back("all nodes and watchers agree on " + std::to_string(memberships) +
                               " memberships, none of the dead");
  outcome.trace_hash = shared.world.trace_hash();
  outcome.counts = {{"group_changes_told", shared.changes},
                    {"memberships_in_the_end", memberships},
                    {"sessions_down", shared.world.total(Metric::sessions_down)}};
  return outcome;
}

}  // namespace grove::sim
