// SPDX-License-Identifier: Apache-2.0
//
// Node: the processes of one life of one node, and the way into them from outside.
//
// Thread-safety: all members from any thread, unless they say otherwise.
#pragma once

#include "grove/core/clock.hpp"
#include "grove/core/log.hpp"
#include "grove/core/metrics.hpp"
#include "grove/core/random.hpp"
#include "grove/core/scheduler.hpp"
#include "grove/node/context.hpp"
#include "grove/node/groups.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grove {

struct NodeConfig {
  std::string name = "nonode";
  Life life{};  // 0: the clock's wall time
  Clock* clock = nullptr;
  Scheduler* scheduler = nullptr;
  std::shared_ptr<Log> log = {};  // null: drops everything
};

/// One process as others may see it, taken between two of its messages, or while it is stuck in
/// one. `status` is one of
///   running    inside its code: it asks itself, or has not returned for longer than the watchdog
///              lets pass (ThreadSchedulerOptions::stuck_after)
///   runnable   it has something to do
///   waiting    for a message, or for time to pass
///   blocked    for an operation outside the runtime, or for room in another's mailbox
///   suspended  by sys::suspend()
struct ProcessInfo {
  Pid pid;
  std::string name;  // local name, or empty
  std::string label;
  Pid parent;
  std::vector<Pid> ancestors;  // nearest first, up to the first that has ended; at most 64
  std::string status;
  Priority priority = Priority::normal;
  /// The message whose handler has not ended: of a server's coroutine that waits, or of code that
  /// is stuck. Empty: none.
  std::string handling;
  std::optional<Clock::Duration> handling_since;  // how long ago that began, or first waited
  std::uint64_t mailbox = 0;
  std::optional<Clock::Duration> oldest_message_age;  // to the ms; below its turn's length: 0
  std::uint64_t reductions = 0;
  /// About: its place and extras, its body, the outermost coroutine's frame, and the mailbox by a
  /// sample of its messages. Without what those point to.
  std::uint64_t memory_bytes = 0;
  bool trap_exit = false;
  std::vector<std::string> tables;  // names of those it owns
  std::vector<Pid> links;
  std::vector<Pid> monitors;
  std::vector<std::string> monitor_names;  // of each of them: the name it was made by, or empty
  std::vector<Pid> monitored_by;
};

/// What a subscriber of dead letters is told: a message that nobody got.
struct DeadLetter {
  Pid from;
  Pid to;            // nobody, when it was sent to a name that nobody has
  std::string type;  // empty: it came from another node, and was not read
  Metric reason = Metric::dead_letters_no_process;
};

struct TableInfo;  // table.hpp

namespace detail {

class BlockingOperation;
class DirectoryTable;
class NameTable;
class ProcessTable;
class TableRegistry;
class Timers;

/// What became of a message at a bounded mailbox.
enum class Delivery : std::uint8_t {
  done,     // it is in, or its target is no more
  crowded,  // it is in, and its sender should wait
  dropped,  // it is a dead letter, and that is all
  refused,  // it is a dead letter, and its sender should know
};

/// Who has asked for a spawn from another node, and what ties the child to it.
struct Asker {
  Pid pid;
  std::uint64_t request = 0;  // 0: no answer is wanted
  SpawnMark mark;
};

/// Asks a process for its ProcessInfo; when the last copy goes unanswered, it is gone.
struct InspectRequest {
  std::function<void(ProcessInfo)> answer;
};

}  // namespace detail

class Node {
 public:
  /// Bounds: clock and scheduler are set, and outlive the node; the name is a node name (checked).
  explicit Node(NodeConfig config);
  /// All processes must have ended (kill_all), or the scheduler have stopped. Blocks: then until
  /// the operations have completed that processes wait for.
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  [[nodiscard]] NodeId id() const noexcept { return id_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] Life life() const noexcept { return life_; }
  [[nodiscard]] Clock& clock() const noexcept { return *clock_; }
  [[nodiscard]] Scheduler& scheduler() const noexcept { return *scheduler_; }
  [[nodiscard]] Log& log() const noexcept { return *log_; }
  [[nodiscard]] Metrics& metrics() noexcept { return metrics_; }
  [[nodiscard]] Router* router() const noexcept { return router_; }
  /// Before the first process; the router outlives them all. Null: a node alone.
  void set_router(Router* router) noexcept { router_ = router; }

  // -- as a process would, from outside ------------------------------------------------------

