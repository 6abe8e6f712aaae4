// SPDX-License-Identifier: Apache-2.0
//
// SimStage: the nodes of a script simulated in this thread, on virtual time and a network in
// memory; in what order processes run and frames arrive, a seed says.
#pragma once

#include "grove/testkit/sim_world.hpp"

#include "cluster_stage.hpp"
#include "world.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace grove::oracle {

class SimStage final : public ClusterStage {
 public:
  explicit SimStage(std::uint64_t seed) : sim_{seed, transport::AutoConnect::never} {}
  ~SimStage() override;
  SimStage(const SimStage&) = delete;
  SimStage& operator=(const SimStage&) = delete;

  [[nodiscard]] bool settle() override;

 protected:
  std::string start_node(const std::string& name) override;
  void kill_node(const std::string& name) override;
  void stop_node(const std::string& name) override;
  Message ask(const std::string& node, Message request) override;
  bool wait_until(const std::function<bool()>& done) override;

 private:
  // One for each life of a node; the dead have nothing awaited. They outlive their nodes.
  std::vector<std::unique_ptr<World>> worlds_;
  std::map<std::string, World*> living_worlds_;
  testkit::SimWorld sim_;
};

}  // namespace grove::oracle
