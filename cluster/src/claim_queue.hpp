// SPDX-License-Identifier: Apache-2.0
//
// ClaimQueue: news on its way through the cluster. Each claim rides on a number of messages that
// grows with the logarithm of the cluster's size; what has been told least goes first.
//
// Source: SWIM, 4.1 (infection-style dissemination).
#pragma once

#include "member_claim.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <list>
#include <utility>
#include <vector>

namespace grove::cluster {

class ClaimQueue {
 public:
  /// Of more those told most are dropped: whoever misses them hears of them by digests.
  static constexpr std::size_t k_claims_max = 4096;

  /// News about a node replace all older news about it; only suspicions of different accusers stand
  /// beside each other.
  void add(MemberClaim claim) {
    queue_.remove_if([&](const Entry& entry) {
      const MemberClaim& old = entry.claim;
      const bool both_suspect = old.state == MemberState::suspect &&
                                claim.state == MemberState::suspect && old.life == claim.life &&
                                old.incarnation == claim.incarnation;
      return old.name == claim.name && !(both_suspect && old.accuser != claim.accuser);
    });
    queue_.push_front({std::move(claim), 0});
    if (queue_.size() > k_claims_max) queue_.pop_back();
  }
  /// At most `most` claims for one message in a cluster of `members`.
  [[nodiscard]] std::vector<MemberClaim> take(std::size_t most, std::size_t members) {
    std::vector<MemberClaim> taken;
    const unsigned limit = tellings(members);
    queue_.sort([](const Entry& a, const Entry& b) { return a.told < b.told; });
    for (auto place = queue_.begin(); place != queue_.end() && taken.size() < most;) {
      taken.push_back(place->claim);
      place = ++place->told >= limit ? queue_.erase(place) : std::next(place);
    }
    return taken;
  }
  [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }

  /// How often a claim is told by each node that knows it.
  [[nodiscard]] static unsigned tellings(std::size_t members) {
    return 4 * static_cast<unsigned>(std::ceil(std::log10(static_cast<double>(members) + 1)));
  }

 private:
  struct Entry {
    MemberClaim claim;
    unsigned told = 0;
  };
  std::list<Entry> queue_;
};

}  // namespace grove::cluster
