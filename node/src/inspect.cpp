// SPDX-License-Identifier: Apache-2.0
#include "grove/node/inspect.hpp"

#include "process.hpp"

#include <utility>

namespace grove {

std::uint64_t detail::ask(Context& context, const Pid& pid, SignalKind kind, Message request) {
  const RuntimeSection runtime{current_turn()};
  auto& process = static_cast<Process&>(context);
  if (!process.alive()) throw ProcessExit{ExitReason::killed()};
  const std::uint64_t serial = process.next_serial();
  process.relations().watch(serial, {.target = pid, .kind = Watch::Kind::call});
  const SessionId session = pid ? process.emit(process.pid(), pid, kind, serial, std::move(request))
                                : Router::k_dead_life;
  process.settle_watch(serial, pid, session);
  return serial;
}

Task<std::optional<ProcessInfo>> process_info(Context& context, Pid pid) {
  if (pid == context.self()) {
    const RuntimeSection runtime{detail::current_turn()};
    co_return static_cast<detail::Process&>(context).own_info();
  }
  try {
    Message request = Message::make<detail::InfoRequest>();
    const std::uint64_t serial = detail::ask(context, pid, SignalKind::inspect, std::move(request));
    detail::Call<ProcessInfo> answer{context, serial, std::nullopt};
    co_return co_await std::move(answer);
  } catch (const ProcessExit& failed) {
    if (failed.reason() != ExitReason::noproc()) throw;
  }
  co_return std::nullopt;
}

Task<bool> is_alive(Context& context, Pid pid) {
  if (pid == context.self()) co_return true;
  try {
    Message request = Message::make<detail::AliveRequest>();
    const std::uint64_t serial = detail::ask(context, pid, SignalKind::inspect, std::move(request));
    detail::Call<void> answer{context, serial, std::nullopt};
    co_await std::move(answer);
    co_return true;
  } catch (const ProcessExit& failed) {
    if (failed.reason() != ExitReason::noproc()) throw;
  }
  co_return false;
}

}  // namespace grove
