// SPDX-License-Identifier: Apache-2.0
#include "grove/node/pg.hpp"

#include "scenarios.hpp"
#include "workload.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace grove::sim {
namespace {

constexpr unsigned k_groups = 4;
constexpr unsigned k_members = 3;  // of a node

Value some_group(Random& random) {
  return Value::tuple({Value::symbol("group"), static_cast<int>(random.below(k_groups))});
}

/// Joins and leaves, and at times ends with memberships.
Task<> member(Context& context, Workload* workload) {
  const Life life{*workload, context};
  workload->kept.push_back(context.self());
  Random& random = workload->random();
  while (!workload->stopping) {
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

Task<> watcher(Context& context, Workload* workload) {
  workload->kept.push_back(context.self());
  GroupsSeen& seen = workload->groups[node_name(context.self().node)] = {};
  const auto add = [&seen](const Value& group, const std::vector<Pid>& pids, int sign) {
    auto& members = seen[to_string(group)];
    for (const Pid& pid : pids) {
      if ((members[pid] += sign) == 0) members.erase(pid);
    }
  };
  for (const pg::Group& group : pg::monitor_scope(context).groups) {
    add(group.group, group.members, 1);
  }
  for (;;) {
    const EnvelopePtr next = co_await context.receive_any();
    ++workload->group_changes;
    if (const auto* join = next->message.get<PgJoin>()) add(join->group, join->pids, 1);
    if (const auto* leave = next->message.get<PgLeave>()) add(leave->group, leave->pids, -1);
  }
}

Task<> parent(Context& context, Workload* workload) {
  std::vector<Pid> members;
  while (!workload->stopping) {
    std::erase_if(members, [&](const Pid& pid) { return !context.node().is_alive(pid); });
    if (members.size() < k_members) members.push_back(context.spawn(member, workload));
    co_await context.sleep_for(std::chrono::milliseconds{300});
  }
}

GroupsSeen groups_of(Node& node) {
  GroupsSeen groups;
  for (const pg::Group& group : node.groups().view(pg::k_scope)) {
    for (const Pid& pid : group.members) ++groups[to_string(group.group)][pid];
  }
  return groups;
}

/// What all nodes say of their own members: the truth.
GroupsSeen truth(Workload& workload) {
  GroupsSeen groups;
  for (const std::string& name : workload.world.names()) {
    Groups& own = workload.world[name].node().groups();
    for (const Value& group : own.which_local(pg::k_scope)) {
      for (const Pid& pid : own.local_members(pg::k_scope, group)) ++groups[to_string(group)][pid];
    }
  }
  return groups;
}

}  // namespace

void populate_groups(Workload& workload, const std::string& node) {
  workload.world[node].node().spawn(watcher, &workload);
  workload.world[node].node().spawn(parent, &workload);
}

void finish_groups(Workload& workload, Outcome& outcome) {
  const GroupsSeen wanted = truth(workload);
  std::uint64_t memberships = 0;
  for (const auto& [group, members] : wanted) {
    for (const auto& [pid, times] : members) {
      memberships += static_cast<std::uint64_t>(times);
      if (!workload.world[node_name(pid.node)].node().is_alive(pid)) {
        outcome.violations.push_back("groups: a dead process is a member of " + group);
      }
    }
  }
  for (const std::string& name : workload.world.names()) {
    if (groups_of(workload.world[name].node()) != wanted) {
      outcome.violations.push_back("groups: node " + name + " has not all members, or others");
    }
    GroupsSeen& seen = workload.groups[name];
    std::erase_if(seen, [](const auto& group) { return group.second.empty(); });
    if (seen != wanted) {
      outcome.violations.push_back("groups: a watcher of " + name +
                                   " was not told of each change once");
    }
  }
  outcome.counts["group_changes_told"] = workload.group_changes;
  outcome.counts["memberships_in_the_end"] = memberships;
}

}  // namespace grove::sim