  template <class F, class... Args>
  requires detail::ProcessFunction<std::decay_t<F>, std::decay_t<Args>...> Pid
  spawn(F&& function, Args&&... args) {
    return detail::spawn_coroutine(*this, SpawnOptions{}, std::forward<F>(function),
                                   std::forward<Args>(args)...)
        .pid;
  }
  template <std::derived_from<Handler> H, class... Args>
  Pid spawn(Args&&... args) {
    return spawn_body({}, detail::make_handler_body<H>(std::forward<Args>(args)...)).pid;
  }
  template <class F, class... Args>
  requires detail::ProcessFunction<std::decay_t<F>, std::decay_t<Args>...> Pid
  spawn_opt(SpawnOptions options, F&& function, Args&&... args) {
    return detail::spawn_coroutine(*this, std::move(options), std::forward<F>(function),
                                   std::forward<Args>(args)...)
        .pid;
  }
  template <std::derived_from<Handler> H, class... Args>
  Pid spawn_opt(SpawnOptions options, Args&&... args) {
    return spawn_body(std::move(options), detail::make_handler_body<H>(std::forward<Args>(args)...))
        .pid;
  }
  template <class T>
  void send(const Pid& to, T message) {
    send_message(to, Message::make<T>(std::move(message)));
  }
  /// Errors: ProcessExit(badarg) for no message, such as one that was sent before.
  void send_message(const Pid& to, Message message);
  void exit(const Pid& pid, const ExitReason& reason);
  /// Whether a local process lives now. False for any other pid. Not ordered after signals that
  /// the caller has just sent to it.
  [[nodiscard]] bool is_alive(const Pid& pid) const noexcept;
  Result<void> register_name(const std::string& name, const Pid& pid, Scope scope = Scope::local);
  bool unregister_name(const std::string& name, Scope scope = Scope::local);
  [[nodiscard]] std::optional<Pid> whereis(std::string_view name, Scope scope = Scope::local) const;
  /// Makes `directory` known as a name for Via. Errors: name_taken.
  Result<void> add_directory(std::string name, std::shared_ptr<Directory> directory);
  /// Nothing happens when the name is another's by now.
  void remove_directory(std::string_view name, const Directory* directory);
  [[nodiscard]] std::shared_ptr<Directory> directory(std::string_view name) const;
  /// All cluster-wide names known here, by name.
  [[nodiscard]] std::vector<GlobalName> global_names() const;

  /// A table of this node by its name. Include table.hpp.
  /// Errors: not_found, bad_argument (it has other types, or is of another kind).
  template <class Key, class Value, TableKind kind = TableKind::set>
  [[nodiscard]] Result<Table<Key, Value, kind>> find_table(std::string_view table_name) const;

  /// Runs `function` (a coroutine `Task<R> f(Context&)`) as a process of its own.
  /// Returns: its result, or the exception that left `function`; std::future_error (broken_promise)
  /// when the process was killed.
  template <class F>
  std::future<detail::TaskResult<F&, Context&>> async(F function);

  /// The process groups as this node knows them.
  [[nodiscard]] Groups& groups() const noexcept { return *groups_; }

  // -- timers, as Context's ------------------------------------------------------------------

  template <class T>
  TimerId send_after(Clock::Duration delay, const TimerTarget& to, T message) {
    return arm_timer(time_after(delay), {id_, 0, 0}, to, Message::make<T>(std::move(message)));
  }
  std::optional<Clock::Duration> cancel_timer(TimerId timer);
  bool drop_timer(TimerId timer);
  [[nodiscard]] std::optional<Clock::Duration> read_timer(TimerId timer) const;
  /// How many timers wait, those of receive timeouts among them.
  [[nodiscard]] std::size_t timer_count() const;

  // -- inspection ----------------------------------------------------------------------------

  [[nodiscard]] std::vector<Pid> processes() const;
  /// Processes that live, and those whose end waits for something outside.
  [[nodiscard]] std::size_t process_count() const noexcept;
  /// All that were ever spawned.
  [[nodiscard]] std::uint64_t processes_spawned() const noexcept;
  /// Calls `done` once with one row for each that answered: when all have, or have ended.
  /// For a process that is stuck in its handler the watchdog answers.
  void inspect(const std::vector<Pid>& pids, std::function<void(std::vector<ProcessInfo>)> done);
  /// The tables of this node's processes, by name and number. Waits for who writes in them.
  [[nodiscard]] std::vector<TableInfo> tables() const;

  /// Sends `subscriber`, a process of this node, a DeadLetter for each from now on, until it ends.
  /// It should have a bounded mailbox.
  void subscribe_dead_letters(const Pid& subscriber);

  // -- ending --------------------------------------------------------------------------------

  /// Kills every process, and whatever is spawned later.
  void kill_all();
  /// Waits until no process is left, nor anything that one has sent and the router has not handed
  /// over. Returns: false after `timeout`. Blocks.
  bool wait_until_empty(std::chrono::milliseconds timeout);

  // -- for the router and the runtime --------------------------------------------------------

