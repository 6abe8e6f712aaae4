// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/checkers.hpp"

#include "deaths.hpp"

namespace grove::testkit {
namespace {

struct Monitor {
  Pid by;
  Pid of;
  int downs = 0;
  bool demonitored = false;
  bool flushed = false;
};

}  // namespace

Violations check_monitors(const History& history) {
  Violations wrong;
  std::map<Ref, Monitor> monitors;
  Deaths deaths;
  for (const auto& [at, event] : history) {
    deaths.note(event);
    if (const auto* made = std::get_if<Monitored>(&event)) {
      if (!monitors.emplace(made->ref, Monitor{made->by, made->of}).second) {
        wrong.push_back("one reference for two monitors: " + to_string(made->ref));
      }
    } else if (const auto* undone = std::get_if<Demonitored>(&event)) {
      monitors[undone->ref].demonitored = true;
      monitors[undone->ref].flushed = undone->flushed;
    } else if (const auto* down = std::get_if<GotDown>(&event)) {
      const auto place = monitors.find(down->ref);
      if (place == monitors.end() || place->second.by != down->by) {
        wrong.push_back("a DOWN for a monitor that " + to_string(down->by) +
                        " has not made: " + to_string(down->ref));
      } else if (place->second.flushed) {
        wrong.push_back("a DOWN after its demonitor: " + to_string(down->ref));
      } else if (++place->second.downs == 2) {
        wrong.push_back("two DOWNs for one monitor: " + to_string(down->ref));
      }
    }
  }
  for (const auto& [ref, monitor] : monitors) {
    if (monitor.downs == 0 && !monitor.demonitored && deaths.over(monitor.of) &&
        !deaths.over(monitor.by)) {
      wrong.push_back("no DOWN for the monitor " + to_string(ref) + " of " + to_string(monitor.of));
    }
  }
  return wrong;
}

}  // namespace grove::testkit
