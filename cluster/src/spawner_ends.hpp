// SPDX-License-Identifier: Apache-2.0
//
// SpawnerEnds: how processes of this node have ended that had asked another node for a linked child
// and not been answered. The child hears it when the answer comes: then its pid is known.
//
// Bounds: entries go with the answer, be it a refusal, or with the session, whose end the child
// hears of itself.
// Thread-safety: all members.
#pragma once

#include "grove/core/exit_reason.hpp"
#include "grove/core/ids.hpp"

#include "peer_links.hpp"

#include <map>
#include <mutex>
#include <utility>

namespace grove::cluster {

class SpawnerEnds {
 public:
  explicit SpawnerEnds(const PeerLinks& links) : links_{links} {}

  void add(NodeId node, const Ref& request, const ExitReason& reason) {
    const std::lock_guard lock{mutex_};
    // Under the lock: a session that is there now is dropped here after this.
    if (links_.find(node) != nullptr) ends_[{node, request}] = reason;
  }
  [[nodiscard]] ExitReason take(NodeId node, const Ref& request) {
    const std::lock_guard lock{mutex_};
    const auto found = ends_.extract({node, request});
    return found.empty() ? ExitReason::noproc() : found.mapped();
  }
  /// The session with `node` is over.
  void drop(NodeId node) {
    const std::lock_guard lock{mutex_};
    std::erase_if(ends_, [node](const auto& entry) { return entry.first.first == node; });
  }

 private:
  const PeerLinks& links_;
  std::mutex mutex_;  // guards the next
  std::map<std::pair<NodeId, Ref>, ExitReason> ends_;
};

}  // namespace grove::cluster
