// SPDX-License-Identifier: Apache-2.0
//
// SimNode: one life of one node of a SimWorld: a real node and a real cluster over a simulated
// clock, scheduler and network.
#pragma once

#include "grove/cluster/cluster.hpp"
#include "grove/testkit/local_world.hpp"
#include "grove/testkit/machine_clock.hpp"
#include "grove/transport/memory_network.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace grove::testkit {

class SimNode {
 public:
  struct Setup {
    std::string name;
    std::string address;
    std::vector<std::string> seeds;  // none: it connects only by hand
    std::chrono::microseconds clock_wrong_by{0};
  };
  /// The clock, random and network outlive it.
  SimNode(const Setup& setup, VirtualClock& clock, Random& random,
          transport::MemoryNetwork& network, const std::function<void(ClusterConfig&)>& configure);
  /// As SIGKILL.
  ~SimNode();
  SimNode(const SimNode&) = delete;
  SimNode& operator=(const SimNode&) = delete;

  [[nodiscard]] Node& node() noexcept { return *node_; }
  [[nodiscard]] Cluster& cluster() noexcept { return *cluster_; }
  [[nodiscard]] RecordingLog& log() noexcept { return *log_; }
  [[nodiscard]] SeededScheduler& scheduler() noexcept { return scheduler_; }
  [[nodiscard]] MachineClock& clock() noexcept { return clock_; }
  [[nodiscard]] const std::string& address() const noexcept { return address_; }

  /// Whether a process of it can run now.
  [[nodiscard]] bool ready() const noexcept { return !paused() && !scheduler_.idle(); }
  [[nodiscard]] bool paused() const noexcept { return stopped_ || off_; }
  [[nodiscard]] bool disturbed() const noexcept {
    return stopped_ || off_for_ > Clock::Duration::zero();
  }
  /// As SIGSTOP and SIGCONT: neither processes nor timers nor the network thread run.
  void stop();
  void go_on();
  /// Runs for `on`, is stopped for `off`, and so on: a machine with too much to do. `off` of zero
  /// ends that.
  void alternate(Clock::Duration on, Clock::Duration off);

 private:
  void turn_over();
  void follow();

  std::string address_;
  VirtualClock& time_;
  transport::MemoryNetwork& network_;
  Random random_;  // of this node's nonces
  SeededScheduler scheduler_;
  MachineClock clock_;
  std::shared_ptr<RecordingLog> log_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<Cluster> cluster_;
  bool stopped_ = false;
  bool off_ = false;
  bool was_paused_ = false;
  Clock::Duration on_for_{};
  Clock::Duration off_for_{};
  Clock::AlarmId turn_over_at_ = 0;
};

}  // namespace grove::testkit
