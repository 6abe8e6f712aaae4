// SPDX-License-Identifier: Apache-2.0
#include "sim_stage.hpp"

#include "node_agent.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace grove::oracle {
namespace {

/// Longer than any chain of signals of one op is under way: a hop takes less than a millisecond.
constexpr std::chrono::milliseconds k_chain{100};
constexpr std::chrono::minutes k_patience{1};

}  // namespace

SimStage::~SimStage() {
  for (const std::string& name : sim_.names()) sim_.kill(name);
}

bool SimStage::settle() {
  Clock::TimePoint awaited;
  do {
    sim_.run_for(k_chain);
    awaited = Clock::TimePoint::min();
    for (const auto& [name, world] : living_worlds_) {
      awaited = std::max(awaited, world->awaited().latest());
    }
    if (awaited > sim_.clock().now()) sim_.run_for(awaited - sim_.clock().now());
  } while (awaited > sim_.clock().now() - k_chain);
  return true;
}

std::string SimStage::start_node(const std::string& name) {
  testkit::SimNode& node = sim_.add_node(name);
  worlds_.push_back(std::make_unique<World>());
  worlds_.back()->start(node.node());
  living_worlds_[name] = worlds_.back().get();
  return node.address();
}

void SimStage::kill_node(const std::string& name) {
  sim_.kill(name);
  living_worlds_.erase(name);
}

void SimStage::stop_node(const std::string& name) {
  bool left = false;
  sim_[name].cluster().leave([&left] { left = true; });
  sim_.run_until([&left] { return left; }, k_patience);
  kill_node(name);
}

Message SimStage::ask(const std::string& node, Message request) {
  NodeAgent agent{*living_worlds_.at(node), sim_[node].cluster(),
                  [this](const auto& done) { return sim_.run_until(done, k_patience); }};
  return agent.answer(request);
}

bool SimStage::wait_until(const std::function<bool()>& done) {
  return sim_.run_until(done, k_patience);
}

}  // namespace grove::oracle
