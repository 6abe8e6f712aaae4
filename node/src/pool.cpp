// SPDX-License-Identifier: Apache-2.0
#include "grove/node/pool.hpp"

#include "grove/node/parent.hpp"

#include "pool_state.hpp"
#include "reminders.hpp"

#include <algorithm>

namespace grove::detail {

/// A worker, or why there is none.
struct Lent {
  Pid worker = {};
  Errc error = {};
};
struct CheckOut {
  using Reply = Lent;
  Timeout timeout;
};
struct GetPoolStatus {
  using Reply = PoolStatus;
};

}  // namespace grove::detail

GROVE_MESSAGE(grove::detail::Lent, "grove.pool.lent", worker, error)
GROVE_MESSAGE(grove::detail::CheckOut, "grove.pool.check_out", timeout)
GROVE_MESSAGE(grove::detail::GetPoolStatus, "grove.pool.get_status")
GROVE_MESSAGE(grove::PoolStatus, "grove.pool.status", idle, lent, overflow, waiting)

namespace grove {
namespace {

using detail::CheckIn;
using detail::CheckOut;
using detail::GetPoolStatus;
using detail::Lent;
using detail::PoolState;
using Act = PoolState::Step::Act;

/// A client's patience is at its end.
struct WaitOver {
  Ref client;
};
/// Something is due.
struct Wake {};
struct StartWorker {};

constexpr std::chrono::milliseconds k_cool_down_max = std::chrono::years{10};  // fits any clock

Init refused(const char* argument, const char* text) {
  const Value what = Value::tuple({Value::symbol(argument), text});
  return Init::stop(ExitReason{Value::tuple({Value::symbol("invalid_args"), what})});
}

/// Does what PoolState says.
class PoolManager final : public ParentServer {
 public:
  using Handles = grove::Handles<CheckOut, CheckIn, GetPoolStatus, WaitOver, Wake, StartWorker>;

  explicit PoolManager(PoolSpec spec)
      : spec_{std::move(spec)},
        state_{static_cast<std::size_t>(spec_.size), static_cast<std::size_t>(spec_.max_overflow),
               std::min(spec_.cool_down, k_cool_down_max)} {}

  Task<Init> init() {
    if (spec_.size <= 0) co_return refused("size", "must be a positive integer");
    if (spec_.max_overflow < 0) co_return refused("max_overflow", "must not be negative");
    if (spec_.cool_down.count() < 0) co_return refused("cool_down", "must not be negative");
    for (int i = 0; i < spec_.size; ++i) {
      const StartResult started = co_await start_worker();
      if (!started.ok()) {
        co_return Init::stop(
            ExitReason{Value::tuple({Value::symbol("worker"), why_not(started).term()})});
      }
    }
    co_return Init::ok();
  }

  NoReply handle_call(CheckOut request) {
    const bool waits = !request.timeout || *request.timeout > Clock::Duration::zero();
    const Ref client = context().monitor(from().pid);
    state_.add_client({from(), client, waits});
    go_on(now());
    auto* const waiting = state_.last_waiting(client);
    if (waiting != nullptr && waits && request.timeout) {
      waiting->timer =
          detail::remind_after(context(), *request.timeout, Message::make<WaitOver>(client));
    }
    return {};
  }

  PoolStatus handle_call(GetPoolStatus) const { return state_.status(); }

  /// As the runtime's own word, which no bound of the mailbox keeps out.
  void handle_info(CheckIn back) {
    const Clock::TimePoint at = now();
    const auto client = state_.returned(back.worker, at);
    if (client) context().demonitor(client->monitor);
    go_on(at);
  }

  void handle_info(WaitOver over) {
    const auto client = state_.remove_waiting(over.client);
    if (!client) return;  // it has got a worker just before
    context().demonitor(client->monitor);
    reply(client->from, Lent{{}, Errc::timeout});
  }

  void handle_info(const Down& down) {
    const Clock::TimePoint at = now();
    if (const auto client = state_.remove_waiting(down.ref)) {
      context().drop_timer(client->timer);
    } else {
      state_.client_ended(down.ref, at);
    }
    go_on(at);
  }

  /// Of a worker whose start failed: known already.
  void handle_info(const Exit&) {}

  void handle_child_terminated(const Value&, const Value&, Pid worker, const ExitReason&) {
    const auto client = state_.worker_ended(worker);
    if (client) context().demonitor(client->monitor);
    go_on(now());
  }