  /// Puts a signal into a local process's queue; to a dead life it is answered as OTP does.
  /// One that is dropped stays with the caller.
  detail::Delivery deliver(const Pid& to, EnvelopePtr&& envelope);
  /// A message that nobody gets: counts it and tells the subscribers. `to` may be nobody.
  void dead_letter(Metric reason, const Envelope& envelope, const Pid& to);
  /// Its end will tell the router: it may have cluster-wide names, or watch them.
  /// Errors: bad_argument (a process of another node), noproc.
  Result<void> mark_named(const Pid& pid);
  /// Milliseconds since the node's start, from 1; wraps after 49 days.
  [[nodiscard]] std::uint32_t uptime_ms() const;
  Spawned spawn_body(SpawnOptions options, std::unique_ptr<detail::Body> body,
                     Context* parent = nullptr);
  Spawned spawn_frame(SpawnOptions options, detail::FrameMaker make, Context* parent = nullptr);
  /// A process for one of another node, told to it before the child can run. Threads: the router's.
  /// Errors: as Context::spawn_opt().
  void spawn_for(const detail::Asker& asker, SpawnOptions options,
                 std::unique_ptr<detail::Body> body);
  /// See Context's timers. Errors: as there.
  TimerId arm_timer(Clock::TimePoint when, const Pid& from, const TimerTarget& target,
                    Message&& message, const detail::TimerExtras& extras = {});
  /// `answer`, if any, is a TimerCancelled to whom it is from.
  void cancel_timer_async(TimerId timer, EnvelopePtr answer);
  /// Returns: the instant `delay` from now, or the last one there is. Throws ProcessExit(badarg)
  /// for a negative one.
  [[nodiscard]] Clock::TimePoint time_after(Clock::Duration delay) const;
  /// The groups are to hear of the process's end. Returns: false when it has ended.
  [[nodiscard]] bool mark_grouped(const Pid& pid);
  [[nodiscard]] detail::TableRegistry& table_registry() const noexcept { return *tables_; }

 private:
  friend class detail::Process;
  friend class detail::Completion;
  friend class detail::BlockingOperation;

  void ended();
  [[nodiscard]] std::optional<Clock::Duration> time_left(
      std::optional<Clock::TimePoint> deadline) const;
  [[nodiscard]] static unsigned worker_of(const Context* caller);
  detail::Process& claim(const Context* parent);
  void give_up(detail::Process& claimed, const Context* parent) noexcept;
  Spawned launch(Context* parent, detail::Process& child, SpawnOptions&& options);
  void bound_mailbox(detail::Process& child, const Pid& pid, const MailboxLimit& limit);
  [[nodiscard]] Ref reference_of(detail::Process& spawner, const SpawnOptions& options) const;
  void relate(detail::Process& spawner, detail::Process& child, const Spawned& spawned,
              const SpawnOptions& options);
  void unrelate(detail::Process& spawner, const Spawned& spawned,
                const SpawnOptions& options) noexcept;
  [[nodiscard]] Pid life_at(const Pid& to) const;
  detail::Delivery enter_bounded(detail::Process& process, Envelope& envelope);

  std::string name_;
  Life life_;
  NodeId id_;
  Clock* clock_;
  Scheduler* scheduler_;
  std::shared_ptr<Log> log_;
  Router* router_ = nullptr;
  Metrics metrics_;
  std::unique_ptr<detail::ProcessTable> table_;
  std::unique_ptr<detail::NameTable> names_;
  std::unique_ptr<detail::DirectoryTable> directories_;
  std::unique_ptr<detail::TableRegistry> tables_;
  std::unique_ptr<Groups> groups_;
  std::unique_ptr<detail::Timers> timers_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint32_t> completing_{0};  // threads that are saying that an operation is done
  Clock::TimePoint started_;
  std::atomic<bool> somebody_waits_{false};  // for the last end
  std::mutex empty_mutex_;
  std::condition_variable empty_;
  std::atomic<bool> anybody_hears_{false};  // of dead letters
  std::mutex subscribers_mutex_;            // guards the next
  std::vector<Pid> subscribers_;
};

template <class F>
std::future<detail::TaskResult<F&, Context&>> Node::async(F function) {
  using R = detail::TaskResult<F&, Context&>;
  auto promise = std::make_shared<std::promise<R>>();
  std::future<R> future = promise->get_future();
  spawn([function = std::move(function), promise](Context& context) mutable -> Task<> {
    try {
      if constexpr (std::is_void_v<R>) {
        co_await function(context);
        promise->set_value();
      } else {
        promise->set_value(co_await function(context));
      }
    } catch (...) {
      promise->set_exception(std::current_exception());
    }
  });
  return future;
}

}  // namespace grove
