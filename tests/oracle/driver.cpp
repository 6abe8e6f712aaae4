// SPDX-License-Identifier: Apache-2.0
#include "driver.hpp"

#include "actor.hpp"
#include "ops.hpp"

#include <utility>

namespace grove::oracle {

Outcome run_script(std::string_view text, Engine& engine) {
  World world{engine};
  return Driver{world}.run(parse_script(text));
}

Outcome Driver::run(const std::vector<Op>& ops) {
  Outcome outcome;
  for (const Op& op : ops) {
    std::optional<std::string> now;
    try {
      now = start(op);
    } catch (const ScriptError& error) {
      now = error.what();
    }
    if (!world_.settle()) {
      outcome.log += std::to_string(op.step()) + " - hang " + op.text() + "\n";
      outcome.failed = true;
      return outcome;
    }
    const std::vector<Event> events = world_.recorder().take();
    const std::string lines = report_step(op, now, events, world_.recorder(), pending_);
    outcome.log += lines;
    for (const Pid& dead : died_in(events)) paused_.erase(dead);
    outcome.failed = lines.find("script_error") != std::string::npos;
    if (outcome.failed) return outcome;
  }
  return outcome;
}

std::optional<std::string> Driver::start(const Op& op) {
  if (op.name() == "pause") return pause(op);
  if (op.name() == "resume") return resume(op);
  const OpEntry* entry = find_op(op.name());
  if (entry == nullptr) throw op.unknown();
  if (entry->by == By::actor) return start_at_actor(op, entry->last);
  pending_[op.step()] = {};
  world_.node().spawn(run_helper, &world_, op);
  return std::nullopt;
}

std::optional<std::string> Driver::start_at_actor(const Op& op, bool last) {
  if (auto why = absence(op.at(1))) return why;
  const Pid actor = *world_.recorder().find(op.at(1));
  pending_[op.step()] = {.actor = actor, .last = last};
  if (const auto place = paused_.find(actor); place != paused_.end()) {
    place->second.push_back(op);
  } else {
    world_.node().send(actor, op);
  }
  return std::nullopt;
}

std::string Driver::pause(const Op& op) {
  if (auto why = absence(op.at(1))) return *why;
  const Pid actor = *world_.recorder().find(op.at(1));
  paused_[actor] = {};
  world_.node().send(actor, Pause{});
  return "ok";
}

std::string Driver::resume(const Op& op) {
  if (auto why = absence(op.at(1))) return *why;
  const Pid actor = *world_.recorder().find(op.at(1));
  auto queued = paused_.extract(actor);
  world_.node().send(actor,
                     Resume{queued.empty() ? std::vector<Op>{} : std::move(queued.mapped())});
  return "ok";
}

std::optional<std::string> Driver::absence(const std::string& actor) const {
  const auto pid = world_.recorder().find(actor);
  if (!pid) return "unknown";
  if (!world_.node().is_alive(*pid)) return "dead";
  return std::nullopt;
}

}  // namespace grove::oracle
