// SPDX-License-Identifier: Apache-2.0
#include "grove/node/context.hpp"

#include "grove/node/node.hpp"

#include "process.hpp"

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace grove {
namespace {

detail::Process& process_of(Context& context) { return static_cast<detail::Process&>(context); }
const detail::Process& process_of(const Context& context) {
  return static_cast<const detail::Process&>(context);
}

/// But not in a destructor that runs because its process ends.
void throw_if_refused(const detail::Process& process, NodeId at, SessionId session) {
  if (session != Router::k_refused || process.doomed() || std::uncaught_exceptions() > 0) return;
  throw ProcessExit{process.refusal_at(at)};
}

void check_there(const Message& message) {
  if (!message) throw ProcessExit{ExitReason::symbol("badarg")};
}

// Where two sides change, the signal is made first: when memory is too short, neither has.

/// Monitors a process by its pid, or one of this node by `name`, which the pid then comes from.
Ref monitor_process(detail::Process& process, const Pid& pid, AliasMode alias,
                    std::unique_ptr<const std::string> name = {}) {
  const RuntimeSection runtime{detail::current_turn()};
  const Ref ref = process.make_ref();
  // Of itself, or by the dead, it neither fires nor is an alias, as in OTP.
  if (pid == process.pid() || !process.alive()) return ref;
  auto signal = std::make_unique<Envelope>(SignalKind::monitor, process.pid(), ref.serial,
                                           Message::make<detail::SessionMark>());
  process.relations().watch(ref.serial, {.target = pid, .alias = alias, .name = std::move(name)});
  const SessionId session = pid ? process.emit(pid, std::move(signal)) : Router::k_dead_life;
  process.settle_watch(ref.serial, pid, session);
  return ref;
}

Ref monitor_name(Context& context, const std::optional<Pid>& pid, std::string_view name) {
  return monitor_process(process_of(context), pid.value_or(Pid{}), AliasMode::none,
                         std::make_unique<const std::string>(name));
}

}  // namespace

Pid Context::self() const noexcept { return process_of(*this).pid(); }
Node& Context::node() const noexcept { return *process_of(*this).node_; }
Pid Context::parent() const noexcept { return process_of(*this).parent(); }
Ref Context::make_ref() noexcept {
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& process = process_of(*this);
  return {process.node_->id(), process.index_, process.next_serial()};
}

bool Context::doomed() const noexcept {
  const RuntimeSection runtime{detail::current_turn()};
  return process_of(*this).doomed();
}

Priority Context::priority(Priority priority) noexcept {
  detail::Process& process = process_of(*this);
  const Priority previous = process.run_priority();
  process.set_run_priority(priority);
  return previous;
}

// What the code of a dead process starts would be nobody's: it starts nothing.
Spawned Context::spawn_body(SpawnOptions options, std::unique_ptr<detail::Body> body) {
  const RuntimeSection runtime{detail::current_turn()};
  if (!process_of(*this).alive()) return {};
  return node().spawn_body(std::move(options), std::move(body), this);
}
Spawned Context::spawn_frame(SpawnOptions options, detail::FrameMaker make) {
  const RuntimeSection runtime{detail::current_turn()};
  if (!process_of(*this).alive()) return {};
  return node().spawn_frame(std::move(options), make, this);
}

bool Context::abandon_spawn(const Ref& request) {
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& process = process_of(*this);
  if (request.node != node().id() || request.owner != process.index_) return false;
  process.take_inbox();  // an answer that has arrived counts as delivered
  return process.abandon_spawn(request.serial);
}

// -- messages -------------------------------------------------------------------------------

void Context::post(const Pid& to, SignalKind kind, std::uint64_t serial, Message&& message) {
  const RuntimeSection runtime{detail::current_turn()};
  check_there(message);
  detail::Process& process = process_of(*this);
  if (!to || !process.alive()) {
    Envelope lost{kind, self(), serial};
    lost.message = std::move(message);
    node().dead_letter(to ? Metric::dead_letters_dead_sender : Metric::dead_letters_no_process,
                       lost, to);
    return;
  }
  if (process.traced_) [[unlikely]]
    process.trace(sys::TraceEvent::Kind::sent, to, message);
  throw_if_refused(process, to.node,
                   process.emit(process.pid(), to, kind, serial, std::move(message)));
}

void Context::post_reply(const From& to, Message&& message) {
  const RuntimeSection runtime{detail::current_turn()};
  check_there(message);  // before its caller is forgotten
  detail::Process& process = process_of(*this);
  // When another process was asked, the caller, or the caller's session, tells it.
  const bool is_asked = !to.asked || to.asked == process.pid();
  if (is_asked && process.alive()) process.relations().on_demonitor({to.pid, to.serial});
  post(to.pid, SignalKind::reply, to.serial, std::move(message));
}

void Context::post_alias(const Ref& alias, SignalKind kind, Message message) {
  post({alias.node, alias.owner, alias ? detail::k_any_generation : 0}, kind, alias.serial,
       std::move(message));
}

void Context::post_name(std::string_view to, SignalKind kind, Message message) {
  post_found(whereis(to), kind, std::move(message));
}

void Context::post_name(const Global& to, SignalKind kind, Message message) {
  post_found(whereis(to.name, Scope::cluster), kind, std::move(message));
}

void Context::post_found(const std::optional<Pid>& to, SignalKind kind, Message&& message) {
  if (to) {
    post(*to, kind, 0, std::move(message));
    return;
  }
  const RuntimeSection runtime{detail::current_turn()};
  Envelope lost{kind, self()};
  lost.message = std::move(message);
  node().dead_letter(Metric::dead_letters_no_name, lost, {});
}

void Context::post_ref(const ServerRef& to, SignalKind kind, Message message) {
  if (const auto* remote = to.get<RemoteName>()) {
    post_name(*remote, kind, std::move(message));
  } else {
    post_found(resolve(to), kind, std::move(message));
  }
}

void Context::post_name(const RemoteName& to, SignalKind kind, Message message) {
  if (to.node == node().name()) {
    post_name(to.name, kind, std::move(message));
    return;
  }
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& process = process_of(*this);
  auto envelope = std::make_unique<Envelope>(kind, self());
  envelope->message = std::move(message);
  if (node().router() == nullptr || !process.alive()) {
    node().dead_letter(Metric::dead_letters_no_connection, *envelope, {});
    return;
  }
  const NodeId there = node().router()->connected(to.node);
  if (process.traced_) [[unlikely]] {
    process.trace(sys::TraceEvent::Kind::sent, {there, 0, 0}, envelope->message);
  }
  process.goes_abroad();
  throw_if_refused(
      process, there,
      process.settle_route(there, node().router()->route(there, to.name, std::move(envelope))));
}

std::uint64_t Context::begin_call(const Pid& server, Message request) {
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& process = process_of(*this);
  if (!process.alive()) throw ProcessExit{ExitReason::killed()};
  if (server == self()) throw ProcessExit{ExitReason::symbol("calling_self")};
  if (process.traced_) [[unlikely]]
    process.trace(sys::TraceEvent::Kind::sent, server, request);
  const std::uint64_t serial = process.next_serial();
  auto call = std::make_unique<Envelope>(SignalKind::call, self(), serial, std::move(request));
  process.relations().watch(serial, {.target = server, .kind = detail::Watch::Kind::call});
  const SessionId session = server ? process.emit(server, std::move(call)) : Router::k_dead_life;
  process.settle_watch(serial, server, session);
  return serial;
}

std::uint64_t Context::begin_call(const ServerRef& server, Message request) {
  if (const auto* remote = server.get<RemoteName>()) return begin_call(*remote, std::move(request));
  return begin_call(resolve(server).value_or(Pid{}), std::move(request));
}

namespace {

/// Whoever has a name on the node `there`: the pid stays unknown here, the node says what the end
/// of a session ends. Of a node that is not connected: of a life that never was.
Pid somebody_on(NodeId there, const std::string& node) {
  const bool nameable = there == NodeId{} && is_node_name(node);
  return {nameable ? intern_node(node, Life{}) : there, 0, 0};
}

}  // namespace

std::uint64_t Context::begin_call(const RemoteName& server, Message request) {
  if (server.node == node().name()) {
    return begin_call(whereis(server.name).value_or(Pid{}), std::move(request));
  }
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& process = process_of(*this);
  if (!process.alive()) throw ProcessExit{ExitReason::killed()};
  Router* router = node().router();
  const NodeId there = router != nullptr ? router->connected(server.node) : NodeId{};
  const Pid target = somebody_on(there, server.node);
  if (process.traced_) [[unlikely]]
    process.trace(sys::TraceEvent::Kind::sent, target, request);
  const std::uint64_t serial = process.next_serial();
  process.relations().watch(serial, {.target = target, .kind = detail::Watch::Kind::call});
  process.name_watch(serial, server.name);
  SessionId session = Router::k_no_connection;
  if (router != nullptr) {
    auto envelope = std::make_unique<Envelope>(SignalKind::call, self(), serial);
    envelope->message = std::move(request);
    process.goes_abroad();
    session = router->route(there, server.name, std::move(envelope));
  }
  process.settle_watch(serial, target, session);
  return serial;
}

namespace {

/// Whether the answer of a call is not in the mailbox yet. That of a spawn has come when there is a
/// monitor in its place.
bool is_open(detail::Process& process, std::uint64_t serial) {
  const detail::Watch* const watch = process.relations().find_watch(serial);
  return watch != nullptr && watch->kind != detail::Watch::Kind::monitor;
}

}  // namespace

void Context::end_call(std::uint64_t serial) {
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& process = process_of(*this);
  // The answer may be here already, for a call that nobody awaits any more; not while it is open.
  if (!is_open(process, serial)) {
    process.remove_message([serial](const Envelope& envelope) {
      return envelope.kind() == SignalKind::reply && envelope.serial == serial;
    });
  }
  if (const auto watch = process.relations().end_watch(serial)) {
    process.stop_watching(self(), serial, *watch);
  } else {
    process.abandon_spawn(serial);
  }
}

// -- timers ---------------------------------------------------------------------------------

TimerId Context::arm_after(Clock::Duration delay, const TimerTarget& to, Message message) {
  const RuntimeSection runtime{detail::current_turn()};
  if (!process_of(*this).alive()) return {};
  return node().arm_timer(node().time_after(delay), self(), to, std::move(message));
}

TimerId Context::arm_at(Clock::TimePoint when, const TimerTarget& to, Message message) {
  const RuntimeSection runtime{detail::current_turn()};
  if (!process_of(*this).alive()) return {};
  return node().arm_timer(when, self(), to, std::move(message));
}

TimerId Context::start_timer(Clock::Duration delay, const TimerTarget& to, Value value) {
  const RuntimeSection runtime{detail::current_turn()};
  if (!process_of(*this).alive()) return {};
  Message message = Message::make<TimerExpired>(TimerId{}, std::move(value));
  static_assert(detail::k_boxed<TimerExpired>, "its address must outlive a move of its message");
  TimerId* own_id = &message.get<TimerExpired>()->timer;
  return node().arm_timer(node().time_after(delay), self(), to, std::move(message),
                          {.own_id = own_id});
}

TimerId Context::arm_interval(Clock::Duration period, const TimerTarget& to, Message message,
                              Message (*copy)(const Message&)) {
  const RuntimeSection runtime{detail::current_turn()};
  if (!process_of(*this).alive()) return {};
  if (period <= Clock::Duration::zero()) throw ProcessExit{ExitReason::symbol("badarg")};
  return node().arm_timer(node().time_after(period), self(), to, std::move(message),
                          {.period = period, .copy = copy});
}

std::optional<Clock::Duration> Context::cancel_timer(TimerId timer) {
  const RuntimeSection runtime{detail::current_turn()};
  return node().cancel_timer(timer);
}

bool Context::drop_timer(TimerId timer) {
  const RuntimeSection runtime{detail::current_turn()};
  return node().drop_timer(timer);
}

void Context::cancel_timer_async(TimerId timer, CancelInfo info) {
  const RuntimeSection runtime{detail::current_turn()};
  EnvelopePtr answer;
  if (info == CancelInfo::yes) {
    answer = std::make_unique<Envelope>(SignalKind::told, self(), 0,
                                        Message::make<TimerCancelled>(timer, std::nullopt));
  }
  node().cancel_timer_async(timer, std::move(answer));
}

std::optional<Clock::Duration> Context::read_timer(TimerId timer) const {
  const RuntimeSection runtime{detail::current_turn()};
  return node().read_timer(timer);
}

// -- links and monitors ---------------------------------------------------------------------

void Context::link(const Pid& pid) {
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& process = process_of(*this);
  if (pid == self() || !process.alive()) return;
  const bool here = pid.node == node().id();
  if (process.relations().is_linked(pid)) return;  // its end, if it has come, is on its way
  const bool of_former_life = !here && pid && node_name(pid.node) == node().name();
  const bool gone = !pid || of_former_life || (here && !node().is_alive(pid));
  if (gone) {
    if (!traps_exit()) throw ProcessExit{ExitReason::noproc()};
    // There never is a link. The message comes after what was sent before it, and stays, whatever
    // this process does next.
    process.take_inbox();
    process.append_new(SignalKind::info, pid, detail::k_of_link,
                       Message::make<Exit>(pid, ExitReason::noproc()));
    return;
  }
  auto signal =
      std::make_unique<Envelope>(SignalKind::link, self(), 0, Message::make<detail::SessionMark>());
  if (!process.relations().link(pid)) return;
  const SessionId session = process.emit(pid, std::move(signal));
  if (here) return;
  if (session == Router::k_no_connection || session == Router::k_dead_life) {
    // Through the own queue, so that it comes after what was sent before it.
    auto exit = std::make_unique<Envelope>(SignalKind::exit, pid);
    exit->message = Message::make<detail::ExitSignal>(
        session == Router::k_dead_life ? ExitReason::noproc() : ExitReason::noconnection(), true);
    node().deliver(self(), std::move(exit));
  } else {
    process.relations().set_session(pid, session);
  }
}

void Context::unlink(const Pid& pid) {
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& process = process_of(*this);
  const std::uint64_t id = process.next_serial();
  auto signal = std::make_unique<Envelope>(SignalKind::unlink, self(), id);
  const std::optional<SessionId> linked_over = process.relations().unlink(pid, id);
  if (!linked_over) return;
  signal->message = Message::make<detail::SessionMark>(*linked_over);
  const SessionId session = process.emit(pid, std::move(signal));
  if (pid.node != node().id() &&
      (session == Router::k_no_connection || session == Router::k_dead_life)) {
    process.relations().drop_link(pid);  // nobody will confirm it
  }
}

Ref Context::monitor(const Pid& pid, AliasMode alias) {
  return monitor_process(process_of(*this), pid, alias);
}

Ref Context::monitor(std::string_view local_name) {
  return monitor_name(*this, whereis(local_name), local_name);
}

Ref Context::monitor(const Global& name) {
  return monitor_name(*this, whereis(name.name, Scope::cluster), name.name);
}

Ref Context::monitor(const Via& name) {
  return monitor_name(*this, resolve(name), to_string(name.key));
}

Ref Context::monitor(const RemoteName& name) {
  if (name.node == node().name()) return monitor(std::string_view{name.name});
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& process = process_of(*this);
  const Ref ref = make_ref();
  if (!process.alive()) return ref;
  Router* router = node().router();
  const NodeId there = router != nullptr ? router->connected(name.node) : NodeId{};
  const Pid target = somebody_on(there, name.node);
  process.relations().watch(ref.serial, {.target = target});
  process.name_watch(ref.serial, name.name);
  SessionId session = Router::k_no_connection;
  if (router != nullptr) {
    auto envelope = std::make_unique<Envelope>(SignalKind::monitor, self(), ref.serial);
    envelope->message = Message::make<detail::SessionMark>();
    process.goes_abroad();
    session = router->route(there, name.name, std::move(envelope));
  }
  process.settle_watch(ref.serial, target, session);
  return ref;
}

bool Context::demonitor(const Ref& ref, Flush flush) {
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& process = process_of(*this);
  if (ref.node != node().id() || ref.owner != process.index_) return false;
  process.take_inbox();  // a DOWN that has arrived counts as delivered
  const auto watch = process.relations().end_watch(ref.serial);
  if (watch) {
    process.stop_watching(self(), ref.serial, *watch);
    return true;
  }
  if (flush == Flush::yes) {
    process.remove_message([&ref](const Envelope& envelope) {
      const Down* down = envelope.message.get<Down>();
      return down != nullptr && down->ref == ref;
    });
  }
  return false;
}

Ref Context::alias(AliasMode mode) {
  const RuntimeSection runtime{detail::current_turn()};
  const Ref ref = make_ref();
  if (mode != AliasMode::none) {
    process_of(*this).relations().watch(ref.serial,
                                        {.kind = detail::Watch::Kind::alias, .alias = mode});
  }
  return ref;
}

bool Context::unalias(const Ref& alias) {
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& process = process_of(*this);
  if (alias.node != node().id() || alias.owner != process.index_) return false;
  process.take_inbox();  // a message that has come through it counts as delivered
  return process.relations().unalias(alias.serial);
}

void Context::exit(const Pid& pid, const ExitReason& reason) {
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& process = process_of(*this);
  if (!pid || !process.alive()) return;
  if (pid != self()) {
    process.emit(self(), pid, SignalKind::exit, 0,
                 Message::make<detail::ExitSignal>(reason, false));
    return;
  }
  const bool was_doomed = process.doomed();
  process.take_inbox();  // what others sent before comes first
  process.handle_exit(pid, reason, false);
  // While a destructor runs because of the end, or of another exception, it is ending anyway.
  if (!was_doomed && process.doomed() && std::uncaught_exceptions() == 0) throw ProcessExit{reason};
}

void Context::stop(const ExitReason& reason) {
  const RuntimeSection runtime{detail::current_turn()};
  process_of(*this).stop(reason);
}
bool Context::trap_exit(bool trap) noexcept {
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& process = process_of(*this);
  const bool previous = process.trap_exit_;
  process.trap_exit_ = trap;
  return previous;
}
bool Context::traps_exit() const noexcept {
  const RuntimeSection runtime{detail::current_turn()};
  return process_of(*this).trap_exit_;
}

// -- names ----------------------------------------------------------------------------------

Result<void> Context::register_name(const std::string& name, const Pid& pid, Scope scope) {
  const RuntimeSection runtime{detail::current_turn()};
  return node().register_name(name, pid, scope);
}
bool Context::unregister_name(const std::string& name, Scope scope) {
  const RuntimeSection runtime{detail::current_turn()};
  return node().unregister_name(name, scope);
}
std::optional<Pid> Context::whereis(std::string_view name, Scope scope) const {
  const RuntimeSection runtime{detail::current_turn()};
  return node().whereis(name, scope);
}
std::optional<Pid> Context::resolve(const ServerRef& server) const {
  if (const auto* pid = server.get<Pid>()) return *pid;
  if (const auto* local = server.get<std::string>()) return whereis(*local);
  if (const auto* global = server.get<Global>()) return whereis(global->name, Scope::cluster);
  const auto* via = server.get<Via>();
  if (via == nullptr) return std::nullopt;
  std::shared_ptr<Directory> directory;
  {
    const RuntimeSection runtime{detail::current_turn()};
    directory = node().directory(via->directory);
  }
  return directory == nullptr ? std::nullopt : directory->whereis(via->key);
}
void Context::hibernate() {
  const RuntimeSection runtime{detail::current_turn()};
  process_of(*this).relations().shrink();
}
void Context::set_label(std::string label) {
  const RuntimeSection runtime{detail::current_turn()};
  process_of(*this).extras().label = std::move(label);
}

// -- awaiting -------------------------------------------------------------------------------

namespace detail {

OpenRequest::~OpenRequest() {
  if (serial_ == 0) return;
  const RuntimeSection runtime{current_turn()};
  auto& process = static_cast<Process&>(*context_);
  if (process.alive() && !process.doomed()) context_->end_call(serial_);
}

Waiter::~Waiter() {
  const RuntimeSection runtime{current_turn()};
  auto& process = static_cast<Process&>(context_);
  process.clear_waiter(this);
  if (taken_ != nullptr) process.free_message(taken_);
}

void Waiter::await_suspend(std::coroutine_handle<> handle) {
  const RuntimeSection runtime{current_turn()};
  auto& process = static_cast<Process&>(context_);
  // It may be awaited again: what it took before has been had.
  if (taken_ != nullptr) process.free_message(std::exchange(taken_, nullptr));
  handle_ = handle;
  process.set_waiter(this);
}

EnvelopePtr Waiter::release() {
  const RuntimeSection runtime{current_turn()};
  return static_cast<Process&>(context_).release_message(std::exchange(taken_, nullptr));
}

CallWaiter::CallWaiter(Context& context, std::uint64_t serial, Timeout timeout)
    : Waiter{context, timeout}, serial_{serial} {}

void CallWaiter::await_suspend(std::coroutine_handle<> handle) {
  const RuntimeSection runtime{current_turn()};
  auto& process = static_cast<Process&>(context());
  if (is_open(process, serial_)) look_from_tail();  // only what comes can be its answer
  Waiter::await_suspend(handle);
}

CallWaiter::~CallWaiter() {
  const RuntimeSection runtime{current_turn()};
  auto& process = static_cast<Process&>(context());
  if (!done_ && process.alive() && !process.doomed()) context().end_call(serial_);
}

bool CallWaiter::matches(Envelope& envelope) {
  return envelope.kind() == SignalKind::reply && envelope.serial == serial_;
}

Message CallWaiter::await_resume() {
  std::optional<Message> answer = resume_open();
  if (!answer) {
    context().end_call(serial_);
    throw ProcessExit{ExitReason::symbol("timeout")};
  }
  if (const auto* failure = answer->get<CallFailure>()) throw ProcessExit{failure->reason};
  return *std::move(answer);
}

std::optional<Message> CallWaiter::resume_open() {
  done_ = true;
  if (taken() == nullptr) return std::nullopt;
  return std::move(taken()->message);
}

}  // namespace detail
}  // namespace grove
