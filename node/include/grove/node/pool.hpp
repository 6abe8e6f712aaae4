// SPDX-License-Identifier: Apache-2.0
//
// Pool: a number of workers, of any kind, that are lent to clients.
//
//   grove::SupervisorSpec app;
//   app.children.push_back(grove::pools());
//
//   const grove::PoolSpec spec{.name = "db", .worker = grove::child<Connection>("db"), .size = 10};
//   co_await grove::start_pool(context, spec);
//   const auto rows = co_await grove::transaction(context, "db", query);
//
// `query(context, worker)` is a coroutine: while it runs the worker is its process's alone, and it
// comes back whatever happens.
//
// A client waits, first come first served, when no worker is idle. When it ends, its workers come
// back and its place in the queue goes. A worker that ends is replaced; who has it is not told, but
// by its own calls. The worker that came back last is lent first.
// Beyond its size a pool starts workers as they are needed, up to `max_overflow`; each goes when
// the pool is above its size and it has been idle for `cool_down`.
// A pool is a process, called as the pool is, with the workers as its children: it starts them
// linked to itself, whatever their spec says of restarts, and ends them when it ends. It waits for
// the init of each, so that should be short.
//
// Source: PoolToy (the blog's pool manager in Elixir); Erlang's poolboy. semantics.md, Pools.
#pragma once

#include "grove/node/supervisor.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace grove {

struct PoolSpec {
  std::string name;      // the pool's process has it as its local name
  ChildSpec worker;      // nameless, if there is to be more than one
  int size = 0;          // how many there always are; at least 1
  int max_overflow = 0;  // how many more there may be
  std::chrono::milliseconds cool_down{0};
};

struct PoolStatus {
  std::size_t idle = 0;
  std::size_t lent = 0;
  std::size_t overflow = 0;  // how many of these two are beyond the pool's size
  std::size_t waiting = 0;   // clients
  friend bool operator==(const PoolStatus&, const PoolStatus&) = default;
};

namespace detail {

/// A worker that is given back.
struct CheckIn {
  Pid worker;
};

}  // namespace detail

/// A pool as a child of any supervisor; its id is its name.
/// Errors, as the reason of a failed start: {invalid_args, {Argument, Text}}; or, when a worker
/// does not start, {worker, Reason}.
[[nodiscard]] ChildSpec pool(PoolSpec spec);

/// A supervisor of pools that come and go. One that fails is started again; more often than
/// `intensity` allows, and all end.
[[nodiscard]] ChildSpec pools(std::string name = "pools", RestartIntensity intensity = {});
/// Starts a pool, and its workers before it returns. Returns: as start_child() and pool() say;
/// already_started, or already_present, when there is one of that name.
[[nodiscard]] Task<StartResult> start_pool(Context& context, PoolSpec spec,
                                           ServerRef pools = "pools");
/// Ends a pool and its workers. Clients that wait get its exit. Errors: not_found.
[[nodiscard]] Task<Result<void>> stop_pool(Context& context, std::string name,
                                           ServerRef pools = "pools");

// What clients do, on any node. Throws ProcessExit, where it waits, when there is no such pool
// (noproc), or it ends or is lost meanwhile (its reason, {nodedown, Node}).

/// Borrows a worker. It is this process's until checkin(), or until one of them ends.
/// Waits: for at most `timeout`; none: for ever; zero or less: not at all.
/// Errors: timeout; unavailable, when it does not wait. Nothing is left behind then.
[[nodiscard]] Task<Result<Pid>> checkout(Context& context, ServerRef pool,
                                         Timeout timeout = k_call_timeout);
/// Gives a worker back; anybody may. Does nothing when it is not lent. Needs no room in the pool's
/// mailbox.
void checkin(Context& context, const ServerRef& pool, Pid worker);
[[nodiscard]] Task<PoolStatus> pool_status(Context& context, ServerRef pool);

/// Runs function(context, worker), a coroutine, with a borrowed worker. Rethrows what it throws,
/// the worker given back. Returns: its result. Errors: as checkout(); it did not run.
template <class F, class R = detail::TaskResult<F&, Context&, Pid>>
[[nodiscard]] Task<Result<R>> transaction(Context& context, ServerRef pool, F function,
                                          Timeout timeout = k_call_timeout) {
  const Result<Pid> worker = co_await checkout(context, pool, timeout);
  if (!worker) co_return worker.error();
  try {  // in the end of a process no catch runs: the pool's monitor gives the worker back
    if constexpr (std::is_void_v<R>) {
      co_await function(context, *worker);
      checkin(context, pool, *worker);
      co_return Result<R>{};
    } else {
      R result = co_await function(context, *worker);
      checkin(context, pool, *worker);
      co_return std::move(result);
    }
  } catch (...) {
    checkin(context, pool, *worker);
    throw;
  }
}

}  // namespace grove

GROVE_MESSAGE(grove::detail::CheckIn, "grove.pool.check_in", worker)
