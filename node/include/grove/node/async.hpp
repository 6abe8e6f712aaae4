// SPDX-License-Identifier: Apache-2.0
//
// AsyncTask: a process that works out one value for the process that started it (OTP: Elixir's
// Task; grove::Task is the coroutine type).
//
//   AsyncTask<int> sum = async(context, [](int a, int b) { return a + b; }, 20, 22);
//   ... other work ...
//   const int answer = co_await sum.await();
//
// The function is a plain one, or a coroutine; it may take the task's own Context& first. It and
// its arguments are copied or moved into the task.
// The task is linked to its owner, so that neither outlives the other's crash. When it is done its
// owner gets a TaskReply<R>, then a Down (normal) with the same reference; when it fails, a Down
// alone. await(), yield() and shutdown() take these away; an owner that is a server may as well
// leave them to handle_info(TaskReply<R>) and handle_info(Down).
//
// Source: Elixir Task; semantics.md TSK-*.
#pragma once

#include "grove/node/context.hpp"
#include "grove/node/node.hpp"

#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace grove {

/// What a task sends its owner through the alias `ref`.
template <class R>
struct TaskReply {
  Ref ref;
  R value;
};
template <>
struct TaskReply<void> {
  Ref ref;
};

/// What a task came to: a value, or the reason that it ended with instead.
template <class R>
class TaskOutcome {
 public:
  using Value = std::conditional_t<std::is_void_v<R>, std::monostate, R>;
  explicit TaskOutcome(Value value) : state_{std::in_place_index<0>, std::move(value)} {}
  static TaskOutcome exit(ExitReason reason) { return TaskOutcome{Failed{}, std::move(reason)}; }

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }
  /// Bounds: of an ok() one.
  [[nodiscard]] Value& value() { return *std::get_if<0>(&state_); }
  [[nodiscard]] const Value& value() const { return *std::get_if<0>(&state_); }
  /// Bounds: of one that is not ok().
  [[nodiscard]] const ExitReason& reason() const { return *std::get_if<1>(&state_); }

 private:
  struct Failed {};
  TaskOutcome(Failed, ExitReason reason) : state_{std::in_place_index<1>, std::move(reason)} {}
  std::variant<Value, ExitReason> state_;
};

template <class R>
class AsyncTask;

