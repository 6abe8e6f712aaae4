// SPDX-License-Identifier: Apache-2.0
//
// Supervision: what a supervisor knows of its children, and what it decides. It says one step at a
// time, "start this one", "end that one"; its supervisor does it, tells what came of it, and gets
// the next. No process is touched here.
//
// Thread-safety: confined to its supervisor. Source: OTP supervisor; semantics.md SUP-*.
#pragma once

#include "grove/node/supervisor.hpp"

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace grove::detail {

/// Why no supervisor takes such an intensity, or such a child.
[[nodiscard]] std::optional<ExitReason> refusal_of(const RestartIntensity& intensity);
[[nodiscard]] std::optional<ExitReason> refusal_of(const Shutdown& shutdown);

/// A child; stays where it is until it is forgotten.
struct Child {
  std::shared_ptr<const ChildSpec> spec;
  Pid pid = {};             // nobody: it does not run
  bool restarting = false;  // its restart failed, and retry() is to be called
};

class Supervision {
 public:
  enum class Act : std::uint8_t {
    none,     // all is done
    start,    // the child; then started()
    stop,     // the child, as its spec says; then stopped()
    retry,    // all is done, and the child's retry() is to come, after what is queued already
    end,      // the supervisor is to end with `shutdown`; then end()
    give_up,  // the same, because there were too many restarts of the child
    fail,     // the start has failed, for failure(); whoever was started has been ended again
  };
  struct Step {
    Act act = Act::none;
    Child* child = nullptr;
  };
  /// What a request comes to: at once an answer, or first a step.
  struct StartRequest {
    StartResult answer;
    Step step = {};
  };

  /// The children of `spec` are known from now on, and started by begin().
  explicit Supervision(SupervisorSpec spec);
  Supervision(const Supervision&) = delete;
  Supervision& operator=(const Supervision&) = delete;

  [[nodiscard]] Step begin();
  /// A process has ended: a child, or anybody else.
  [[nodiscard]] Step exited(const Pid& pid, const ExitReason& reason, Clock::TimePoint now);
  [[nodiscard]] Step retry(const std::string& id, Clock::TimePoint now);
  /// Ends all children, the last first.
  [[nodiscard]] Step end();

  [[nodiscard]] StartRequest add(std::shared_ptr<const ChildSpec> spec);
  [[nodiscard]] StartRequest restart(const std::string& id);
  /// Returns: nothing when there is no such child.
  [[nodiscard]] std::optional<Step> terminate(const std::string& id);
  Result<void> remove(const std::string& id);

  [[nodiscard]] Step started(const StartResult& result);
  [[nodiscard]] Step stopped();

  /// Why the start has failed.
  [[nodiscard]] const ExitReason& failure() const noexcept { return failure_; }
  /// In the order of their start.
  [[nodiscard]] const std::list<Child>& children() const noexcept { return children_; }
  /// Null when it is nobody's pid.
  [[nodiscard]] const Child* find(const Pid& pid) const;

 private:
  using Place = std::list<Child>::iterator;
  enum class Plan : std::uint8_t {  // what the steps are for
    begin,                          // start all
    roll_back,                      // a child has not started: end all
    restart_one,                    // start the child
    restart_group,
    add,
    restart_child,
    terminate_child,
    end,
  };

  [[nodiscard]] std::optional<ExitReason> refuse(const ChildSpec& spec) const;
  [[nodiscard]] Step start_at(Plan plan, Place place);
  [[nodiscard]] Step stop_from_last(Plan plan, Place first);
  [[nodiscard]] Step next_stop();
  [[nodiscard]] Step next_start();
  [[nodiscard]] Step restart_counted(Place place, Clock::TimePoint now);
  [[nodiscard]] Step restart(Place place);
  [[nodiscard]] Step start_failed(const StartResult& result);
  [[nodiscard]] bool ends_without_it() const;
  Place insert(std::shared_ptr<const ChildSpec> spec);
  Place forget(Place place);
  Place forget_if_temporary(Place place);

  Strategy strategy_;
  AutoShutdown auto_shutdown_;
  RestartWindow window_;
  std::optional<ExitReason> refused_;  // what is wrong with the spec
  ExitReason failure_;
  std::list<Child> children_;  // in the order of their start
  std::unordered_map<std::string_view, Place> by_id_;
  std::unordered_map<Pid, Place> by_pid_;

  Plan plan_ = Plan::begin;
  Place at_;     // whom the step is about
  Place first_;  // of those that are ended, and started again
};

}  // namespace grove::detail
