// SPDX-License-Identifier: Apache-2.0
#include "grove/node/dynamic_supervisor.hpp"

#include "child_requests.hpp"
#include "dynamic_children.hpp"
#include "reminders.hpp"
#include "supervision.hpp"

#include <map>
#include <optional>
#include <vector>

namespace grove {
namespace detail {
namespace {

/// A restart that failed is tried again through the mailbox, so that others are served meanwhile.
struct RetryDynamic {
  Pid child;
};
/// Those children have had their time to shut down.
struct ShutdownOver {
  Clock::Duration time;
};

class DynamicSupervisor final : public GenServer {
 public:
  using Handles = grove::Handles<StartChild, TerminateChild, RestartChild, DeleteChild,
                                 WhichChildren, CountChildren, RetryDynamic>;

  explicit DynamicSupervisor(const DynamicSpec& spec)
      : refused_{refusal_of(spec.intensity)}, children_{spec} {
    context().trap_exit(true);
  }

  Init init() { return refused_ ? Init::stop(*refused_) : Init::ok(); }

  Task<StartResult> handle_call(StartChild request) {
    StartResult result;
    if (request.spec->is_significant) {
      result.reason = ExitReason{Value::tuple({Value::symbol("invalid_significant"), true})};
    } else if (!request.spec->start) {
      result.reason = ExitReason::symbol("missing_start");
    } else if (const auto why = refusal_of(request.spec->shutdown)) {
      result.reason = *why;
    } else if (children_.full()) {
      result.reason = ExitReason::symbol("max_children");
    } else {
      result = co_await start_from_spec(context(), request.spec);
      if (result.ok()) children_.add(result.pid, std::move(request.spec));
    }
    co_return result;
  }

  Task<Result<void>> handle_call(TerminateChild request) {
    if (!request.pid) co_return no_ids();
    const DynamicChildren::Child* child = children_.find(request.pid);
    if (child == nullptr) co_return Error{Errc::not_found, "no child " + to_string(request.pid)};
    const Shutdown how = child->spec->shutdown;
    if (!child->restarting) co_await end_child(context(), request.pid, how);
    children_.remove(request.pid);
    co_return Result<void>{};
  }

  StartResult handle_call(const RestartChild&) const {
    StartResult result;
    result.reason = ExitReason::symbol(to_string(Errc::bad_argument));
    return result;
  }
  Result<void> handle_call(const DeleteChild&) const { return no_ids(); }

  std::vector<ChildInfo> handle_call(WhichChildren) const {
    std::vector<ChildInfo> rows;
    rows.reserve(children_.entries().size());
    for (const auto& [pid, child] : children_.entries()) {
      rows.push_back({child.spec->id, child.restarting ? Pid{} : pid, child.spec->supervisor,
                      child.restarting});
    }
    return rows;
  }

  ChildCounts handle_call(CountChildren) const {
    ChildCounts counts;
    for (const auto& [pid, child] : children_.entries()) {
      ++counts.specs;
      ++(child.spec->supervisor ? counts.supervisors : counts.workers);
      if (!child.restarting) ++counts.active;
    }
    return counts;
  }

  Task<> handle_info(Exit exit) {
    const Verdict verdict = children_.ended(exit.from, exit.reason, node().clock().now());
    return act(verdict, exit.from);
  }
  Task<> handle_info(RetryDynamic retry) {
    return act(children_.retry(retry.child, node().clock().now()), retry.child);
  }

  /// All at once; each of them is killed when its own time is over.
  Task<> terminate(ExitReason) {
    const std::map<Clock::Duration, std::vector<Pid>> deadlines = tell_to_end();
    for (const auto& [time, pids] : deadlines) {
      remind_after(context(), time, Message::make<ShutdownOver>(time));
    }
    while (!children_.empty()) {
      const EnvelopePtr next = co_await context().receive_any();
      if (const auto* down = next->message.get<Down>()) {
        children_.remove(down->pid);
      } else if (const auto* over = next->message.get<ShutdownOver>()) {
        for (const Pid& pid : deadlines.at(over->time)) context().exit(pid, ExitReason::kill());
      }
    }
  }

  /// The number of its children.
  Value debug_state() const { return Value{static_cast<std::int64_t>(children_.entries().size())}; }

 private:
  using Verdict = DynamicChildren::Verdict;

  static Error no_ids() {
    return {Errc::bad_argument, "a dynamic supervisor knows its children by their pids"};
  }

  Task<> act(Verdict verdict, Pid pid) {
    if (verdict == Verdict::give_up) {
      node().log().error("dynamic supervisor " + to_string(self()) + " gives up: child " +
                         to_string(pid) + " needed too many restarts");
      stop(ExitReason::shutdown());
    } else if (verdict == Verdict::restart) {
      const StartResult result = co_await start_unasked(context(), children_.find(pid)->spec);
      if (children_.restarted(pid, result)) remind(context(), Message::make<RetryDynamic>(pid));
    }
  }

  /// Through monitors, so that no child that unlinked itself is waited for in vain.
  /// Returns: whom to kill, and after what time. None are left that do not run.
  std::map<Clock::Duration, std::vector<Pid>> tell_to_end() {
    std::map<Clock::Duration, std::vector<Pid>> deadlines;
    std::vector<Pid> not_running;
    for (const auto& [pid, child] : children_.entries()) {
      if (child.restarting) {
        not_running.push_back(pid);
        continue;
      }
      const Shutdown& how = child.spec->shutdown;
      context().monitor(pid);
      context().exit(pid, how.brutal ? ExitReason::kill() : ExitReason::shutdown());
      if (how.wait && !how.brutal) deadlines[*how.wait].push_back(pid);
    }
    for (const Pid& pid : not_running) children_.remove(pid);
    return deadlines;
  }

  const std::optional<ExitReason> refused_;  // what is wrong with the spec
  DynamicChildren children_;
};

}  // namespace
}  // namespace detail

Task<StartResult> start_dynamic_supervisor(Context& context, DynamicSpec spec,
                                           ServerOptions options) {
  if (options.label.empty()) options.label = "dynamic_supervisor";
  return start_server<detail::DynamicSupervisor>(context, std::move(options), spec);
}

ChildSpec dynamic_supervisor(std::string id, DynamicSpec spec) {
  ChildSpec child{std::move(id), [spec](Context& context, ServerOptions options) {
                    return start_dynamic_supervisor(context, spec, std::move(options));
                  }};
  child.shutdown = Shutdown::infinity();
  child.supervisor = true;
  return child;
}

Task<Result<void>> terminate_child(Context& context, ServerRef supervisor, Pid child) {
  if (!child) co_return Error{Errc::not_found, "no child is nobody"};
  const std::string no_id;
  const detail::Done done =
      co_await context.call_for<detail::TerminateChild>(std::nullopt, supervisor, no_id, child);
  co_return done.result();
}

}  // namespace grove
