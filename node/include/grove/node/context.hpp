// SPDX-License-Identifier: Apache-2.0
//
// Context: what a process can do. Every process has one for its whole life; coroutines get it as
// their first parameter, handlers with each message, servers through their base class.
//
// Thread-safety: confined to its process.
#pragma once

#include "grove/core/clock.hpp"
#include "grove/core/result.hpp"
#include "grove/node/names.hpp"
#include "grove/node/operation.hpp"
#include "grove/node/router.hpp"
#include "grove/node/spawn_options.hpp"
#include "grove/node/table_options.hpp"
#include "grove/node/timer.hpp"
#include "grove/node/waiter.hpp"

#include <chrono>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace grove {

class Node;
template <class Impl>
class ServerOf;  // server.hpp

namespace detail {
template <class Server, class T>
struct Answers;                                                     // server.hpp
void tell_owner(Context& task, const Ref& alias, Message message);  // async.hpp
}  // namespace detail

/// Who waits for an answer.
struct From {
  Pid pid;
  std::uint64_t serial = 0;
  Pid asked = {};  // the server; nobody: whoever answers
};

/// Flags of demonitor().
enum class Flush : bool { no, yes };

/// Flags of cancel_timer_async().
enum class CancelInfo : bool { no, yes };

class Context {
 public:
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// The process that this thread is running. Only inside a process.
  [[nodiscard]] static Context& current();
  /// The same, or null outside of all processes.
  [[nodiscard]] static Context* running() noexcept;

  [[nodiscard]] Pid self() const noexcept;
  [[nodiscard]] Node& node() const noexcept;
  [[nodiscard]] Pid parent() const noexcept;  // who spawned it; nobody, when from outside
  [[nodiscard]] Ref make_ref() noexcept;
  /// Whether an exit signal has ended this process: what runs now is its last, up to its return or
  /// next await.
  [[nodiscard]] bool doomed() const noexcept;
  /// From its next turn on. A busy process above normal starves the others of its worker, as in
  /// OTP. Returns: the previous one.
  Priority priority(Priority priority) noexcept;

  // -- spawning -----------------------------------------------------------------------------

  /// Starts a process and returns at once. Messages sent to it from now on are queued.
  template <class F, class... Args>
  requires detail::ProcessFunction<std::decay_t<F>, std::decay_t<Args>...> Pid
  spawn(F&& function, Args&&... args) {
    return spawn_opt({}, std::forward<F>(function), std::forward<Args>(args)...).pid;
  }
  template <class F, class... Args>
  requires detail::ProcessFunction<std::decay_t<F>, std::decay_t<Args>...> Pid
  spawn_link(F&& function, Args&&... args) {
    return spawn_opt({.link = true}, std::forward<F>(function), std::forward<Args>(args)...).pid;
  }
  template <class F, class... Args>
  requires detail::ProcessFunction<std::decay_t<F>, std::decay_t<Args>...> Spawned
  spawn_monitor(F&& function, Args&&... args) {
    return spawn_opt({.monitor = true}, std::forward<F>(function), std::forward<Args>(args)...);
  }
  /// The handler form: an H is made from `args` in the new process.
  template <std::derived_from<Handler> H, class... Args>
  Pid spawn(Args&&... args) {
    return spawn_opt<H>({}, std::forward<Args>(args)...).pid;
  }
  template <std::derived_from<Handler> H, class... Args>
  Pid spawn_link(Args&&... args) {
    return spawn_opt<H>({.link = true}, std::forward<Args>(args)...).pid;
  }
  template <std::derived_from<Handler> H, class... Args>
  Spawned spawn_monitor(Args&&... args) {
    return spawn_opt<H>({.monitor = true}, std::forward<Args>(args)...);
  }
  /// All of the above; link and monitor are in place before the child runs.
  /// Throws: ProcessExit(system_limit) when the process table is full; what `args` throw when they
  /// are copied, std::bad_alloc: then nothing was started.
  template <class F, class... Args>
  requires detail::ProcessFunction<std::decay_t<F>, std::decay_t<Args>...> Spawned
  spawn_opt(SpawnOptions options, F&& function, Args&&... args) {
    return detail::spawn_coroutine(*this, std::move(options), std::forward<F>(function),
                                   std::forward<Args>(args)...);
  }
  template <std::derived_from<Handler> H, class... Args>
  Spawned spawn_opt(SpawnOptions options, Args&&... args) {
    return spawn_body(std::move(options),
                      detail::make_handler_body<H>(std::forward<Args>(args)...));
  }
  /// The same by request: a SpawnReply follows, before anything else of the child. A monitor has
  /// the request's reference. Source: OTP, spawn_request/4; here, as there, the child is there at
  /// once.
  template <class F, class... Args>
  requires detail::ProcessFunction<std::decay_t<F>, std::decay_t<Args>...> Ref
  spawn_request(SpawnOptions options, F&& function, Args&&... args) {
    options.reply = true;
    return spawn_opt(std::move(options), std::forward<F>(function), std::forward<Args>(args)...)
        .ref;
  }
  template <std::derived_from<Handler> H, class... Args>
  Ref spawn_request(SpawnOptions options, Args&&... args) {
    options.reply = true;
    return spawn_opt<H>(std::move(options), std::forward<Args>(args)...).ref;
  }
  /// Gives a request up that is not answered yet: no answer comes, and a child that it has linked
  /// gets its exit signal, `abandoned`. Returns: false when it is answered, as all requests to
  /// one's own node are once spawn_request() has returned, or is none of this process's.
  bool abandon_spawn(const Ref& request);
  Spawned spawn_body(SpawnOptions options, std::unique_ptr<detail::Body> body);
  Spawned spawn_frame(SpawnOptions options, detail::FrameMaker make);

