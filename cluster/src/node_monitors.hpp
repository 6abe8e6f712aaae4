// SPDX-License-Identifier: Apache-2.0
//
// NodeMonitors: which processes want to hear of sessions, and how often each.
//
// Thread-safety: all members. Whoever is told of a session's end hears it after its own process's
// losses: Cluster tells in that order, on one thread.
#pragma once

#include "grove/core/ids.hpp"

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace grove::cluster {

class NodeMonitors {
 public:
  void subscribe(const Pid& subscriber) {
    const std::lock_guard lock{mutex_};
    ++subscribers_[subscriber];
  }
  void unsubscribe(const Pid& subscriber) {
    const std::lock_guard lock{mutex_};
    subscribers_.erase(subscriber);
  }
  void watch(const Pid& watcher, const std::string& node) {
    const std::lock_guard lock{mutex_};
    ++watchers_[node][watcher];
  }
  /// One less; nothing when there is none.
  void unwatch(const Pid& watcher, const std::string& node) {
    const std::lock_guard lock{mutex_};
    const auto place = watchers_.find(node);
    if (place == watchers_.end()) return;
    const auto count = place->second.find(watcher);
    if (count != place->second.end() && --count->second == 0) place->second.erase(count);
    if (place->second.empty()) watchers_.erase(place);
  }
  void forget(const Pid& process) {
    const std::lock_guard lock{mutex_};
    subscribers_.erase(process);
    for (auto place = watchers_.begin(); place != watchers_.end();) {
      place->second.erase(process);
      place = place->second.empty() ? watchers_.erase(place) : std::next(place);
    }
  }

  /// Each as often as it has subscribed.
  [[nodiscard]] std::vector<Pid> subscribers() const {
    const std::lock_guard lock{mutex_};
    return listed(subscribers_);
  }
  /// Each as often as it watches `node`; it does so no more.
  [[nodiscard]] std::vector<Pid> take_watchers(const std::string& node) {
    const std::lock_guard lock{mutex_};
    const auto taken = watchers_.extract(node);
    return taken.empty() ? std::vector<Pid>{} : listed(taken.mapped());
  }

 private:
  using Counts = std::map<Pid, std::size_t>;
  static std::vector<Pid> listed(const Counts& counts) {
    std::vector<Pid> list;
    for (const auto& [pid, count] : counts) list.insert(list.end(), count, pid);
    return list;
  }

  mutable std::mutex mutex_;  // guards the next
  Counts subscribers_;
  std::map<std::string, Counts> watchers_;  // by node
};

}  // namespace grove::cluster
