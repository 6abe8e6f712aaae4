// SPDX-License-Identifier: Apache-2.0
//
// PartitionWatch: when to ask a partition policy, and about whom. A pure state machine.
//
// Those count who were members when all could last be reached. One that is out of reach counts on,
// though it be forgotten, until it leaves, or until a majority has gone on without it: else a
// cluster that loses its nodes one by one would end as a minority. A node that was restarted counts
// where its new life is.
#pragma once

#include "grove/cluster/partition.hpp"

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace grove::cluster {

class PartitionWatch {
 public:
  /// Bounds: config.policy is set.
  PartitionWatch(PartitionConfig config, std::string self)
      : config_{std::move(config)}, view_{std::move(self), {}} {}

  /// `known`: all members, this node among them, but those that have left, which are in `left`.
  /// Returns: the side, when it has changed.
  std::optional<Side> look(const std::vector<PartitionView::Member>& known,
                           const std::set<std::string>& left, Clock::TimePoint now);

  /// Who counts, as of the last look.
  [[nodiscard]] const PartitionView& view() const noexcept { return view_; }
  /// What the policy threw when it was asked last; empty: nothing, or it need not be asked.
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }

 private:
  Side ask();

  const PartitionConfig config_;
  PartitionView view_;
  Clock::TimePoint since_{};  // its members and their reach are as they are
  Side side_ = Side::majority;
  std::string failure_;
};

}  // namespace grove::cluster
