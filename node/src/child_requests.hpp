// SPDX-License-Identifier: Apache-2.0
//
// Child requests: what supervisors of all kinds are asked, and how they start and end one child.
#pragma once

#include "grove/node/supervisor.hpp"

#include <memory>
#include <string>
#include <vector>

namespace grove::detail {

struct StartChild {
  using Reply = StartResult;
  std::shared_ptr<ChildSpec> spec;
};
struct TerminateChild {
  using Reply = Result<void>;
  std::string id;
  Pid pid;  // nobody: the child with that id
};
struct RestartChild {
  using Reply = StartResult;
  std::string id;
};
struct DeleteChild {
  using Reply = Result<void>;
  std::string id;
};
struct WhichChildren {
  using Reply = std::vector<ChildInfo>;
};
struct CountChildren {
  using Reply = ChildCounts;
};

/// Starts a child in the supervisor's process. A start that throws is a start that failed.
Task<StartResult> start_from_spec(Context& context, std::shared_ptr<const ChildSpec> spec);
/// Ends a child and waits until it has. Its Exit is taken, too.
Task<> end_child(Context& context, Pid pid, Shutdown how);

}  // namespace grove::detail