  // -- messages -----------------------------------------------------------------------------

  /// Sends a T made from `args`. Never blocks; to a dead or unknown target it is a dead letter.
  template <class T, class... Args>
  void send(const Pid& to, Args&&... args) {
    post(to, SignalKind::info, 0, Message::make<T>(std::forward<Args>(args)...));
  }
  template <class T>
  void send(const Pid& to, T message) {
    post(to, SignalKind::info, 0, Message::make<T>(std::move(message)));
  }
  template <class T>
  void send(const Global& to, T message) {
    post_name(to, SignalKind::info, Message::make<T>(std::move(message)));
  }
  template <class T>
  void send(std::string_view local_name, T message) {
    post_name(local_name, SignalKind::info, Message::make<T>(std::move(message)));
  }
  template <class T>
  void send(const RemoteName& to, T message) {
    post_name(to, SignalKind::info, Message::make<T>(std::move(message)));
  }
  /// Through an alias: to its process while it is active, else a dead letter.
  template <class T>
  void send(const Ref& alias, T message) {
    post_alias(alias, SignalKind::alias, Message::make<T>(std::move(message)));
  }
  template <class T>
  void send(const Via& to, T message) {
    post_found(resolve(to), SignalKind::info, Message::make<T>(std::move(message)));
  }
  template <class T>
  void cast(const Pid& server, T message) {
    post(server, SignalKind::cast, 0, Message::make<T>(std::move(message)));
  }
  template <class T>
  void cast(const ServerRef& server, T message) {
    post_ref(server, SignalKind::cast, Message::make<T>(std::move(message)));
  }
  /// Errors: ProcessExit(badarg) for no message, such as one that was forwarded before.
  void forward(const Pid& to, Message message) {
    post(to, SignalKind::info, 0, std::move(message));
  }
  /// Waits for the oldest message of type T that fulfils `predicate`; others stay, in order.
  template <class T, class Predicate = detail::Always>
  [[nodiscard]] auto receive(Predicate predicate = {}) {
    return detail::Receive<T, Predicate, false>{*this, std::move(predicate), std::nullopt};
  }
  /// The same, for at most `timeout`; then an empty optional. With 0: what is already there.
  template <class T, class Predicate = detail::Always>
  [[nodiscard]] auto receive_for(Clock::Duration timeout, Predicate predicate = {}) {
    return detail::Receive<T, Predicate, true>{*this, std::move(predicate), timeout};
  }
  /// The oldest message of any type; null after `timeout`.
  [[nodiscard]] detail::ReceiveAny receive_any(Timeout timeout = std::nullopt) {
    return detail::ReceiveAny{*this, timeout};
  }
  [[nodiscard]] detail::Sleep sleep_for(Clock::Duration duration) {
    return detail::Sleep{*this, duration};
  }

