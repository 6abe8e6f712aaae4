// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/sim_node.hpp"

#include "grove/core/check.hpp"

#include <utility>

namespace grove::testkit {

SimNode::SimNode(const Setup& setup, VirtualClock& clock, Random& random,
                 transport::MemoryNetwork& network,
                 const std::function<void(ClusterConfig&)>& configure)
    : address_{setup.address},
      time_{clock},
      network_{network},
      random_{random.next()},
      scheduler_{&random},
      clock_{clock, setup.clock_wrong_by},
      log_{std::make_shared<RecordingLog>()},
      node_{std::make_unique<Node>(
          NodeConfig{.name = setup.name, .clock = &clock_, .scheduler = &scheduler_, .log = log_})},
      transport_{network.endpoint()} {
  ClusterConfig config;
  config.listen = address_;
  config.auto_connect =
      setup.seeds.empty() ? transport::AutoConnect::never : transport::AutoConnect::always;
  config.seeds = setup.seeds;
  config.cookie = transport::Cookie{"simulated"};
  config.random_seed = random.next();
  config.nonce = [this] {
    transport::Nonce nonce;
    for (std::byte& byte : nonce) byte = static_cast<std::byte>(random_.next());
    return nonce;
  };
  configure(config);
  cluster_ = std::make_unique<Cluster>(*node_, *transport_, std::move(config));
  GROVE_CHECK(cluster_->start().has_value());
}

SimNode::~SimNode() {
  if (turn_over_at_ != 0) time_.cancel(turn_over_at_);
  transport_->stop();  // no good-byes
  cluster_.reset();
  scheduler_.stop();
}

void SimNode::stop() {
  stopped_ = true;
  follow();
}

void SimNode::go_on() {
  stopped_ = false;
  follow();
}

void SimNode::alternate(Clock::Duration on, Clock::Duration off) {
  on_for_ = on;
  off_for_ = off;
  if (turn_over_at_ == 0 && off > Clock::Duration::zero()) turn_over();
}

void SimNode::turn_over() {
  turn_over_at_ = 0;
  off_ = !off_ && off_for_ > Clock::Duration::zero();
  if (off_for_ > Clock::Duration::zero()) {
    turn_over_at_ =
        time_.call_at(time_.now() + (off_ ? off_for_ : on_for_), [this] { turn_over(); });
  }
  follow();
}

/// Last: what waited is done now, and may end this node.
void SimNode::follow() {
  if (paused() == was_paused_) return;
  was_paused_ = paused();
  if (was_paused_) {
    clock_.pause();
    network_.pause(address_);
  } else {
    clock_.resume();
    network_.resume(address_);
  }
}

}  // namespace grove::testkit
