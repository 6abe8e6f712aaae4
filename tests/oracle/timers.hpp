// SPDX-License-Identifier: Apache-2.0
//
// Timers: the labelled timers of a script.
//
// Thread-safety: all members.
#pragma once

#include "grove/core/value.hpp"
#include "grove/node/timer.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace grove {
class Context;
}

namespace grove::oracle {

class World;

/// What a timer delivers.
struct TimerFired {
  std::string label;
  Value value;
};

class Timers {
 public:
  explicit Timers(World& world) : world_{world} {}

  void start(Context& context, const TimerTarget& to, std::chrono::milliseconds delay,
             TimerFired message);
  /// Returns: whether the timer was active until now; nothing when there is no such label.
  std::optional<bool> cancel(const std::string& label);
  /// On a clock that goes by itself: those that have fired are not awaited any more.
  void forget_fired();

 private:
  struct Timer {
    TimerId id;
    std::uint64_t ticket;
  };

  World& world_;
  std::mutex mutex_;
  std::map<std::string, Timer> timers_;
};

}  // namespace grove::oracle
