// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace grove::oracle {
namespace {

using Results = std::map<int, std::string>;

/// Whether a dying actor still reports a result is a race, except for the op that ends it.
Results results_of(const std::vector<Event>& events, const std::set<Pid>& dead,
                   const std::map<int, Owed>& pending) {
  Results results;
  for (const Event& event : events) {
    if (event.kind == Event::Kind::result) results.insert_or_assign(event.step, event.text);
  }
  for (const auto& [step, owed] : pending) {
    const bool reported = results.contains(step);
    if (dead.contains(owed.actor) && !(owed.last && reported)) {
      results.insert_or_assign(step, "lost");
    }
  }
  return results;
}

enum class Part : std::uint8_t { own, received, died };

/// Lines sort by it; those of one key keep their order.
using Key = std::tuple<std::string, Part, std::string>;  // actor, part, source

Part part_of(Event::Kind kind) {
  if (kind == Event::Kind::own) return Part::own;
  return kind == Event::Kind::died ? Part::died : Part::received;
}

/// Each run of exits and downs has no order of its own: one death may be reported twice.
void sort_deaths(std::vector<const Event*>& events) {
  const auto is_death = [](const Event* event) { return event->kind == Event::Kind::death; };
  for (auto begin = events.begin(); begin != events.end();) {
    begin = std::find_if(begin, events.end(), is_death);
    const auto end = std::find_if_not(begin, events.end(), is_death);
    std::sort(begin, end, [](const Event* a, const Event* b) { return a->text < b->text; });
    begin = end;
  }
}

bool is_actors_own(const Event& event) { return event.kind <= Event::Kind::died; }
bool is_printed(const Event& event) { return event.kind > Event::Kind::gone; }

/// In their order; but deaths beside the kill of a supervisor, or below a dynamic one, have none.
std::vector<std::string> life_lines(const std::vector<Event>& events, const Recorder& recorder) {
  const bool killed = std::any_of(events.begin(), events.end(), [&](const Event& event) {
    return event.kind == Event::Kind::down && event.text == "killed" &&
           recorder.is_supervisor(recorder.text_of(event.pid));
  });
  std::vector<std::string> ordered;
  std::vector<std::string> loose;
  for (const Event& event : events) {
    if (is_actors_own(event)) continue;
    const std::string name = recorder.text_of(event.pid);
    if (event.kind == Event::Kind::life) {
      ordered.push_back("! " + event.text);
      continue;
    }
    const char* what = event.kind == Event::Kind::down ? "! down " : "! terminate ";
    (killed || recorder.is_loose(name) ? loose : ordered).push_back(what + name + ' ' + event.text);
  }
  std::sort(loose.begin(), loose.end());
  ordered.insert(ordered.end(), loose.begin(), loose.end());
  return ordered;
}

std::vector<std::string> actor_lines(const std::vector<Event>& events, const std::set<Pid>& dead,
                                     const Recorder& recorder) {
  std::map<Key, std::vector<const Event*>> groups;
  for (const Event& event : events) {
    if (!is_printed(event) || !is_actors_own(event)) continue;
    const Part part = part_of(event.kind);
    // What it received in the step it died in: whether it handled it before is a race.
    if (part == Part::received && dead.contains(event.pid)) continue;
    groups[{recorder.text_of(event.pid), part, event.source}].push_back(&event);
  }
  std::vector<std::string> lines;
  for (auto& [key, group] : groups) {
    sort_deaths(group);
    for (const Event* event : group) lines.push_back(std::get<0>(key) + " " + event->text);
  }
  return lines;
}

}  // namespace

std::set<Pid> died_in(const std::vector<Event>& events) {
  std::set<Pid> dead;
  for (const Event& event : events) {
    if (event.kind == Event::Kind::died || event.kind == Event::Kind::down ||
        event.kind == Event::Kind::gone) {
      dead.insert(event.pid);
    }
  }
  return dead;
}

std::string report_step(const Op& op, const std::optional<std::string>& now,
                        const std::vector<Event>& events, const Recorder& recorder,
                        std::map<int, Owed>& pending) {
  const std::set<Pid> dead = died_in(events);
  Results results = results_of(events, dead, pending);
  if (now) results.insert_or_assign(op.step(), *now);
  for (const auto& [step, text] : results) pending.erase(step);

  std::vector<std::string> lines{"> " + op.text()};
  const auto own = results.extract(op.step());
  lines.push_back("- result " + (own.empty() ? "pending" : own.mapped()));
  for (const auto& [step, text] : results) {
    lines.push_back("- result@" + std::to_string(step) + " " + text);
  }
  for (std::string& line : life_lines(events, recorder)) lines.push_back(std::move(line));
  for (std::string& line : actor_lines(events, dead, recorder)) lines.push_back(std::move(line));

  std::string text;
  for (const std::string& line : lines) text += std::to_string(op.step()) + " " + line + "\n";
  return text;
}

}  // namespace grove::oracle
