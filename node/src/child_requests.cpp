// SPDX-License-Identifier: Apache-2.0
#include "child_requests.hpp"

#include "grove/node/restart.hpp"

#include "process.hpp"

namespace grove::detail {
namespace {

/// A process of another node than the child's has its cluster-wide name: to start again and again
/// would not change that, and after a partition it would take the tree down.
bool held_elsewhere(const Context& context, const ChildSpec& spec, const StartResult& result) {
  if (result.status != StartResult::Status::already_started || !result.pid) return false;
  if (spec.options.name.global() == nullptr) return false;
  const NodeId holder = result.pid.node;
  return spec.node.empty() ? holder != context.self().node : node_name(holder) != spec.node;
}

/// The Down of a monitor: while that is open, it comes behind all that is in the mailbox, be it the
/// Exits of a thousand children that died together.
class EndOf final : public Waiter {
 public:
  EndOf(Context& context, const Ref& monitor, Timeout timeout)
      : Waiter{context, timeout}, monitor_{monitor} {}
  void await_suspend(std::coroutine_handle<> handle) {
    const RuntimeSection runtime{current_turn()};
    // The watchdog may have taken the Down in since, of a process that it held for stuck.
    auto& process = static_cast<Process&>(context());
    if (process.relations().find_watch(monitor_.serial) != nullptr) look_from_tail();
    Waiter::await_suspend(handle);
  }
  /// Returns: false after the timeout.
  [[nodiscard]] bool await_resume() const noexcept { return taken() != nullptr; }

 private:
  bool matches(Envelope& envelope) override {
    const Down* down = envelope.message.get<Down>();
    return down != nullptr && down->ref == monitor_;
  }
  Ref monitor_;
};

}  // namespace

bool is_name_refused(const StartResult& result) {
  if (result.status != StartResult::Status::failed) return false;
  const Value::Items* reason = result.reason.term().as_tuple();  // {shutdown, {name_refused, _}}
  const Value::Items* why =
      reason != nullptr && reason->size() == 2 ? reason->back().as_tuple() : nullptr;
  return why != nullptr && !why->empty() && why->front() == Value::symbol("name_refused");
}

void tell_as_held(const std::string& name, StartResult& result) {
  if (result.status != StartResult::Status::failed || counts_as_restart(result.reason)) return;
  const Value::Items& conflict = *result.reason.term().as_tuple();  // {name_conflict, Name, Winner}
  const std::string* const lost = conflict[1].as_string();
  const Pid* const winner = conflict[2].as_pid();
  if (lost == nullptr || *lost != name || winner == nullptr) return;
  result.status = StartResult::Status::already_started;
  result.pid = *winner;
}

Task<StartResult> start_from_spec(Context& context, std::shared_ptr<const ChildSpec> spec) {
  StartResult result;
  try {
    ServerOptions options = spec->options;
    options.label = spec->id;
    Task<StartResult> starting = spec->start(context, std::move(options));
    result = co_await starting;
  } catch (...) {
    result.reason = exit_reason_of(std::current_exception());
  }
  if (const Global* name = spec->options.name.global()) tell_as_held(name->name, result);
  co_return result;
}

Task<StartResult> start_unasked(Context& context, std::shared_ptr<const ChildSpec> spec) {
  Task<StartResult> starting = start_from_spec(context, spec);
  StartResult result = co_await starting;
  // Nor would another start get a name that is refused.
  if (held_elsewhere(context, *spec, result) || is_name_refused(result)) {
    result.status = StartResult::Status::ignored;
  }
  co_return result;
}

// Through a monitor, so that a child that unlinked itself cannot hang its supervisor.
Task<> end_child(Context& context, Pid pid, Shutdown how, ExitReason reason) {
  const Ref ref = context.monitor(pid);
  context.exit(pid, how.brutal ? ExitReason::kill() : reason);
  EndOf in_time{context, ref, how.brutal ? Timeout{} : how.wait};
  if (!co_await in_time) {
    context.exit(pid, ExitReason::kill());
    EndOf killed{context, ref, std::nullopt};
    (void)co_await killed;
  }
  context.unlink(pid);  // its Exit, if it is there, is a stranger's by the time it is handled
}

void forget_exits(Context& context, const std::unordered_set<Pid>& ended) {
  const RuntimeSection runtime{current_turn()};
  static_cast<Process&>(context).remove_messages([&](const Envelope& envelope) {
    const Exit* exit = envelope.message.get<Exit>();
    return exit != nullptr && ended.contains(exit->from);
  });
}

}  // namespace grove::detail
