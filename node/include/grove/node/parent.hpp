// SPDX-License-Identifier: Apache-2.0
//
// ParentServer: a GenServer with children of its own: jobs that it starts, knows and takes down.
//
//   class Ticker : public grove::ParentServer {
//    public:
//     using Handles = grove::Handles<Tick>;
//     void handle_info(Tick) {
//       if (!is_child("job")) start_child(grove::job("job", clean_up));
//     }
//     void handle_child_terminated(const Value&, const Value&, Pid, const ExitReason& reason) {
//       node().log().info("job ended: " + to_string(reason));
//     }
//   };
//
// It is a GenServer in all else, but that it traps exits. Nothing is restarted: what follows the
// end of a child is the program's to say. When the server ends, terminate() runs while all its
// children live; then they are ended, the last started first, and no callback runs for them. When
// it is killed, or its init fails, they are killed. So none of them outlives it.
// Processes that it is linked to otherwise are no children: their ends are handle_info(Exit).
// To a supervisor it is a supervisor; see child_spec().
//
// Source: Parent.GenServer of the Elixir library parent, 0.5; semantics.md PAR-*.
#pragma once

#include "grove/node/supervisor.hpp"

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace grove {

namespace detail {
struct ParentedChild;
class ParentTable;
}  // namespace detail

/// A child that is a coroutine; see job().
struct JobSpec {
  using Start = std::function<Pid(Context& parent, SpawnOptions options)>;

  Value id;
  Start start;
  Shutdown shutdown = Shutdown::within(std::chrono::seconds{5});

  JobSpec(Value child_id, Start start_function)
      : id{std::move(child_id)}, start{std::move(start_function)} {}
  JobSpec with(Shutdown value) && {
    shutdown = value;
    return std::move(*this);
  }
};

/// A child that runs `function(context, args...)`, a coroutine, once.
template <class F, class... Args>
requires detail::ProcessFunction<F, Args...>
[[nodiscard]] JobSpec job(Value id, F function, Args... args) {
  return {std::move(id), [function, args...](Context& parent, SpawnOptions options) {
            return parent.spawn_opt(std::move(options), function, args...).pid;
          }};
}

/// A child that has ended.
struct ChildEnd {
  Value id;
  Value meta;
  Pid pid;
  ExitReason reason;  // `timeout` when its time was up
};

class ParentServer : public GenServer {
 public:
  struct Child {
    Value id;
    Pid pid;
    Value meta;
  };

  /// As a supervisor's child: a supervisor, too, with all the time that it needs to end its own
  /// children. A class with a child_spec() of its own calls this one first.
  static void child_spec(ChildSpec& spec) {
    spec.shutdown = Shutdown::infinity();
    spec.supervisor = true;
  }

  ~ParentServer() override;

  /// A child has ended, and is none any more. A server's own hides it: a plain function or a
  /// coroutine, which takes its parameters by value. Not called for those that the server ends.
  void handle_child_terminated(const Value& /*id*/, const Value& /*meta*/, Pid /*child*/,
                               const ExitReason& /*reason*/) {}

 protected:
  ParentServer();

  /// Starts a job as a child of this server, linked to it. `meta` is kept with it. After `timeout`
  /// it is killed: its reason is then `timeout`.
  /// Returns: ok, or already_started with the child of that id.
  StartResult start_child(JobSpec job, Value meta = {}, Timeout timeout = {});
  /// The same for a server, or a supervisor: waits for its init. Of a spec `restart` counts for
  /// nothing. Returns: also ignored, or failed; these are no children.
  [[nodiscard]] Task<StartResult> start_child(ChildSpec spec, Value meta = {},
                                              Timeout timeout = {});

  /// Ends a child as its `shutdown` says, and waits until it has ended.
  /// Returns: false when there is no such child.
  Task<bool> shutdown_child(Value id);
  /// Ends all children, the last started first, with `reason`, or `shutdown` for normal.
  Task<> shutdown_all(ExitReason reason = ExitReason::shutdown());
  /// Waits until a child ends, which is then told here alone.
  /// Errors: not_found, timeout.
  [[nodiscard]] Task<Result<ChildEnd>> await_child_termination(Value id, Timeout timeout);

  /// In the order of their start.
  [[nodiscard]] std::vector<Child> children() const;
  [[nodiscard]] std::size_t num_children() const noexcept;
  [[nodiscard]] bool is_child(const Value& id) const;
  /// Nothing when there is no such child.
  [[nodiscard]] std::optional<Pid> child_pid(const Value& id) const;
  [[nodiscard]] std::optional<Value> child_id(const Pid& pid) const;
  [[nodiscard]] std::optional<Value> child_meta(const Value& id) const;
  /// Makes `update(meta)` the child's meta. Returns: false when there is no such child.
  bool update_child_meta(const Value& id, const std::function<Value(const Value&)>& update);

 private:
  template <class Impl, class... Args>
  friend class ServerBody;

  /// What became of a message: whether it was about children, and whose end it told.
  struct ChildMessage {
    bool handled = false;
    std::optional<ChildEnd> end = {};
  };
  ChildMessage take_child_message(Envelope& envelope);

  StartResult known(const Value& id) const;
  void add(detail::ParentedChild child, Timeout timeout);
  void expire(const Pid& pid);
  detail::ParentedChild take(const Pid& pid);
  ChildEnd remove(const Exit& exit);
  Task<> end_child(Pid pid, ExitReason reason);

  std::unique_ptr<detail::ParentTable> children_;
};

}  // namespace grove
