// SPDX-License-Identifier: Apache-2.0
//
// Remote: starts processes and servers on other nodes.
//
//   const Pid pid = co_await spawn_on<track>(context, "b", "txn-1", 3);
//   const StartResult started = co_await start_link_on<Counter>(context, "b", 5);
//
// What is started must be declared, see behaviour.hpp. `node` may be the caller's own, too.
// Link and monitor are in place before the child runs. When the connection breaks meanwhile, or the
// caller ends, a linked child hears of it: there are no orphans.
//
// Source: OTP spawn/4, spawn_opt/5, spawn_request/5; semantics.md PRC-19 to 21, RSG-8, RSG-9.
#pragma once

#include "grove/node/behaviour.hpp"
#include "grove/node/gen_server.hpp"

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace grove {
namespace detail {

/// What becomes of the answer to a request.
enum class SpawnAnswer : std::uint8_t {
  none,     // nobody waits for it
  awaited,  // by a Call<Pid>
  message,  // a SpawnReply
  call,     // none: a Call waits for what the child answers
  start,    // both: first for the pid, then for the child's answer
};

struct Order {
  const Behaviour* behaviour;
  Message message;
};
template <auto function, class... Args>
Order order_of(SpawnTerms terms, Args&&... args) {
  static_assert(RemoteFunction<function>::k_declared,
                "other nodes may not run this function: it needs a GROVE_REMOTE line");
  static_assert(std::is_constructible_v<ArgsOf<function>, Args&&...>,
                "these are not the arguments of this function");
  return {&k_function_behaviour<function>,
          Message::make<FunctionOrder<function>>(std::move(terms),
                                                 ArgsOf<function>(std::forward<Args>(args)...))};
}
template <class T, class... Args>
Order order_of(SpawnTerms terms, Args&&... args) {
  static_assert(RemoteClass<T>::k_declared,
                "other nodes may not start this class: it needs a GROVE_REMOTE_CLASS line");
  using All = typename RemoteClass<T>::ArgTuple;
  static_assert(std::is_constructible_v<All, Args&&...>,
                "these are not the arguments that this class is declared with");
  return {&k_class_behaviour<T>,
          Message::make<ClassOrder<T>>(std::move(terms), All(std::forward<Args>(args)...))};
}

/// Asks `node` for what `order` says. Returns: the request's reference, which its monitor has, too;
/// on the caller's own node the pid, and then no awaited answer follows.
/// Errors: ProcessExit: badarg (no node can have that name); on the caller's own node:
/// system_limit.
Spawned ask_spawn(Context& context, std::string_view node, Order order, SpawnAnswer answer,
                  AliasMode alias = AliasMode::none);

/// A spawn under way. Awaited where it is made, and once.
template <class Result>
class RemoteSpawn final {
 public:
  RemoteSpawn(Context& context, std::string_view node, AliasMode alias, Order order)
      : spawned_{ask_spawn(context, node, std::move(order), SpawnAnswer::awaited, alias)} {
    if (!spawned_.pid) waiter_.emplace(context, spawned_.ref.serial, std::nullopt);
  }

  bool await_ready() { return !waiter_; }
  void await_suspend(std::coroutine_handle<> handle) { waiter_->await_suspend(handle); }
  Result await_resume() {
    if (waiter_) spawned_.pid = *waiter_->await_resume().template get<Pid>();
    if constexpr (std::is_same_v<Result, Pid>) {
      return spawned_.pid;
    } else {
      return spawned_;
    }
  }

 private:
  Spawned spawned_;
  std::optional<CallWaiter> waiter_;  // none: the child is here already
};

/// Options that have a name: g++ 12 destroys a temporary inside a co_await expression twice.
template <class T>
concept NamedOptions = std::is_same_v<std::remove_const_t<T>, SpawnOptions>;

Task<StartResult> start_server_on(Context& context, std::string node, Order order, Timeout timeout);

}  // namespace detail

// What is awaited is the other node's answer, a Pid or a Spawned. As in OTP there always is one:
// when the node cannot be reached, does not know what is asked for, or has no room, the pid is
// nobody's, and who is linked to it or monitors it hears why: noconnection, {undef, Name},
// system_limit. spawn_request_on() says so in a SpawnReply.
// Errors of all: ProcessExit(badarg) when no node can have that name.

template <auto function, detail::NamedOptions Options, class... Args>
requires(!(detail::UnsafeTemporary<Args&&> || ...))
    [[nodiscard]] auto spawn_opt_on(Context& context, std::string_view node, Options& options,
                                    Args&&... args) {
  static_assert(detail::k_is_process<function>, "a process is `Task<> f(Context&, args...)`");
  return detail::RemoteSpawn<Spawned>{
      context, node, options.alias,
      detail::order_of<function>(detail::terms_of(options), std::forward<Args>(args)...)};
}
template <std::derived_from<Handler> H, detail::NamedOptions Options, class... Args>
requires(!(detail::UnsafeTemporary<Args&&> || ...))
    [[nodiscard]] auto spawn_opt_on(Context& context, std::string_view node, Options& options,
                                    Args&&... args) {
  return detail::RemoteSpawn<Spawned>{
      context, node, options.alias,
      detail::order_of<H>(detail::terms_of(options), std::forward<Args>(args)...)};
}
template <auto function, class... Args>
requires(!(detail::UnsafeTemporary<Args&&> || ...))
    [[nodiscard]] auto spawn_on(Context& context, std::string_view node, Args&&... args) {
  static_assert(detail::k_is_process<function>, "a process is `Task<> f(Context&, args...)`");
  return detail::RemoteSpawn<Pid>{context, node, AliasMode::none,
                                  detail::order_of<function>({}, std::forward<Args>(args)...)};
}
template <std::derived_from<Handler> H, class... Args>
requires(!(detail::UnsafeTemporary<Args&&> || ...))
    [[nodiscard]] auto spawn_on(Context& context, std::string_view node, Args&&... args) {
  return detail::RemoteSpawn<Pid>{context, node, AliasMode::none,
                                  detail::order_of<H>({}, std::forward<Args>(args)...)};
}
template <auto function, class... Args>
requires(!(detail::UnsafeTemporary<Args&&> || ...))
    [[nodiscard]] auto spawn_link_on(Context& context, std::string_view node, Args&&... args) {
  static_assert(detail::k_is_process<function>, "a process is `Task<> f(Context&, args...)`");
  return detail::RemoteSpawn<Pid>{
      context, node, AliasMode::none,
      detail::order_of<function>({.link = true}, std::forward<Args>(args)...)};
}
template <std::derived_from<Handler> H, class... Args>
requires(!(detail::UnsafeTemporary<Args&&> || ...))
    [[nodiscard]] auto spawn_link_on(Context& context, std::string_view node, Args&&... args) {
  return detail::RemoteSpawn<Pid>{context, node, AliasMode::none,
                                  detail::order_of<H>({.link = true}, std::forward<Args>(args)...)};
}
template <auto function, class... Args>
requires(!(detail::UnsafeTemporary<Args&&> || ...))
    [[nodiscard]] auto spawn_monitor_on(Context& context, std::string_view node, Args&&... args) {
  static_assert(detail::k_is_process<function>, "a process is `Task<> f(Context&, args...)`");
  return detail::RemoteSpawn<Spawned>{
      context, node, AliasMode::none,
      detail::order_of<function>({.monitor = true}, std::forward<Args>(args)...)};
}
template <std::derived_from<Handler> H, class... Args>
requires(!(detail::UnsafeTemporary<Args&&> || ...))
    [[nodiscard]] auto spawn_monitor_on(Context& context, std::string_view node, Args&&... args) {
  return detail::RemoteSpawn<Spawned>{
      context, node, AliasMode::none,
      detail::order_of<H>({.monitor = true}, std::forward<Args>(args)...)};
}

/// Returns at once; a SpawnReply follows, before anything else of the child: its pid, or nobody's
/// and the reason. A monitor has the request's reference, and is none before the reply.
/// Context::abandon_spawn() gives it up.
template <auto function, class... Args>
Ref spawn_request_on(Context& context, std::string_view node, const SpawnOptions& options,
                     Args&&... args) {
  static_assert(detail::k_is_process<function>, "a process is `Task<> f(Context&, args...)`");
  return detail::ask_spawn(
             context, node,
             detail::order_of<function>(detail::terms_of(options), std::forward<Args>(args)...),
             detail::SpawnAnswer::message, options.alias)
      .ref;
}
template <std::derived_from<Handler> H, class... Args>
Ref spawn_request_on(Context& context, std::string_view node, const SpawnOptions& options,
                     Args&&... args) {
  return detail::ask_spawn(
             context, node,
             detail::order_of<H>(detail::terms_of(options), std::forward<Args>(args)...),
             detail::SpawnAnswer::message, options.alias)
      .ref;
}

/// start_server() on another node: waits until init is done there. A name is one of that node, or
/// of the cluster. Further errors, as the reason of a failed start: noconnection, {undef, Name}.
/// After a timeout nothing half-started stays there.
template <std::derived_from<GenServer> Impl, class... Args>
[[nodiscard]] Task<StartResult> start_server_on(Context& context, std::string node,
                                                ServerOptions options, Args... args) {
  if (options.label.empty()) options.label = detail::type_name<Impl>();
  return detail::start_server_on(
      context, std::move(node),
      detail::order_of<Impl>(detail::terms_of(options), std::move(args)...), options.timeout);
}
template <std::derived_from<GenServer> Impl, class... Args>
[[nodiscard]] Task<StartResult> start_link_on(Context& context, std::string node, Args... args) {
  return start_server_on<Impl>(context, std::move(node), ServerOptions{}, std::move(args)...);
}

}  // namespace grove

GROVE_MESSAGE(grove::detail::StartAck, "grove.start_ack", status, pid)
