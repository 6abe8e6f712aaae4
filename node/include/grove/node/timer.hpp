// SPDX-License-Identifier: Apache-2.0
//
// Timer: what a program sees of its node's timers. Context and Node set and cancel them.
#pragma once

#include "grove/core/clock.hpp"
#include "grove/core/ids.hpp"
#include "grove/core/message.hpp"
#include "grove/core/value.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace grove {

/// Names one timer of one node, for as long as the node stands; 0 is "no timer".
using TimerId = StrongId<struct TimerIdTag>;

/// What a timer of start_timer() sends (OTP: {timeout, TimerRef, Msg}).
struct TimerExpired {
  TimerId timer;
  Value value;
};

/// The answer of cancel_timer_async() (OTP: {cancel_timer, TimerRef, Result}).
struct TimerCancelled {
  TimerId timer;
  std::optional<Clock::Duration> left;  // as cancel_timer() returns
};

/// Where a timer's message goes: to a process, or to whoever has the local name when it is due.
/// The text must outlive the call that it is passed to.
struct TimerTarget {
  TimerTarget(const Pid& process) : pid{process} {}
  TimerTarget(std::string_view local_name) : name{local_name} {}
  TimerTarget(const std::string& local_name) : name{local_name} {}
  TimerTarget(const char* local_name) : name{local_name} {}

  Pid pid;
  std::string_view name = {};
};

namespace detail {

/// What sets a timer apart from one that sends its message once.
struct TimerExtras {
  Clock::Duration period{};                   // zero: fires once
  Message (*copy)(const Message&) = nullptr;  // of one that fires more often
  TimerId* own_id = nullptr;                  // told before it can fire: for the message itself
  bool told = false;                          // its message takes no room in a bounded mailbox
};

}  // namespace detail
}  // namespace grove
