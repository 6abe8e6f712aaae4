// SPDX-License-Identifier: Apache-2.0
//
// PeerLink: one session's way out, and what has come over it in part. Signals of many processes
// gather in its SendQueue; whoever fills a batch, or ends its turn, sends them, at once, from its
// own thread.
//
// Threads: all members from any, unless they say otherwise; a lock per peer, none shared between
// peers.
#pragma once

#include "grove/cluster/flow.hpp"
#include "grove/core/ids.hpp"
#include "grove/node/envelope.hpp"
#include "grove/transport/sessions.hpp"

#include "assembly.hpp"
#include "named_watches.hpp"
#include "process_set.hpp"
#include "send_queue.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace grove::cluster {

class PeerLink {
 public:
  PeerLink(transport::Transport& transport, const transport::Sessions::Up& up,
           const FlowConfig& flow)
      : peer{up.peer},
        session{up.session},
        assembly{flow.message_bytes_max},
        transport_{transport},
        link_{up.link},
        header_{up.header},
        queue_{flow.budget_bytes, flow.message_bytes_max} {}

  /// What to do with a record when the budget is used up.
  enum class WhenBusy : std::uint8_t { send, send_and_wait, refuse };
  /// What append() has to know beside the record.
  struct Terms {
    std::uint64_t sender = 0;  // whose records keep their order
    Pid process = {};          // the same as who may have to wait
    WhenBusy when_busy = WhenBusy::send;
    bool watches = false;  // it must hear of the session's end
  };
  enum class Appended : std::uint8_t {
    ok,
    crowded,  // and the process should wait until it is given room
    refused,  // the budget is used up
    closed,
    unsendable,  // too large, or it could not be written
  };
  /// Appends a record; `write_body(buffer, tail)` appends its body to `buffer`, perhaps but for its
  /// end, which goes to `tail`, and says whether it could.
  template <class F>
  Appended append(const transport::Record& record, const Terms& terms, F&& write_body) {
    const std::lock_guard lock{mutex_};
    if (!open_) return Appended::closed;
    const bool busy = terms.when_busy != WhenBusy::send && queue_.over_budget();
    if (busy && terms.when_busy == WhenBusy::refuse) return Appended::refused;
    transport::Buffer& buffer = queue_.buffer_for(terms.sender);
    const std::size_t at = transport::begin_record(buffer, record);
    Bytes tail;
    bool written = false;
    try {
      written = write_body(buffer, tail);
    } catch (...) {
      // A user's field failed to be written; the buffer must not keep half of it.
    }
    if (!written) buffer.resize(at);
    if (!written || !queue_.finish(at, std::move(tail))) return Appended::unsendable;
    if (terms.watches) add_watcher(terms.process);
    // The peer works on it while the rest of a long turn is still to come.
    if (queue_.has_full_batch()) send_full_batches();
    if (!busy) return Appended::ok;
    suspend(terms.process);
    return Appended::crowded;
  }

  [[nodiscard]] bool is_open() const noexcept { return open_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool uses(const transport::Transport& transport) const noexcept {
    return &transport_ == &transport;
  }
  /// A local process that somebody over there watches or is linked to.
  void watch(const Pid& local);
  void forget(const Pid& local);

  /// Sends what has gathered, as far as the window lets it.
  void flush();
  /// The peer has all batches up to `sequence`.
  /// Returns: the processes that need not wait any longer, in the order in which they began to;
  /// nothing when no such batch was ever sent.
  [[nodiscard]] std::optional<std::vector<Pid>> acknowledge(std::uint64_t sequence);
  /// As SendQueue::stalled().
  [[nodiscard]] bool stalled(Clock::TimePoint now, Clock::Duration limit);
  [[nodiscard]] std::size_t queued_bytes();
  /// It is not told each change of names and groups then, but later what has come of them.
  [[nodiscard]] bool is_behind() { return queued_bytes() > k_behind_bytes; }

  struct Closed {
    std::vector<Pid> watchers;  // who must hear of it, in a stable order
    std::vector<Pid> waiting;   // for room
  };
  /// Takes no more, and lets go of all that it holds. On the loop.
  Closed close();

  const NodeId peer;
  const SessionId session;
  Assembly assembly;  // the loop's
  NamedWatches named_watches;

 private:
  static constexpr std::size_t k_behind_bytes = std::size_t{4} << 20U;

  void suspend(const Pid& process);
  std::vector<Pid> take_waiting();
  void add_watcher(const Pid& local) {
    here_ = local.node;
    watchers_.insert(transport::local_id(local));
  }
  void send_full_batches();
  bool send_next();

  transport::Transport& transport_;
  const transport::LinkId link_;
  std::mutex mutex_;               // guards all below
  std::atomic<bool> open_ = true;  // a hint for whoever has no lock
  transport::SessionHeader header_;
  SendQueue queue_;
  ProcessSet watchers_;
  NodeId here_{};             // of all of them
  std::vector<Pid> waiting_;  // for room
  ProcessSet waits_;          // the same
};
using PeerLinkPtr = std::shared_ptr<PeerLink>;

}  // namespace grove::cluster
