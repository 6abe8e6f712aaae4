// SPDX-License-Identifier: Apache-2.0
//
// Process: one place of the process table, and the life that runs in it now.
//
// Places are never freed, so a pointer to one is always good; an envelope names the life it is
// meant for, and whoever runs the place answers for its dead lives (monitor: DOWN noproc, link:
// EXIT noproc, unlink: ack, call: DOWN noproc). That replaces reference counts and hazard pointers.
//
// Threads: `inbox_`, `generation_`, `named_` and `timed_` from any; `first_timer_` under the lock
// of its timers; the rest belongs to whoever runs the
// process: at most one worker at a time, handed over through the inbox's atomic word.
#pragma once

#include "grove/core/scheduler.hpp"
#include "grove/node/context.hpp"
#include "grove/node/node.hpp"

#include "mailbox.hpp"
#include "relations.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace grove::detail {

/// What a process that is no more (or never was) answers to a signal, as OTP does; null: nothing.
[[nodiscard]] EnvelopePtr answer_of_the_dead(Node& node, const Pid& dead, const Envelope& signal);

class alignas(64) Process final : public Context, public Runnable {
 public:
  Process() = default;

  /// Puts a signal into the queue and schedules the process if it was idle. Threads: any.
  void push(EnvelopePtr envelope);
  /// Runs one turn. Only the scheduler calls it.
  bool run() override;

  // The members below are the owner's; Context forwards to them.
  void handle_exit(const Pid& from, const ExitReason& reason, bool of_link);
  void take_inbox();
  Relations& relations();
  std::uint64_t next_serial() noexcept { return ++last_serial_ & Envelope::k_serial_mask; }
  void set_waiter(Waiter* waiter);
  void clear_waiter(const Waiter* waiter) noexcept {
    if (waiter_ == waiter) waiter_ = nullptr;
  }
  [[nodiscard]] Pid pid() const noexcept;
  ProcessInfo info() const;

  /// Sends a signal in the name of `from` (this process, or a former life of its place).
  SessionId emit(const Pid& from, const Pid& to, SignalKind kind, std::uint64_t serial,
                 Message&& message);
  /// Sets up a new life. The place must have been claimed.
  void begin(Node& node, Pid parent, SpawnOptions options, std::unique_ptr<Body> body);
  bool claim() noexcept { return inbox_.claim(); }
  /// Takes what something costs off this turn's budget. Units: a handled message is 1.
  void charge(int cost) noexcept {
    budget_ -= cost;
    reductions_ += static_cast<std::uint64_t>(cost);
  }
  void doom(const ExitReason& reason);
  /// doom() from the process's own code: worth a crash report when it is no clean end.
  void stop(const ExitReason& reason) {
    crashed_ = !doomed_;
    doom(reason);
  }
  /// After route(): the watch runs under `session`, or its DOWN is due now.
  void settle_watch(std::uint64_t serial, const Pid& target, SessionId session);
  void name_watch(std::uint64_t serial, std::string name);
  void stop_watching(const Pid& self, std::uint64_t serial, const Watch& watch);
  [[nodiscard]] bool doomed() const noexcept { return doomed_; }
  /// Ends the life from outside the scheduler, silently: the node is being torn down.
  void discard();
  /// Second step of that: what the first may still have sent.
  void discard_messages();

 private:
  friend class grove::Context;
  friend class grove::Node;
  friend class NameTable;
  friend class ProcessTable;
  friend class Timers;

  void arm_tick();
  bool work();  // one step of user code; false: nothing to do until something arrives
  void resume(std::coroutine_handle<> handle);
  void start_task(Task<> task);
  void end_task();
  void fail(const std::exception_ptr& failure);
  void act(EnvelopePtr envelope);        // one signal for this life
  void act_stale(EnvelopePtr envelope);  // one signal for a life that is over
  void on_down(const Pid& from, std::uint64_t serial, const ExitReason& reason);
  void on_node_lost(const NodeLost& lost);
  void die();
  void tell_relations(const ExitReason& reason);
  [[nodiscard]] bool overdue() const;

  Node* node_ = nullptr;
  std::uint32_t index_ = 0;
  std::atomic<std::uint32_t> generation_{0};  // odd: of the life that runs; even: none runs
  std::atomic<bool> named_{false};            // may have a name
  std::atomic<bool> timed_{false};            // timers may be aimed at it
  bool trap_exit_ = false;
  bool alive_ = false;
  bool routed_ = false;  // sent something elsewhere in this turn
  bool abroad_ = false;  // the router may know this process: it has dealt with others elsewhere
  std::uint32_t first_timer_ = 0;  // aimed at it; guarded by their shard's lock
  Pid parent_;
  Mailbox mailbox_;
  std::unique_ptr<Body> body_;
  std::string label_;
  Inbox inbox_;
  bool started_ = false;
  bool doomed_ = false;
  bool crashed_ = false;  // the reason came from inside: worth a crash report
  ExitReason exit_reason_;
  Waiter* waiter_ = nullptr;
  Task<> task_;  // the root coroutine, while one runs
  std::unique_ptr<Relations> relations_;
  Clock::TimePoint tick_at_ = Clock::TimePoint::max();  // when the tick comes; max: none is set
  TimerId tick_;
  std::uint64_t tick_number_ = 0;  // of the tick that counts
  std::uint64_t last_serial_ = 0;  // never reset: refs stay unique over the lives of a place
  std::uint64_t reductions_ = 0;
  int budget_ = 0;  // left of this turn
};

}  // namespace grove::detail