  void handle_info(Wake) {
    wakes_at_.reset();
    go_on(now());
  }

  Task<> handle_continue(StartWorker) {
    const StartResult started = co_await start_worker();
    if (!started.ok()) {
      node().log().warning("pool " + spec_.name + ": a worker does not start, another is tried: " +
                           to_string(why_not(started)));
      state_.start_failed(now());
    }
    go_on(now());
  }

  Value debug_state() const {
    const PoolStatus status = state_.status();
    const auto row = [](const char* name, std::size_t count) {
      return std::pair{Value::symbol(name), Value{static_cast<std::int64_t>(count)}};
    };
    return Value::map({row("idle", status.idle), row("lent", status.lent),
                       row("overflow", status.overflow), row("waiting", status.waiting)});
  }

 private:
  static ExitReason why_not(const StartResult& result) {
    return result.status == StartResult::Status::failed ? result.reason
                                                        : ExitReason::symbol(to_string(result));
  }
  [[nodiscard]] Clock::TimePoint now() const { return node().clock().now(); }

  Task<StartResult> start_worker() {
    ChildSpec worker = spec_.worker;
    worker.id = spec_.name + '-' + std::to_string(++workers_started_);
    StartResult result = co_await start_child(std::move(worker));
    if (result.ok()) state_.started(result.pid, now());
    co_return result;
  }

  /// Until there is nothing to do. A start is done after the handler, and goes on from there.
  void go_on(Clock::TimePoint at) {
    for (;;) {
      const PoolState::Step step = state_.next(at);
      switch (step.act) {
        case Act::lend:
          context().drop_timer(step.client.timer);
          reply(step.client.from, Lent{step.worker});
          continue;
        case Act::refuse:
          context().demonitor(step.client.monitor);
          reply(step.client.from, Lent{{}, Errc::unavailable});
          continue;
        case Act::dismiss: context().exit(step.worker, ExitReason::shutdown()); continue;
        case Act::start: continue_with(StartWorker{}); return;
        case Act::none: return wake_when_due();
      }
    }
  }

  void wake_when_due() {
    const auto due = state_.due();
    if (due == wakes_at_) return;
    context().drop_timer(wake_);
    wake_ = due ? detail::remind_at(context(), *due, Message::make<Wake>()) : TimerId{};
    wakes_at_ = due;
  }

  PoolSpec spec_;
  PoolState state_;
  std::uint64_t workers_started_ = 0;
  std::optional<Clock::TimePoint> wakes_at_;
  TimerId wake_;
};

}  // namespace

ChildSpec pool(PoolSpec spec) {
  std::string name = spec.name;
  return child<PoolManager>(name, std::move(spec)).as(name);
}

ChildSpec pools(std::string name, RestartIntensity intensity) {
  const SupervisorSpec nobody{.intensity = intensity};
  return supervisor(name, nobody).as(name);
}

Task<StartResult> start_pool(Context& context, PoolSpec spec, ServerRef pools) {
  return start_child(context, std::move(pools), pool(std::move(spec)));
}

Task<Result<void>> stop_pool(Context& context, std::string name, ServerRef pools) {
  Result<void> ended = co_await terminate_child(context, pools, name);
  if (ended) (void)co_await delete_child(context, pools, name);  // fine, too: somebody else has
  co_return ended;
}

Task<Result<Pid>> checkout(Context& context, ServerRef pool, Timeout timeout) {
  const Lent lent = co_await context.call_for<CheckOut>(std::nullopt, pool, timeout);
  if (lent.worker) co_return lent.worker;
  co_return Error{lent.error, lent.error == Errc::timeout ? "no worker came back in time"
                                                          : "no worker is idle"};
}

void checkin(Context& context, const ServerRef& pool, Pid worker) {
  const auto* remote = pool.get<RemoteName>();
  const bool here = remote != nullptr && remote->node == context.node().name();
  const auto manager = here ? context.whereis(remote->name) : context.resolve(pool);
  if (manager && manager->node == context.node().id()) {
    detail::tell(context, *manager, Message::make<CheckIn>(worker));
  } else {
    context.cast(pool, CheckIn{worker});
  }
}

Task<PoolStatus> pool_status(Context& context, ServerRef pool) {
  co_return co_await context.call_for<GetPoolStatus>(std::nullopt, pool);
}

}  // namespace grove
