// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/checkers.hpp"

#include "deaths.hpp"

#include <set>
#include <utility>

namespace grove::testkit {

Violations check_links(const History& history) {
  Violations wrong;
  std::map<std::pair<Pid, Pid>, int> open;    // exits that an end may still get for the other's
  std::map<std::pair<Pid, Pid>, bool> heard;  // since the last time that they were linked
  std::map<Pid, std::set<Pid>> seen;
  Deaths deaths;
  for (const auto& [at, event] : history) {
    deaths.note(event);
    if (const auto* link = std::get_if<Linked>(&event)) {
      for (const auto& ends : {std::pair{link->by, link->to}, std::pair{link->to, link->by}}) {
        ++open[ends];
        heard[ends] = false;
      }
    } else if (const auto* unlink = std::get_if<Unlinked>(&event)) {
      heard[{unlink->by, unlink->to}] = true;  // need not hear
      heard[{unlink->to, unlink->by}] = true;
    } else if (const auto* exit = std::get_if<GotExit>(&event)) {
      heard[{exit->by, exit->from}] = true;
      if (--open[{exit->by, exit->from}] < 0) {
        wrong.push_back("an EXIT too many of " + to_string(exit->from) + " for " +
                        to_string(exit->by));
      }
    } else if (const auto* links = std::get_if<LinksSeen>(&event)) {
      seen[links->of] = {links->links.begin(), links->links.end()};
    }
  }
  for (const auto& [pid, links] : seen) {
    if (deaths.over(pid)) continue;
    for (const Pid& other : links) {
      const auto place = seen.find(other);
      if (deaths.over(other) || (place != seen.end() && !place->second.contains(pid))) {
        wrong.push_back("half a link: " + to_string(pid) + " has one to " + to_string(other));
      }
    }
  }
  for (const auto& [ends, told] : heard) {
    if (!told && deaths.over(ends.second) && !deaths.over(ends.first) &&
        seen.contains(ends.first)) {
      wrong.push_back(to_string(ends.first) + " never heard of the end of " +
                      to_string(ends.second) + ", which it was linked to");
    }
  }
  return wrong;
}

}  // namespace grove::testkit
