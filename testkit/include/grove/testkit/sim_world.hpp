// SPDX-License-Identifier: Apache-2.0
//
// SimWorld: a whole cluster in one thread, on virtual time, from one seed. The nodes are real; the
// clock, the scheduler, the network and chance are simulated. The same seed gives the same run.
//
//   SimWorld world{42};
//   world.add_node("a");
//   world.add_node("b");
//   world.run_until([&] { return world.all_connected(); }, 10s);
//   world.partition({{"a"}, {"b"}});
#pragma once

#include "grove/cluster/cluster.hpp"
#include "grove/testkit/local_world.hpp"
#include "grove/testkit/virtual_clock.hpp"
#include "grove/transport/memory_network.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace grove::testkit {

/// One life of one simulated node.
class SimNode {
 public:
  /// Without seeds it connects only by hand.
  SimNode(std::string name, VirtualClock& clock, Random& random, transport::MemoryNetwork& network,
          std::vector<std::string> seeds, const std::function<void(ClusterConfig&)>& configure);
  ~SimNode();

  [[nodiscard]] Node& node() noexcept { return *node_; }
  [[nodiscard]] Cluster& cluster() noexcept { return *cluster_; }
  [[nodiscard]] RecordingLog& log() noexcept { return *log_; }
  [[nodiscard]] SeededScheduler& scheduler() noexcept { return scheduler_; }
  [[nodiscard]] const std::string& address() const noexcept { return address_; }

 private:
  std::string address_;
  Random random_;  // of this node's nonces
  SeededScheduler scheduler_;
  std::shared_ptr<RecordingLog> log_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<Cluster> cluster_;
};

class SimWorld {
 public:
  explicit SimWorld(std::uint64_t seed,
                    transport::AutoConnect connect = transport::AutoConnect::always);
  ~SimWorld();

  /// Has a say in the configuration of each node that is started from now on.
  void configure(std::function<void(ClusterConfig&)> configure) {
    configure_ = std::move(configure);
  }
  /// Starts a node (a new life, when one of that name was killed). All know the first node added,
  /// or, with AutoConnect::never, nobody.
  SimNode& add_node(const std::string& name);
  /// Ends a node as SIGKILL does: it says nothing, but its connections break. For the silence of a
  /// power cut, cut() it off first.
  void kill(const std::string& name);
  [[nodiscard]] SimNode& operator[](const std::string& name) { return *nodes_.at(name); }
  [[nodiscard]] bool is_up(const std::string& name) const { return nodes_.contains(name); }
  [[nodiscard]] std::vector<std::string> names() const;

  /// By hand, by name or address. Returns: whether there is a session.
  bool connect(const std::string& name, const std::string& other);
  /// Returns: whether there was one.
  bool disconnect(const std::string& name, const std::string& other);
  /// Cuts both directions between nodes of different groups.
  void partition(const std::vector<std::vector<std::string>>& groups);
  void cut(const std::string& from, const std::string& to);  // one direction
  void heal() { network_.heal_all(); }
  [[nodiscard]] transport::MemoryNetwork& network() noexcept { return network_; }

  /// Runs what can run, then lets time pass to the next event, and so on.
  void run_for(Clock::Duration duration);
  /// Returns: false when `done` was not true within `limit` of virtual time.
  bool run_until(const std::function<bool()>& done, Clock::Duration limit);
  /// The value of a future that virtual time has made ready. Throws when it is not.
  template <class T>
  static T ready(std::future<T>& future) {
    if (future.wait_for(std::chrono::seconds{0}) != std::future_status::ready) {
      throw std::runtime_error{"nothing has made this future ready"};
    }
    return future.get();
  }
  /// Runs `function` as a process on `name`; as LocalWorld::run.
  template <class F>
  auto run(const std::string& name, F function) {
    auto future = nodes_.at(name)->node().async(std::move(function));
    run_until([&] { return future.wait_for(std::chrono::seconds{0}) == std::future_status::ready; },
              std::chrono::hours{1});
    return ready(future);
  }
  [[nodiscard]] bool all_connected();
  /// A counter, summed over all nodes that ever were.
  [[nodiscard]] std::uint64_t total(Metric metric) const;

  [[nodiscard]] VirtualClock& clock() noexcept { return clock_; }
  [[nodiscard]] Random& random() noexcept { return random_; }
  /// Adds to the trace; frames are in it already.
  void trace(std::string_view text);
  [[nodiscard]] std::uint64_t trace_hash() const noexcept { return hash_; }
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }

 private:
  bool step_processes();

  std::uint64_t seed_;
  transport::AutoConnect auto_connect_;
  VirtualClock clock_;
  Random random_;
  transport::MemoryNetwork network_;
  std::map<std::string, std::unique_ptr<SimNode>> nodes_;
  std::function<void(ClusterConfig&)> configure_ = [](ClusterConfig&) {};
  std::string first_;
  std::vector<std::uint64_t> past_;  // counters of the dead
  std::uint64_t hash_ = 0xcbf29ce484222325U;
};

}  // namespace grove::testkit
