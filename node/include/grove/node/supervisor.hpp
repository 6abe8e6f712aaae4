// SPDX-License-Identifier: Apache-2.0
//
// Supervisor: starts children in order, restarts those that fail, ends them in reverse order.
//
//   grove::SupervisorSpec app{.strategy = grove::rest_for_one,
//                             .children = {grove::child<Store>("store"),
//                                          grove::child<Counter>("counter", 0).as("counter")}};
//   const grove::StartResult started = co_await grove::start_supervisor(context, app);
//
// More restarts than `intensity` within `period` end the supervisor with `shutdown`, and its
// children before it. A restart that fails is tried again, each time as one more restart, and the
// supervisor serves other requests in between.
// Defaults are Elixir's: one_for_one, 3 restarts in 5 seconds; children are permanent, with 5 s to
// shut down.
//
// Source: OTP supervisor; semantics.md SUP-*.
#pragma once

#include "grove/node/gen_server.hpp"
#include "grove/node/remote.hpp"
#include "grove/node/restart.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace grove {

/// How long a child gets to end by itself when told to shut down, before it is killed.
struct Shutdown {
  Timeout wait;         // none: for ever
  bool brutal = false;  // kill at once
  static Shutdown within(std::chrono::milliseconds time) { return {time, false}; }
  static Shutdown infinity() { return {std::nullopt, false}; }
  static Shutdown brutal_kill() { return {std::nullopt, true}; }
};

/// How a supervisor starts, restarts and ends one child.
struct ChildSpec {
  /// Starts the child, linked to the supervisor, and waits for its init.
  using Start = std::function<Task<StartResult>(Context& supervisor, ServerOptions options)>;

  std::string id;
  Start start;
  Restart restart = Restart::permanent;
  Shutdown shutdown = Shutdown::within(std::chrono::seconds{5});
  bool supervisor = false;
  bool is_significant = false;
  ServerOptions options;  // its name; the label is the id
  std::string node;       // that it is started on; empty: the supervisor's

  ChildSpec(std::string child_id, Start start_function)
      : id{std::move(child_id)}, start{std::move(start_function)} {}
  ChildSpec with(Restart value) && {
    restart = value;
    return std::move(*this);
  }
  ChildSpec with(Shutdown value) && {
    shutdown = value;
    return std::move(*this);
  }
  /// Registers the child under `name` before its init runs, at each start.
  ChildSpec as(ServerName name) && {
    options.name = std::move(name);
    return std::move(*this);
  }
  /// Its end counts for the supervisor's auto_shutdown. Not for permanent children.
  ChildSpec significant() && {
    is_significant = true;
    return std::move(*this);
  }
};

/// A spec that still knows its class.
template <class Impl, class... Args>
class ServerChild final : public ChildSpec {
 public:
  explicit ServerChild(std::string child_id, Args... args)
      : ChildSpec{std::move(child_id),
                  [args...](Context& context, ServerOptions server) {
                    return start_server<Impl, Args...>(context, std::move(server), args...);
                  }},
        args_{std::move(args)...} {
    static_assert(
        !requires(const ChildSpec& fixed) { Impl::child_spec(fixed); },
        "child_spec takes a ChildSpec&, and changes it");
    Impl::child_spec(*this);
  }

  /// The child is to be started on another node, each time. Its class needs a GROVE_REMOTE_CLASS
  /// line (behaviour.hpp), its name is one there. When that node is lost the child has ended,
  /// `noconnection`; until the node is back each restart fails, and counts.
  ChildSpec on(std::string other) && {
    node = std::move(other);
    start = [there = node, args = std::move(args_)](Context& context, ServerOptions server) {
      return std::apply(
          [&](const Args&... each) {
            return start_server_on<Impl, Args...>(context, there, std::move(server), each...);
          },
          args);
    };
    return std::move(*this);
  }

 private:
  std::tuple<Args...> args_;
};

/// A child that is a server made from (copies of) `args` at each start. A class with other defaults
/// than a supervisor's says so in `static void child_spec(ChildSpec&)`. Source: Elixir, use
/// GenServer, restart: ...
template <std::derived_from<GenServer> Impl, class... Args>
[[nodiscard]] ServerChild<Impl, Args...> child(std::string id, Args... args) {
  return ServerChild<Impl, Args...>{std::move(id), std::move(args)...};
}

struct SupervisorSpec {
  Strategy strategy = Strategy::one_for_one;
  std::vector<ChildSpec> children = {};
  RestartIntensity intensity = {};
  AutoShutdown auto_shutdown = AutoShutdown::never;
};

struct ChildInfo {
  std::string id;
  Pid pid;  // nobody: not running
  bool supervisor = false;
  bool restarting = false;  // its restart failed, and another is coming
};

struct ChildCounts {
  std::size_t specs = 0;
  std::size_t active = 0;  // alive now
  std::size_t supervisors = 0;
  std::size_t workers = 0;
};

/// Starts a supervisor and its children, linked to the caller.
/// Errors, as the reason of a failed start: {shutdown, {failed_to_start_child, Id, Reason}}, those
/// before it have been ended again; {start_spec, What} or {supervisor_data, What}, nobody was
/// started.
[[nodiscard]] Task<StartResult> start_supervisor(Context& context, SupervisorSpec spec,
                                                 ServerOptions options = {});

/// A supervisor as somebody's child.
[[nodiscard]] ChildSpec supervisor(std::string id, SupervisorSpec spec);

// What a running supervisor can be asked, one of another node, too, but for start_child(), whose
// spec cannot travel. All wait for it, without a limit: a child that takes long to start or to end
// holds it up. Throws ProcessExit when it is gone: noproc, {nodedown, Node}, its reason.

/// Adds a child and starts it, as the last.
/// Returns: ok, ignored, already_started (the id runs, or another process has the child's name), or
/// failed: `already_present` when the id is known but not running, or what its init ended with; no
/// spec stays behind then.
[[nodiscard]] Task<StartResult> start_child(Context& context, ServerRef supervisor, ChildSpec spec);
/// Ends a child and keeps its spec (unless temporary). A child that does not run is as good.
/// Errors: not_found.
[[nodiscard]] Task<Result<void>> terminate_child(Context& context, ServerRef supervisor,
                                                 std::string id);
/// Starts a child that has ended, from its spec.
/// Returns: as start_child(); failed with `running`, `restarting` or `not_found` otherwise.
[[nodiscard]] Task<StartResult> restart_child(Context& context, ServerRef supervisor,
                                              std::string id);
/// Forgets a child that has ended. Errors: already_started (it runs), unavailable (its restart has
/// failed, and another is coming), not_found.
[[nodiscard]] Task<Result<void>> delete_child(Context& context, ServerRef supervisor,
                                              std::string id);
/// Most recently started first.
[[nodiscard]] Task<std::vector<ChildInfo>> which_children(Context& context, ServerRef supervisor);
[[nodiscard]] Task<ChildCounts> count_children(Context& context, ServerRef supervisor);

}  // namespace grove
