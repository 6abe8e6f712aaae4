// SPDX-License-Identifier: Apache-2.0
#include "name_table.hpp"
#include "process.hpp"

namespace grove::detail {

ProcessInfo Process::info() const {
  ProcessInfo info;
  info.pid = pid();
  info.name = node_->names_->name_of(info.pid);
  info.parent = parent();
  info.status = mailbox_.empty() || waiter_ != nullptr ? "waiting" : "runnable";
  info.mailbox = mailbox_.size();
  info.reductions = reductions_;
  info.trap_exit = trap_exit_;
  if (extras_ == nullptr) return info;
  info.label = extras_->label;
  if (extras_->pending()) info.status = "waiting";
  info.reductions += extras_->reductions_high << 32U;
  for (const auto& [peer, link] : extras_->relations.links()) {
    if (link.unlink_id == 0) info.links.push_back(peer);
  }
  for (const auto& [serial, watch] : extras_->relations.watches()) {
    if (watch.kind != Watch::Kind::monitor) continue;
    info.monitors.push_back(watch.target);
    info.monitor_names.push_back(watch.name == nullptr ? std::string{} : *watch.name);
  }
  for (const auto& [watcher, session] : extras_->relations.watchers()) {
    info.monitored_by.push_back(watcher.pid);
  }
  return info;
}

}  // namespace grove::detail
