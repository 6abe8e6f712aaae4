// SPDX-License-Identifier: Apache-2.0
//
// NamedWatches: whom the monitors and calls of a peer have reached that were made by name. Who made
// them does not know; the name may be another process's by the time they end.
//
// Bounds: an entry goes with its answer, its DOWN or its demonitor, all of them with the session.
// Thread-safety: all members.
#pragma once

#include "grove/core/ids.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace grove::cluster {

class NamedWatches {
 public:
  /// The monitor or call `serial` of the peer's process `watcher` (its local id) is at `target`.
  void add(std::uint64_t watcher, std::uint64_t serial, const Pid& target) {
    const std::lock_guard lock{mutex_};
    targets_[{watcher, serial}] = target;
    size_.store(targets_.size(), std::memory_order_release);
  }
  /// It is over. Returns: where it was; nothing when it was made by pid, or is over already.
  [[nodiscard]] std::optional<Pid> take(std::uint64_t watcher, std::uint64_t serial) {
    if (size_.load(std::memory_order_acquire) == 0) return std::nullopt;  // as mostly
    const std::lock_guard lock{mutex_};
    const auto found = targets_.extract({watcher, serial});
    size_.store(targets_.size(), std::memory_order_release);
    return found.empty() ? std::nullopt : std::optional{found.mapped()};
  }

 private:
  std::atomic<std::size_t> size_{0};  // a hint for whoever has no lock
  std::mutex mutex_;                  // guards the next
  std::map<std::pair<std::uint64_t, std::uint64_t>, Pid> targets_;
};

}  // namespace grove::cluster
