// SPDX-License-Identifier: Apache-2.0
#include "grove/node/context.hpp"

#include "grove/node/node.hpp"

#include "process.hpp"

namespace grove {
namespace {

detail::Process& process_of(Context& context) { return static_cast<detail::Process&>(context); }
const detail::Process& process_of(const Context& context) {
  return static_cast<const detail::Process&>(context);
}

}  // namespace

std::string to_string(const StartResult& result) {
  switch (result.status) {
    case StartResult::Status::ok: return "ok " + to_string(result.pid);
    case StartResult::Status::ignored: return "ignore";
    case StartResult::Status::already_started: return "already_started " + to_string(result.pid);
    case StartResult::Status::failed: return "failed: " + to_string(result.reason);
  }
  return "";
}

Pid Context::self() const noexcept { return process_of(*this).pid(); }
Node& Context::node() const noexcept { return *process_of(*this).node_; }
Pid Context::parent() const noexcept { return process_of(*this).parent_; }
Ref Context::make_ref() noexcept {
  detail::Process& process = process_of(*this);
  return {process.node_->id(), process.index_, process.next_serial()};
}

Spawned Context::spawn_body(SpawnOptions options, std::unique_ptr<detail::Body> body) {
  return node().spawn_body(this, std::move(options), std::move(body));
}

// -- messages -------------------------------------------------------------------------------

void Context::post(const Pid& to, SignalKind kind, std::uint64_t serial, Message&& message) {
  detail::Process& process = process_of(*this);
  if (!to) {
    node().metrics().add(Metric::dead_letters_no_process);
    return;
  }
  if (kind == SignalKind::reply) process.relations().on_demonitor({to, serial});
  process.emit(process.pid(), to, kind, serial, std::move(message));
}

void Context::post_name(std::string_view to, SignalKind kind, Message message) {
  if (const auto pid = whereis(to)) {
    post(*pid, kind, 0, std::move(message));
  } else {
    node().metrics().add(Metric::dead_letters_no_name);
  }
}

void Context::post_name(const Global& to, SignalKind kind, Message message) {
  if (const auto pid = whereis(to.name, Scope::cluster)) {
    post(*pid, kind, 0, std::move(message));
  } else {
    node().metrics().add(Metric::dead_letters_no_name);
  }
}

void Context::post_name(const RemoteName& to, SignalKind kind, Message message) {
  if (to.node == node().name()) {
    post_name(to.name, kind, std::move(message));
    return;
  }
  detail::Process& process = process_of(*this);
  if (node().router() == nullptr) {
    node().metrics().add(Metric::dead_letters_no_connection);
    return;
  }
  auto envelope = std::make_unique<Envelope>(kind, self());
  envelope->message = std::move(message);
  process.routed_ = process.abroad_ = true;
  node().router()->route(node().router()->connected(to.node), to.name, std::move(envelope));
}

std::uint64_t Context::begin_call(const Pid& server, Message request) {
  detail::Process& process = process_of(*this);
  if (server == self()) throw ProcessExit{ExitReason::symbol("calling_self")};
  const std::uint64_t serial = process.next_serial();
  process.relations().watch(serial, {.target = server, .is_call = true});
  const SessionId session =
      server ? process.emit(self(), server, SignalKind::call, serial, std::move(request))
             : Router::k_dead_life;
  process.settle_watch(serial, server, session);
  return serial;
}

void Context::end_call(std::uint64_t serial) {
  detail::Process& process = process_of(*this);
  // The answer may be here already, for a call that nobody awaits any more.
  process.mailbox_.restart_scan();
  process.mailbox_.scan([serial](const Envelope& envelope) {
    return envelope.kind() == SignalKind::reply && envelope.serial == serial;
  });
  process.mailbox_.restart_scan();
  if (const auto watch = process.relations().end_watch(serial)) {
    process.emit(self(), watch->target, SignalKind::demonitor, serial, {});
  }
}

// -- timers ---------------------------------------------------------------------------------

TimerId Context::arm_after(Clock::Duration delay, const TimerTarget& to, Message message) {
  return node().arm_timer(node().time_after(delay), self(), to, std::move(message));
}

TimerId Context::arm_at(Clock::TimePoint when, const TimerTarget& to, Message message) {
  return node().arm_timer(when, self(), to, std::move(message));
}

TimerId Context::start_timer(Clock::Duration delay, const TimerTarget& to, Value value) {
  Message message = Message::make<TimerExpired>(TimerId{}, std::move(value));
  static_assert(detail::k_boxed<TimerExpired>, "its address must outlive a move of its message");
  TimerId* own_id = &message.get<TimerExpired>()->timer;
  return node().arm_timer(node().time_after(delay), self(), to, std::move(message),
                          {.own_id = own_id});
}

TimerId Context::arm_interval(Clock::Duration period, const TimerTarget& to, Message message,
                              Message (*copy)(const Message&)) {
  if (period <= Clock::Duration::zero()) throw ProcessExit{ExitReason::symbol("badarg")};
  return node().arm_timer(node().time_after(period), self(), to, std::move(message),
                          {.period = period, .copy = copy});
}

std::optional<Clock::Duration> Context::cancel_timer(TimerId timer) {
  return node().cancel_timer(timer);
}

bool Context::drop_timer(TimerId timer) { return node().drop_timer(timer); }

std::optional<Clock::Duration> Context::read_timer(TimerId timer) const {
  return node().read_timer(timer);
}

// -- links and monitors ---------------------------------------------------------------------

void Context::link(const Pid& pid) {
  detail::Process& process = process_of(*this);
  if (pid == self()) return;
  const bool here = pid.node == node().id();
  if (process.relations().is_linked(pid)) return;  // its end, if it has come, is on its way
  if (!pid || (here && !node().is_alive(pid))) {
    if (!traps_exit()) throw ProcessExit{ExitReason::noproc()};
    // Through the own queue, so that it comes after what was sent before it.
    auto exit = std::make_unique<Envelope>(SignalKind::info, pid);
    exit->message = Message::make<Exit>(pid, ExitReason::noproc());
    node().deliver(self(), std::move(exit));
    return;
  }
  if (!process.relations().link(pid)) return;
  const SessionId session =
      process.emit(self(), pid, SignalKind::link, 0, Message::make<detail::SessionMark>());
  if (here) return;
  if (session == Router::k_no_connection || session == Router::k_dead_life) {
    auto exit = std::make_unique<Envelope>(SignalKind::exit, pid);
    exit->message = Message::make<detail::ExitSignal>(
        session == Router::k_dead_life ? ExitReason::noproc() : ExitReason::noconnection(), true);
    node().deliver(self(), std::move(exit));
  } else {
    process.relations().set_session(pid, session);
  }
}

void Context::unlink(const Pid& pid) {
  detail::Process& process = process_of(*this);
  const std::uint64_t id = process.next_serial();
  if (!process.relations().unlink(pid, id)) return;
  const SessionId session = process.emit(self(), pid, SignalKind::unlink, id, {});
  if (pid.node != node().id() &&
      (session == Router::k_no_connection || session == Router::k_dead_life)) {
    process.relations().drop_link(pid);  // nobody will confirm it
  }
}

Ref Context::monitor(const Pid& pid) {
  detail::Process& process = process_of(*this);
  const Ref ref = make_ref();
  if (pid == self()) return ref;  // never fires
  process.relations().watch(ref.serial, {.target = pid});
  const SessionId session = pid ? process.emit(self(), pid, SignalKind::monitor, ref.serial,
                                               Message::make<detail::SessionMark>())
                                : Router::k_dead_life;
  process.settle_watch(ref.serial, pid, session);
  return ref;
}

Ref Context::monitor(std::string_view local_name) {
  const Ref ref = monitor(whereis(local_name).value_or(Pid{}));
  process_of(*this).name_watch(ref.serial, std::string{local_name});
  return ref;
}

Ref Context::monitor(const Global& name) {
  const Ref ref = monitor(whereis(name.name, Scope::cluster).value_or(Pid{}));
  process_of(*this).name_watch(ref.serial, name.name);
  return ref;
}

Ref Context::monitor(const RemoteName& name) {
  if (name.node == node().name()) return monitor(std::string_view{name.name});
  detail::Process& process = process_of(*this);
  const Ref ref = make_ref();
  Router* router = node().router();
  // Its pid stays unknown here; its node tells what the end of a session ends.
  const Pid target{router != nullptr ? router->connected(name.node) : NodeId{}, 0, 0};
  process.relations().watch(ref.serial, {.target = target, .name = name.name});
  SessionId session = Router::k_no_connection;
  if (router != nullptr) {
    auto envelope = std::make_unique<Envelope>(SignalKind::monitor, self(), ref.serial);
    envelope->message = Message::make<detail::SessionMark>();
    process.routed_ = process.abroad_ = true;
    session = router->route(target.node, name.name, std::move(envelope));
  }
  process.settle_watch(ref.serial, target, session);
  return ref;
}

bool Context::demonitor(const Ref& ref, Flush flush) {
  detail::Process& process = process_of(*this);
  if (ref.node != node().id() || ref.owner != process.index_) return false;
  process.take_inbox();  // a DOWN that has arrived counts as delivered
  const auto watch = process.relations().end_watch(ref.serial);
  if (watch) {
    process.stop_watching(self(), ref.serial, *watch);
    return true;
  }
  if (flush == Flush::yes) {
    process.mailbox_.restart_scan();
    process.mailbox_.scan([&ref](const Envelope& envelope) {
      const Down* down = envelope.message.get<Down>();
      return down != nullptr && down->ref == ref;
    });
    process.mailbox_.restart_scan();
  }
  return false;
}

void Context::exit(const Pid& pid, const ExitReason& reason) {
  detail::Process& process = process_of(*this);
  if (pid == self()) {
    process.take_inbox();  // what others sent before comes first
    process.handle_exit(pid, reason, false);
    return;
  }
  if (!pid) return;
  process.emit(self(), pid, SignalKind::exit, 0, Message::make<detail::ExitSignal>(reason, false));
}

void Context::stop(const ExitReason& reason) { process_of(*this).stop(reason); }
bool Context::trap_exit(bool trap) noexcept {
  return std::exchange(process_of(*this).trap_exit_, trap);
}
bool Context::traps_exit() const noexcept { return process_of(*this).trap_exit_; }

// -- names ----------------------------------------------------------------------------------

Result<void> Context::register_name(const std::string& name, const Pid& pid, Scope scope) {
  return node().register_name(name, pid, scope);
}
bool Context::unregister_name(const std::string& name, Scope scope) {
  return node().unregister_name(name, scope);
}
std::optional<Pid> Context::whereis(std::string_view name, Scope scope) const {
  return node().whereis(name, scope);
}
void Context::set_label(std::string label) { process_of(*this).label_ = std::move(label); }

// -- awaiting -------------------------------------------------------------------------------

namespace detail {

Waiter::Waiter(Context& context, Timeout timeout) : context_{context}, timeout_{timeout} {}
Waiter::~Waiter() { static_cast<Process&>(context_).clear_waiter(this); }

bool Waiter::await_ready() { return false; }

void Waiter::await_suspend(std::coroutine_handle<> handle) {
  handle_ = handle;
  static_cast<Process&>(context_).set_waiter(this);
}

CallWaiter::CallWaiter(Context& context, std::uint64_t serial, Timeout timeout)
    : Waiter{context, timeout}, serial_{serial} {
  from_tail_ = true;
}

CallWaiter::~CallWaiter() {
  if (!done_ && !static_cast<Process&>(context()).doomed()) context().end_call(serial_);
}

bool CallWaiter::matches(Envelope& envelope) {
  return envelope.kind() == SignalKind::reply && envelope.serial == serial_;
}

Message CallWaiter::await_resume() {
  done_ = true;
  const EnvelopePtr envelope = take();
  if (envelope == nullptr) {
    context().end_call(serial_);
    throw ProcessExit{ExitReason::symbol("timeout")};
  }
  if (const auto* reason = envelope->message.get<ExitReason>()) throw ProcessExit{*reason};
  return std::move(envelope->message);
}

}  // namespace detail
}  // namespace grove
