// SPDX-License-Identifier: Apache-2.0
#include "child_requests.hpp"

namespace grove::detail {
namespace {

/// Another node's process has the child's cluster-wide name: to start again and again would not
/// change that, and after a partition it would take the tree down.
bool held_elsewhere(const Context& context, const ChildSpec& spec, const StartResult& result) {
  return result.status == StartResult::Status::already_started &&
         spec.options.name.global() != nullptr && result.pid &&
         result.pid.node != context.self().node;
}

}  // namespace

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
  if (held_elsewhere(context, *spec, result)) result.status = StartResult::Status::ignored;
  co_return result;
}

// Through a monitor, so that a child that unlinked itself cannot hang its supervisor.
Task<> end_child(Context& context, Pid pid, Shutdown how) {
  const Ref ref = context.monitor(pid);
  const auto is_its_end = [ref](const Down& down) { return down.ref == ref; };
  context.exit(pid, how.brutal ? ExitReason::kill() : ExitReason::shutdown());
  if (how.brutal || !how.wait) {
    co_await context.receive<Down>(is_its_end);
  } else if (!co_await context.receive_for<Down>(*how.wait, is_its_end)) {
    context.exit(pid, ExitReason::kill());
    co_await context.receive<Down>(is_its_end);
  }
  // Its Exit is there already, or never comes: the next Down is not to be looked for behind it.
  context.unlink(pid);
  const auto is_its_exit = [pid](const Exit& exit) { return exit.from == pid; };
  co_await context.receive_for<Exit>(Clock::Duration::zero(), is_its_exit);
}

}  // namespace grove::detail
