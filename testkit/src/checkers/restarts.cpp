// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/checkers.hpp"

#include <algorithm>
#include <set>

namespace grove::testkit {
namespace {

constexpr std::size_t k_none = ~std::size_t{0};

struct Supervisor {
  Supervises rule;
  std::map<std::string, int> starts;
  std::map<std::string, std::vector<Clock::TimePoint>> restarts;
  std::map<std::string, std::size_t> places;  // of children, in the order of the first starts
  std::map<Pid, std::size_t> place_of;
  std::size_t last_asked = k_none;
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
      const auto place = supervisor.places.emplace(start->id, supervisor.places.size()).first;
      supervisor.place_of[start->pid] = place->second;
      supervisor.last_asked = k_none;
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
      const std::size_t place = supervisor.place_of[end->pid];
      if (place > supervisor.last_asked) {
        wrong.push_back(to_string(end->pid) + " was ended after a child that comes before it");
      }
      supervisor.last_asked = place;
    }
  }
  return wrong;
}

}  // namespace grove::testkit
