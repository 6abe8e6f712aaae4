// SPDX-License-Identifier: Apache-2.0
//
// Worker: what the workload's processes have in common: they do something now and then, write down
// what happens, and heed the phase that the driver has called.
#pragma once

#include "grove/grove.hpp"

#include "history.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chaos {

/// What the driver has called for; each node's Director tells the others of its node.
enum class Phase : std::uint8_t {
  faults,  // everybody works
  calm,    // nobody starts anything new, nobody ends
  drain,   // targets end for good, and with them every link, monitor and call
};
inline std::atomic<Phase>& phase() {
  static std::atomic<Phase> the_one{Phase::faults};
  return the_one;
}

struct Tick {};

class Worker : public grove::GenServer {
 protected:
  explicit Worker(std::chrono::milliseconds period)
      : period_{period}, random_{grove::seed_from_system()} {
    tick_again();
  }

  void note(std::string_view kind, std::initializer_list<History::Field> fields) {
    history().write(context(), kind, fields);
  }
  [[nodiscard]] grove::Random& random() noexcept { return random_; }
  void tick_again() { context().send_after(period_, self(), Tick{}); }

  /// Once in `mean`, on average, when it is asked at each tick.
  [[nodiscard]] bool chance_once_in(std::chrono::milliseconds mean) {
    return random_.below(static_cast<std::uint64_t>(mean / period_)) == 0;
  }
  /// Any one of the processes of other nodes whose cluster-wide names begin with `prefix`.
  [[nodiscard]] std::optional<grove::Pid> pick_elsewhere(std::string_view prefix) {
    std::vector<grove::Pid> found;
    for (const auto& [name, pid] : node().global_names()) {
      if (name.starts_with(prefix) && pid.node != node().id()) found.push_back(pid);
    }
    if (found.empty()) return std::nullopt;
    return found[random_.below(found.size())];
  }
  /// Ends this process; its supervisor starts another, unless it is the drain.
  void end(std::string_view why) {
    note("end", {{"reason", std::string{why}}});
    stop(grove::ExitReason::symbol(why));
  }

 private:
  std::chrono::milliseconds period_;
  grove::Random random_;
};

}  // namespace chaos
