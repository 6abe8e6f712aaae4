// SPDX-License-Identifier: Apache-2.0
#include "grove/node/supervisor.hpp"

#include "supervision.hpp"

#include <algorithm>
#include <set>

namespace grove {
namespace {

using detail::CountChildren;
using detail::WhichChildren;

struct StartChild {
  using Reply = StartResult;
  std::shared_ptr<ChildSpec> spec;
};
struct TerminateChild {
  using Reply = Result<void>;
  std::string id;
};
/// A restart that failed is tried again through the mailbox, so that a shutdown can overtake it.
struct RetryRestart {
  std::string id;
};

class Supervisor final : public GenServer {
 public:
  using Handles =
      grove::Handles<StartChild, TerminateChild, WhichChildren, CountChildren, RetryRestart>;

  explicit Supervisor(SupervisorSpec spec)
      : window_{spec.intensity}, specs_{std::move(spec.children)} {
    context().trap_exit(true);
  }

  Task<Init> init() {
    std::set<std::string> ids;
    for (const ChildSpec& spec : specs_) {  // before anything is started
      if (!ids.insert(spec.id).second) {
        co_return fail_to_start(spec.id, ExitReason::symbol("duplicate_child_name"));
      }
    }
    for (ChildSpec& spec : specs_) {
      children_.push_back({std::move(spec), {}});
      const std::size_t at = children_.size() - 1;
      const StartResult result = co_await start(at);
      if (result.status == StartResult::Status::ignored &&
          children_[at].spec.restart == Restart::temporary) {
        children_.pop_back();
        continue;
      }
      if (result.ok() || result.status == StartResult::Status::ignored) continue;
      const std::string id = children_[at].spec.id;
      co_await shut_down_all();
      co_return fail_to_start(id, reason_of(result));
    }
    specs_.clear();
    co_return Init::ok();
  }

  Task<StartResult> handle_call(StartChild request) {
    StartResult result;
    if (const Child* known = find(request.spec->id)) {
      if (known->pid) {
        result.status = StartResult::Status::already_started;
        result.pid = known->pid;
      } else {
        result.reason = ExitReason::symbol("already_present");
      }
      co_return result;
    }
    children_.push_back({std::move(*request.spec), {}});
    result = co_await start(children_.size() - 1);
    const bool kept = result.ok() || (result.status == StartResult::Status::ignored &&
                                      children_.back().spec.restart != Restart::temporary);
    if (!kept) children_.pop_back();
    co_return result;
  }

  Task<Result<void>> handle_call(TerminateChild request) {
    const Child* found = find(request.id);
    if (found == nullptr) co_return Error{Errc::not_found, "no child has the id " + request.id};
    const std::size_t at = position(*found);
    co_await shut_down(at);
    if (children_[at].spec.restart == Restart::temporary) erase(at);
    co_return Result<void>{};
  }

  std::vector<ChildInfo> handle_call(WhichChildren) {
    std::vector<ChildInfo> rows;
    for (auto child = children_.rbegin(); child != children_.rend(); ++child) {
      rows.push_back({child->spec.id, child->pid, child->spec.supervisor});
    }
    return rows;
  }

  ChildCounts handle_call(CountChildren) const {
    ChildCounts counts{.specs = children_.size()};
    for (const Child& child : children_) {
      if (child.pid) ++counts.active;
      ++(child.spec.supervisor ? counts.supervisors : counts.workers);
    }
    return counts;
  }

  /// Each child's id and pid, in the order of their start.
  Value debug_state() const {
    Value::Items rows;
    for (const Child& child : children_) {
      rows.push_back(Value::tuple({child.spec.id, child.pid}));
    }
    return Value::list(std::move(rows));
  }

  Task<> handle_info(Exit exit) {
    const auto place = std::find_if(children_.begin(), children_.end(),
                                    [&](const Child& child) { return child.pid == exit.from; });
    if (place == children_.end()) co_return;  // a stranger's exit signal does nothing
    const auto at = static_cast<std::size_t>(place - children_.begin());
    node().log().debug("supervisor " + to_string(self()) + ": child " + children_[at].spec.id +
                       ' ' + to_string(exit.from) + " ended: " + to_string(exit.reason));
    children_[at].pid = {};
    if (needs_restart(children_[at].spec.restart, exit.reason)) {
      co_await restart(at);
    } else if (children_[at].spec.restart == Restart::temporary) {
      erase(at);
    }
  }

  Task<> handle_cast(RetryRestart retry) {
    const Child* found = find(retry.id);
    if (found == nullptr || !found->restarting) co_return;
    co_await restart(position(*found));
  }

  Task<> terminate(ExitReason) { co_await shut_down_all(); }

