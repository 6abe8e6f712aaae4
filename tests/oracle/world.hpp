// SPDX-License-Identifier: Apache-2.0
//
// World: what a node of a script has beside its actors: what is recorded of them, and the times
// that the barrier waits for.
//
// Thread-safety: all members, once started.
#pragma once

#include "grove/node/node.hpp"

#include "recorder.hpp"
#include "script.hpp"
#include "timers.hpp"

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace grove::oracle {

/// Scripted times from this on are not waited for. SPEC.md, section 3.
inline constexpr std::chrono::milliseconds k_awaited_below{1000};

/// The times that must have passed before a step is over.
class AwaitedTimes {
 public:
  using Ticket = std::uint64_t;  // 0: of a time that nobody waits for
  Ticket add(Clock::TimePoint when);
  void remove(Ticket ticket);
  /// The latest of them; TimePoint::min() without any.
  [[nodiscard]] Clock::TimePoint latest() const;
  [[nodiscard]] bool empty() const;

 private:
  mutable std::mutex mutex_;
  Ticket last_ = 0;
  std::map<Ticket, Clock::TimePoint> times_;
};

/// Outlives its node, whose processes refer to it.
class World {
 public:
  World() : timers_{*this} {}
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  /// Before all else.
  void start(Node& node);
  /// The one of that node, which has been started.
  [[nodiscard]] static World* of(const Node& node);

  [[nodiscard]] Node& node() const noexcept { return *node_; }
  [[nodiscard]] Recorder& recorder() noexcept { return recorder_; }
  [[nodiscard]] const Recorder& recorder() const noexcept { return recorder_; }
  [[nodiscard]] Timers& timers() noexcept { return timers_; }
  [[nodiscard]] AwaitedTimes& awaited() noexcept { return awaited_; }
  /// The process that reports deaths: it answers a WatchFor when it does.
  [[nodiscard]] Pid watcher() const noexcept { return watcher_; }
  /// The process that is the parent of what the controller starts with a link.
  [[nodiscard]] Pid root() const noexcept { return root_; }
  /// Of supervisors; set by a step, read in those after it.
  std::map<std::string, std::vector<std::string>> templates;

  // What the controller has done here.
  void run(const Pid& actor, const Op& op);
  void pause(const Pid& actor);
  void resume(const Pid& actor, const std::vector<Op>& queued);
  /// An op of the controller's own, in a process of its own.
  void help(const Op& op);

 private:
  Recorder recorder_;
  AwaitedTimes awaited_;
  Timers timers_;
  Node* node_ = nullptr;
  NodeId node_id_;
  Pid watcher_;
  Pid root_;
};

/// Asks the watcher to report the end of `pid`.
struct WatchFor {
  Pid pid;
};

/// While it lives, the barrier waits for `duration` to pass. Belongs into a coroutine's frame: it
/// goes with the process.
class Awaited {
 public:
  Awaited(World& world, Clock::Duration duration)
      : world_{world}, ticket_{world.awaited().add(world.node().clock().now() + duration)} {}
  ~Awaited() { world_.awaited().remove(ticket_); }
  Awaited(const Awaited&) = delete;
  Awaited& operator=(const Awaited&) = delete;

 private:
  World& world_;
  AwaitedTimes::Ticket ticket_;
};

/// Marks a wait whose end the barrier awaits.
inline std::optional<Awaited> awaiting(World& world, const Timeout& time) {
  if (!time || *time >= k_awaited_below) return std::nullopt;
  return std::optional<Awaited>{std::in_place, world, *time};
}

}  // namespace grove::oracle
