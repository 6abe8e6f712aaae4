// SPDX-License-Identifier: Apache-2.0
//
// Process: one place of the process table, and the life that runs in it now.
//
// Places are never freed, so a pointer to one is always good; an envelope names the life it is
// meant for, and whoever runs the place answers for its dead lives (monitor: DOWN noproc, link:
// EXIT noproc, unlink: ack, call: DOWN noproc). That replaces reference counts and hazard pointers.
//
// Two cache lines: the first has what senders and the run queue touch, the second the rest; what
// only some processes need is in Extras. process.cpp runs its code, process_signals.cpp acts on
// what arrives, process_spawn.cpp deals with children on other nodes, process_end.cpp ends it.
//
// Threads: `inbox_`, `generation_` and `marks_` from any; the rest belongs to whoever runs the
// process: at most one worker at a time, handed over through the inbox's atomic word.
#pragma once

#include "grove/core/scheduler.hpp"
#include "grove/node/context.hpp"
#include "grove/node/node.hpp"
#include "grove/node/spawn_terms.hpp"

#include "code.hpp"
#include "extras.hpp"
#include "mailbox.hpp"

#include <atomic>
#include <cstdint>
#include <forward_list>
#include <memory>
#include <string>

namespace grove::detail {

/// A message through an alias is for whichever life owns the alias.
inline constexpr std::uint32_t k_any_generation = ~0U;

/// The serial of the Exit that the end of a link has become; 0 when somebody has sent the signal.
inline constexpr std::uint64_t k_of_link = 1;

/// What a process that is no more (or never was) answers to a signal, as OTP does; null: nothing.
[[nodiscard]] EnvelopePtr answer_of_the_dead(Node& node, const Pid& dead, Envelope& signal);

inline constinit thread_local Turn* t_turn = nullptr;
/// A turn that is nobody's.
[[nodiscard]] Turn& no_turn() noexcept;
/// The turn of this thread's running process; outside one, no_turn().
[[nodiscard]] inline Turn& current_turn() noexcept {
  return t_turn != nullptr ? *t_turn : no_turn();
}

class alignas(64) Process final : public Context, public Runnable {
 public:
  Process() = default;
  ~Process() { delete extras_; }

  /// Puts a signal into the queue and schedules the process if it was idle. Threads: any.
  void push(Envelope* envelope) {
    if (inbox_.push(envelope)) node_->scheduler_->submit(*this);
  }
  bool run(Turn& turn) noexcept override;
  /// Acts on signals in place of the thread that is inside its code, so that a kill ends it at once
  /// in the eyes of the others; its frames go when that code returns.
  void stuck(Clock::Duration duration, const void* handling) noexcept override;

  // -- a life's beginning; the place must have been claimed ----------------------------------

  bool claim() noexcept { return inbox_.claim(); }
  void begin(const Pid& parent, SpawnOptions&& options);
  template <class BodyOrTask>
  void set_code(BodyOrTask code) noexcept {
    code_.set(std::move(code));
  }
  /// Undoes both: the life does not begin.
  void abandon() noexcept;

  // -- the owner's; Context forwards to them -------------------------------------------------

  [[nodiscard]] Pid pid() const noexcept;
  [[nodiscard]] Pid parent() const noexcept;
  [[nodiscard]] bool alive() const noexcept { return alive_; }
  [[nodiscard]] bool doomed() const noexcept { return doomed_; }
  Extras& extras();
  Relations& relations() { return extras().relations; }
  std::uint64_t next_serial() noexcept { return ++last_serial_ & Envelope::k_serial_mask; }
  [[nodiscard]] ProcessInfo info() const;
  /// The same by its own code, after what has arrived for it.
  [[nodiscard]] ProcessInfo own_info();
  /// The parent of `life` of this place; nobody when that is over. Threads: any.
  [[nodiscard]] Pid parent_of(std::uint32_t life) const noexcept;
  void trace(sys::TraceEvent::Kind kind, const Pid& peer, const Message& message);

