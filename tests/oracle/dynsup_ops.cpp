// SPDX-License-Identifier: Apache-2.0
//
// Level 4: DynamicSupervisor. SPEC.md, section 8.
#include "grove/node/dynamic_supervisor.hpp"

#include "ops.hpp"
#include "supervised.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace grove::oracle {
namespace {

Task<std::string> dynsup(Self* self, Op op) {
  self->world.recorder().loosen(op.at(1));
  co_return co_await self->context.call_for<AsRoot>(std::nullopt, self->world.root(), op);
}

Task<std::string> start(Self* self, Op op) {
  const Pid supervisor = pid_of(*self, op.at(1));
  ChildSpec spec = child_of(self->world, op.at(1), op.at(2));
  const StartResult result = co_await start_child(self->context, supervisor, std::move(spec));
  if (result.ok()) co_return "ok " + self->world.recorder().text_of(result.pid);
  co_return start_text(self->world.recorder(), result);
}

Task<std::string> terminate(Self* self, Op op) {
  const Pid supervisor = pid_of(*self, op.at(1));
  const Pid child = pid_of(*self, op.at(1) + '.' + op.at(2));
  const auto result = co_await terminate_child(self->context, supervisor, child);
  co_return result ? "ok" : "error not_found";
}

Task<std::string> which(Self* self, Op op) {
  const Pid supervisor = pid_of(*self, op.at(1));
  const std::vector<ChildInfo> children = co_await which_children(self->context, supervisor);
  std::vector<std::string> rows;
  for (const ChildInfo& child : children) {
    rows.push_back((child.pid ? self->world.recorder().text_of(child.pid) : "restarting") +
                   (child.supervisor ? "/supervisor" : "/worker"));
  }
  std::sort(rows.begin(), rows.end());
  std::string text;
  for (const std::string& row : rows) text += (text.empty() ? "" : ",") + row;
  co_return '[' + text + ']';
}

}  // namespace

std::span<const OpEntry> dynsup_ops() {
  static constexpr std::array k_ops{
      OpEntry{"dynsup", By::controller, dynsup},
      OpEntry{"dyn_start", By::controller, or_call_exit<start>},
      OpEntry{"dyn_terminate", By::controller, or_call_exit<terminate>},
      OpEntry{"dyn_which", By::controller, or_call_exit<which>},
      OpEntry{"dyn_count", By::controller, or_call_exit<count_of_children>},
  };
  return k_ops;
}

}  // namespace grove::oracle
