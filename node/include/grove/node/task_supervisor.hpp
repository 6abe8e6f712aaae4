// SPDX-License-Identifier: Apache-2.0
//
// Task supervisors: dynamic supervisors of tasks, which thereby end with their part of the program.
//
//   tree.children.push_back(task_supervisor("tasks").as("tasks"));
//   ...
//   co_await start_task(context, "tasks", send_mail, address);               // nobody waits
//   AsyncTask<Page> page = co_await async_nolink(context, "tasks", fetch, url);
//   const auto outcome = co_await page.yield();                              // may have failed
//
// Tasks are temporary children with 5 s to shut down, unless TaskOptions say otherwise.
//
// Source: Elixir Task.Supervisor; semantics.md TSK-16 to 18.
#pragma once

#include "grove/node/async.hpp"
#include "grove/node/dynamic_supervisor.hpp"

#include <string>
#include <type_traits>
#include <utility>

namespace grove {

/// How a supervisor deals with a task.
struct TaskOptions {
  Restart restart = temporary;
  Shutdown shutdown = Shutdown::within(std::chrono::seconds{5});
};

namespace detail {

/// g++ 12 destroys such a function twice when it is a temporary inside a co_await expression.
template <class F>
concept UnsafeFunction =
    !std::is_lvalue_reference_v<F> && !std::is_trivially_destructible_v<std::remove_cvref_t<F>>;

/// What an owner tells the task that a supervisor has started for it.
struct BeginTask {
  Ref alias;
};

/// Waits for its owner's word, and ends with {shutdown, Reason} when the owner ends before it.
Task<Ref> await_begin(Context& context, Pid owner);
/// Asks a supervisor to start a task. Throws ProcessExit: why it was not.
Task<Pid> start_owned(Context& context, ServerRef supervisor, ChildSpec spec);

template <class F, class... Args>
Task<> run_owned_task(Context& context, Pid owner, F function, Args... args) {
  const Ref alias = co_await await_begin(context, owner);
  Task<> task = run_task<F, Args...>(context, alias, std::move(function), std::move(args)...);
  co_await task;
}

/// The same for a child that has a name: it has it before its function runs.
template <class Body, class... Args>
Task<> run_named(Context& context, ServerName name, From starter, Body body, Args... args) {
  if (!take_name(context, name, starter)) co_return;
  answer_start(context, starter, StartResult::Status::ok, context.self());
  Task<> task = body(context, std::move(args)...);
  co_await task;
}

/// A child of a supervisor that runs `body(context, args...)`.
template <class Body, class... Args>
ChildSpec task_spec(std::string id, TaskOptions options, Body body, Args... args) {
  ChildSpec spec{
      std::move(id), [body, args...](Context& context, ServerOptions server) -> Task<StartResult> {
        const bool named = !server.name.empty();
        const std::uint64_t serial = named ? context.make_ref().serial : 0;
        SpawnOptions spawn = spawn_options_of(server, serial);
        if (named) {
          const From self{context.self(), serial};
          const Pid pid =
              context.spawn_opt(spawn, run_named<Body, Args...>, server.name, self, body, args...)
                  .pid;
          Task<StartResult> start = await_start(context, pid, serial, server.timeout);
          co_return co_await start;
        }
        StartResult result;
        result.pid = context.spawn_opt(std::move(spawn), body, args...).pid;
        result.status = StartResult::Status::ok;
        co_return result;
      }};
  spec.restart = options.restart;
  spec.shutdown = options.shutdown;
  return spec;
}

template <class R>
Task<AsyncTask<R>> start_async_under(Context& context, ServerRef supervisor, ChildSpec spec,
                                     bool link, AliasMode mode = AliasMode::demonitor) {
  const Pid pid = co_await start_owned(context, supervisor, spec);
  if (link) context.link(pid);
  const Ref ref = context.monitor(pid, mode);
  context.send(pid, BeginTask{ref});
  co_return AsyncTask<R>{context.self(), pid, ref};
}

}  // namespace detail

/// A task supervisor as somebody's child.
[[nodiscard]] inline ChildSpec task_supervisor(std::string id, DynamicSpec spec = {}) {
  return dynamic_supervisor(std::move(id), spec);
}

/// A task as a child of any supervisor. Its result is dropped. `function` is as async()'s. With a
/// name, by as(), it has that before it runs, and the start waits for it as for a server's init.
template <class F, class... Args>
[[nodiscard]] ChildSpec task_child(std::string id, TaskOptions options, F function, Args... args) {
  return detail::task_spec(std::move(id), options, detail::run_task<F, Args...>, Ref{},
                           std::move(function), std::move(args)...);
}

/// Starts a task that nobody waits for.
/// Returns: ok, or failed: max_children.
template <class F, class... Args>
requires(!detail::UnsafeFunction<F&&>)
    [[nodiscard]] Task<StartResult> start_task(Context& context, ServerRef supervisor,
                                               TaskOptions options, F&& function, Args... args) {
  return start_child(context, std::move(supervisor),
                     task_child<std::decay_t<F>, Args...>(
                         "task", options, std::forward<F>(function), std::move(args)...));
}
template <class F, class... Args>
requires(!detail::UnsafeFunction<F&&> && !std::same_as<std::remove_cvref_t<F>, TaskOptions>)
    [[nodiscard]] Task<StartResult> start_task(Context& context, ServerRef supervisor, F&& function,
                                               Args... args) {
  return start_task(context, std::move(supervisor), TaskOptions{}, std::forward<F>(function),
                    std::move(args)...);
}

namespace detail {

template <class F, class... Args>
auto async_under(Context& context, ServerRef supervisor, bool link, AliasMode mode, F function,
                 Args... args) {
  ChildSpec spec = task_spec("task", {}, run_owned_task<F, Args...>, context.self(),
                             std::move(function), std::move(args)...);
  return start_async_under<AsyncResult<F, Args...>>(context, std::move(supervisor), std::move(spec),
                                                    link, mode);
}

}  // namespace detail

/// Starts a task under a supervisor, linked to the caller, too, who is its owner.
/// Throws ProcessExit: max_children, or what a call throws.
template <class F, class... Args>
requires(!detail::UnsafeFunction<F&&>)
    [[nodiscard]] auto async_under(Context& context, ServerRef supervisor, F&& function,
                                   Args... args) {
  return detail::async_under<std::decay_t<F>, Args...>(
      context, std::move(supervisor), true, AliasMode::demonitor, std::forward<F>(function),
      std::move(args)...);
}
/// The same without a link to the caller: when the task fails, the caller just hears of it.
template <class F, class... Args>
requires(!detail::UnsafeFunction<F&&>)
    [[nodiscard]] auto async_nolink(Context& context, ServerRef supervisor, F&& function,
                                    Args... args) {
  return detail::async_under<std::decay_t<F>, Args...>(
      context, std::move(supervisor), false, AliasMode::demonitor, std::forward<F>(function),
      std::move(args)...);
}

}  // namespace grove
