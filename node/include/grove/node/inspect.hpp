// SPDX-License-Identifier: Apache-2.0
//
// What one process can ask about another without its cooperation. Such a question is a signal: it
// comes after all that the caller has sent to that process before, and is answered when it arrives,
// ahead of any mailbox; for a process stuck in its code the watchdog answers.
//
// Source: OTP erlang:process_info/1, is_process_alive/1.
#pragma once

#include "grove/node/context.hpp"
#include "grove/node/node.hpp"

#include <cstdint>
#include <optional>

namespace grove {

/// All about a process of any node. Returns: nothing when it has ended.
/// Errors: ProcessExit({nodedown, Node}) when its node cannot be reached.
[[nodiscard]] Task<std::optional<ProcessInfo>> process_info(Context& context, Pid pid);

/// Whether a process of any node lives. After exit(pid, kill) by the same caller: false.
/// Errors: as process_info(). Node::is_alive() is cheaper, and not ordered after what was sent.
[[nodiscard]] Task<bool> is_alive(Context& context, Pid pid);

namespace detail {

/// Answered by Ok.
struct AliveRequest {};
/// Answered by ProcessInfo.
struct InfoRequest {};

/// Sends a question, whose answer a Call of the returned serial awaits.
/// Errors: ProcessExit(killed) when the caller has ended.
[[nodiscard]] std::uint64_t ask(Context& context, const Pid& pid, SignalKind kind, Message request);

}  // namespace detail
}  // namespace grove

GROVE_MESSAGE(grove::detail::AliveRequest, "grove.alive_request")
GROVE_MESSAGE(grove::detail::InfoRequest, "grove.info_request")
GROVE_MESSAGE(grove::ProcessInfo, "grove.process_info", pid, name, label, parent, ancestors, status,
              priority, handling, handling_since, mailbox, oldest_message_age, reductions,
              memory_bytes, trap_exit, tables, links, monitors, monitor_names, monitored_by)
