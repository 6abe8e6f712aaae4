// SPDX-License-Identifier: Apache-2.0
//
// Ops: what a script can have done, by families. A level of the language is a family in a file of
// its own; it adds its table to find_op().
#pragma once

#include "grove/node/async.hpp"
#include "grove/node/server.hpp"

#include "script.hpp"
#include "world.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace grove::oracle {

/// Whoever runs an op: an actor, or the controller's helper. Lives in its coroutine's frame.
struct Self {
  Context& context;
  World& world;
  std::map<std::string, Ref> monitors = {};  // by label
  std::map<Ref, std::string> labels = {};    // the same, the other way round
  std::map<Ref, std::string> named = {};     // by monitor: the name that it is of, as printed
  std::map<Pid, int> bursts = {};            // under way, by sender: the next number
  std::map<std::string, std::optional<AsyncTask<Value>>> tasks = {};  // none: gone
  std::map<Ref, std::string> task_names = {};
};

/// Carries out one op. Returns: its result as printed. Throws: ScriptError, or ProcessExit for what
/// OTP raises.
using OpBody = Task<std::string> (*)(Self* self, Op op);

enum class By : std::uint8_t { actor, controller };

struct OpEntry {
  std::string_view name;
  By by;
  OpBody body;
  bool last = false;  // ends its actor; reports `ok` before it runs
};

/// Level 1: signals, timers, names.
[[nodiscard]] std::span<const OpEntry> signal_ops();

/// Level 2: gen_server.
[[nodiscard]] std::span<const OpEntry> server_ops();

/// Level 3: supervisors.
[[nodiscard]] std::span<const OpEntry> supervisor_ops();

/// Level 4: DynamicSupervisor, Registry, Task.
[[nodiscard]] std::span<const OpEntry> dynsup_ops();
[[nodiscard]] std::span<const OpEntry> registry_ops();
[[nodiscard]] std::span<const OpEntry> task_ops();

/// Level 5: names and groups of the cluster, functions called on other nodes. What else it has,
/// levels 1 and 2 do across nodes.
[[nodiscard]] std::span<const OpEntry> cluster_ops();
[[nodiscard]] std::span<const OpEntry> erpc_ops();

/// Null when no family has it.
[[nodiscard]] const OpEntry* find_op(std::string_view name);

/// Runs one op and reports its result.
/// Returns: false when the actor is to end normally.
Task<bool> execute(Self* self, Op op);

/// Makes an op of a function that never waits.
template <std::string (*k_function)(Self&, const Op&)>
Task<std::string> at_once(Self* self, Op op) {
  co_return k_function(*self, op);
}

/// The same for one whose failure is a failed call.
template <OpBody k_body>
Task<std::string> or_call_exit(Self* self, Op op) {
  try {
    co_return co_await k_body(self, std::move(op));
  } catch (const ProcessExit& failed) {
    co_return "call_exit(" + self->world.recorder().text_of(failed.reason()) + ")";
  }
}

/// Token `at` as a time in milliseconds; without one, or with `infinity`: no limit.
[[nodiscard]] Timeout time_limit(const Op& op, std::size_t at);
/// Throws ScriptError when nobody was ever called `name`.
[[nodiscard]] Pid pid_of(Self& self, const std::string& name);
/// `NAME`, `%NAME` or `~REG:KEY`.
[[nodiscard]] ServerName server_name(const std::string& text);
/// `@NAME` or `@NAME/NODE`.
[[nodiscard]] ServerRef named_ref(const std::string& target);
/// A target of the language. Throws ScriptError as pid_of().
[[nodiscard]] ServerRef server_ref(Self& self, const std::string& target);
/// Sends a message to a target. Throws as OTP does, for a name that nobody has here: badarg.
template <class T>
void send_to(Self& self, const std::string& target, T message) {
  const ServerRef to = server_ref(self, target);
  if (const auto* remote = to.get<RemoteName>()) {
    self.context.send(*remote, std::move(message));
  } else if (const auto pid = self.context.resolve(to)) {
    self.context.send(*pid, std::move(message));
  } else {
    throw ProcessExit{ExitReason::symbol("badarg")};
  }
}
/// The op count_children, and dyn_count.
Task<std::string> count_of_children(Self* self, Op op);
/// How a start went, as it is printed.
[[nodiscard]] std::string start_text(const Recorder& recorder, const StartResult& result);

}  // namespace grove::oracle
