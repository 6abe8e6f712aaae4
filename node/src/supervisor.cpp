// SPDX-License-Identifier: Apache-2.0
#include "grove/node/supervisor.hpp"

#include "child_requests.hpp"
#include "reminders.hpp"
#include "supervision.hpp"

namespace grove {
namespace {

using detail::Child;
using detail::CountChildren;
using detail::DeleteChild;
using detail::RestartChild;
using detail::StartChild;
using detail::Supervision;
using detail::TerminateChild;
using detail::WhichChildren;
using Act = Supervision::Act;
using Step = Supervision::Step;

/// A restart that failed is tried again through the mailbox, so that others have their turn.
struct RetryRestart {
  std::string id;
};

/// Does what Supervision says.
class Supervisor final : public GenServer {
 public:
  using Handles = grove::Handles<StartChild, TerminateChild, RestartChild, DeleteChild,
                                 WhichChildren, CountChildren, RetryRestart>;

  explicit Supervisor(SupervisorSpec spec) : supervision_{std::move(spec)} {
    context().trap_exit(true);
  }

  Task<Init> init() {
    co_await run(supervision_.begin());
    co_return failed_ ? Init::stop(supervision_.failure()) : Init::ok();
  }

  Task<StartResult> handle_call(StartChild request) {
    return answer(supervision_.add(std::move(request.spec)));
  }
  Task<StartResult> handle_call(RestartChild request) {
    return answer(supervision_.restart(request.id));
  }

  Task<Result<void>> handle_call(TerminateChild request) {
    // A pid is for a dynamic supervisor.
    const auto step = request.pid ? std::nullopt : supervision_.terminate(request.id);
    if (!step) co_return Error{Errc::not_found, "no child has the id " + request.id};
    co_await run(*step);
    co_return Result<void>{};
  }

  Result<void> handle_call(DeleteChild request) { return supervision_.remove(request.id); }

  std::vector<ChildInfo> handle_call(WhichChildren) {
    std::vector<ChildInfo> rows;
    rows.reserve(supervision_.children().size());
    for (auto child = supervision_.children().rbegin(); child != supervision_.children().rend();
         ++child) {
      rows.push_back({child->spec->id, child->pid, child->spec->supervisor, child->restarting});
    }
    return rows;
  }

  ChildCounts handle_call(CountChildren) {
    ChildCounts counts;
    for (const Child& child : supervision_.children()) {
      ++counts.specs;
      ++(child.spec->supervisor ? counts.supervisors : counts.workers);
      // The end of one elsewhere comes here as a message; nobody knows of it sooner.
      const bool elsewhere = child.pid.node != self().node;
      if (child.pid && (elsewhere || node().is_alive(child.pid))) ++counts.active;
    }
    return counts;
  }

  /// Each child's id and pid, in the order of their start.
  Value debug_state() const {
    Value::Items rows;
    for (const Child& child : supervision_.children()) {
      rows.push_back(Value::tuple({child.spec->id, child.pid}));
    }
    return Value::list(std::move(rows));
  }

  Task<> handle_info(Exit exit) {
    const Child* child = supervision_.find(exit.from);
    if (child == nullptr) return {};  // a stranger's exit signal does nothing
    if (node().log().writes(LogLevel::debug)) {
      node().log().debug("supervisor " + to_string(self()) + ": child " + child->spec->id + ' ' +
                         to_string(exit.from) + " ended: " + to_string(exit.reason));
    }
    return run(supervision_.exited(exit.from, exit.reason, node().clock().now()));
  }

  Task<> handle_info(RetryRestart retry) {
    return run(supervision_.retry(retry.id, node().clock().now()));
  }

  Task<> terminate(ExitReason) { return run(supervision_.end()); }

 private:
  Task<StartResult> answer(Supervision::StartRequest request) {
    if (request.step.act == Act::start) {
      request.answer = co_await detail::start_from_spec(context(), request.step.child->spec);
      (void)supervision_.started(request.answer);
    }
    co_return std::move(request.answer);
  }

  /// Until there is nothing left to do. The server handles nothing else meanwhile.
  Task<> run(Step step) {
    for (;;) {
      switch (step.act) {
        case Act::start: {
          const StartResult result = co_await detail::start_unasked(context(), step.child->spec);
          step = supervision_.started(result);
          continue;
        }
        case Act::stop:
          co_await detail::end_child(context(), step.child->pid, step.child->spec->shutdown);
          step = supervision_.stopped();
          continue;
        case Act::retry:
          detail::remind(context(), Message::make<RetryRestart>(step.child->spec->id));
          co_return;
        case Act::give_up:
          node().log().error("supervisor " + to_string(self()) + " gives up: child " +
                             step.child->spec->id + " needed too many restarts");
          stop(ExitReason::shutdown());
          co_return;
        case Act::end: stop(ExitReason::shutdown()); co_return;
        case Act::fail: failed_ = true; co_return;
        case Act::none: co_return;
      }
    }
  }

  Supervision supervision_;
  bool failed_ = false;
};

}  // namespace

Task<StartResult> start_supervisor(Context& context, SupervisorSpec spec, ServerOptions options) {
  if (options.label.empty()) options.label = "supervisor";
  return start_server<Supervisor>(context, std::move(options), std::move(spec));
}

ChildSpec supervisor(std::string id, SupervisorSpec spec) {
  ChildSpec child{std::move(id), [spec](Context& context, ServerOptions options) {
                    return start_supervisor(context, spec, std::move(options));
                  }};
  child.shutdown = Shutdown::infinity();
  child.supervisor = true;
  return child;
}

Task<StartResult> start_child(Context& context, ServerRef supervisor, ChildSpec spec) {
  auto shared = std::make_shared<ChildSpec>(std::move(spec));
  co_return co_await context.call_for<StartChild>(std::nullopt, supervisor, shared);
}

Task<Result<void>> terminate_child(Context& context, ServerRef supervisor, std::string id) {
  const Pid nobody;
  const detail::Done done =
      co_await context.call_for<TerminateChild>(std::nullopt, supervisor, id, nobody);
  co_return done.result();
}

Task<StartResult> restart_child(Context& context, ServerRef supervisor, std::string id) {
  co_return co_await context.call_for<RestartChild>(std::nullopt, supervisor, id);
}

Task<Result<void>> delete_child(Context& context, ServerRef supervisor, std::string id) {
  const detail::Done done = co_await context.call_for<DeleteChild>(std::nullopt, supervisor, id);
  co_return done.result();
}

Task<std::vector<ChildInfo>> which_children(Context& context, ServerRef supervisor) {
  detail::ChildRows children = co_await context.call_for<WhichChildren>(std::nullopt, supervisor);
  co_return std::move(children.rows);
}

Task<ChildCounts> count_children(Context& context, ServerRef supervisor) {
  co_return co_await context.call_for<CountChildren>(std::nullopt, supervisor);
}

}  // namespace grove
