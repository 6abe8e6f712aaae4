// SPDX-License-Identifier: Apache-2.0
//
// Timers: the labelled timers of a script, with OTP's rules on top of the runtime's send_after. One
// to a process is over when the process is; one to a name looks the name up when it fires.
//
// Thread-safety: all members.
#pragma once

#include "grove/core/clock.hpp"
#include "grove/core/ids.hpp"
#include "grove/core/value.hpp"

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

  void start(Context& context, const Pid& to, std::chrono::milliseconds delay, TimerFired message);
  void start(const std::string& to_name, std::chrono::milliseconds delay, TimerFired message);
  /// Returns: whether the timer was active until now; nothing when there is no such label.
  std::optional<bool> cancel(const std::string& label);

 private:
  struct Timer {
    Clock::AlarmId alarm;
    Pid target;  // nobody: a name
    std::uint64_t ticket;
  };
  void add(const std::string& label, Clock::AlarmId alarm, const Pid& target,
           std::chrono::milliseconds delay);

  World& world_;
  std::mutex mutex_;
  std::map<std::string, Timer> timers_;
};

}  // namespace grove::oracle
