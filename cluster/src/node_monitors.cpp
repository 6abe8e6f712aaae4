// SPDX-License-Identifier: Apache-2.0
#include "node_monitors.hpp"

#include "grove/node/node_events.hpp"

#include "tell.hpp"

#include <string_view>

namespace grove::cluster {

void NodeMonitors::subscribe(const Pid& subscriber, bool on) {
  const std::lock_guard lock{mutex_};
  if (on) {
    used_.store(true, std::memory_order_relaxed);
    ++subscribers_[subscriber];
  } else {
    subscribers_.erase(subscriber);
  }
}

void NodeMonitors::watch(const Pid& watcher, const std::string& node, bool on) {
  const std::lock_guard lock{mutex_};
  if (on) {
    used_.store(true, std::memory_order_relaxed);
    ++watchers_[node][watcher];
    return;
  }
  const auto place = watchers_.find(node);
  if (place == watchers_.end()) return;
  const auto count = place->second.find(watcher);
  if (count != place->second.end() && --count->second == 0) place->second.erase(count);
  if (place->second.empty()) watchers_.erase(place);
}

void NodeMonitors::forget(const Pid& process) {
  if (!used_.load(std::memory_order_relaxed)) return;  // each end of a process asks
  const std::lock_guard lock{mutex_};
  subscribers_.erase(process);
  for (auto place = watchers_.begin(); place != watchers_.end();) {
    place->second.erase(process);
    place = place->second.empty() ? watchers_.erase(place) : std::next(place);
  }
}

/// Each as often as it has asked.
std::vector<Pid> NodeMonitors::listed(const Counts& counts) {
  std::vector<Pid> list;
  for (const auto& [pid, count] : counts) list.insert(list.end(), count, pid);
  return list;
}

std::vector<Pid> NodeMonitors::subscribers() const {
  const std::lock_guard lock{mutex_};
  return listed(subscribers_);
}

std::vector<Pid> NodeMonitors::take_watchers(const std::string& node) {
  const std::lock_guard lock{mutex_};
  const auto taken = watchers_.extract(node);
  return taken.empty() ? std::vector<Pid>{} : listed(taken.mapped());
}

void NodeMonitors::tell_up(NodeId peer) {
  const NodeUp up{node_name(peer), node_life(peer)};
  for (const Pid& subscriber : subscribers()) tell(node_, subscriber, up);
}

void NodeMonitors::tell_down(NodeId peer, transport::Sessions::Ending ending) {
  const std::string_view words[] = {"connection_closed", "disconnect", "net_tick_timeout"};
  const NodeDown down{node_name(peer), node_life(peer),
                      ExitReason::symbol(words[static_cast<std::size_t>(ending)])};
  for (const Pid& subscriber : subscribers()) tell(node_, subscriber, down);
  for (const Pid& watcher : take_watchers(down.node)) tell(node_, watcher, down);
}

void NodeMonitors::tell_out_of_reach(const std::string& node) {
  const NodeDown down{node, {}, ExitReason::noconnection()};
  for (const Pid& watcher : take_watchers(node)) tell(node_, watcher, down);
}

}  // namespace grove::cluster
