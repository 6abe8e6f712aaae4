// SPDX-License-Identifier: Apache-2.0
//
// RealNode: a node as programs run it, on threads, the machine's clock and ZeroMQ over loopback.
#pragma once

#include "grove/cluster/cluster.hpp"
#include "grove/node/node.hpp"
#include "grove/testkit/local_world.hpp"
#include "grove/transport/zmq_transport.hpp"

#include "support/wait_until.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace grove::testkit {

struct RealNodeOptions {
  std::vector<std::string> seeds = {};
  std::string listen = "127.0.0.1:0";
  std::string cookie = "integration";
  std::string cluster = "grove";
  unsigned workers = 2;
  FlowConfig flow = {};
  transport::SessionTimes times = {
      // Only tests that say so may be about slowness: sanitizers and busy machines are slow.
      .silence = std::chrono::hours{1},
      .handshake = k_patience};
  std::string local_path = {};
  bool in_process = false;  // sockets, though both nodes are in this program
  std::string advertise = {};
  Clock::Duration stuck_after = ThreadSchedulerOptions{}.stuck_after;
};

class RealNode {
 public:
  RealNode(const std::string& name, const RealNodeOptions& options)
      : clock_{make_system_clock()},
        scheduler_{make_thread_scheduler(
            {.workers = options.workers, .stuck_after = options.stuck_after})},
        log_{std::make_shared<RecordingLog>()},
        node_{std::make_unique<Node>(NodeConfig{
            .name = name, .clock = clock_.get(), .scheduler = scheduler_.get(), .log = log_})},
        transport_{transport::make_zmq_transport(*clock_, {.in_process = options.in_process})} {
    ClusterConfig config;
    config.cluster = options.cluster;
    config.listen = options.listen;
    config.local_path = options.local_path;
    config.advertise = options.advertise;
    config.seeds = options.seeds;
    config.cookie = transport::Cookie{options.cookie};
    config.random_seed = seed_from_system();
    config.flow = options.flow;
    config.times = options.times;
    cluster_ = std::make_unique<Cluster>(*node_, *transport_, std::move(config));
  }
  ~RealNode() {
    node_->kill_all();
    EXPECT_TRUE(node_->wait_until_empty(k_patience));
    scheduler_->stop();  // late signals to the dead may still be answered
    cluster_.reset();
    transport_.reset();
  }
  RealNode(const RealNode&) = delete;
  RealNode& operator=(const RealNode&) = delete;

  /// Returns: the address bound.
  Result<std::string> start() {
    auto bound = cluster_->start();
    if (bound) address_ = *bound;
    return bound;
  }
  /// The network goes away without good-byes; the node does not know.
  void pull_the_cable() { transport_->stop(); }

  [[nodiscard]] Node& node() noexcept { return *node_; }
  [[nodiscard]] Cluster& cluster() noexcept { return *cluster_; }
  [[nodiscard]] Clock& clock() noexcept { return *clock_; }
  [[nodiscard]] const std::string& address() const noexcept { return address_; }
  [[nodiscard]] std::uint64_t count(Metric metric) { return node_->metrics().get(metric); }

  [[nodiscard]] bool wait(const std::function<bool()>& done) { return wait_until(*clock_, done); }
  [[nodiscard]] bool wait_for_sessions(std::size_t wanted) {
    return wait([this, wanted] { return cluster_->sessions() == wanted; });
  }
  [[nodiscard]] bool wait_for_count(Metric metric, std::uint64_t at_least) {
    return wait([this, metric, at_least] { return count(metric) >= at_least; });
  }
  [[nodiscard]] bool wait_for_log(const std::string& part) {
    return wait([this, &part] { return has_logged(part); });
  }
  [[nodiscard]] bool has_logged(const std::string& part) const { return times_logged(part) > 0; }
  /// The last line that has `part` in it; empty: none.
  [[nodiscard]] std::string last_logged(const std::string& part) const {
    std::string last;
    for (const auto& [level, line] : log_->lines()) {
      if (line.find(part) != std::string::npos) last = line;
    }
    return last;
  }
  [[nodiscard]] int times_logged(const std::string& part) const {
    int times = 0;
    for (const auto& [level, line] : log_->lines()) {
      times += line.find(part) != std::string::npos ? 1 : 0;
    }
    return times;
  }
  [[nodiscard]] std::vector<Member> members() {
    auto promise = std::make_shared<std::promise<std::vector<Member>>>();
    auto future = promise->get_future();
    cluster_->members([promise](std::vector<Member> all) { promise->set_value(std::move(all)); });
    return value_of(future);
  }
  /// Runs `function` as a process. Returns: what it returned; rethrows what it threw.
  template <class F>
  auto run(F function) {
    auto future = node_->async(std::move(function));
    return value_of(future);
  }

 private:
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Scheduler> scheduler_;
  std::shared_ptr<RecordingLog> log_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<Cluster> cluster_;
  std::string address_;
};

}  // namespace grove::testkit
