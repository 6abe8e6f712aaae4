// SPDX-License-Identifier: Apache-2.0
#include "grove/node/async.hpp"

#include "grove/node/async_stream.hpp"

#include "process.hpp"

#include <thread>

namespace grove::detail {

void tell_owner(Context& task, const Ref& alias, Message message) {
  task.post_alias(alias, SignalKind::told_alias, std::move(message));
}

Context& only_for(const Pid& owner) {
  Context* const context = Context::running();
  if (context == nullptr || context->self() != owner) {
    throw ProcessExit{ExitReason::symbol("not_owner")};
  }
  return *context;
}

bool take_queued(Context& context, bool (*take)(void* into, Envelope& envelope), void* into) {
  const RuntimeSection runtime{current_turn()};
  auto& process = static_cast<Process&>(context);
  process.take_inbox();
  return process.remove_message([&](Envelope& envelope) { return take(into, envelope); });
}

Task<ExitReason> end_task(Context& context, Pid pid, Timeout timeout, bool brutal) {
  const Ref ref = context.monitor(pid);
  const auto is_its_end = [ref](const Down& down) { return down.ref == ref; };
  context.unlink(pid);  // or an exit signal would tell its owner
  context.exit(pid, brutal ? ExitReason::kill() : ExitReason::shutdown());
  std::optional<Down> down;
  if (timeout) {
    down = co_await context.receive_for<Down>(*timeout, is_its_end);
    if (!down) context.exit(pid, ExitReason::kill());
  }
  if (!down) down = co_await context.receive<Down>(is_its_end);
  co_return down->reason;
}

std::size_t cores() noexcept { return std::max(1U, std::thread::hardware_concurrency()); }

void discard_task(Context& context, const Pid& pid, const Ref& ref) {
  context.demonitor(ref);
  context.exit(pid, ExitReason::kill());
  forget_exit(context, pid);
}

void forget_exit(Context& context, const Pid& pid) {
  context.unlink(pid);
  take_queued(context, [pid](Envelope& envelope) {
    const Exit* exit = envelope.message.get<Exit>();
    return exit != nullptr && exit->from == pid;
  });
}

}  // namespace grove::detail
