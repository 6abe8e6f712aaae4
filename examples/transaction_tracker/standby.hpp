// SPDX-License-Identifier: Apache-2.0
//
// A standby monitors a tracker by its name. When the tracker's node is lost, it takes the name and
// the work over; when the tracker merely crashed, its supervisor restarts it, and the standby waits
// for the new one.
#pragma once

#include "tracker.hpp"

#include <chrono>
#include <string>
#include <utility>

namespace tracker {

struct Attend {};

class Standby : public grove::GenServer {
 public:
  using Handles = grove::Handles<Attend, GetStatus>;
  explicit Standby(std::string transaction_id) : transaction_id_{std::move(transaction_id)} {
    handle_info(Attend{});
  }

  Status handle_call(GetStatus) { return {transaction_id_, node().name()}; }

  void handle_info(Attend) {
    if (context().whereis(transaction_id_, grove::Scope::cluster)) {
      context().monitor(grove::Global{transaction_id_});
      node().log().info("standby: MONITOR " + transaction_id_);
    } else {  // not there yet, or being restarted
      look_again();
    }
  }

  void handle_info(const grove::Down& down) {
    if (down.reason == grove::ExitReason::noconnection() &&
        context().register_name(transaction_id_, self(), grove::Scope::cluster)) {
      node().log().info("standby: TAKEOVER " + transaction_id_ + ' ' + to_string(self()));
    } else {  // another one has it; or only this node cannot reach it, and others can
      look_again();
    }
  }

 private:
  void look_again() { context().send_after(std::chrono::milliseconds{50}, self(), Attend{}); }

  std::string transaction_id_;
};

}  // namespace tracker
