// SPDX-License-Identifier: Apache-2.0
//
// The links that this thread has appended to since it last flushed.
#pragma once

#include "peer_link.hpp"

#include <algorithm>
#include <vector>

namespace grove::cluster {

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
