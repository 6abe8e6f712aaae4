// SPDX-License-Identifier: Apache-2.0
//
// Partition policies: what a node thinks of itself when it cannot reach all others any more.
//
// Sessions, processes and membership go on in any case. A node in the minority takes no new
// cluster-wide names, is not ready, and tells whoever asked to be told: perhaps to end itself.
// Source: Akka, Split Brain Resolver; docs/cluster.md, docs/adr/0020-minorities.md.
#pragma once

#include "grove/core/clock.hpp"
#include "grove/core/ids.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace grove {

/// Which part of a cluster that was cut a node is in.
enum class Side : std::uint8_t { majority, minority };
[[nodiscard]] constexpr std::string_view to_string(Side side) noexcept {
  return side == Side::majority ? "majority" : "minority";
}

/// What a policy decides by: the members as they were when all could be reached, and who has joined
/// since. Who has left, or was given up by a majority before, is none of them.
struct PartitionView {
  struct Member {
    std::string name;
    Life life;
    bool reachable = false;  // by this node, or by a member that it reaches
    std::vector<std::string> roles;
  };
  std::string self;             // reachable
  std::vector<Member> members;  // by name, this node among them; some are not reachable
};

/// Pure. The nodes of each part decide for themselves, all by the same policy, which should give
/// `majority` to one part at most. Where it throws, its node is in the minority.
class PartitionPolicy {
 public:
  virtual ~PartitionPolicy() = default;
  [[nodiscard]] virtual Side side(const PartitionView& view) const = 0;
};

/// More than half of the members; of two halves the one with the member whose name comes first.
[[nodiscard]] std::shared_ptr<const PartitionPolicy> keep_majority();

struct PartitionConfig {
  std::shared_ptr<const PartitionPolicy>
      policy;  // null: a node is never in a minority (`continue`)
  /// How long the same members must be out of reach before the policy is asked. Longer than it
  /// takes to agree that they are dead: see docs/cluster.md.
  Clock::Duration stable_after = std::chrono::seconds{20};
  /// Runs on the transport's loop whenever this node's side has changed.
  std::function<void(Side)> changed;
};

}  // namespace grove
