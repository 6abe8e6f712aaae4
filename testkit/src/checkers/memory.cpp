// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/checkers.hpp"

#include <utility>

namespace grove::testkit {

Violations check_memory(const History& history, std::size_t budget) {
  std::map<std::pair<NodeId, std::string>, std::size_t> most;
  for (const auto& [at, event] : history) {
    if (const auto* queued = std::get_if<Queued>(&event)) {
      std::size_t& bytes = most[{queued->by, queued->peer}];
      bytes = std::max(bytes, queued->bytes);
    }
  }
  Violations wrong;
  for (const auto& [link, bytes] : most) {
    if (bytes <= budget) continue;
    wrong.push_back(node_name(link.first) + " keeps " + std::to_string(bytes) + " bytes for " +
                    link.second);
  }
  return wrong;
}

}  // namespace grove::testkit
