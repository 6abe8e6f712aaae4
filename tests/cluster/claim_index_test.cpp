// SPDX-License-Identifier: Apache-2.0
#include "claim_index.hpp"

#include "grove/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace grove::cluster {
namespace {

std::vector<NodeId> claimants(const ClaimIndex& index, std::size_t hash) {
  std::vector<NodeId> nodes;
  index.for_each(hash, [&](NodeId node) { nodes.push_back(node); });
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

TEST(ClaimIndex, HasAllThatClaimAName) {
  ClaimIndex index;
  EXPECT_TRUE(claimants(index, 7).empty());
  index.add(7, NodeId{1});
  index.add(7, NodeId{2});
  index.add(15, NodeId{3});  // in the place after them
  EXPECT_EQ(claimants(index, 7), (std::vector{NodeId{1}, NodeId{2}}));
  index.remove(7, NodeId{1});
  EXPECT_EQ(claimants(index, 7), std::vector{NodeId{2}});
  EXPECT_EQ(claimants(index, 15), std::vector{NodeId{3}});
}

// Hashes that differ little, so that many fall on one place, and around the end of the table.
TEST(ClaimIndex, KeepsThemThroughAnyAddingAndRemoving) {
  Random random{3};
  ClaimIndex index;
  std::vector<std::pair<std::size_t, NodeId>> claims;
  for (int step = 0; step < 20'000; ++step) {
    const bool grows = step % 4'000 < 2'000;
    if (claims.empty() || random.below(10) < (grows ? 7U : 3U)) {
      claims.emplace_back(random.below(4) * 1'024 - random.below(32),
                          NodeId{static_cast<std::uint32_t>(1 + random.below(5))});
      index.add(claims.back().first, claims.back().second);
    } else {
      const auto gone = claims.begin() + static_cast<std::ptrdiff_t>(random.below(claims.size()));
      index.remove(gone->first, gone->second);
      claims.erase(gone);
    }
    ASSERT_EQ(index.size(), claims.size());
    const std::size_t hash = random.below(4) * 1'024 - random.below(32);
    std::vector<NodeId> wanted;
    for (const auto& [of, node] : claims) {
      if (of == hash) wanted.push_back(node);
    }
    std::sort(wanted.begin(), wanted.end());
    ASSERT_EQ(claimants(index, hash), wanted) << "step " << step;
  }
}

}  // namespace
}  // namespace grove::cluster
