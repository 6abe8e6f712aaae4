// SPDX-License-Identifier: Apache-2.0
#include "supervision.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace grove::detail {
namespace {

using Status = StartResult::Status;

ExitReason reason(Value::Items items) { return ExitReason{Value::tuple(std::move(items))}; }

Value pair(const char* name, Value value) {
  return Value::tuple({Value::symbol(name), std::move(value)});
}

/// Why a start has failed, whatever its status.
ExitReason reason_of(const StartResult& result) {
  if (result.status != Status::already_started) return result.reason;
  return ExitReason{pair("already_started", result.pid)};
}

StartResult refused(const char* why) {
  StartResult result;
  result.reason = ExitReason::symbol(why);
  return result;
}

bool is_temporary(const Child& child) { return child.spec->restart == Restart::temporary; }

}  // namespace

std::optional<ExitReason> refusal_of(const RestartIntensity& intensity) {
  const auto period = static_cast<std::int64_t>(intensity.period.count());
  if (period > 0) return std::nullopt;
  return reason({Value::symbol("supervisor_data"), pair("invalid_period", period)});
}

std::optional<ExitReason> refusal_of(const Shutdown& shutdown) {
  if (!shutdown.wait || *shutdown.wait >= Clock::Duration::zero()) return std::nullopt;
  const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(*shutdown.wait);
  return ExitReason{pair("invalid_shutdown", static_cast<std::int64_t>(wait.count()))};
}

Supervision::Supervision(SupervisorSpec spec)
    : strategy_{spec.strategy}, auto_shutdown_{spec.auto_shutdown}, window_{spec.intensity} {
  refused_ = refusal_of(spec.intensity);
  if (refused_) return;
  for (ChildSpec& child : spec.children) {
    std::optional<ExitReason> why = refuse(child);
    if (!why && by_id_.contains(child.id)) {
      why = ExitReason{pair("duplicate_child_name", child.id)};
    }
    if (why) {
      refused_ = reason({Value::symbol("start_spec"), why->term()});
      return;
    }
    insert(std::make_shared<const ChildSpec>(std::move(child)));
  }
}

/// In the order in which OTP checks.
std::optional<ExitReason> Supervision::refuse(const ChildSpec& spec) const {
  if (spec.id.empty()) return ExitReason::symbol("missing_id");
  if (!spec.start) return ExitReason::symbol("missing_start");
  if (spec.is_significant) {
    const auto combination = [](Value other) {
      return reason({Value::symbol("bad_combination"),
                     Value::list({std::move(other), pair("significant", Value::symbol("true"))})});
    };
    if (auto_shutdown_ == AutoShutdown::never) {
      return combination(pair("auto_shutdown", Value::symbol("never")));
    }
    if (spec.restart == Restart::permanent) {
      return combination(pair("restart", Value::symbol("permanent")));
    }
  }
  return refusal_of(spec.shutdown);
}

// -- what happens ---------------------------------------------------------------------------

Supervision::Step Supervision::begin() {
  if (refused_) {
    failure_ = *refused_;
    return {Act::fail};
  }
  plan_ = Plan::begin;
  at_ = children_.begin();
  return next_start();
}

Supervision::Step Supervision::exited(const Pid& pid, const ExitReason& reason,
                                      Clock::TimePoint now) {
  const auto found = by_pid_.find(pid);
  if (found == by_pid_.end()) return {};
  const Place place = found->second;
  by_pid_.erase(found);
  place->pid = {};
  if (needs_restart(place->spec->restart, reason)) {
    return counts_as_restart(reason) ? restart_counted(place, now) : restart(place);
  }
  const bool significant = place->spec->is_significant;
  forget_if_temporary(place);
  return {significant && ends_without_it() ? Act::end : Act::none};
}

Supervision::Step Supervision::retry(const std::string& id, Clock::TimePoint now) {
  const auto found = by_id_.find(id);
  // Meanwhile it may have been terminated, forgotten, or started with its group.
  if (found == by_id_.end() || !found->second->restarting) return {};
  return restart_counted(found->second, now);
}

Supervision::Step Supervision::end() { return stop_from_last(Plan::end, children_.begin()); }

Supervision::Step Supervision::restart_counted(Place place, Clock::TimePoint now) {
  if (window_.allow(now)) return restart(place);
  place->restarting = false;
  return {Act::give_up, &*place};
}

Supervision::Step Supervision::restart(Place place) {
  switch (strategy_) {
    case Strategy::one_for_one: return start_at(Plan::restart_one, place);
    case Strategy::rest_for_one: return stop_from_last(Plan::restart_group, place);
    case Strategy::one_for_all: return stop_from_last(Plan::restart_group, children_.begin());
  }
  return {};
}

