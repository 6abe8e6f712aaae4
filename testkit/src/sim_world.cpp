// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/sim_world.hpp"

#include "grove/core/check.hpp"

#include <optional>
#include <utility>

namespace grove::testkit {
namespace {

std::string address_of(const std::string& name) { return name + ".sim:1"; }

}  // namespace

SimNode::SimNode(std::string name, VirtualClock& clock, Random& random,
                 transport::MemoryNetwork& network, std::vector<std::string> seeds,
                 const std::function<void(ClusterConfig&)>& configure)
    : address_{address_of(name)},
      random_{random.next()},
      scheduler_{&random},
      log_{std::make_shared<RecordingLog>()},
      node_{std::make_unique<Node>(NodeConfig{
          .name = std::move(name), .clock = &clock, .scheduler = &scheduler_, .log = log_})},
      transport_{network.endpoint()} {
  ClusterConfig config;
  config.listen = address_;
  config.auto_connect =
      seeds.empty() ? transport::AutoConnect::never : transport::AutoConnect::always;
  config.seeds = std::move(seeds);
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
  transport_->stop();  // no good-byes
  cluster_.reset();
  scheduler_.stop();
}

SimWorld::SimWorld(std::uint64_t seed, transport::AutoConnect connect)
    : seed_{seed},
      auto_connect_{connect},
      random_{seed},
      network_{clock_, random_},
      past_(static_cast<std::size_t>(Metric::k_count)) {
  network_.observe(
      [this](const std::string& from, const std::string& to, const transport::Frame& frame) {
        trace(from);
        trace(to);
        trace({reinterpret_cast<const char*>(frame.bytes.data()), frame.bytes.size()});
        trace(std::to_string(frame.tail.size()));
      });
}

SimWorld::~SimWorld() { nodes_.clear(); }

void SimWorld::trace(std::string_view text) {
  const auto add = [this](unsigned char byte) {
    hash_ ^= byte;
    hash_ *= 0x100000001b3U;
  };
  auto time = static_cast<std::uint64_t>(clock_.now().time_since_epoch().count());
  for (int i = 0; i < 8; ++i, time >>= 8U) add(static_cast<unsigned char>(time));
  for (const char c : text) add(static_cast<unsigned char>(c));
}

SimNode& SimWorld::add_node(const std::string& name) {
  GROVE_CHECK(!nodes_.contains(name));
  if (first_.empty()) first_ = name;
  const Clock::TimePoint later = clock_.now() + std::chrono::microseconds{1};
  while (clock_.advance_to_next(later)) {  // so that lives differ
  }
  std::vector<std::string> seeds;
  if (auto_connect_ == transport::AutoConnect::always) seeds = {address_of(first_)};
  nodes_[name] =
      std::make_unique<SimNode>(name, clock_, random_, network_, std::move(seeds), configure_);
  return *nodes_[name];
}

void SimWorld::kill(const std::string& name) {
  trace("kill " + name);
  for (std::size_t i = 0; i < past_.size(); ++i) {
    past_[i] += nodes_.at(name)->node().metrics().get(static_cast<Metric>(i));
  }
  nodes_.erase(name);
}

std::vector<std::string> SimWorld::names() const {
  std::vector<std::string> all;
  for (const auto& [name, node] : nodes_) all.push_back(name);
  return all;
}

bool SimWorld::connect(const std::string& name, const std::string& other) {
  std::optional<bool> connected;
  nodes_.at(name)->cluster().connect(
      other, [&](const Result<std::string>& node) { connected = node.has_value(); });
  GROVE_CHECK(run_until([&] { return connected.has_value(); }, std::chrono::minutes{1}));
  return *connected;
}

bool SimWorld::disconnect(const std::string& name, const std::string& other) {
  std::optional<bool> connected;
  nodes_.at(name)->cluster().disconnect(other, [&](bool was) { connected = was; });
  GROVE_CHECK(run_until([&] { return connected.has_value(); }, std::chrono::minutes{1}));
  return *connected;
}

void SimWorld::cut(const std::string& from, const std::string& to) {
  network_.cut(address_of(from), address_of(to));
}

void SimWorld::partition(const std::vector<std::vector<std::string>>& groups) {
  for (const auto& group : groups) {
    for (const auto& other : groups) {
      if (&group == &other) continue;
      for (const std::string& from : group) {
        for (const std::string& to : other) cut(from, to);
      }
    }
  }
}

bool SimWorld::step_processes() {
  std::vector<SimNode*> busy;
  for (const auto& [name, node] : nodes_) {
    if (!node->scheduler().idle()) busy.push_back(node.get());
  }
  if (busy.empty()) return false;
  return busy[random_.below(busy.size())]->scheduler().step();
}

void SimWorld::run_for(Clock::Duration duration) {
  const Clock::TimePoint limit = clock_.now() + duration;
  do {
    while (step_processes()) {
    }
  } while (clock_.advance_to_next(limit));
}

bool SimWorld::run_until(const std::function<bool()>& done, Clock::Duration limit) {
  const Clock::TimePoint end = clock_.now() + limit;
  do {
    while (step_processes()) {
    }
    if (done()) return true;
  } while (clock_.advance_to_next(end));
  return done();
}

bool SimWorld::all_connected() {
  for (const auto& [name, node] : nodes_) {
    if (node->cluster().sessions() + 1 != nodes_.size()) return false;
  }
  return true;
}

std::uint64_t SimWorld::total(Metric metric) const {
  std::uint64_t sum = past_[static_cast<std::size_t>(metric)];
  for (const auto& [name, node] : nodes_) sum += node->node().metrics().get(metric);
  return sum;
}

}  // namespace grove::testkit
