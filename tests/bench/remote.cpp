// SPDX-License-Identifier: Apache-2.0
#include "bench/remote.hpp"

#include "grove/node/cluster_names.hpp"
#include "grove/transport/zmq_transport.hpp"

#include <thread>

namespace grove::bench {
namespace {

/// The one place that says what a wire is.
ClusterConfig config_of(const Setup& setup, std::vector<std::string> seeds) {
  ClusterConfig config;
  config.seeds = std::move(seeds);
  config.meet_locally = false;
  if (setup.wire == "curve") {
    config.cookie = transport::Cookie{"what two nodes of a benchmark know"};
  } else if (setup.wire != "tcp") {
    throw std::runtime_error{"no such wire: " + setup.wire};
  }
  return config;
}

bool knows_names(Context& context, const std::string& prefix, std::uint64_t count) {
  if (!context.whereis(numbered(prefix, count - 1), Scope::cluster)) return false;
  const global::NameWatch watch = global::watch_names(context, prefix);
  global::unwatch_names(context, watch.ref);
  return watch.view.size() == count;
}

}  // namespace

std::string Setup::figure(std::string_view name) const {
  std::string text{name};
  if (wire != "tcp") text += '.' + wire;
  if (workers == 1) text += ".1c";
  return text;
}

std::vector<Measurement> on_every_wire(
    const std::string& row, const std::vector<unsigned>& workers,
    const std::function<std::vector<Figure>(const Setup&)>& run) {
  std::vector<Measurement> all;
  for (const char* wire : {"tcp", "curve"}) {
    for (const unsigned count : workers) {
      const Setup setup{count, wire};
      all.push_back(
          {setup.figure(row), count, [run, setup](const Measurement&) { return run(setup); }});
    }
  }
  return all;
}

ClusterNode::ClusterNode(const std::string& name, const Setup& setup,
                         std::vector<std::string> seeds)
    : clock_{make_system_clock()},
      scheduler_{make_thread_scheduler(setup.workers)},
      node_{std::make_unique<Node>(
          NodeConfig{.name = name, .clock = clock_.get(), .scheduler = scheduler_.get()})},
      transport_{transport::make_zmq_transport(*clock_)},
      cluster_{std::make_unique<Cluster>(*node_, *transport_, config_of(setup, std::move(seeds)))},
      address_{cluster_->start().value()} {}

ClusterNode::~ClusterNode() {
  node_->kill_all();
  (void)node_->wait_until_empty(k_patience);
  cluster_.reset();
  transport_.reset();
  scheduler_->stop();
}

void ClusterNode::wait_for_sessions(std::size_t count) {
  const auto start = Stopwatch::now();
  while (cluster_->sessions() < count) {
    if (seconds_since(start) > std::chrono::duration<double>(k_patience).count()) {
      throw std::runtime_error{"no session with a peer"};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
}

std::vector<std::string> peer_command(const Setup& setup, const std::string& name) {
  return {own_program(), "--peer",  std::to_string(setup.workers), "--name", name,
          "--wire",      setup.wire};
}

Pair::Pair(const Setup& setup)
    : peer{peer_command(setup)}, node{"bench", setup, {peer.read_line()}} {
  node.wait_for_sessions(1);
}

std::string numbered(const std::string& prefix, std::uint64_t number) {
  return prefix + std::to_string(number);
}

Task<> await_names(Context& context, std::string prefix, std::uint64_t count) {
  while (!knows_names(context, prefix, count)) {
    co_await context.sleep_for(std::chrono::milliseconds{1});
  }
}

}  // namespace grove::bench