  void take_inbox();
  void set_waiter(Waiter* waiter);
  void clear_waiter(const Waiter* waiter) noexcept {
    if (waiter_ == waiter) waiter_ = nullptr;
  }
  void begin_operation(Operation& operation, std::coroutine_handle<> handle);
  /// Removes the first message for which `matches` is true. Returns: whether there was one.
  template <class Matches>
  bool remove_message(Matches&& matches) {
    Envelope* found = mailbox_.take_first(matches);
    if (found == nullptr) return false;
    forget_kept(found);
    free_message(found);
    return true;
  }
  /// Removes all of them.
  template <class Matches>
  void remove_messages(Matches&& matches) {
    Envelope* refused = nullptr;
    while (Envelope* found = mailbox_.scan(refused, matches)) {
      forget_kept(found);
      free_message(found);
    }
  }
  /// Ends a message that was taken from the mailbox.
  void free_message(Envelope* envelope) {
    if ((envelope->flags & Envelope::k_counted) != 0) made_room();
    inbox_.free(envelope);
  }
  /// The same between two steps of its code, where the message's destructor, which is the
  /// program's, may take its time.
  void end_message(Envelope* envelope) {
    const MessageType* const type = envelope->message.type();
    if (type == nullptr || type->trivial) return free_message(envelope);
    Message last = std::move(envelope->message);
    free_message(envelope);
    const UserCode user{current_turn(), type};
    last.reset();
  }
  [[nodiscard]] EnvelopePtr release_message(Envelope* envelope) {
    if ((envelope->flags & Envelope::k_counted) != 0) made_room();
    envelope->flags = 0;
    return inbox_.release(envelope);
  }

  /// Sends a signal in the name of `from` (this process, or a former life of its place).
  /// Returns: as Router::route(); k_refused also when a mailbox of this node refuses it.
  SessionId emit(const Pid& from, const Pid& to, SignalKind kind, std::uint64_t serial,
                 Message&& message);
  /// The same for one that is made already: to a process of this node it takes no more memory.
  SessionId emit(const Pid& to, EnvelopePtr envelope);
  void handle_exit(const Pid& from, const ExitReason& reason, bool of_link);
  /// Takes what something costs off this turn's budget. Units: a handled message is 1.
  void charge(int cost) noexcept { budget_ -= cost; }
  /// Something goes to another node, in this turn.
  void goes_abroad();
  void doom(const ExitReason& reason);
  /// doom() from the process's own code: worth a crash report when it is no clean end.
  void stop(const ExitReason& reason) {
    if (!doomed_) crashed_ = true;
    doom(reason);
  }
  /// After route(): the watch runs under `session`, or its DOWN is due now.
  void settle_watch(std::uint64_t serial, const Pid& target, SessionId session);
  void name_watch(std::uint64_t serial, std::string name);
  void stop_watching(const Pid& self, std::uint64_t serial, const Watch& watch);

  /// Starts what `order` asks for; `watch` says what becomes of it.
  Pid spawn_here(std::uint64_t request, const Watch& watch, const Behaviour& behaviour,
                 Message order);
  /// The same by asking another node.
  void spawn_there(std::uint64_t request, Watch watch, std::string_view node,
                   const Behaviour& behaviour, Message order);
  /// Nobody waits for the answer any more. Returns: false when it has come, or never will.
  bool abandon_spawn(std::uint64_t request);
  /// The mailbox of `at`, or the way to its node, is too full: after the running code, wait for
  /// room there.
  void wait_for_room(const Pid& at);
  /// Why a message to that node is refused.
  [[nodiscard]] ExitReason refusal_at(NodeId node) const {
    return ExitReason::symbol(node == node_->id() ? "mailbox_full" : "busy");
  }
  /// After route() of a message to that node. Returns: the same.
  SessionId settle_route(NodeId node, SessionId session) {
    if (session == Router::k_crowded) [[unlikely]]
      wait_for_room({node, 0, 0});
    return session;
  }
  /// See owned.hpp.
  bool own(std::shared_ptr<Owned> thing);
  void disown(const Owned& thing) noexcept;
  /// The node is being torn down, and its scheduler has stopped: first, waits until nothing outside
  /// points into the frames. Blocks.
  void await_operation();
  /// Second step of that: ends the life, silently.
  void discard();
  /// Third step: what the others may still have sent.
  void discard_messages();

 private:
  friend class grove::Context;
  friend class grove::Node;
  friend class NameTable;
  friend class ProcessTable;
  friend class Timers;

  // Bits of marks_
  static constexpr std::uint8_t k_named = 1;    // may have a name
  static constexpr std::uint8_t k_bounded = 2;  // its mailbox is bounded
  static constexpr std::uint8_t k_timed = 4;    // timers may be aimed at it
  static constexpr std::uint8_t k_grouped = 8;  // may be in a process group, or watch one

