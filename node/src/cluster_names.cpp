// SPDX-License-Identifier: Apache-2.0
#include "grove/node/cluster_names.hpp"

#include "grove/node/node.hpp"
#include "grove/node/supervisor.hpp"

#include "child_requests.hpp"
#include "process.hpp"
#include "reminders.hpp"

#include <chrono>
#include <memory>
#include <utility>

namespace grove::global {
namespace {

Result<void> add(Context& context, const ClusterNames::Request& request) {
  const RuntimeSection runtime{detail::current_turn()};
  Node& node = context.node();
  if (auto marked = node.mark_named(request.pid); !marked) return marked;
  if (auto marked = node.mark_named(context.self()); !marked) return marked;
  return node.router()->names().add(request, context.self());
}

void forget(Context& context, const Ref& waiter) {
  const RuntimeSection runtime{detail::current_turn()};
  context.node().router()->names().forget(waiter);
}

Result<void> result_of(const detail::NameAnswer& answer) {
  if (answer.given) return {};
  if (answer.winner) return Error{Errc::name_taken, to_string(answer.winner)};
  return Error{Errc::not_found, "the name was taken away again"};
}

}  // namespace

Task<Result<void>> register_name(Context& context, std::string name, Pid pid, NameOptions options) {
  ClusterNames::Request request;
  request.name = std::move(name);
  request.pid = pid;
  request.metadata = std::move(options.metadata);
  request.ack = options.ack;
  request.waiter = context.make_ref();
  const Ref waiter = request.waiter;
  Result<void> added = add(context, request);
  if (!added || options.ack.kind == NameAck::Kind::none) co_return added;
  const auto is_mine = [waiter](const detail::NameAnswer& answer) {
    return answer.waiter == waiter;
  };
  auto answer = co_await context.receive_for<detail::NameAnswer>(options.timeout, is_mine);
  if (!answer) {
    forget(context, waiter);
    const Clock::Duration at_once{};  // one that has come meanwhile still counts
    answer = co_await context.receive_for<detail::NameAnswer>(at_once, is_mine);
  }
  if (!answer) co_return Error{Errc::timeout, "not all have said that they know the name"};
  co_return result_of(*answer);
}

Result<void> re_register_name(Context& context, const std::string& name, const Pid& pid,
                              Value metadata) {
  ClusterNames::Request request;
  request.name = name;
  request.pid = pid;
  request.metadata = std::move(metadata);
  request.replaces = true;
  return add(context, request);
}

bool unregister_name(Context& context, const std::string& name) {
  const RuntimeSection runtime{detail::current_turn()};
  if (!context.node().mark_named(context.self())) return false;
  return context.node().router()->names().remove(name, true);
}

std::optional<NameRow> find(const Context& context, std::string_view name) {
  const RuntimeSection runtime{detail::current_turn()};
  Router* const router = context.node().router();
  return router == nullptr ? std::nullopt : router->names().row(name);
}

NameWatch watch_names(Context& context, std::string prefix) {
  const Ref ref = context.make_ref();
  const RuntimeSection runtime{detail::current_turn()};
  if (!context.node().mark_named(context.self())) return {ref, {}};
  return {ref, context.node().router()->names().watch(context.self(), ref, prefix)};
}

void unwatch_names(Context& context, const Ref& watch) {
  const RuntimeSection runtime{detail::current_turn()};
  Router* const router = context.node().router();
  if (router != nullptr) router->names().unwatch(watch);
}

namespace {

/// As start_or_get(), but failed when the server has lost the name in its init.
Task<StartResult> start_or_find(Context& context, std::string name, ChildSpec spec) {
  StartResult result;
  if (const auto holder = context.whereis(name, Scope::cluster)) {
    result.status = StartResult::Status::already_started;
    result.pid = *holder;
    co_return result;
  }
  ServerOptions options = spec.options;
  options.label = spec.id;
  options.name = Global{std::move(name)};
  Task<StartResult> starting = spec.start(context, std::move(options));
  co_return co_await starting;
}

}  // namespace

Task<StartResult> start_or_get(Context& context, std::string name, ChildSpec spec) {
  Task<StartResult> starting = start_or_find(context, name, std::move(spec));
  StartResult result = co_await starting;
  detail::tell_as_held(name, result);
  co_return result;
}

// -- singletons -----------------------------------------------------------------------------

namespace {

/// Runs the server while it has the name, and waits for it otherwise.
class StandIn final : public GenServer {
  struct TryAgain {};
  static constexpr auto k_pause = std::chrono::seconds{1};  // after a refusal, or a loss

