// SPDX-License-Identifier: Apache-2.0
//
// ParentTable: the children of a ParentServer, by id, by pid, and in the order of their start.
//
// Thread-safety: confined to its server. Invariant: ids are unique, and so are pids.
#pragma once

#include "grove/node/supervisor.hpp"

#include <iterator>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace grove::detail {

/// A child that runs.
struct ParentedChild {
  Value id;
  Pid pid;
  Value meta = {};
  Shutdown shutdown = Shutdown::within(std::chrono::seconds{5});
  bool supervisor = false;
  TimerId life = {};       // that ends it
  bool timed_out = false;  // and has
  Ref watch = {};          // of its end, when it has timed out
};

class ParentTable {
 public:
  /// Returns: false, and nothing has changed, when the id or the pid is there already.
  /// Cost of all: O(1) in the number of children.
  bool add(ParentedChild child) {
    if (find(child.id) != nullptr || find(child.pid) != nullptr) return false;
    children_.push_back(std::move(child));
    const Place place = std::prev(children_.end());
    by_id_.emplace(place->id, place);
    by_pid_.emplace(place->pid, place);
    return true;
  }
  /// Null when there is none. Good until it is taken.
  [[nodiscard]] ParentedChild* find(const Value& id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : &*found->second;
  }
  [[nodiscard]] ParentedChild* find(const Pid& pid) const {
    const auto found = by_pid_.find(pid);
    return found == by_pid_.end() ? nullptr : &*found->second;
  }
  std::optional<ParentedChild> take(const Pid& pid) {
    const auto found = by_pid_.find(pid);
    if (found == by_pid_.end()) return std::nullopt;
    const Place place = found->second;
    by_pid_.erase(found);
    by_id_.erase(place->id);
    std::optional<ParentedChild> child{std::move(*place)};
    children_.erase(place);
    return child;
  }
  /// In the order of their start.
  [[nodiscard]] const std::list<ParentedChild>& children() const noexcept { return children_; }

 private:
  using Place = std::list<ParentedChild>::iterator;
  std::list<ParentedChild> children_;
  std::unordered_map<Value, Place> by_id_;
  std::unordered_map<Pid, Place> by_pid_;
};

}  // namespace grove::detail
