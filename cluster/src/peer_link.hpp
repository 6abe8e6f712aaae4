// SPDX-License-Identifier: Apache-2.0
//
// PeerLink: one session's way out. Signals of many processes gather in a batch; whoever ends its
// turn sends it, at once, from its own thread.
//
// Threads: all members from any; a lock per peer, none shared between peers.
#pragma once

#include "grove/node/envelope.hpp"
#include "grove/transport/sessions.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace grove::cluster {

class PeerLink {
 public:
  enum class Pressure : std::uint8_t { none, waiting, over_budget };
  enum class Appended : std::uint8_t { ok, closed, unsendable };

  PeerLink(transport::Transport& transport, const transport::Sessions::Up& up)
      : peer{up.peer},
        session{up.session},
        transport_{transport},
        link_{up.link},
        header_{up.header},
        batch_(transport::k_session_header_bytes) {}

  /// Appends a record; `write_body` appends its body and says whether it could. With `watcher`,
  /// that local process hears of the session's end. A record that no frame can carry is left out.
  template <class F>
  Appended append(const transport::Record& record, const Pid& watcher, F&& write_body) {
    const std::lock_guard lock{mutex_};
    if (!open_) return Appended::closed;
    const std::size_t at = transport::begin_record(batch_, record);
    bool written = false;
    try {
      written = write_body(batch_);
    } catch (...) {
      // A user's field failed to be written; the batch must not keep half of it.
    }
    if (!written || batch_.size() - at > k_record_bytes_max) {
      batch_.resize(at);
      return Appended::unsendable;
    }
    transport::finish_record(batch_, at);
    if (watcher) watchers_.insert(watcher);
    if (batch_.size() >= k_batch_bytes) seal();
    return Appended::ok;
  }
  [[nodiscard]] bool is_open() const noexcept { return open_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool uses(const transport::Transport& transport) const noexcept {
    return &transport_ == &transport;
  }
  /// A local process that somebody over there watches or is linked to.
  void watch(const Pid& local) {
    const std::lock_guard lock{mutex_};
    watchers_.insert(local);
  }
  void forget(const Pid& local) {
    const std::lock_guard lock{mutex_};
    watchers_.erase(local);
  }
  /// Sends what has gathered, as far as the transport takes it.
  Pressure flush() {
    const std::lock_guard lock{mutex_};
    if (!open_) return Pressure::none;  // its transport may be gone
    if (batch_.size() > transport::k_session_header_bytes) seal();
    while (!waiting_.empty()) {
      transport::Bytes& frame = waiting_.front();
      const std::size_t size = frame.size();
      switch (transport_.send(link_, frame)) {
        case transport::SendResult::sent:
          waiting_bytes_ -= size;
          waiting_.pop_front();
          break;
        case transport::SendResult::full:
          return waiting_bytes_ > k_budget_bytes ? Pressure::over_budget : Pressure::waiting;
        case transport::SendResult::gone:  // its end is on the way to us
          waiting_.clear();
          waiting_bytes_ = 0;
          return Pressure::none;
      }
    }
    return Pressure::none;
  }
  /// Takes no more. Returns: the local processes that must hear of it, in a stable order.
  std::vector<Pid> close() {
    const std::lock_guard lock{mutex_};
    open_ = false;
    waiting_.clear();
    const std::set<Pid> watchers = std::exchange(watchers_, {});
    return {watchers.begin(), watchers.end()};
  }

  const NodeId peer;
  const SessionId session;
  bool names_sent = false;  // guarded by the cluster's names lock

 private:
  static constexpr std::size_t k_batch_bytes = std::size_t{64} << 10U;
  static constexpr std::size_t k_record_bytes_max =
      transport::k_frame_bytes_max - k_batch_bytes - transport::k_session_header_bytes;
  static constexpr std::size_t k_budget_bytes = std::size_t{64} << 20U;

  void seal() {
    ++header_.sequence;
    transport::encode(transport::FrameKind::batch, header_, batch_);
    waiting_bytes_ += batch_.size();
    waiting_.push_back(std::move(batch_));
    batch_ = {};
    // The next one is likely to be as large.
    batch_.reserve(std::min(waiting_.back().size(), k_batch_bytes));
    batch_.resize(transport::k_session_header_bytes);
  }

  transport::Transport& transport_;
  const transport::LinkId link_;
  std::mutex mutex_;               // guards all below
  std::atomic<bool> open_ = true;  // a hint for whoever has no lock
  transport::SessionHeader header_;
  transport::Bytes batch_;
  std::deque<transport::Bytes> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::set<Pid> watchers_;
};
using PeerLinkPtr = std::shared_ptr<PeerLink>;

/// The links that this thread has appended to since it last flushed.
inline std::vector<PeerLinkPtr>& dirty_links() {
  static thread_local std::vector<PeerLinkPtr> links;
  return links;
}
inline void mark_dirty(const PeerLinkPtr& link) {
  auto& dirty = dirty_links();
  if (std::find(dirty.begin(), dirty.end(), link) == dirty.end()) dirty.push_back(link);
}
/// The link to `node` among them: no lock, and no count that other threads write, for all but the
/// first message of a turn. Null: none.
inline const PeerLinkPtr* used_this_turn(NodeId node, const transport::Transport& transport) {
  for (const PeerLinkPtr& link : dirty_links()) {
    if (link->peer == node && link->uses(transport) && link->is_open()) return &link;
  }
  return nullptr;
}

}  // namespace grove::cluster
