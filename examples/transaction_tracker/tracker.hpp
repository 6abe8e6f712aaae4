// SPDX-License-Identifier: Apache-2.0
//
// A tracker follows one transaction. It is supervised, and found by the transaction's id: from
// every node of the cluster (tracker_of), or on its own (local.hpp).
#pragma once

#include "grove/grove.hpp"

#include <stdexcept>
#include <string>
#include <utility>

namespace tracker {

struct Status {
  std::string transaction_id;
  std::string node;  // where the tracker runs
};
struct GetStatus {
  using Reply = Status;
};

class Tracker : public grove::GenServer {
 public:
  using Handles = grove::Handles<GetStatus>;
  explicit Tracker(std::string transaction_id) : transaction_id_{std::move(transaction_id)} {
    if (transaction_id_.empty()) throw std::invalid_argument{"no transaction_id"};
  }
  Status handle_call(GetStatus) { return {transaction_id_, node().name()}; }
  std::string debug_state() const { return transaction_id_; }

 private:
  std::string transaction_id_;
};

/// A tracker as a supervisor's child: registered under its id, in the whole cluster.
inline grove::ChildSpec tracker_of(const std::string& transaction_id) {
  return grove::child<Tracker>(transaction_id, transaction_id).as(grove::Global{transaction_id});
}

}  // namespace tracker

GROVE_MESSAGE(tracker::Status, "tracker.status", transaction_id, node)
GROVE_MESSAGE(tracker::GetStatus, "tracker.get_status")