 public:
  using Handles = grove::Handles<NameEvent, TryAgain, detail::WhichChildren, detail::CountChildren>;

  StandIn(std::string name, std::shared_ptr<const ChildSpec> spec)
      : name_{std::move(name)}, spec_{std::move(spec)} {
    context().trap_exit(true);
  }

  Task<Init> init() {
    (void)watch_names(context(), name_);  // before the first try: no end is missed
    const StartResult result = co_await attempt();
    if (is_ignored(result)) co_return Init::ignore();
    co_return failed(result) ? Init::stop(result.reason) : Init::ok();
  }

  Task<> handle_info(NameEvent event) {
    if (event.row.name != name_) co_return;
    // The dead are none before their names are free. An event may be older than the server.
    if (node().is_alive(server_) && context().whereis(name_, Scope::cluster) != server_) {
      // Its name was moved, or taken away, which nobody tells it.
      co_await detail::end_child(context(), std::exchange(server_, {}), spec_->shutdown);
      try_later();
    } else if (event.kind == NameEvent::Kind::down) {
      co_await try_again();
    }
  }
  Task<> handle_info(TryAgain) {
    waits_ = false;
    co_await try_again();
  }

  void handle_info(Exit exit) {
    if (exit.from != server_) return;
    server_ = {};
    if (counts_as_restart(exit.reason)) return stop(exit.reason);
    try_later();
  }

  // To others it is a supervisor of one child.
  detail::ChildRows handle_call(detail::WhichChildren) const {
    return {{{spec_->id, server_, spec_->supervisor}}};
  }
  ChildCounts handle_call(detail::CountChildren) const {
    const std::size_t supervisors = spec_->supervisor ? 1 : 0;
    return {1, server_ ? std::size_t{1} : 0, supervisors, 1 - supervisors};
  }

  Task<> terminate(ExitReason) {
    if (server_) co_await detail::end_child(context(), server_, spec_->shutdown);
  }

 private:
  Task<StartResult> attempt() {
    StartResult result = co_await start_or_find(context(), name_, *spec_);
    if (result.ok()) server_ = result.pid;
    if (is_denied(result)) try_later();
    co_return result;
  }
  /// After a refusal, for nobody says when this node may take names again; and after a loss, though
  /// the winner may be gone by now: if all losers tried at once, each would lose again to claims
  /// that are over when they arrive, and so on for ever.
  void try_later() {
    if (std::exchange(waits_, true)) return;
    detail::remind_after(context(), k_pause, Message::make<TryAgain>());
  }
  Task<> try_again() {
    if (server_ || waits_) co_return;
    const StartResult result = co_await attempt();
    if (failed(result)) stop(result.reason);
    // It has had the name and given it back: to try again at that would be to try for ever.
    if (is_ignored(result)) stop(ExitReason::normal());
  }
  static bool is_ignored(const StartResult& result) {
    return result.status == StartResult::Status::ignored;
  }
  static bool is_denied(const StartResult& result) {
    return result.status == StartResult::Status::failed &&
           (detail::is_name_refused(result) || !counts_as_restart(result.reason));
  }
  static bool failed(const StartResult& result) {
    return result.status == StartResult::Status::failed && !is_denied(result);
  }

  std::string name_;
  std::shared_ptr<const ChildSpec> spec_;
  Pid server_;          // nobody: another node's has the name
  bool waits_ = false;  // for a TryAgain
};

}  // namespace

ChildSpec singleton(std::string name, ChildSpec spec) {
  const auto server = std::make_shared<const ChildSpec>(spec);
  ChildSpec child{spec.id,
                  [name = std::move(name), server](Context& context, ServerOptions options) {
                    return start_server<StandIn>(context, std::move(options), name, server);
                  }};
  child.restart = spec.restart;
  child.is_significant = spec.is_significant;
  child.shutdown = Shutdown::infinity();
  child.supervisor = true;
  return child;
}

}  // namespace grove::global
