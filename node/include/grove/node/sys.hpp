// SPDX-License-Identifier: Apache-2.0
//
// sys: to look into running servers, halt them, and trace any process. Nothing is asked of a
// server's code but to show its state, if it wants to:
//
//   Value debug_state() const;   what get_state() is to show, or
//   State& state();              the state itself: get_state<State>() and replace_state<State>()
//                                work on it, and get_state() shows it if it may travel; one that is
//                                returned const, or by value, cannot be replaced
//
// Servers of any node, where nothing else is said. A request is handled in order with the server's
// other messages, so that a server busy in a handler answers after it; while suspended it handles
// these requests alone. Errors of all, as ProcessExit: noproc, {nodedown, Node}, timeout,
// calling_self, not_a_server, and what their comments name. Source: OTP sys; semantics.md SYS-*.
#pragma once

#include "grove/core/value.hpp"
#include "grove/node/inspect.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace grove {

namespace detail {

/// What a server is asked for. `use` is given the state when that is of `type`.
struct SysRequest {
  enum class Action : std::uint8_t { show_state, copy_state, suspend, resume, use_state };
  Action action = Action::show_state;
  const MessageType* type = nullptr;  // this and the next do not travel
  std::function<void(void* state)> use = {};
};

/// Throws ProcessExit({bad_state, Name}) when the copy is not of `type`.
Task<Message> copy_state(Context& context, Pid server, const MessageType* type, Timeout timeout);

Task<> use_state(Context& context, Pid server, const MessageType* type,
                 std::function<void(void* state)> use, Timeout timeout);

}  // namespace detail

namespace sys {

/// The state for a person to read. Errors: no_state, {callback_failed, Reason}.
[[nodiscard]] Task<Value> get_state(Context& context, Pid server, Timeout timeout = k_call_timeout);

/// A copy of the state. Errors: no_state, {bad_state, Name} (it is a Name); of a server elsewhere
/// {error, no_wire_form, Name} when the state cannot travel.
template <class S>
[[nodiscard]] Task<S> get_state(Context& context, Pid server, Timeout timeout = k_call_timeout) {
  Message copy = co_await detail::copy_state(context, server, &k_message_type<S>, timeout);
  co_return std::move(*copy.get<S>());
}

/// Makes `change(state)` the state, in the server. Returns: a copy of it.
/// Errors: as get_state<S>(), no_state also when it is const or a value; when `change` throws,
/// {callback_failed, Reason}: nothing has changed; badarg, of a server of another node.
template <class S, class F>
requires std::is_invocable_r_v<S, F&, S> Task<S> replace_state(Context& context, Pid server,
                                                               F change,
                                                               Timeout timeout = k_call_timeout) {
  auto copy = std::make_shared<std::optional<S>>();
  std::function<void(void*)> use = [copy, change](void* state) mutable {
    S& current = *static_cast<S*>(state);
    S next = change(S{std::as_const(current)});
    *copy = next;
    current = std::move(next);
  };
  co_await detail::use_state(context, server, &k_message_type<S>, std::move(use), timeout);
  co_return std::move(**copy);
}
template <class S>
Task<> replace_state(Context& context, Pid server, S state, Timeout timeout = k_call_timeout) {
  std::function<void(void*)> use = [state](void* current) { *static_cast<S*>(current) = state; };
  co_await detail::use_state(context, server, &k_message_type<S>, std::move(use), timeout);
}

/// The server handles nothing but these requests until resume(): all else waits in its mailbox. It
/// still ends by stop_server() and with its parent. A server suspended already stays so.
Task<> suspend(Context& context, Pid server, Timeout timeout = k_call_timeout);
/// It goes on with what has waited, in order. A no-op for a server that is not suspended.
Task<> resume(Context& context, Pid server, Timeout timeout = k_call_timeout);

// -- tracing, of any process of this node ----------------------------------------------------

inline constexpr std::uint32_t k_trace_limit_max = 1'000'000;

struct TraceOptions {
  std::uint32_t limit = 0;  // events; 1 to k_trace_limit_max
  bool received = true;     // messages when they enter its mailbox, what the runtime says included
  bool sent = true;         // messages and answers to a process
  bool exited = true;       // its end; the text is the reason
  std::size_t text_max = 256;  // bytes of a message's text; 0: none, which is cheaper
};

/// What a tracer is sent.
struct TraceEvent {
  enum class Kind : std::uint8_t { received, sent, exited, limit_reached };
  Pid pid;
  Kind kind = Kind::received;
  std::string type;  // the message's
  Pid peer;          // its sender or target
  std::string text;
};
[[nodiscard]] std::string_view to_string(TraceEvent::Kind kind);

/// Sends the caller a TraceEvent for what `pid` receives, sends and ends with, from now on. Ends
/// with the `limit`-th event, which a last one (limit_reached) follows; by untrace(); with either
/// process. The same tracer may begin anew. TraceEvents themselves are never traced.
/// Errors: ProcessExit: noproc, badarg (the limit; the caller itself; a pid of another node),
/// already_traced (by another process that lives).
Task<> trace(Context& context, Pid pid, TraceOptions options);
/// Ends the caller's trace of `pid`: when this returns no event follows. A no-op without one.
Task<> untrace(Context& context, Pid pid);

}  // namespace sys

namespace detail {

/// Begins the sender's trace; with a limit of 0, ends it.
struct TraceRequest {
  sys::TraceOptions options;
};

}  // namespace detail
}  // namespace grove

GROVE_MESSAGE(grove::detail::SysRequest, "grove.sys_request", action)
