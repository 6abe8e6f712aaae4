// SPDX-License-Identifier: Apache-2.0
//
// Level 3: supervisors. SPEC.md, section 7.
#include "ops.hpp"
#include "supervised.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace grove::oracle {
namespace {

std::string suptpl(Self& self, const Op& op) {
  std::vector<std::string>& words = self.world.templates[op.at(1)];
  for (std::size_t at = 2; at < op.size(); ++at) words.push_back(op.at(at));
  return "ok";
}

Task<std::string> as_root(Self* self, Op op) {
  (void)(op.name() == "sup" ? Pid{} : pid_of(*self, op.at(1)));
  co_return co_await self->context.call_for<AsRoot>(std::nullopt, self->world.root(), op);
}

std::string crash(Self& self, const Op& op) {
  self.context.send(pid_of(self, op.at(1)), Crash{ExitReason{parse_value(op.at(2))}});
  return "ok";
}

std::string kill(Self& self, const Op& op) {
  self.context.exit(pid_of(self, op.at(1)), ExitReason::kill());
  return "true";
}

/// OTP has `{ok, undefined}` for an ignored child.
std::string text_of(const Recorder& recorder, const StartResult& result) {
  if (result.ok()) return "ok " + recorder.text_of(result.pid);
  if (result.status == StartResult::Status::ignored) return "ok undefined";
  return start_text(recorder, result);
}

Task<std::string> start(Self* self, Op op) {
  const Pid supervisor = pid_of(*self, op.at(1));
  const std::string path = op.at(1);
  ChildSpec spec = child_of(self->world, path, op.at(2));
  const StartResult result = co_await start_child(self->context, supervisor, std::move(spec));
  co_return text_of(self->world.recorder(), result);
}

Task<std::string> restart(Self* self, Op op) {
  const Pid supervisor = pid_of(*self, op.at(1));
  const StartResult result = co_await restart_child(self->context, supervisor, op.at(2));
  co_return text_of(self->world.recorder(), result);
}

Task<std::string> terminate(Self* self, Op op) {
  const Pid supervisor = pid_of(*self, op.at(1));
  const auto result = co_await terminate_child(self->context, supervisor, op.at(2));
  co_return result ? "ok" : "error not_found";
}

Task<std::string> remove(Self* self, Op op) {
  const Pid supervisor = pid_of(*self, op.at(1));
  const auto result = co_await delete_child(self->context, supervisor, op.at(2));
  if (result) co_return "ok";
  switch (result.error().code) {
    case Errc::already_started: co_return "error running";
    case Errc::unavailable: co_return "error restarting";
    default: co_return "error not_found";
  }
}

Task<std::string> which(Self* self, Op op) {
  const Pid supervisor = pid_of(*self, op.at(1));
  std::vector<std::string> rows;
  const std::vector<ChildInfo> children = co_await which_children(self->context, supervisor);
  for (const ChildInfo& child : children) {
    const std::string name = child.pid          ? self->world.recorder().text_of(child.pid)
                             : child.restarting ? "restarting"
                                                : "undefined";
    rows.push_back(child.id + '=' + name + (child.supervisor ? "/supervisor" : "/worker"));
  }
  std::sort(rows.begin(), rows.end());
  std::string text;
  for (const std::string& row : rows) text += (text.empty() ? "" : ",") + row;
  co_return '[' + text + ']';
}

Task<std::string> sup_stop(Self* self, Op op) {
  const Pid supervisor = pid_of(*self, op.at(1));
  const ExitReason reason{parse_value(op.at(2))};
  co_await stop_server(self->context, supervisor, reason);
  co_return "ok";
}

}  // namespace

Task<std::string> count_of_children(Self* self, Op op) {
  const Pid supervisor = pid_of(*self, op.at(1));
  const ChildCounts counts = co_await count_children(self->context, supervisor);
  co_return "specs=" + std::to_string(counts.specs) + " active=" + std::to_string(counts.active) +
      " supervisors=" + std::to_string(counts.supervisors) +
      " workers=" + std::to_string(counts.workers);
}

std::span<const OpEntry> supervisor_ops() {
  static constexpr std::array k_ops{
      OpEntry{"suptpl", By::controller, at_once<suptpl>},
      OpEntry{"sup", By::controller, as_root},
      OpEntry{"crash", By::controller, at_once<crash>},
      OpEntry{"kill", By::controller, at_once<kill>},
      OpEntry{"start_child", By::controller, or_call_exit<start>},
      OpEntry{"terminate_child", By::controller, or_call_exit<terminate>},
      OpEntry{"restart_child", By::controller, or_call_exit<restart>},
      OpEntry{"delete_child", By::controller, or_call_exit<remove>},
      OpEntry{"which_children", By::controller, or_call_exit<which>},
      OpEntry{"count_children", By::controller, or_call_exit<count_of_children>},
      OpEntry{"sup_stop", By::controller, or_call_exit<sup_stop>},
      OpEntry{"sup_shutdown", By::controller, as_root},
  };
  return k_ops;
}

}  // namespace grove::oracle
