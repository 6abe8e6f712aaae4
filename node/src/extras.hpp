// SPDX-License-Identifier: Apache-2.0
//
// Extras: what only some processes need, made when first needed, so that a million idle processes
// cost two cache lines each.
#pragma once

#include "grove/core/clock.hpp"
#include "grove/node/operation.hpp"
#include "grove/node/owned.hpp"
#include "grove/node/sys.hpp"
#include "grove/node/timer.hpp"

#include "relations.hpp"
#include "small_map.hpp"

#include <cstdint>
#include <forward_list>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace grove::detail {

/// Whom a traced process tells; `options.limit` counts down.
struct Trace {
  Pid tracer;
  sys::TraceOptions options;
};

struct Extras {
  Relations relations;
  ExitReason exit_reason;  // while doomed
  std::string label;
  Pid parent;  // when that is a process of another node

  // The timer of a wait with a timeout: one at a time, lazily set anew.
  Clock::TimePoint tick_at = Clock::TimePoint::max();  // max: none is set
  TimerId tick;
  std::uint64_t tick_number = 0;  // of the tick that counts

  Operation* operation = nullptr;  // what the coroutine waits for outside; lives in its frame
  std::uint64_t operation_serial = 0;
  bool operation_done = false;
  bool operation_cancelled = false;
  bool stuck = false;  // this is the watchdog's look
  /// Whether something outside may point into the frames.
  [[nodiscard]] bool pending() const noexcept { return operation != nullptr && !operation_done; }

  /// The last of the answers that are the oldest in the mailbox, as far as is known.
  Envelope* kept = nullptr;

  std::forward_list<std::shared_ptr<Owned>> owned;  // gone before anybody hears of the end
  Envelope* lost = nullptr;        // messages that nobody gets, to be ended; the latest first
  Envelope* after_doom = nullptr;  // taken, but behind a deadly signal: for the dead to answer
  Clock::Duration stuck_for{};     // at the watchdog's last look
  const MessageType* handling = nullptr;  // by the body's coroutine, since it first waited, at:
  Clock::TimePoint handling_from{};
  std::unique_ptr<Trace> trace;
  SmallMap<Pid, std::monostate> no_room_at;  // mailboxes that this process has overfilled
  std::vector<Pid> waiting_senders;          // who waits for room in this one's
  std::uint64_t reductions_high = 0;
};
// Each linked process has one: the allocator's next size is 320.
static_assert(sizeof(Extras) <= 256);

}  // namespace grove::detail
