// SPDX-License-Identifier: Apache-2.0
//
// What a process tells of itself. Also run by the watchdog while the process is inside its code: so
// it reads only what that code cannot write but through the runtime.
#include "name_table.hpp"
#include "process.hpp"
#include "table_registry.hpp"

#include <malloc.h>

#include <algorithm>

namespace grove::detail {
namespace {

constexpr std::size_t k_ancestors_max = 64;
constexpr std::uint32_t k_mailbox_sample = 32;

/// What operator new really took.
std::size_t heap_size(const void* memory) { return malloc_usable_size(const_cast<void*>(memory)); }

/// Of all messages, as far as the oldest ones are like the others.
std::uint64_t mailbox_memory(const Mailbox& mailbox) {
  std::uint64_t boxed = 0;
  std::uint32_t seen = 0;
  for (const Envelope* at = mailbox.head(); at != nullptr && seen < k_mailbox_sample; ++seen) {
    const MessageType* type = at->message.type();
    if (type != nullptr && type->boxed) boxed += type->size;
    at = at->next;
  }
  return mailbox.size() * sizeof(Envelope) + (seen == 0 ? 0 : boxed * mailbox.size() / seen);
}

}  // namespace

Pid Process::parent_of(std::uint32_t life) const noexcept {
  if (generation_.load(std::memory_order_acquire) != life) return {};
  const std::uint32_t index = parent_index_.load(std::memory_order_acquire);
  const std::uint32_t generation = parent_generation_.load(std::memory_order_acquire);
  // The next life's parent is written after the end of this one.
  if (generation == 0 || generation_.load(std::memory_order_relaxed) != life) return {};
  return {node_->id(), index, generation};
}

std::vector<Pid> Process::ancestors() const {
  std::vector<Pid> found;
  Pid at = parent();
  while (at && found.size() < k_ancestors_max) {
    const Process* place = at.node == node_->id() ? node_->table_->find(at) : nullptr;
    if (place == nullptr) break;
    found.push_back(at);
    at = place->parent_of(at.generation);
  }
  return found;
}

std::string_view Process::status() const {
  if (extras_ != nullptr && extras_->stuck) return "running";
  const Body* body = code_.body();
  if (body != nullptr && body->suspended()) return "suspended";
  if (held_) return "blocked";
  if (waiter_ != nullptr) return "waiting";
  if (extras_ != nullptr && extras_->pending()) return "blocked";
  return started_ && !code_.coroutine() && mailbox_.empty() ? "waiting" : "runnable";
}

std::uint64_t Process::memory() const {
  std::uint64_t bytes = sizeof(Process) + mailbox_memory(mailbox_);
  if (const Body* body = code_.body()) bytes += heap_size(dynamic_cast<const void*>(body));
  if (const Code::Handle frame = code_.coroutine()) bytes += allocated_size(frame.address());
  if (extras_ == nullptr) return bytes;
  return bytes + heap_size(extras_) + extras_->relations.memory();
}

ProcessInfo Process::own_info() {
  take_inbox();
  ProcessInfo own = info();
  own.status = "running";
  return own;
}

ProcessInfo Process::info() const {
  ProcessInfo info;
  info.pid = pid();
  info.name = node_->names_->name_of(info.pid);
  info.parent = parent();
  info.ancestors = ancestors();
  info.status = status();
  info.priority = run_priority();
  info.mailbox = mailbox_.size();
  if (const Envelope* oldest = mailbox_.head()) {
    const std::uint32_t age = oldest->generation == 0 ? 0 : node_->uptime_ms() - oldest->generation;
    info.oldest_message_age = std::chrono::milliseconds{age};
  }
  info.reductions = reductions_;
  info.memory_bytes = memory();
  info.trap_exit = trap_exit_;
  if (extras_ == nullptr) return info;
  info.label = extras_->label;
  info.reductions += extras_->reductions_high << 32U;
  if (extras_->handling != nullptr) info.handling = extras_->handling->name;
  if (extras_->handling != nullptr || extras_->stuck) {
    info.handling_since = node_->clock().now() - extras_->handling_from;
  }
  for (const auto& thing : extras_->owned) {
    const auto* table = dynamic_cast<const TableCore*>(thing.get());
    if (table != nullptr && !table->name().empty()) info.tables.push_back(table->name());
  }
  for (const auto& [peer, link] : extras_->relations.links()) {
    if (link.unlink_id == 0) info.links.push_back(peer);
  }
  for (const auto& [serial, watch] : extras_->relations.watches()) {
    if (watch.kind != Watch::Kind::monitor && watch.kind != Watch::Kind::call) continue;
    info.monitors.push_back(watch.target);
    info.monitor_names.push_back(watch.name == nullptr ? std::string{} : *watch.name);
  }
  for (const auto& [watcher, session] : extras_->relations.watchers()) {
    info.monitored_by.push_back(watcher.pid);
  }
  return info;
}

}  // namespace grove::detail
