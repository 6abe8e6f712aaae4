// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/checkers.hpp"

#include <algorithm>
#include <set>

namespace grove::testkit {
namespace {

struct Supervisor {
  Supervises rule;
  std::map<std::string, int> starts;
  std::map<std::string, std::vector<Clock::TimePoint>> restarts;
  std::map<Pid, std::uint64_t> order;  // of starts
  std::uint64_t last_asked = ~std::uint64_t{0};
};

/// Of a group each end restarts any one child once.
std::size_t restarts_since(const Supervisor& supervisor, Clock::TimePoint since) {
  std::size_t sum = 0;
  std::size_t most = 0;
  for (const auto& [id, times] : supervisor.restarts) {
    const auto count = static_cast<std::size_t>(
        std::count_if(times.begin(), times.end(), [&](auto time) { return time > since; }));
    sum += count;
    most = std::max(most, count);
  }
  return supervisor.rule.group ? most : sum;
}

}  // namespace

Violations check_restarts(const History& history) {
  Violations wrong;
  std::map<Pid, Supervisor> supervisors;
  std::set<Pid> ended;
  for (const auto& [at, event] : history) {
    if (const auto* rule = std::get_if<Supervises>(&event)) {
      supervisors[rule->supervisor].rule = *rule;
    } else if (const auto* start = std::get_if<ChildStarted>(&event)) {
      Supervisor& supervisor = supervisors[start->supervisor];
      supervisor.order[start->pid] = supervisor.order.size();
      supervisor.last_asked = ~std::uint64_t{0};
      if (++supervisor.starts[start->id] == 1) continue;
      supervisor.restarts[start->id].push_back(at);
      if (restarts_since(supervisor, at - supervisor.rule.period) > supervisor.rule.intensity) {
        wrong.push_back(to_string(start->supervisor) + " has restarted " + start->id +
                        " beyond its intensity");
      }
    } else if (const auto* end = std::get_if<ChildEnded>(&event)) {
      if (!ended.insert(end->pid).second) wrong.push_back(to_string(end->pid) + " was ended twice");
      Supervisor& supervisor = supervisors[end->supervisor];
      if (!end->asked) continue;
      if (supervisor.order[end->pid] > supervisor.last_asked) {
        wrong.push_back(to_string(end->pid) + " was ended after one that started before it");
      }
      supervisor.last_asked = supervisor.order[end->pid];
    }
  }
  return wrong;
}

}  // namespace grove::testkit