 private:
  struct Child {
    ChildSpec spec;
    Pid pid;
    bool restarting = false;
  };

  static ExitReason reason_of(const StartResult& result) {
    if (result.status != StartResult::Status::already_started) return result.reason;
    return ExitReason{Value::tuple({Value::symbol("already_started"), result.pid})};
  }

  /// Another node's process has the child's cluster-wide name: to start again and again would not
  /// change that, and after a partition it would take the tree down.
  bool held_elsewhere(const ChildSpec& spec, const StartResult& result) const {
    return result.status == StartResult::Status::already_started &&
           spec.options.name.global() != nullptr && result.pid && result.pid.node != node().id();
  }

  static Init fail_to_start(const std::string& id, const ExitReason& reason) {
    return Init::stop(ExitReason::shutdown(
        Value::tuple({Value::symbol("failed_to_start_child"), id, reason.term()})));
  }

  Child* find(const std::string& id) {
    const auto place = std::find_if(children_.begin(), children_.end(),
                                    [&](const Child& child) { return child.spec.id == id; });
    return place == children_.end() ? nullptr : &*place;
  }
  std::size_t position(const Child& child) const {
    return static_cast<std::size_t>(&child - children_.data());
  }
  void erase(std::size_t at) { children_.erase(children_.begin() + static_cast<long>(at)); }

  /// The server handles nothing else meanwhile, so `at` stays good.
  Task<StartResult> start(std::size_t at) {
    ServerOptions options = children_[at].spec.options;
    options.label = children_[at].spec.id;
    const ChildSpec::Start function = children_[at].spec.start;
    StartResult result;
    try {
      Task<StartResult> starting = function(context(), std::move(options));
      result = co_await starting;
    } catch (...) {  // a start that throws is a start that failed
      result.reason = exit_reason_of(std::current_exception());
    }
    children_[at].restarting = false;
    if (held_elsewhere(children_[at].spec, result)) result.status = StartResult::Status::ignored;
    if (result.ok()) children_[at].pid = result.pid;
    co_return result;
  }

  Task<> restart(std::size_t at) {
    const std::string id = children_[at].spec.id;
    if (!window_.allow(node().clock().now())) {
      node().log().error("supervisor " + to_string(self()) + " gives up: child " + id +
                         " needed too many restarts");
      stop(ExitReason::shutdown());
      co_return;
    }
    const StartResult result = co_await start(at);
    if (result.ok() || result.status == StartResult::Status::ignored) co_return;
    children_[at].restarting = true;
    context().cast(self(), RetryRestart{id});
  }

  /// Through a monitor, so that a child that unlinked itself cannot hang its supervisor.
  Task<> shut_down(std::size_t at) {
    children_[at].restarting = false;
    const Pid pid = std::exchange(children_[at].pid, Pid{});
    if (!pid) co_return;
    const Shutdown how = children_[at].spec.shutdown;
    const Ref ref = context().monitor(pid);
    const auto is_its_end = [ref](const Down& down) { return down.ref == ref; };
    context().exit(pid, how.brutal ? ExitReason::kill() : ExitReason::shutdown());
    if (how.brutal || !how.wait) {
      co_await context().receive<Down>(is_its_end);
    } else if (!co_await context().receive_for<Down>(*how.wait, is_its_end)) {
      context().exit(pid, ExitReason::kill());
      co_await context().receive<Down>(is_its_end);
    }
    const auto is_its_exit = [pid](const Exit& exit) { return exit.from == pid; };
    co_await context().receive_for<Exit>(Clock::Duration::zero(), is_its_exit);
  }

  Task<> shut_down_all() {
    for (std::size_t at = children_.size(); at > 0; --at) co_await shut_down(at - 1);
    children_.clear();
  }

  RestartWindow window_;
  std::vector<ChildSpec> specs_;  // to start; empty after init
  std::vector<Child> children_;   // in start order
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

Task<StartResult> start_child(Context& context, Pid supervisor, ChildSpec spec) {
  auto shared = std::make_shared<ChildSpec>(std::move(spec));
  co_return co_await context.call_for<StartChild>(std::nullopt, supervisor, shared);
}

Task<Result<void>> terminate_child(Context& context, Pid supervisor, std::string id) {
  co_return co_await context.call_for<TerminateChild>(std::nullopt, supervisor, id);
}

Task<std::vector<ChildInfo>> which_children(Context& context, Pid supervisor) {
  co_return co_await context.call<WhichChildren>(supervisor);
}

Task<ChildCounts> count_children(Context& context, Pid supervisor) {
  co_return co_await context.call<CountChildren>(supervisor);
}

}  // namespace grove