  // process.cpp
  bool work();
  void work_off(Clock::TimePoint limit);
  void settle(Turn& turn);
  bool wake_waiter();
  bool wake_operation();
  bool handle_next();
  Envelope* behind_kept();
  /// An answer may have left the mailbox.
  void forget_kept(const Envelope* taken) noexcept {
    if (extras_ != nullptr && extras_->kept == taken) extras_->kept = nullptr;
  }
  void start();
  void resume(std::coroutine_handle<> handle, const MessageType* handling = nullptr);
  void run_task(Task<> task);
  void end_task();
  void fail(const ExitReason& reason);
  void arm_tick();
  void waits_in_handler(const MessageType* type);

  // process_signals.cpp
  void act(Envelope* envelope);        // one signal for this life
  void act_stale(Envelope* envelope);  // one signal for a life that is over
  void answer_rest();
  void append(Envelope* envelope);
  void append_new(SignalKind kind, const Pid& from, std::uint64_t serial, Message&& message);
  void on_call(Envelope* envelope);
  void on_reply(Envelope* envelope);
  void refuse(Envelope* envelope);
  void lose(Envelope* envelope);
  void end_lost();
  void on_alias(Envelope* envelope);
  void on_down(const Pid& from, std::uint64_t serial, const ExitReason& reason);
  void on_node_lost(const NodeLost& lost);
  void on_inspect(Envelope& envelope);
  void on_system(Envelope* envelope);
  void on_tick(std::uint64_t number);
  void on_want_room(const Pid& sender);
  void drop_oldest();
  void made_room();
  void offer_room();
  void stamp_leftovers();

  // process_spawn.cpp
  void on_spawned(const Pid& child, std::uint64_t request, const SpawnMark& mark);
  void on_stale_spawned(const Pid& self, const Envelope& envelope);
  void on_spawn_failed(const Pid& target, std::uint64_t request, const ExitReason& reason);
  void disown(const Pid& self, const Pid& child, std::uint64_t request, const SpawnMark& mark,
              const ExitReason& reason);

  // process_info.cpp
  [[nodiscard]] std::string_view status() const;
  [[nodiscard]] std::vector<Pid> ancestors() const;
  [[nodiscard]] std::uint64_t memory() const;

  // process_trace.cpp
  void on_trace(const Envelope& envelope, const sys::TraceOptions& options);
  void trace_exit(const Pid& self, const ExitReason& reason);
  void tell_tracer(sys::TraceEvent event);
  void end_trace();

  // process_end.cpp
  void die();
  void depart(bool on_own_thread);
  /// The watchdog, from elsewhere, asks the body for no name and no state: it may be going.
  enum class Look : bool { from_elsewhere, inside };
  void report_crash(Look look);
  [[nodiscard]] std::string shown_state() const;
  void end_coroutine() noexcept;
  void destroy_frames() noexcept;
  [[nodiscard]] bool outside();
  void report_stuck(Clock::Duration duration, const MessageType* handling);
  [[nodiscard]] std::string who(Look look) const;
  void end_owned() noexcept;
  void clear_owned() noexcept;
  void drop_messages();
  void tell_relations(const Pid& self, const ExitReason& reason);
  /// Returns: true when the life is over and nothing points into it any more.
  bool bury();

  // First line, of which Runnable has 25 bytes.
  std::atomic<std::uint8_t> marks_{0};
  bool trap_exit_ : 1 = false;
  bool alive_ : 1 = false;
  bool occupied_ : 1 = false;  // by a life, or by what a dead one has left outside
  bool started_ : 1 = false;
  bool doomed_ : 1 = false;   // ends once the running code returns or awaits
  bool crashed_ : 1 = false;  // the reason came from inside: worth a crash report
  bool held_ : 1 = false;     // runs no code of its own until it may
  bool in_coroutine_ : 1 = false;
  bool scanning_ : 1 = false;  // inside a predicate, which sees a message: none may be freed
  bool abroad_ : 1 = false;    // the router may know it: it has dealt with others elsewhere
  bool traced_ : 1 = false;    // there is a Trace
  bool losing_ : 1 = false;    // Extras::lost has some
  std::int32_t budget_ = 0;    // left of this turn
  Inbox inbox_;
  Node* node_ = nullptr;
  std::uint32_t index_ = 0;
  std::atomic<std::uint32_t> generation_{0};  // odd: of the life that runs; even: none runs
  // Second line
  [[no_unique_address]] Mailbox mailbox_;
  std::uint32_t reductions_ = 0;  // the low half
  Code code_;
  Waiter* waiter_ = nullptr;
  Extras* extras_ = nullptr;
  std::uint64_t last_serial_ = 0;  // never reset: refs stay unique over the lives of a place
  std::atomic<std::uint32_t> parent_index_{0};
  std::atomic<std::uint32_t> parent_generation_{0};
};

}  // namespace grove::detail