namespace detail {

template <class R>
struct TaskResultOf {
  using type = R;
};
template <class R>
struct TaskResultOf<Task<R>> {
  using type = R;
};

template <class F, class... Args>
inline constexpr bool k_takes_context = std::is_invocable_v<F&, Context&, Args...>;

template <class F, class... Args>
auto call_task(F& function, Context& context, Args&... args) {
  static_assert(k_takes_context<F, Args...> || std::is_invocable_v<F&, Args...>,
                "a task is a function of its arguments by value, or of a Context& and these");
  if constexpr (k_takes_context<F, Args...>) {
    return std::invoke(function, context, std::move(args)...);
  } else {
    return std::invoke(function, std::move(args)...);
  }
}

/// What the task of this function comes to.
template <class F, class... Args>
using AsyncResult = typename TaskResultOf<decltype(call_task(
    std::declval<F&>(), std::declval<Context&>(), std::declval<Args&>()...))>::type;

/// Sends what a task has come to. It takes no room in its owner's mailbox, as all answers.
void tell_owner(Context& task, const Ref& alias, Message message);

/// Calls the function, and sends what it comes to through `alias`, when there is one.
template <class F, class... Args>
Task<> run_task(Context& context, Ref alias, F function, Args... args) {
  using R = AsyncResult<F, Args...>;
  using Called = decltype(call_task(function, context, args...));
  if constexpr (std::is_void_v<R>) {
    if constexpr (std::is_void_v<Called>) {
      call_task(function, context, args...);
    } else {
      Called running = call_task(function, context, args...);
      co_await running;
    }
    if (alias) tell_owner(context, alias, Message::make<TaskReply<void>>(alias));
    co_return;
  } else if constexpr (std::same_as<Called, R>) {
    R result = call_task(function, context, args...);
    if (alias) tell_owner(context, alias, Message::make<TaskReply<R>>(alias, std::move(result)));
    co_return;
  } else {
    Called running = call_task(function, context, args...);
    R result = co_await running;
    if (alias) tell_owner(context, alias, Message::make<TaskReply<R>>(alias, std::move(result)));
  }
}

/// The running process. Throws ProcessExit(not_owner) when it is not `owner`.
Context& only_for(const Pid& owner);
/// Removes the first message of which `take` says that it is it. Returns: whether there was one.
bool take_queued(Context& context, bool (*take)(void* into, Envelope& envelope), void* into);
template <class Take>
bool take_queued(Context& context, Take take) {
  const auto call = [](void* into, Envelope& message) {
    return (*static_cast<Take*>(into))(message);
  };
  return take_queued(context, call, &take);
}
/// Takes what a message says of the task `ref`; nothing when it is about something else.
template <class R>
std::optional<TaskOutcome<R>> outcome_of(Envelope& envelope) {
  if (auto* reply = envelope.message.get<TaskReply<R>>()) {
    if constexpr (std::is_void_v<R>) {
      return TaskOutcome<R>{std::monostate{}};
    } else {
      return TaskOutcome<R>{std::move(reply->value)};
    }
  }
  const auto* down = envelope.message.get<Down>();
  return down == nullptr ? std::nullopt : std::optional{TaskOutcome<R>::exit(down->reason)};
}
/// Whose reply or end it is; no reference when it is neither.
template <class R>
[[nodiscard]] Ref task_of(const Envelope& envelope) noexcept {
  if (!is_plain(envelope)) return {};
  if (const auto* reply = envelope.message.get<TaskReply<R>>()) return reply->ref;
  const auto* down = envelope.message.get<Down>();
  return down == nullptr ? Ref{} : down->ref;
}

/// Ends the monitor and the alias, and takes what has come of the task already.
template <class R>
std::optional<TaskOutcome<R>> let_go(Context& context, const Ref& ref) {
  std::optional<TaskOutcome<R>> outcome;
  const auto take = [&](Envelope& message) {
    if (task_of<R>(message) != ref) return false;
    outcome = outcome_of<R>(message);
    return true;
  };
  const bool under_way = context.demonitor(ref);
  if (take_queued(context, take) && !under_way && outcome->ok()) {
    context.demonitor(ref, Flush::yes);  // the Down behind the reply
  }
  return outcome;
}

template <class R>
class TaskWaiter : public Waiter {
 public:
  TaskWaiter(Context& context, const Ref& ref, Timeout timeout)
      : Waiter{context, timeout}, ref_{ref} {}

 protected:
  ~TaskWaiter() = default;
  /// What has come; nothing after a timeout.
  std::optional<TaskOutcome<R>> take() {
    if (taken() == nullptr) return std::nullopt;
    auto outcome = outcome_of<R>(*taken());
    if (outcome->ok()) context().demonitor(ref_, Flush::yes);
    return outcome;
  }
  const Ref ref_;

 private:
  bool matches(Envelope& envelope) final { return task_of<R>(envelope) == ref_; }
};

template <class R>
class AwaitTask final : public TaskWaiter<R> {
 public:
  using TaskWaiter<R>::TaskWaiter;
  R await_resume() {
    auto outcome = this->take();
    if (!outcome) {
      let_go<R>(this->context(), this->ref_);
      throw ProcessExit{ExitReason::symbol("timeout")};
    }
    if (!outcome->ok()) throw ProcessExit{outcome->reason()};
    if constexpr (!std::is_void_v<R>) return std::move(outcome->value());
  }
};

template <class R>
class YieldTask final : public TaskWaiter<R> {
 public:
  using TaskWaiter<R>::TaskWaiter;
  std::optional<TaskOutcome<R>> await_resume() { return this->take(); }
};

/// Unlinks and ends a task, and waits until it has ended. Returns: how, as of now.
Task<ExitReason> end_task(Context& context, Pid pid, Timeout timeout, bool brutal);

template <class R>
Task<std::optional<TaskOutcome<R>>> shut_down_task(Context& context, Pid pid, Ref ref,
                                                   Timeout timeout, bool brutal) {
  const ExitReason reason = co_await end_task(context, pid, timeout, brutal);
  std::optional<TaskOutcome<R>> outcome = let_go<R>(context, ref);
  if (!outcome) outcome = TaskOutcome<R>::exit(reason);
  const bool by_this = !outcome->ok() && outcome->reason() == (brutal ? ExitReason::killed()
                                                                      : ExitReason::shutdown());
  if (by_this) outcome.reset();
  co_return outcome;
}

}  // namespace detail

