// SPDX-License-Identifier: Apache-2.0
//
// DynamicChildren: the children of a dynamic supervisor, and what is to be done about each.
//
// Decides and never acts. Thread-safety: confined to its supervisor. Cost: O(1) of all but
// entries().
#pragma once

#include "grove/node/dynamic_supervisor.hpp"

#include "small_map.hpp"

#include <memory>
#include <span>
#include <utility>

namespace grove::detail {

class DynamicChildren {
 public:
  struct Child {
    std::shared_ptr<const ChildSpec> spec;
    bool restarting = false;  // it has ended, and starts of it have failed since
  };
  enum class Verdict : std::uint8_t { nothing, restart, give_up };

  explicit DynamicChildren(const DynamicSpec& spec)
      : max_{spec.max_children}, window_{spec.intensity} {}

  /// Whether another child may start.
  [[nodiscard]] bool full() const noexcept { return max_ && children_.size() >= *max_; }
  void add(const Pid& pid, std::shared_ptr<const ChildSpec> spec) {
    children_.insert(pid, Child{std::move(spec)});
  }
  bool remove(const Pid& pid) { return children_.erase(pid); }
  /// Null: it has no such child.
  [[nodiscard]] const Child* find(const Pid& pid) { return children_.find(pid); }
  [[nodiscard]] bool empty() const noexcept { return children_.empty(); }
  [[nodiscard]] std::span<const std::pair<Pid, Child>> entries() const noexcept {
    return children_.entries();
  }

  /// A process has ended. A child that is not to be restarted is forgotten.
  [[nodiscard]] Verdict ended(const Pid& pid, const ExitReason& reason, Clock::TimePoint now) {
    const Child* child = children_.find(pid);
    if (child == nullptr) return Verdict::nothing;  // a stranger's exit signal does nothing
    if (needs_restart(child->spec->restart, reason)) {
      return counts_as_restart(reason) ? restart(pid, now) : Verdict::restart;
    }
    children_.erase(pid);
    return Verdict::nothing;
  }
  /// It is time to try a restart again.
  [[nodiscard]] Verdict retry(const Pid& pid, Clock::TimePoint now) {
    const Child* child = children_.find(pid);
    return child == nullptr ? Verdict::nothing : restart(pid, now);
  }
  /// How the restart of `pid` went. Returns: whether to try again.
  [[nodiscard]] bool restarted(const Pid& pid, const StartResult& result) {
    Child* child = children_.find(pid);
    if (!result.ok() && result.status != StartResult::Status::ignored) {
      child->restarting = true;
      return true;
    }
    std::shared_ptr<const ChildSpec> spec = std::move(child->spec);
    children_.erase(pid);
    if (result.ok()) add(result.pid, std::move(spec));
    return false;
  }

 private:
  Verdict restart(const Pid& pid, Clock::TimePoint now) {
    if (window_.allow(now)) return Verdict::restart;
    children_.erase(pid);
    return Verdict::give_up;
  }

  std::optional<std::size_t> max_;
  RestartWindow window_;
  SmallMap<Pid, Child> children_;  // a restarting one has its last pid
};

}  // namespace grove::detail
