// SPDX-License-Identifier: Apache-2.0
//
// Timers: the timers of a node.
//
// Sixteen shards, chosen by the target's place (or the hash of its name): all timers aimed at one
// process are in one shard, in a list that starts in its place, so its death drops them at once.
// Each shard has a wheel and one alarm of the clock. An alarm is moved when an earlier timer comes
// and after it rang, not when a timer is cancelled: setting and cancelling costs the clock nothing.
//
// Messages are delivered outside the shard's lock. Who finds a timer fired waits for the batch
// under way, so its message is queued by then and cancel-then-flush leaves none behind.
//
// Thread-safety: all members.
#pragma once

#include "grove/core/clock.hpp"
#include "grove/core/spin_lock.hpp"
#include "grove/node/envelope.hpp"
#include "grove/node/timer.hpp"

#include "timer_wheel.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace grove {
class Node;
}

namespace grove::detail {

class Process;
class ProcessTable;

class Timers {
 public:
  Timers(Node& node, ProcessTable& processes);
  ~Timers();
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  /// Delivers `envelope` once to a local pid or name, not before `when`; nothing when the target
  /// is dead by then. A pid that is dead already gets an id that names no timer.
  TimerId arm(Clock::TimePoint when, const TimerTarget& target, EnvelopePtr envelope,
              const TimerExtras& extras = {});
  /// No delivery is possible any more when this returns; what is not there has been delivered.
  /// Returns: when it was due; nothing when it has fired, was cancelled or never was.
  std::optional<Clock::TimePoint> cancel(TimerId timer);
  /// The same without waiting for that: `answer`, a TimerCancelled or null, goes to whom it is from
  /// when it is so.
  void cancel_async(TimerId timer, EnvelopePtr answer);
  [[nodiscard]] std::optional<Clock::TimePoint> deadline(TimerId timer);
  /// Cancels all that is aimed at a life that has ended; its messages go with those it has not
  /// read. Cost: their number.
  void drop_all(Process& target);
  /// No timer fires from now on. Waits for those that do.
  void close();
  /// How many wait.
  [[nodiscard]] std::size_t armed();

 private:
  static constexpr std::uint32_t k_shards = 16;

  struct Extra {  // of few timers
    std::string name;
    Clock::Duration period{};
    Message (*copy)(const Message&) = nullptr;
  };
  struct Timer {
    EnvelopePtr envelope;
    Process* target = nullptr;  // null: a name; the envelope says which life
    std::uint32_t next = 0;     // of the target's
    std::uint32_t before = 0;
    std::unique_ptr<Extra> extra;
  };
  using Wheel = TimerWheel<Timer>;

  struct alignas(64) Shard {
    SpinLock lock;  // guards the wheel, alarm_at, answers and the lists of the targets
    Wheel::Time alarm_at = Wheel::k_never;  // when the alarm has to ring
    std::atomic<std::uint32_t> batches{0};  // odd while one is being delivered
    Wheel wheel;
    std::vector<EnvelopePtr> answers;  // that may go once the batch under way is delivered
    std::mutex alarm_mutex;            // guards the two below
    Wheel::Time alarm_set = Wheel::k_never;
    Clock::AlarmId alarm = 0;
  };
  struct Due {
    EnvelopePtr envelope;
    Process* target = nullptr;
    std::unique_ptr<Extra> extra;
    Wheel::Id repeats;  // of an interval
  };
  using Batch = std::array<Due, 64>;
  struct Taken {  // by a cancel
    EnvelopePtr message;
    std::unique_ptr<Extra> extra;
    std::optional<Clock::TimePoint> due;
    std::uint32_t batch = 0;  // under way, and may have a message of it; even: there is none
  };
  struct Lifeline;  // lets alarms find out that the node is gone

  [[nodiscard]] Shard& shard_of(TimerId timer) noexcept;
  [[nodiscard]] static std::optional<Wheel::Index> find(const Shard& shard, TimerId timer);
  /// The head of the list of those aimed at a process; guarded by their shard's lock.
  [[nodiscard]] Wheel::Index& first_timer(const Process& target);
  bool add_to_target(Shard& shard, Wheel::Index index, Process* target, Wheel::Index* first,
                     std::uint32_t generation);
  [[nodiscard]] Taken take(Shard& shard, TimerId timer);
  void tell(EnvelopePtr answer);
  /// Frees an entry. The caller has taken its message out, to destroy it outside the lock.
  void remove(Shard& shard, Wheel::Index index);
  void set_alarm(Shard& shard) noexcept;
  void ring(Shard& shard, Wheel::Time when);
  bool collect(Shard& shard, Wheel::Time now, Batch& batch, std::size_t& count);
  void deliver(Shard& shard, Due& due);
  EnvelopePtr repeat(Shard& shard, Due& due);
  EnvelopePtr copy_of(const Envelope& original, const Extra& extra);

  Node& node_;
  ProcessTable& processes_;
  std::array<Shard, k_shards> shards_;
  std::shared_ptr<Lifeline> lifeline_;
};

}  // namespace grove::detail
