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
/// Those of which this thread flushes all links, also what others have appended for it.
inline std::vector<const transport::Transport*>& all_dirty() {
  static thread_local std::vector<const transport::Transport*> transports;
  return transports;
}
inline void mark_all_dirty(const transport::Transport& transport) {
  auto& all = all_dirty();
  if (std::find(all.begin(), all.end(), &transport) == all.end()) all.push_back(&transport);
}
/// Returns: whether it was marked; it is no more.
inline bool take_all_dirty(const transport::Transport& transport) {
  return std::erase(all_dirty(), &transport) > 0;
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