  /// Asks a server and waits. Throws ProcessExit when it fails (noproc, timeout, {nodedown, Node},
  /// or the server's exit reason); a late answer never reaches the mailbox.
  template <class T, class... Args>
  requires(!(detail::UnsafeTemporary<Args&&> || ...))
      [[nodiscard]] auto call(const Pid& server, Args&&... args) {
    return call_for<T>(k_call_timeout, server, std::forward<Args>(args)...);
  }
  template <class T, class... Args>
  requires(!(detail::UnsafeTemporary<Args&&> || ...))
      [[nodiscard]] auto call_for(Timeout timeout, const Pid& server, Args&&... args) {
    return detail::Call<typename detail::ReplyOf<T>::type>{
        *this, begin_call(server, Message::make<T>(std::forward<Args>(args)...)), timeout};
  }
  template <class T, class... Args>
  requires(!(detail::UnsafeTemporary<Args&&> || ...))
      [[nodiscard]] auto call(const ServerRef& server, Args&&... args) {
    return call_for<T>(k_call_timeout, server, std::forward<Args>(args)...);
  }
  template <class T, class... Args>
  requires(!(detail::UnsafeTemporary<Args&&> || ...))
      [[nodiscard]] auto call_for(Timeout timeout, const ServerRef& server, Args&&... args) {
    return detail::Call<typename detail::ReplyOf<T>::type>{
        *this, begin_call(server, Message::make<T>(std::forward<Args>(args)...)), timeout};
  }
  /// The same for a server whose class is known.
  template <class T, class Server, class... Args>
  requires(!(detail::UnsafeTemporary<Args&&> || ...))
      [[nodiscard]] auto call(const ServerOf<Server>& server, Args&&... args) {
    return call_for<T>(k_call_timeout, server, std::forward<Args>(args)...);
  }
  template <class T, class Server, class... Args>
  requires(!(detail::UnsafeTemporary<Args&&> || ...))
      [[nodiscard]] auto call_for(Timeout timeout, const ServerOf<Server>& server, Args&&... args) {
    return call_for<T>(timeout, server.template ref_for_calls<T>(), std::forward<Args>(args)...);
  }
  template <class T, class Server>
  void cast(const ServerOf<Server>& server, T message) {
    cast(server.template ref_for_casts<T>(), std::move(message));
  }
  /// The call's asynchronous form: several may be under way. The answer is taken with
  /// receive_response(); a Request that is dropped abandons it.
  template <class T, class... Args>
  [[nodiscard]] auto send_request(const ServerRef& server, Args&&... args) {
    return Request<typename detail::ReplyOf<T>::type>{
        *this, begin_call(server, Message::make<T>(std::forward<Args>(args)...))};
  }
  template <class T, class Server, class... Args>
  [[nodiscard]] auto send_request(const ServerOf<Server>& server, Args&&... args) {
    return send_request<T>(server.template ref_for_calls<T>(), std::forward<Args>(args)...);
  }
  /// Waits for the answer of a request; throws as call() does. Source: OTP, receive_response/2.
  template <class Reply>
  [[nodiscard]] auto receive_response(Request<Reply> request, Timeout timeout = k_call_timeout) {
    return detail::Call<Reply>{*this, request.release(), timeout};
  }
  /// The same, but the request stays under way after `timeout`: a server may keep it from one
  /// message to the next. Returns: nothing then; of a request without a value, whether the answer
  /// was there. Errors: ProcessExit(badarg) when it was taken before. Source: OTP, wait_response/2.
  template <class Reply>
  [[nodiscard]] auto wait_response(Request<Reply>& request, Timeout timeout) {
    return detail::Response<Reply>{*this, request, timeout};
  }
  /// Answers a call. From any process, at any time, once.
  template <class T>
  void reply(const From& from, T value) {
    post_reply(from, Message::make<T>(std::move(value)));
  }
  void reply(const From& from) { post_reply(from, Message::make<detail::Ok>()); }
  /// Errors: as forward().
  void reply_message(const From& from, Message message) { post_reply(from, std::move(message)); }

