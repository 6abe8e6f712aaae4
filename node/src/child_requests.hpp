// SPDX-License-Identifier: Apache-2.0
//
// Child requests: what supervisors of all kinds are asked, and how they start and end one child.
#pragma once

#include "grove/node/supervisor.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace grove::detail {

// A supervisor of another node can be asked for all but a start: a spec holds functions.

/// Result<void>, as it travels.
struct Done {
  Done() = default;
  Done(const Result<void>& result) {
    if (!result) error = static_cast<std::uint16_t>(result.error().code);
    if (!result) detail = result.error().detail;
  }
  [[nodiscard]] Result<void> result() const {
    if (error == 0) return {};
    return Error{static_cast<Errc>(error), detail};
  }
  std::uint16_t error = 0;  // an Errc; 0: none
  std::string detail;
};
/// Children, as they travel.
struct ChildRows {
  ChildRows() = default;
  ChildRows(std::vector<ChildInfo> infos) : rows{std::move(infos)} {}
  std::vector<ChildInfo> rows;
};

struct StartChild {
  using Reply = StartResult;
  std::shared_ptr<ChildSpec> spec;
};
struct TerminateChild {
  using Reply = Done;
  std::string id;
  Pid pid;  // nobody: the child with that id
};
struct RestartChild {
  using Reply = StartResult;
  std::string id;
};
struct DeleteChild {
  using Reply = Done;
  std::string id;
};
struct WhichChildren {
  using Reply = ChildRows;
};
struct CountChildren {
  using Reply = ChildCounts;
};

/// Whether it failed because its name was refused, as in a minority of a partition.
[[nodiscard]] bool is_name_refused(const StartResult& result);
/// Of a server that has lost its cluster-wide name in its init it makes what a start comes to while
/// another process has that: it could as well not have had it.
void tell_as_held(const std::string& name, StartResult& result);
/// Starts a child in the supervisor's process. A start that throws is a start that failed.
Task<StartResult> start_from_spec(Context& context, std::shared_ptr<const ChildSpec> spec);
/// The same when nobody has asked for it, as in a tree's start or a restart: a child that cannot
/// have its cluster-wide name now counts as ignored.
Task<StartResult> start_unasked(Context& context, std::shared_ptr<const ChildSpec> spec);
/// Ends a child with an exit signal, a brutal one by a kill, and waits until it has. Its Exit, if
/// there is one, is in the mailbox then.
Task<> end_child(Context& context, Pid pid, Shutdown how,
                 ExitReason reason = ExitReason::shutdown());
/// Takes the Exits of these, which have ended, out of the mailbox.
void forget_exits(Context& context, const std::unordered_set<Pid>& ended);

}  // namespace grove::detail

GROVE_MESSAGE(grove::ChildInfo, "grove.child_info", id, pid, supervisor, restarting)
GROVE_MESSAGE(grove::ChildCounts, "grove.child_counts", specs, active, supervisors, workers)
GROVE_MESSAGE(grove::StartResult, "grove.start_result", status, pid, reason)
GROVE_MESSAGE(grove::detail::Done, "grove.done", error, detail)
GROVE_MESSAGE(grove::detail::ChildRows, "grove.child_rows", rows)
GROVE_MESSAGE(grove::detail::TerminateChild, "grove.terminate_child", id, pid)
GROVE_MESSAGE(grove::detail::RestartChild, "grove.restart_child", id)
GROVE_MESSAGE(grove::detail::DeleteChild, "grove.delete_child", id)
GROVE_MESSAGE(grove::detail::WhichChildren, "grove.which_children")
GROVE_MESSAGE(grove::detail::CountChildren, "grove.count_children")
