// SPDX-License-Identifier: Apache-2.0
//
// SpawnOptions: what a process may be started with, and what it may ask of its mailbox and aliases.
#pragma once

#include "grove/core/exit_reason.hpp"
#include "grove/core/ids.hpp"
#include "grove/core/priority.hpp"

#include <cstdint>
#include <string>

namespace grove {

/// What happens to a message for a mailbox that is full.
enum class MailboxPolicy : std::uint8_t {
  suspend_sender,  // it is let in; its sender waits, after its handler or at its next await
  drop_newest,     // it is dropped
  drop_oldest,     // the oldest message of the mailbox is dropped
  fail,            // send() throws ProcessExit(mailbox_full) in the sender
};

/// How many messages may wait for a process. Counts what is sent, casts and calls; never what the
/// runtime itself says (Down, Exit, answers). A call that is refused, or dropped later, fails with
/// mailbox_full; one that is let in waits for its answer alone. While a sender waits for room it
/// handles nothing, so two that suspend each other wait for ever. fail: not from a destructor.
/// Every message dropped is a dead letter. A sender that is no process of this node, and a timer,
/// cannot wait, nor be told: for them `suspend_sender` lets in and `fail` drops.
struct MailboxLimit {
  std::uint32_t messages = 0;  // 0: no limit
  MailboxPolicy policy = MailboxPolicy::suspend_sender;
};

/// When an alias ends by itself. Source: OTP, alias/1 and the alias option of monitor/3.
enum class AliasMode : std::uint8_t {
  none,
  explicit_unalias,  // never: by unalias(), or with its process
  reply,             // with the first message that comes through it
  demonitor,         // with the monitor of the same reference
  reply_demonitor,   // with either; the first message ends the monitor, too
};

/// What a spawn may be asked for.
struct SpawnOptions {
  bool link = false;
  bool monitor = false;
  bool trap_exit = false;
  bool reply = false;  // the runtime's own: of spawn_request()
  Priority priority = Priority::normal;
  MailboxLimit mailbox = {};
  std::uint64_t start_serial = 0;     // the runtime's own: of a server start that is awaited
  AliasMode alias = AliasMode::none;  // of the monitor: its reference is an alias, too
  std::uint64_t monitor_serial = 0;   // the runtime's own: of a monitor that is known beforehand
  std::string label = {};  // shown by inspection; the program's word for what this process is
};

struct Spawned {
  Pid pid;
  Ref ref;  // of the monitor, or the request, when one was asked for
};

/// The answer to spawn_request() (OTP: {spawn_reply, ReqId, ok, Pid}, or error, Reason).
struct SpawnReply {
  Ref request;
  Pid pid;            // nobody: nothing was started
  ExitReason reason;  // then: why
};

}  // namespace grove