  // -- timers -------------------------------------------------------------------------------
  //
  // A timer belongs to its target: it outlives the process that set it, goes with the process that
  // it is aimed at, and any process of the node may cancel it. Those aimed at one pid, or one name,
  // fire in the order of their deadlines, then as they were set. Aimed at a dead pid one never
  // fires; at a name, it goes to whoever has the name when it is due, or to nobody.
  // Errors of all that set one: ProcessExit(badarg) for a negative delay, a pid of another node.

  /// Delivers `message` once, not before `delay` from now. Zero: at once, yet not within this call.
  template <class T>
  TimerId send_after(Clock::Duration delay, const TimerTarget& to, T message) {
    return arm_after(delay, to, Message::make<T>(std::move(message)));
  }
  /// The same at an instant of the node's clock; one that has passed is at once.
  template <class T>
  TimerId send_at(Clock::TimePoint when, const TimerTarget& to, T message) {
    return arm_at(when, to, Message::make<T>(std::move(message)));
  }
  /// Sends a TimerExpired with the timer's own id and `value`.
  TimerId start_timer(Clock::Duration delay, const TimerTarget& to, Value value = {});
  /// Sends a copy of `message` every `period`: the n-th at n periods from now, however late the
  /// one before was. None is left out: after a delay those that were missed come at once. Ends when
  /// it is cancelled or its target ends; one aimed at a name only when it is cancelled.
  /// Bounds: periods shorter than a delivery takes hold up all timers of the node.
  /// Errors: ProcessExit(badarg) for a period that is not positive.
  template <std::copy_constructible T>
  TimerId send_interval(Clock::Duration period, const TimerTarget& to, T message) {
    return arm_interval(
        period, to, Message::make<T>(std::move(message)),
        [](const Message& original) { return Message::make<T>(*original.get<T>()); });
  }
  /// After this nothing of it is delivered; what it has sent before is in its target's queue.
  /// Returns: the time it had left (of 2 s and more: up to a kernel tick too little); nothing
  /// when it has fired, was cancelled or never was.
  std::optional<Clock::Duration> cancel_timer(TimerId timer);
  /// The same without a look at the clock (OTP: {info, false}).
  /// Returns: whether there was a timer to cancel.
  bool drop_timer(TimerId timer);
  /// The same without waiting for a timer that is just firing: what cancel_timer() would return
  /// comes as a TimerCancelled, and the same holds from then on. CancelInfo::no: nothing comes.
  void cancel_timer_async(TimerId timer, CancelInfo info = CancelInfo::yes);
  /// Returns: as cancel_timer(); the timer goes on. Of an interval: until its next message.
  [[nodiscard]] std::optional<Clock::Duration> read_timer(TimerId timer) const;

  // -- links, monitors, exits ---------------------------------------------------------------

  /// Links both ways; a second link is a no-op. When the process is local and dead, throws
  /// ProcessExit(noproc) unless this one traps exits; then it has an EXIT(noproc) in its mailbox.
  void link(const Pid& pid);
  void unlink(const Pid& pid);
  /// Each call is one monitor and gives one Down. With a mode, the reference is an alias, too;
  /// of oneself it is neither.
  Ref monitor(const Pid& pid, AliasMode alias = AliasMode::none);
  Ref monitor(std::string_view local_name);
  Ref monitor(const Global& name);
  Ref monitor(const Via& name);
  Ref monitor(const RemoteName& name);
  /// No Down for `ref` is added any more; with Flush::yes one that is queued is removed too.
  /// Returns: true when the monitor was still active.
  bool demonitor(const Ref& ref, Flush flush = Flush::no);
  /// A reference through which others can send to this process, until it ends: by unalias(), with
  /// the process, or by its mode (explicit_unalias or reply here). Source: OTP, Process Aliases.
  [[nodiscard]] Ref alias(AliasMode mode = AliasMode::explicit_unalias);
  /// Ends an alias; messages through it are dead letters from now on. Those queued already stay.
  /// Returns: whether it was an active alias of this process.
  bool unalias(const Ref& alias);
  /// Sends an exit signal. `kill` cannot be trapped. One that ends the caller itself acts at once,
  /// by an exception that it is no use to catch. So it is not for destructors that are noexcept;
  /// in those that run because the process ends, it does nothing.
  void exit(const Pid& pid, const ExitReason& reason);
  /// Ends this process.
  [[noreturn]] void exit(const ExitReason& reason) { throw ProcessExit{reason}; }
  /// Ends this process after the current handler, without the cost of an exception.
  void stop(const ExitReason& reason);
  /// Exit signals other than kill become Exit messages. Returns: the previous setting.
  bool trap_exit(bool trap) noexcept;
  [[nodiscard]] bool traps_exit() const noexcept;

