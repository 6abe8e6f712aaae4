// SPDX-License-Identifier: Apache-2.0
#include "peer_link.hpp"

#include <algorithm>
#include <utility>

namespace grove::cluster {

void PeerLink::watch(const Pid& local) {
  const std::lock_guard lock{mutex_};
  add_watcher(local);
}

void PeerLink::forget(const Pid& local) {
  const std::lock_guard lock{mutex_};
  watchers_.erase(transport::local_id(local));
}

void PeerLink::suspend(const Pid& process) {
  if (waits_.insert(transport::local_id(process))) waiting_.push_back(process);
}

std::vector<Pid> PeerLink::take_waiting() {
  waits_ = {};
  return std::exchange(waiting_, {});
}

void PeerLink::flush() {
  const std::lock_guard lock{mutex_};
  if (!open_) return;
  while (send_next()) {
  }
}

void PeerLink::send_full_batches() {
  while (queue_.has_full_batch() && send_next()) {
  }
}

/// Returns: false when nothing may go now.
bool PeerLink::send_next() {
  auto frame = queue_.next();
  if (!frame) return false;
  header_.sequence = frame->sequence;
  transport::encode(transport::FrameKind::batch, header_, frame->head);
  // Not sent: its end is on the way to us.
  return transport_.send(link_, std::move(frame->head), frame->tail) == transport::SendResult::sent;
}

std::optional<std::vector<Pid>> PeerLink::acknowledge(std::uint64_t sequence) {
  const std::lock_guard lock{mutex_};
  if (!queue_.acknowledge(sequence)) return std::nullopt;
  if (!queue_.half_empty()) return std::vector<Pid>{};
  return take_waiting();
}

bool PeerLink::stalled(Clock::TimePoint now, Clock::Duration limit) {
  const std::lock_guard lock{mutex_};
  return queue_.stalled(now, limit);
}

std::size_t PeerLink::queued_bytes() {
  const std::lock_guard lock{mutex_};
  return queue_.bytes();
}

PeerLink::Closed PeerLink::close() {
  assembly.clear();
  const std::lock_guard lock{mutex_};
  open_ = false;
  queue_.clear();
  Closed closed{.watchers = {}, .waiting = take_waiting()};
  closed.watchers.reserve(watchers_.size());
  watchers_.for_each(
      [&](std::uint64_t local) { closed.watchers.push_back(transport::pid_of(here_, local)); });
  watchers_ = {};
  std::sort(closed.watchers.begin(), closed.watchers.end());
  return closed;
}

}  // namespace grove::cluster