/// After the end of a significant child.
bool Supervision::ends_without_it() const {
  if (auto_shutdown_ == AutoShutdown::any_significant) return true;
  return std::none_of(children_.begin(), children_.end(), [](const Child& child) {
    return child.spec->is_significant && (child.pid || child.restarting);
  });
}

// -- requests -------------------------------------------------------------------------------

Supervision::StartRequest Supervision::add(std::shared_ptr<const ChildSpec> spec) {
  StartRequest request;
  if (auto why = refuse(*spec)) {
    request.answer.reason = *std::move(why);
    return request;
  }
  const auto known = by_id_.find(spec->id);
  if (known == by_id_.end()) {
    request.step = start_at(Plan::add, insert(std::move(spec)));
  } else if (known->second->pid) {
    request.answer.status = Status::already_started;
    request.answer.pid = known->second->pid;
  } else {
    request.answer = refused("already_present");
  }
  return request;
}

Supervision::StartRequest Supervision::restart(const std::string& id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return {refused("not_found")};
  if (found->second->restarting) return {refused("restarting")};
  if (found->second->pid) return {refused("running")};
  return {{}, start_at(Plan::restart_child, found->second)};
}

std::optional<Supervision::Step> Supervision::terminate(const std::string& id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return std::nullopt;
  plan_ = Plan::terminate_child;
  at_ = found->second;
  if (at_->pid) return Step{Act::stop, &*at_};
  at_->restarting = false;
  forget_if_temporary(at_);
  return Step{};
}

Result<void> Supervision::remove(const std::string& id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return Error{Errc::not_found, "no child has the id " + id};
  if (found->second->restarting) return Error{Errc::unavailable, id + " is restarting"};
  if (found->second->pid) return Error{Errc::already_started, id + " is running"};
  forget(found->second);
  return {};
}

const Child* Supervision::find(const Pid& pid) const {
  const auto found = by_pid_.find(pid);
  return found == by_pid_.end() ? nullptr : &*found->second;
}

// -- step by step ---------------------------------------------------------------------------

Supervision::Step Supervision::started(const StartResult& result) {
  at_->restarting = false;
  if (result.ok()) {
    at_->pid = result.pid;
    by_pid_[result.pid] = at_;
    ++at_;
  } else if (result.status == Status::ignored) {
    at_ = forget_if_temporary(at_);
  } else {
    return start_failed(result);
  }
  const bool more = plan_ == Plan::begin || plan_ == Plan::restart_group;
  return more ? next_start() : Step{};
}

Supervision::Step Supervision::start_failed(const StartResult& result) {
  switch (plan_) {
    case Plan::begin:
      failure_ = ExitReason::shutdown(Value::tuple(
          {Value::symbol("failed_to_start_child"), at_->spec->id, reason_of(result).term()}));
      return stop_from_last(Plan::roll_back, children_.begin());
    case Plan::restart_one:
    case Plan::restart_group: at_->restarting = true; return {Act::retry, &*at_};
    case Plan::add: forget(at_); break;
    default: break;
  }
  return {};
}

Supervision::Step Supervision::stopped() {
  by_pid_.erase(at_->pid);
  at_->pid = {};
  if (plan_ == Plan::terminate_child) {
    forget_if_temporary(at_);
    return {};
  }
  ++at_;  // next_stop() looks at it again
  return next_stop();
}

Supervision::Step Supervision::start_at(Plan plan, Place place) {
  plan_ = plan;
  at_ = place;
  return {Act::start, &*place};
}

Supervision::Step Supervision::stop_from_last(Plan plan, Place first) {
  plan_ = plan;
  first_ = first;
  at_ = children_.end();
  return next_stop();
}

/// Goes from `at_` back to `first_`. Temporary children are not started again, so they go.
Supervision::Step Supervision::next_stop() {
  while (at_ != first_) {
    --at_;
    if (at_->pid) return {Act::stop, &*at_};
    at_->restarting = false;
    if (!is_temporary(*at_)) continue;
    const bool was_first = at_ == first_;
    at_ = forget(at_);
    if (was_first) first_ = at_;
  }
  if (plan_ == Plan::roll_back) return {Act::fail};
  return plan_ == Plan::restart_group ? next_start() : Step{};
}

Supervision::Step Supervision::next_start() {
  return at_ == children_.end() ? Step{} : Step{Act::start, &*at_};
}

// -- who is known ---------------------------------------------------------------------------

Supervision::Place Supervision::insert(std::shared_ptr<const ChildSpec> spec) {
  const Place place = children_.insert(children_.end(), Child{std::move(spec)});
  by_id_.emplace(place->spec->id, place);
  return place;
}

/// Returns: the one after it.
Supervision::Place Supervision::forget(Place place) {
  by_id_.erase(place->spec->id);
  return children_.erase(place);
}

Supervision::Place Supervision::forget_if_temporary(Place place) {
  return is_temporary(*place) ? forget(place) : std::next(place);
}

}  // namespace grove::detail
