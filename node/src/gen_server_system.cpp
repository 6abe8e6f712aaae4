// SPDX-License-Identifier: Apache-2.0
//
// What every server does with a SysRequest. While it is suspended a coroutine of its body waits, so
// the run loop hands it nothing else. Source: OTP sys, gen_server system_code_change callbacks.
#include "grove/node/gen_server.hpp"
#include "grove/node/sys.hpp"

#include <utility>

namespace grove::detail {
namespace {

using Action = SysRequest::Action;

/// Takes what a suspended server still acts on.
class SystemReceive final : public Waiter {
 public:
  SystemReceive(Context& context, const Pid& parent)
      : Waiter{context, std::nullopt}, parent_{parent} {}
  EnvelopePtr await_resume() { return release(); }

 private:
  bool matches(Envelope& envelope) override {
    const Exit* exit = envelope.message.get<Exit>();
    return envelope.message.is<SysRequest>() || envelope.message.is<StopServer>() ||
           (exit != nullptr && exit->from == parent_);
  }
  Pid parent_;
};

/// What a call throws when it is answered so.
Message failure(std::string_view what) {
  return Message::make<CallFailure>(ExitReason::symbol(what));
}
Message failure(std::string_view what, Value why) {
  return Message::make<CallFailure>(
      ExitReason{Value::tuple({Value::symbol(what), std::move(why)})});
}

}  // namespace

bool ServerBodyBase::handle_system(Context& context, Envelope& envelope, Task<>& task) {
  const auto* request = envelope.message.get<SysRequest>();
  if (request == nullptr) return false;
  if (request->action == Action::suspend) {
    if (!suspended_) task = stay_suspended(context);
    suspended_ = true;
  } else if (request->action == Action::resume) {
    suspended_ = false;
  }
  Message used = use_state(*request);
  // Ended by what it was given to run: its caller hears of that.
  if (context.doomed()) return true;
  context.reply_message({envelope.from, envelope.serial}, std::move(used));
  if (idle_ != nullptr && idle_->timer != TimerId{}) await_idleness(context, idle_->timeout);
  return true;
}

Message ServerBodyBase::use_state(const SysRequest& request) {
  try {
    if (request.action == Action::show_state) {
      std::optional<Value> shown = shown_state();
      return shown ? Message::make<Value>(std::move(*shown)) : failure("no_state");
    }
    if (request.action == Action::copy_state) {
      Message copy = copy_of_state();
      return copy ? std::move(copy) : failure("no_state");
    }
    if (request.action == Action::use_state) {
      const State own = state();
      if (own.object == nullptr) return failure("no_state");
      if (own.type != request.type) return failure("bad_state", own.type->name);
      request.use(own.object);
    }
  } catch (...) {
    return failure("callback_failed", exit_reason_of(std::current_exception()).term());
  }
  return Message::make<Ok>();
}

Task<> ServerBodyBase::stay_suspended(Context& context) {
  while (suspended_) {
    SystemReceive next{context, parent(context)};
    const EnvelopePtr message = co_await next;
    Task<> last;
    if (handle_system(context, *message, last)) continue;
    suspended_ = false;
    co_await end(context, *asked_to_end(context, *message));
  }
}

}  // namespace grove::detail
