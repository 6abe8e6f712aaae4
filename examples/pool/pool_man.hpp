// SPDX-License-Identifier: Apache-2.0
//
// The manager of a pool: lends its workers to clients, and takes them back.
//
// It monitors each client that has a worker, for when that ends first. It is linked to its workers,
// and replaces those that end. It starts their supervisor, and ends when that does: then the
// pool's supervisor starts all anew.
#pragma once

#include "worker_sup.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace pool_toy {

/// What a pool is made of. All of it must be given; that is found out when the pool starts.
struct PoolArgs {
  std::string name = {};
  std::optional<grove::ChildSpec> worker_spec = {};
  std::optional<int> size = {};
};

struct CheckOut {
  using Reply = std::optional<grove::Pid>;  // nothing: the pool is full
};
struct CheckIn {
  grove::Pid worker;
};
struct StartWorkerSup {};

class PoolMan : public grove::GenServer {
 public:
  using Handles = grove::Handles<CheckOut, CheckIn, StartWorkerSup>;
  explicit PoolMan(PoolArgs args) : args_{std::move(args)} {}

  grove::Init init() {
    if (!args_.size) return refuse("missing_args", "size", "positive integer `size` is required");
    if (*args_.size <= 0) return refuse("invalid_args", "size", "must be a positive integer");
    if (!args_.worker_spec) {
      return refuse("missing_args", "worker_spec", "child spec `worker_spec` is required");
    }
    context().trap_exit(true);
    monitors_ = context().new_table<grove::Pid, grove::Ref>("monitors_" + args_.name).value();
    continue_with(StartWorkerSup{});
    return grove::Init::ok();
  }

  grove::Task<> handle_continue(StartWorkerSup) {
    const grove::Pid pool_sup = context().parent();
    const auto started = co_await grove::start_child(context(), pool_sup, worker_sup());
    if (!started.ok()) context().exit(started.reason);
    worker_sup_ = started.pid;
    context().link(worker_sup_);
    for (int i = 0; i < *args_.size; ++i) idle_.push_back(co_await new_worker());
  }

  std::optional<grove::Pid> handle_call(CheckOut) {
    if (idle_.empty()) return std::nullopt;
    const grove::Pid worker = idle_.back();
    idle_.pop_back();
    monitors_.insert(worker, context().monitor(from().pid)).value();
    return worker;
  }

  void handle_cast(CheckIn back) {
    const auto client = monitors_.take(back.worker);
    if (!client) return;  // it may be dead, or no worker at all
    context().demonitor(*client);
    idle_.push_back(back.worker);
  }

  void handle_info(const grove::Down& down) {
    const auto lent = monitors_.find_first(
        [&](grove::Pid, const grove::Ref& client) { return client == down.ref; });
    if (!lent) return;  // the worker was given back before
    monitors_.erase(lent->key).value();
    idle_.push_back(lent->key);
  }

  grove::Task<> handle_info(grove::Exit exit) {
    if (exit.from == worker_sup_) {
      const auto why = grove::Value::symbol("worker_sup_exit");
      stop(grove::ExitReason{grove::Value::tuple({why, exit.reason.term()})});
    } else if (const auto client = monitors_.take(exit.from)) {
      context().demonitor(*client);
      idle_.push_back(co_await new_worker());
    } else if (std::erase(idle_, exit.from) > 0) {
      idle_.push_back(co_await new_worker());
    }
  }

  /// How many workers are idle, for inspection.
  grove::Value debug_state() const { return static_cast<std::int64_t>(idle_.size()); }

 private:
  static grove::Init refuse(const char* why, const char* argument, const char* text) {
    using grove::Value;
    const Value what = Value::tuple({Value::symbol(argument), text});
    return grove::Init::stop(grove::ExitReason{Value::tuple({Value::symbol(why), what})});
  }

  grove::Task<grove::Pid> new_worker() {
    const auto started = co_await start_worker(context(), worker_sup_, *args_.worker_spec);
    if (!started.ok()) context().exit(started.reason);
    context().link(started.pid);
    co_return started.pid;
  }

  PoolArgs args_;
  grove::Pid worker_sup_;
  std::vector<grove::Pid> idle_;                   // the last one back goes first
  grove::Table<grove::Pid, grove::Ref> monitors_;  // of the clients, by worker
};

inline auto checkout(grove::Context& context, const std::string& pool) {
  return context.call<CheckOut>(grove::ServerRef{pool});
}

inline void checkin(grove::Context& context, const std::string& pool, grove::Pid worker) {
  context.cast(grove::ServerRef{pool}, CheckIn{worker});
}

}  // namespace pool_toy