  // -- names --------------------------------------------------------------------------------

  /// Gives `pid` (a local, living process without a name in that scope) a name.
  /// Errors: name_taken, noproc, bad_argument, already_started (the process has a local name).
  Result<void> register_name(const std::string& name, const Pid& pid, Scope scope = Scope::local);
  bool unregister_name(const std::string& name, Scope scope = Scope::local);
  [[nodiscard]] std::optional<Pid> whereis(std::string_view name, Scope scope = Scope::local) const;
  /// Whoever a reference means now; nobody for a name of another node.
  [[nodiscard]] std::optional<Pid> resolve(const ServerRef& server) const;

  // -- nodes (include node_events.hpp) -----------------------------------------------------

  /// On: a NodeUp for each session with another node that begins from now on, and a NodeDown for
  /// each that ends, once for each time that this was called. Off: nothing any more, however often
  /// it was called. Source: OTP, net_kernel:monitor_nodes/1.
  void monitor_nodes(bool on);
  /// On: one NodeDown when the session with `node` ends; at once when there is none. Off: one less
  /// of them. Never of this node itself. Source: OTP, erlang:monitor_node/2.
  void monitor_node(const std::string& node, bool on);

  // -- tables (include table.hpp) -----------------------------------------------------------

  /// Creates a table that goes with this process. Others find it by `name`; empty: they do not.
  /// Errors: name_taken, bad_argument (a name of more than 255 bytes), noproc (this process ends).
  template <class Key, class Value, TableKind kind = TableKind::set>
  Result<Table<Key, Value, kind>> new_table(std::string name = {}, TableOptions options = {});

  /// Gives back the memory that this process keeps for later.
  void hibernate();
  /// What inspection shows this process as.
  void set_label(std::string label);

 protected:
  Context() = default;
  ~Context() = default;

 private:
  friend class detail::CallWaiter;
  friend class detail::OpenRequest;
  friend void detail::tell_owner(Context& task, const Ref& alias, Message message);
  void post(const Pid& to, SignalKind kind, std::uint64_t serial, Message&& message);
  void post_reply(const From& to, Message&& message);
  void post_alias(const Ref& alias, SignalKind kind, Message message);
  void post_found(const std::optional<Pid>& to, SignalKind kind, Message&& message);
  void post_name(const Global& to, SignalKind kind, Message message);
  void post_name(std::string_view to, SignalKind kind, Message message);
  void post_name(const RemoteName& to, SignalKind kind, Message message);
  TimerId arm_after(Clock::Duration delay, const TimerTarget& to, Message message);
  TimerId arm_at(Clock::TimePoint when, const TimerTarget& to, Message message);
  TimerId arm_interval(Clock::Duration period, const TimerTarget& to, Message message,
                       Message (*copy)(const Message&));
  void post_ref(const ServerRef& to, SignalKind kind, Message message);
  std::uint64_t begin_call(const Pid& server, Message request);
  std::uint64_t begin_call(const ServerRef& server, Message request);
  std::uint64_t begin_call(const RemoteName& server, Message request);
  void end_call(std::uint64_t serial);
};

}  // namespace grove