/// What the owner of a task holds: names it, and owns nothing. Only the owner may use it, else
/// ProcessExit(not_owner) is thrown. Trivially copyable.
template <class R>
class [[nodiscard]] AsyncTask {
 public:
  AsyncTask(const Pid& owner, const Pid& pid, const Ref& ref)
      : owner_{owner}, pid_{pid}, ref_{ref} {}
  [[nodiscard]] const Pid& pid() const noexcept { return pid_; }
  [[nodiscard]] const Pid& owner() const noexcept { return owner_; }
  /// That of its TaskReply and of its Down.
  [[nodiscard]] const Ref& ref() const noexcept { return ref_; }

  /// Waits for the value. Throws ProcessExit: the reason that the task ended with, were it normal;
  /// timeout: the task goes on, and nothing of it comes any more.
  /// A task is awaited once: after that there is nothing to come, and it times out.
  [[nodiscard]] auto await(Timeout timeout = k_call_timeout) const& {
    return detail::AwaitTask<R>{context(), ref_, timeout};
  }
  /// The same, or nothing after `timeout`; then it may be called again, and so may await().
  [[nodiscard]] auto yield(Timeout timeout = k_call_timeout) const& {
    return detail::YieldTask<R>{context(), ref_, timeout};
  }
  /// Ends the task by `shutdown`, and after `timeout` by `kill`. Returns: its value if that has
  /// come already; nothing when it ended by this; else how it ended (killed, after the timeout;
  /// noproc, when all was known of it before).
  [[nodiscard]] auto shutdown(Timeout timeout = k_call_timeout) const& {
    return detail::shut_down_task<R>(context(), pid_, ref_, timeout, false);
  }
  /// The same by `kill` at once.
  [[nodiscard]] auto brutal_kill() const& {
    return detail::shut_down_task<R>(context(), pid_, ref_, std::nullopt, true);
  }
  /// Nothing of it comes any more; it goes on, unlinked. Returns: what has come already.
  std::optional<TaskOutcome<R>> ignore() const {
    context().unlink(pid_);
    return detail::let_go<R>(context(), ref_);
  }

  // A task is named before it is awaited: g++ 12 destroys some temporaries of a co_await expression
  // twice, and its function may be one of them.
  void await(Timeout timeout = k_call_timeout) && = delete;
  void yield(Timeout timeout = k_call_timeout) && = delete;
  void shutdown(Timeout timeout = k_call_timeout) && = delete;
  void brutal_kill() && = delete;

 private:
  [[nodiscard]] Context& context() const { return detail::only_for(owner_); }
  Pid owner_;
  Pid pid_;
  Ref ref_;
};

namespace detail {

/// Starts a task, linked to the caller, whose monitor's reference is an alias of `mode`.
template <class F, class... Args>
AsyncTask<AsyncResult<F, Args...>> start_async(Context& context, AliasMode mode, F function,
                                               Args... args) {
  const Ref ref = context.make_ref();
  SpawnOptions options{.link = true, .monitor = true};
  options.alias = mode;
  options.monitor_serial = ref.serial;
  options.label = "task";
  const Pid pid = context
                      .spawn_opt(std::move(options), run_task<F, Args...>, ref, std::move(function),
                                 std::move(args)...)
                      .pid;
  return {context.self(), pid, ref};
}

}  // namespace detail

