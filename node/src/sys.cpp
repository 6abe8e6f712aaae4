// SPDX-License-Identifier: Apache-2.0
#include "grove/node/sys.hpp"

#include <utility>

namespace grove {
namespace {

using detail::SysRequest;

/// What is asked for cannot leave the node.
void refuse_elsewhere(const Context& context, const Pid& pid) {
  const bool elsewhere = pid && pid.node != context.self().node;
  if (elsewhere) throw ProcessExit{ExitReason::symbol("badarg")};
}

Task<> ask_server(Context& context, Pid server, SysRequest::Action action, Timeout timeout) {
  if (server == context.self()) throw ProcessExit{ExitReason::symbol("calling_self")};
  Message request = Message::make<SysRequest>(action);
  const std::uint64_t serial = detail::ask(context, server, SignalKind::system, std::move(request));
  detail::Call<void> done{context, serial, timeout};
  co_await std::move(done);
}

Task<> ask_trace(Context& context, Pid pid, sys::TraceOptions options) {
  refuse_elsewhere(context, pid);
  Message request = Message::make<detail::TraceRequest>(options);
  const std::uint64_t serial = detail::ask(context, pid, SignalKind::inspect, std::move(request));
  detail::Call<void> done{context, serial, std::nullopt};
  co_await std::move(done);
}

}  // namespace

Task<> detail::use_state(Context& context, Pid server, const MessageType* type,
                         std::function<void(void* state)> use, Timeout timeout) {
  if (server == context.self()) throw ProcessExit{ExitReason::symbol("calling_self")};
  refuse_elsewhere(context, server);
  Message request = Message::make<SysRequest>(SysRequest::Action::use_state, type, std::move(use));
  const std::uint64_t serial = ask(context, server, SignalKind::system, std::move(request));
  Call<void> done{context, serial, timeout};
  co_await std::move(done);
}

Task<Message> detail::copy_state(Context& context, Pid server, const MessageType* type,
                                 Timeout timeout) {
  if (server == context.self()) throw ProcessExit{ExitReason::symbol("calling_self")};
  Message request = Message::make<SysRequest>(SysRequest::Action::copy_state);
  const std::uint64_t serial = ask(context, server, SignalKind::system, std::move(request));
  CallWaiter waiter{context, serial, timeout};
  Message copy = co_await waiter;
  if (copy.type() == type) co_return copy;
  throw ProcessExit{
      ExitReason{Value::tuple({Value::symbol("bad_state"), std::string{copy.type()->name}})}};
}

namespace sys {

Task<Value> get_state(Context& context, Pid server, Timeout timeout) {
  if (server == context.self()) throw ProcessExit{ExitReason::symbol("calling_self")};
  Message request = Message::make<SysRequest>(SysRequest::Action::show_state);
  const std::uint64_t serial = detail::ask(context, server, SignalKind::system, std::move(request));
  detail::Call<Value> state{context, serial, timeout};
  co_return co_await std::move(state);
}

Task<> suspend(Context& context, Pid server, Timeout timeout) {
  return ask_server(context, server, SysRequest::Action::suspend, timeout);
}

Task<> resume(Context& context, Pid server, Timeout timeout) {
  return ask_server(context, server, SysRequest::Action::resume, timeout);
}

std::string_view to_string(TraceEvent::Kind kind) {
  switch (kind) {
    case TraceEvent::Kind::received: return "received";
    case TraceEvent::Kind::sent: return "sent";
    case TraceEvent::Kind::exited: return "exited";
    case TraceEvent::Kind::limit_reached: return "limit_reached";
  }
  return "";
}

Task<> trace(Context& context, Pid pid, TraceOptions options) {
  const bool bad_limit = options.limit == 0 || options.limit > k_trace_limit_max;
  if (bad_limit || pid == context.self()) throw ProcessExit{ExitReason::symbol("badarg")};
  co_await ask_trace(context, pid, options);
}

Task<> untrace(Context& context, Pid pid) {
  if (pid == context.self()) co_return;
  try {
    co_await ask_trace(context, pid, TraceOptions());
  } catch (const ProcessExit& failed) {
    if (failed.reason() != ExitReason::noproc()) throw;  // its trace has ended with it
  }
}

}  // namespace sys
}  // namespace grove
