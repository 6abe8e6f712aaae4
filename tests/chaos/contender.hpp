// SPDX-License-Identifier: Apache-2.0
//
// Contender: wants a cluster-wide name that one process of each node wants. While the network is
// cut, several have it; when it heals, all but one are told.
#pragma once

#include "worker.hpp"

#include <chrono>
#include <string>
#include <utility>

namespace chaos {

class Contender : public Worker {
 public:
  using Handles = grove::Handles<Tick>;
  explicit Contender(std::string prize)
      : Worker{std::chrono::milliseconds{100}}, prize_{std::move(prize)} {
    context().trap_exit(true);
    note("start", {{"what", "contender"}});
  }

  void handle_info(Tick) {
    tick_again();
    if (phase() != Phase::faults) return;
    if (!holds_) {
      holds_ = bool{context().register_name(prize_, self(), grove::Scope::cluster)};
      if (holds_) note("registered", {{"name", prize_}});
    } else if (chance_once_in(std::chrono::seconds{6})) {
      if (random().percent(50)) return end("tired");
      note("unregister", {{"name", prize_}});
      context().unregister_name(prize_, grove::Scope::cluster);
      holds_ = false;
    }
  }
  void handle_info(const grove::Exit& exit) {
    note("lost", {{"name", prize_}, {"reason", to_string(exit.reason)}});
    holds_ = false;
  }

 private:
  std::string prize_;
  bool holds_ = false;
};

}  // namespace chaos
