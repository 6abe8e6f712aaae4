// SPDX-License-Identifier: Apache-2.0
#include "driver.hpp"

#include "ops.hpp"

#include <utility>

namespace grove::oracle {

Outcome Driver::run(const std::vector<Op>& ops) {
  Outcome outcome;
  for (const Op& op : ops) {
    std::optional<std::string> now;
    try {
      now = start(op);
    } catch (const ScriptError& error) {
      now = error.what();
    }
    if (!stage_.settle()) {
      outcome.log += std::to_string(op.step()) + " - hang " + op.text() + "\n";
      outcome.failed = true;
      return outcome;
    }
    const std::vector<Event> events = stage_.take();
    const std::string lines = report_step(op, now, events, stage_.recorder(), pending_);
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
  if (entry != nullptr && entry->by == By::actor) return start_at_actor(op, entry->last);
  const auto now = stage_.control(op);
  if (!now) pending_[op.step()] = {};
  return now;
}

std::optional<std::string> Driver::start_at_actor(const Op& op, bool last) {
  if (auto why = absence(op.at(1))) return why;
  const Pid actor = *stage_.recorder().find(op.at(1));
  pending_[op.step()] = {.actor = actor, .last = last};
  if (const auto place = paused_.find(actor); place != paused_.end()) {
    place->second.push_back(op);
  } else {
    stage_.run(actor, op);
  }
  return std::nullopt;
}

std::string Driver::pause(const Op& op) {
  if (auto why = absence(op.at(1))) return *why;
  const Pid actor = *stage_.recorder().find(op.at(1));
  paused_[actor] = {};
  stage_.pause(actor);
  return "ok";
}

std::string Driver::resume(const Op& op) {
  if (auto why = absence(op.at(1))) return *why;
  const Pid actor = *stage_.recorder().find(op.at(1));
  auto queued = paused_.extract(actor);
  stage_.resume(actor, queued.empty() ? std::vector<Op>{} : queued.mapped());
  return "ok";
}

std::optional<std::string> Driver::absence(const std::string& actor) {
  const auto pid = stage_.recorder().find(actor);
  if (!pid) return "unknown";
  if (!stage_.is_alive(*pid)) return "dead";
  return std::nullopt;
}

}  // namespace grove::oracle
