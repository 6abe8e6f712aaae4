// SPDX-License-Identifier: Apache-2.0
#include "grove/node/gen_server.hpp"

#include "grove/node/node.hpp"
#include "grove/node/sys.hpp"

#include "node_down.hpp"
#include "reminders.hpp"

#include <algorithm>

namespace grove {
namespace {

Result<void> register_as(Context& context, const ServerName& name) {
  if (const auto* local = name.local()) return context.register_name(*local, context.self());
  if (const auto* global = name.global()) {
    return context.register_name(global->name, context.self(), Scope::cluster);
  }
  const auto directory = context.node().directory(name.via()->directory);
  if (directory != nullptr) return directory->register_name(context, *name.via());
  return Error{Errc::not_found, "there is no registry " + name.via()->directory};
}

std::optional<Pid> holder_of(Context& context, const ServerName& name) {
  if (const auto* local = name.local()) return context.whereis(*local);
  if (const auto* global = name.global()) return context.whereis(global->name, Scope::cluster);
  return context.resolve(*name.via());
}

void give_back(Context& context, const ServerName& name) {
  if (const auto* local = name.local()) {
    context.unregister_name(*local);
  } else if (const auto* global = name.global()) {
    context.unregister_name(global->name, Scope::cluster);
  } else if (const auto directory = context.node().directory(name.via()->directory)) {
    directory->unregister_name(context, name.via()->key);
  }
}

/// As the runtime's own word, which no bound of the server's mailbox keeps out.
void request_stop(Context& context, const Pid& server, detail::StopServer request) {
  if (server.node != context.node().id()) return context.send(server, std::move(request));
  detail::tell(context, server, Message::make<detail::StopServer>(std::move(request)));
}

}  // namespace

std::string to_string(const ServerName& name) {
  if (const auto* local = name.local()) return *local;
  if (const auto* global = name.global()) return global->name;
  const Via* via = name.via();
  return via == nullptr ? "" : via->directory + ':' + to_string(via->key);
}

std::string to_string(const StartResult& result) {
  switch (result.status) {
    case StartResult::Status::ok: return "ok " + to_string(result.pid);
    case StartResult::Status::ignored: return "ignore";
    case StartResult::Status::already_started: return "already_started " + to_string(result.pid);
    case StartResult::Status::failed: return "failed: " + to_string(result.reason);
  }
  return "";
}

namespace detail {

/// The message of a time that has passed without another.
struct IdleTime {
  std::uint64_t number;
};

std::string ServerBodyBase::name_elsewhere() const {
  const ServerName& name = options_.name;
  return name.empty() || name.local() != nullptr ? std::string{} : to_string(name);
}

// -- start ----------------------------------------------------------------------------------

bool take_name(Context& context, const ServerName& name, const From& starter) {
  if (name.empty()) return true;
  auto taken = register_as(context, name);
  auto holder = holder_of(context, name);
  const bool here = name.local() != nullptr;
  for (bool again = true; again && !taken && taken.error().code == Errc::name_taken && !holder;) {
    // Its holder has gone in between: the name is free now; here it is, as soon as that has ended.
    again = here;
    taken = register_as(context, name);
    holder = holder_of(context, name);
  }
  if (taken) return true;
  if (holder && taken.error().code == Errc::name_taken) {
    answer_start(context, starter, StartResult::Status::already_started, *holder);
    context.unlink(context.parent());  // a starter hears of this by the answer alone
    context.stop(ExitReason::normal());
  } else {
    const Error& error = taken.error();
    // Refused, as in a minority, or between two that lose it: no fault of the server's, so no
    // crash.
    context.stop(
        error.code == Errc::refused || error.code == Errc::name_taken
            ? ExitReason::shutdown(Value::tuple({Value::symbol("name_refused"), error.detail}))
            : ExitReason{Value::tuple({Value::symbol("bad_name"), error.detail})});
  }
  return false;
}

void ServerBodyBase::give_name_back(Context& context) {
  if (!options_.name.empty()) give_back(context, options_.name);
}

Task<> ServerBodyBase::begin(Context& context, GenServer& server, const Init& init) {
  if (init.ignored()) {
    give_name_back(context);  // before the starter goes on
    answer_start(context, starter_, StartResult::Status::ignored, {});
    context.stop(ExitReason::normal());
    return {};
  }
  const bool ends = context.doomed();
  if (ends || init.stopped() || (server.next_ != nullptr && server.next_->stop)) {
    give_name_back(context);
    if (ends) return {};
    context.stop(init.stopped() ? *init.stopped() : *server.next_->stop);
    return {};
  }
  answer_start(context, starter_, StartResult::Status::ok, context.self());
  return unfinished(server) ? finish(context, server) : Task<>{};
}

void answer_start(Context& context, const From& starter, StartResult::Status status,
                  const Pid& pid) {
  if (starter.serial != 0) context.reply(starter, StartAck{status, pid});
}

SpawnOptions spawn_options_of(const ServerOptions& options, std::uint64_t serial) {
  SpawnOptions spawn;
  spawn.link = options.link;
  spawn.trap_exit = options.trap_exit;
  spawn.priority = options.priority;
  spawn.mailbox = options.mailbox;
  spawn.label = options.label;
  spawn.start_serial = serial;
  return spawn;
}

Task<StartResult> start_server(Context& context, std::unique_ptr<ServerBodyBase> body) {
  const std::uint64_t serial = context.make_ref().serial;
  const Timeout timeout = body->options().timeout;
  body->set_starter({context.self(), serial});
  SpawnOptions options = spawn_options_of(body->options(), serial);
  const Pid pid = context.spawn_body(std::move(options), std::move(body)).pid;
  Task<StartResult> start = await_start(context, pid, serial, timeout);
  co_return co_await start;
}

// The StartAck is the answer to a call that began with the spawn, so a server that dies in its
// init, or hangs there, is told apart without a message that could stray.
Task<StartResult> await_start(Context& context, Pid pid, std::uint64_t serial, Timeout timeout) {
  StartResult result;
  try {
    Call<StartAck> start{context, serial, timeout};
    const StartAck ack = co_await std::move(start);
    result.status = ack.status;
    result.pid = ack.pid;
  } catch (const ProcessExit& failed) {
    result.reason = failed.reason();
    if (context.node().is_alive(pid)) {  // it timed out: nothing half-started stays behind
      context.unlink(pid);
      context.exit(pid, ExitReason::kill());
    }
  }
  co_return result;
}

// -- the loop -------------------------------------------------------------------------------

/// A server that was started without a link is its own parent, as in OTP.
Pid ServerBodyBase::parent(Context& context) const {
  return options_.link ? context.parent() : context.self();
}

const ExitReason* ServerBodyBase::reason_to_end(Context& context, const Envelope& envelope) const {
  if (const auto* exit = envelope.message.get<Exit>()) {
    // The parent's end is ours, whatever the server handles.
    return exit->from == parent(context) ? &exit->reason : nullptr;
  }
  const auto* stop = envelope.message.get<StopServer>();
  return stop == nullptr ? nullptr : &stop->reason;
}

void ServerBodyBase::unhandled_info(Context& context, const Envelope& envelope) {
  context.node().dead_letter(Metric::dead_letters_unhandled, envelope, context.self());
  const MessageType* const type = envelope.message.type();
  if (std::find(unhandled_.begin(), unhandled_.end(), type) != unhandled_.end()) return;
  unhandled_.push_back(type);
  context.node().log().warning(
      options_.label + ' ' + to_string(context.self()) +
      " was sent a message that no handle_info() of it takes: " + to_string(envelope.message));
}

Task<> ServerBodyBase::finish_after(Context& context, GenServer& server, Task<> handler) {
  try {
    co_await handler;
  } catch (...) {
    server.stop(exit_reason_of(std::current_exception()));
  }
  if (unfinished(server)) co_await finish(context, server);
}

Task<> ServerBodyBase::finish(Context& context, GenServer& server) {
  Timeout timeout;
  bool hibernates = false;
  bool slept = false;
  while (server.next_ != nullptr && !server.next_->stop) {
    if (server.next_->continuations.empty()) {
      const auto asked = std::move(server.next_);
      if (asked->timeout) timeout = asked->timeout;
      hibernates = asked->hibernate;
      if (!hibernates) break;
    }
    try {
      Task<> task;
      if (hibernates) {
        hibernates = false;
        slept = true;
        context.hibernate();
        task = run_hibernate();
      } else {
        Message message = std::move(server.next_->continuations.front());
        server.next_->continuations.pop_front();
        task = run_continuation(std::move(message));
      }
      if (task) co_await task;
    } catch (...) {
      server.stop(exit_reason_of(std::current_exception()));
    }
  }
  if (server.next_ != nullptr) {
    co_await end(context, *server.next_->stop);
    co_return;
  }
  if (timeout && *timeout < Clock::Duration::zero()) {
    co_await end(context, ExitReason::symbol("badarg"));
    co_return;
  }
  if (!timeout && idle_ != nullptr) timeout = idle_->timeout;  // a system message cancels none
  if (timeout || (options_.hibernate_after && !slept)) await_idleness(context, timeout);
}

Task<> ServerBodyBase::end(Context& context, ExitReason reason, From from, Message answer) {
  // An exit signal to itself ends it as one from another process would: nothing more is done.
  if (context.doomed()) co_return;
  try {
    Task<> terminating = run_terminate(reason);
    if (terminating) co_await terminating;
  } catch (...) {
    reason = exit_reason_of(std::current_exception());
  }
  if (context.doomed()) co_return;
  Task<> ending = end_children(reason);
  if (ending) co_await ending;
  if (answer) context.reply_message(from, std::move(answer));
  context.stop(reason);
}

// -- time -----------------------------------------------------------------------------------

void ServerBodyBase::await_idleness(Context& context, Timeout timeout) {
  if (idle_ == nullptr) idle_ = std::make_unique<Idle>();
  context.drop_timer(idle_->timer);
  idle_->timeout = timeout;
  const Clock::Duration time = timeout ? *timeout : *options_.hibernate_after;
  idle_->timer = remind_after(context, time, Message::make<IdleTime>(++idle_->number));
}

bool ServerBodyBase::interrupts_idleness(Context& context, GenServer& server, Envelope& envelope) {
  if (envelope.message.is<SysRequest>()) return true;  // it begins anew after that
  const auto* passed = envelope.message.get<IdleTime>();
  if (passed != nullptr && passed->number != idle_->number) return false;
  context.drop_timer(std::exchange(idle_->timer, {}));
  ++idle_->number;
  const bool timed_out = std::exchange(idle_->timeout, std::nullopt).has_value();
  if (passed == nullptr) return true;
  if (timed_out) {
    envelope.message = Message::make<ServerTimeout>();
    return true;
  }
  server.hibernate();
  return false;
}

Clock::TimePoint deadline_in(Context& context, const Timeout& timeout) {
  return timeout ? context.node().clock().deadline_after(*timeout) : Clock::TimePoint::max();
}

Clock::Duration left(Context& context, Clock::TimePoint deadline) {
  return context.node().clock().until(deadline);
}

}  // namespace detail

Task<> stop_server(Context& context, ServerRef server, ExitReason reason, Timeout timeout) {
  const auto* remote = server.get<RemoteName>();
  if (remote != nullptr && remote->node == context.node().name()) server = remote->name;
  remote = server.get<RemoteName>();
  const Pid pid = context.resolve(server).value_or(Pid{});
  if (pid == context.self() && pid) throw ProcessExit{ExitReason::symbol("calling_self")};
  // The DOWN alone does not tell an end with this reason from a server that was not there.
  const bool tells = reason != ExitReason::noproc() || context.node().is_alive(pid);
  const Ref ref = remote != nullptr ? context.monitor(*remote) : context.monitor(pid);
  detail::StopServer request{reason};
  if (remote != nullptr) {
    context.send(*remote, std::move(request));
  } else if (pid) {
    request_stop(context, pid, std::move(request));
  }
  const auto is_its_end = [ref](const Down& down) { return down.ref == ref; };
  std::optional<Down> down;
  if (timeout) {
    down = co_await context.receive_for<Down>(*timeout, is_its_end);
  } else {
    down = co_await context.receive<Down>(is_its_end);
  }
  if (!down) {
    context.demonitor(ref, Flush::yes);
    throw ProcessExit{ExitReason::symbol("timeout")};
  }
  if (down->reason == reason && tells) co_return;
  throw ProcessExit{detail::failure_of_call(context.node().id(), down->pid.node, down->reason)};
}

}  // namespace grove