/// Starts a task, linked to the caller, who is its owner.
template <class F, class... Args>
auto async(Context& context, F function, Args... args) {
  return detail::start_async<F, Args...>(context, AliasMode::demonitor, std::move(function),
                                         std::move(args)...);
}

// -- many -------------------------------------------------------------------------------------

namespace detail {

/// Waits for whichever of some tasks says something next.
template <class R>
class ManyWaiter final : public Waiter {
 public:
  ManyWaiter(Context& context, const std::unordered_map<Ref, std::size_t>& open, Timeout timeout)
      : Waiter{context, timeout}, open_{open} {}
  /// Null after a timeout.
  Envelope* await_resume() { return taken(); }

 private:
  bool matches(Envelope& envelope) override { return open_.contains(task_of<R>(envelope)); }
  const std::unordered_map<Ref, std::size_t>& open_;
};

template <class R>
using Outcomes = std::vector<std::optional<TaskOutcome<R>>>;

/// What the tasks come to in this time, in their order; with `all_or_nothing` up to a failure.
template <class R>
Task<Outcomes<R>> gather(Context& context, std::vector<AsyncTask<R>> tasks, Timeout timeout,
                         bool all_or_nothing) {
  const Clock::TimePoint deadline =
      timeout ? context.node().clock().deadline_after(*timeout) : Clock::TimePoint::max();
  std::unordered_map<Ref, std::size_t> open;
  for (std::size_t at = 0; at < tasks.size(); ++at) {
    static_cast<void>(only_for(tasks[at].owner()));
    const bool fresh = open.emplace(tasks[at].ref(), at).second;
    if (!fresh && all_or_nothing) throw ProcessExit{ExitReason::symbol("badarg")};
  }
  Outcomes<R> outcomes(tasks.size());
  while (!open.empty()) {
    const Timeout left = timeout ? Timeout{context.node().clock().until(deadline)} : Timeout{};
    ManyWaiter<R> next{context, open, left};
    Envelope* const message = co_await next;
    if (message == nullptr) break;
    const Ref ref = task_of<R>(*message);
    auto& outcome = outcomes[open.extract(ref).mapped()];
    outcome = outcome_of<R>(*message);
    if (outcome->ok()) {
      context.demonitor(ref, Flush::yes);
    } else if (all_or_nothing) {
      break;
    }
  }
  co_return outcomes;
}

}  // namespace detail

/// Waits for all these tasks of the caller. Returns: their values, in this order. Throws
/// ProcessExit as soon as one fails (its reason), or after `timeout` in all (timeout); nothing of
/// any of them comes then, and those under way go on. Each task once, or it is badarg.
template <class R>
[[nodiscard]] Task<std::vector<typename TaskOutcome<R>::Value>> await_many(
    Context& context, std::vector<AsyncTask<R>> tasks, Timeout timeout = k_call_timeout) {
  detail::Outcomes<R> outcomes = co_await detail::gather<R>(context, tasks, timeout, true);
  std::vector<typename TaskOutcome<R>::Value> values;
  std::optional<ExitReason> failure;
  for (auto& outcome : outcomes) {
    if (outcome && outcome->ok()) {
      values.push_back(std::move(outcome->value()));
    } else if (outcome) {
      failure = outcome->reason();
    }
  }
  if (values.size() == tasks.size()) co_return values;
  for (const AsyncTask<R>& task : tasks) detail::let_go<R>(context, task.ref());
  throw ProcessExit{failure.value_or(ExitReason::symbol("timeout"))};
}

/// What these tasks of the caller come to within `timeout`, in this order; nothing for those that
/// are still under way, which may be asked again.
template <class R>
[[nodiscard]] Task<std::vector<std::optional<TaskOutcome<R>>>> yield_many(
    Context& context, std::vector<AsyncTask<R>> tasks, Timeout timeout = k_call_timeout) {
  return detail::gather<R>(context, std::move(tasks), timeout, false);
}

}  // namespace grove
