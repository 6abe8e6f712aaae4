// SPDX-License-Identifier: Apache-2.0
#include "grove/node/task_supervisor.hpp"

namespace grove::detail {
namespace {

/// The owner's word, or the owner's end.
class BeginWaiter final : public Waiter {
 public:
  BeginWaiter(Context& context, const Ref& owner) : Waiter{context, std::nullopt}, owner_{owner} {}
  Message await_resume() { return std::move(taken()->message); }

 private:
  bool matches(Envelope& envelope) override {
    const auto* down = envelope.message.get<Down>();
    return envelope.message.is<BeginTask>() || (down != nullptr && down->ref == owner_);
  }
  Ref owner_;
};

}  // namespace

Task<Ref> await_begin(Context& context, Pid owner) {
  const Ref ref = context.monitor(owner);
  BeginWaiter next{context, ref};
  const Message message = co_await next;
  if (const auto* down = message.get<Down>()) {
    throw ProcessExit{ExitReason::shutdown(down->reason.term())};
  }
  context.demonitor(ref, Flush::yes);
  co_return message.get<BeginTask>()->alias;
}

Task<Pid> start_owned(Context& context, ServerRef supervisor, ChildSpec spec) {
  const StartResult result = co_await start_child(context, supervisor, std::move(spec));
  if (!result.ok()) throw ProcessExit{result.reason};
  co_return result.pid;
}

}  // namespace grove::detail
