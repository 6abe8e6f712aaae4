// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/checkers.hpp"

#include "deaths.hpp"

#include <set>
#include <utility>

namespace grove::testkit {
namespace {

struct OpenCall {
  Clock::TimePoint deadline;
  bool late_is_fine = false;
  int ends = 0;
};

}  // namespace

Violations check_calls(const History& history) {
  Violations wrong;
  std::map<std::pair<Pid, std::uint64_t>, OpenCall> calls;
  std::set<std::string> paused;
  Deaths deaths;
  for (const auto& [at, event] : history) {
    deaths.note(event);
    if (const auto* began = std::get_if<CallBegan>(&event)) {
      calls[{began->by, began->number}] = {began->deadline,
                                           paused.contains(node_name(began->by.node))};
    } else if (const auto* call = std::get_if<CallEnded>(&event)) {
      OpenCall& open = calls[{call->by, call->number}];
      const std::string which =
          "call " + std::to_string(call->number) + " of " + to_string(call->by);
      if (++open.ends == 2) wrong.push_back(which + " ended twice");
      if (at > open.deadline && !open.late_is_fine) wrong.push_back(which + " ended too late");
    } else if (const auto* pause = std::get_if<NodePaused>(&event)) {
      paused.insert(pause->name);
      for (auto& [key, one] : calls) {
        if (one.ends == 0 && node_name(key.first.node) == pause->name) one.late_is_fine = true;
      }
    } else if (const auto* resumed = std::get_if<NodeResumed>(&event)) {
      paused.erase(resumed->name);
    }
  }
  for (const auto& [key, call] : calls) {
    const auto& [by, number] = key;
    if (call.ends == 0 && !deaths.over(by) && !paused.contains(node_name(by.node)) &&
        call.deadline < history.back().at) {
      wrong.push_back("call " + std::to_string(number) + " of " + to_string(by) + " never ended");
    }
  }
  return wrong;
}

}  // namespace grove::testkit
