// SPDX-License-Identifier: Apache-2.0
//
// What goes wrong in a scenario: partitions, kills and restarts, chosen by the world's seed.
#pragma once

#include "grove/testkit/sim_world.hpp"

#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace grove::sim {

class Faults {
 public:
  Faults(testkit::SimWorld& world, unsigned nodes) : world_{world} {
    for (unsigned i = 0; i < nodes; ++i) all_.push_back("n" + std::to_string(i + 1));
  }
  [[nodiscard]] const std::vector<std::string>& all() const noexcept { return all_; }

  std::function<void(const std::string& name)> on_start = [](const std::string&) {};
  std::function<void(const std::string& name)> before_kill = [](const std::string&) {};

  void start_all() {
    for (const std::string& name : all_) start(name);
  }
  /// One random event, then a random while of virtual time. A quarter of the events is calm.
  void step() {
    Random& random = world_.random();
    const std::string& one = all_[random.below(all_.size())];
    switch (random.below(8)) {
      case 0: split(); break;
      case 1: {
        const std::string& other = all_[random.below(all_.size())];
        if (one != other) world_.cut(one, other);
        break;
      }
      case 2:
      case 3: world_.heal(); break;
      case 4:
        if (world_.is_up(one)) kill(one);
        break;
      case 5:
        for (const std::string& name : all_) {
          if (!world_.is_up(name)) start(name);
        }
        break;
      default: break;
    }
    world_.run_for(std::chrono::milliseconds{50 + random.below(4000)});
  }
  /// Everybody back, and connected. Returns: false when that does not come about.
  bool recover() {
    world_.heal();
    for (const std::string& name : all_) {
      if (!world_.is_up(name)) start(name);
    }
    return world_.run_until([this] { return world_.all_connected(); }, std::chrono::seconds{60});
  }

 private:
  void start(const std::string& name) {
    world_.add_node(name);
    on_start(name);
  }
  void kill(const std::string& name) {
    before_kill(name);
    world_.kill(name);
  }
  void split() {
    std::vector<std::vector<std::string>> groups(2);
    for (const std::string& name : all_) groups[world_.random().below(2)].push_back(name);
    world_.partition(groups);
  }

  testkit::SimWorld& world_;
  std::vector<std::string> all_;
};

}  // namespace grove::sim
