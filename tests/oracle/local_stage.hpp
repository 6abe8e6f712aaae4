// SPDX-License-Identifier: Apache-2.0
//
// LocalStage: one node, in this process, on an engine's virtual time.
#pragma once

#include "engine.hpp"
#include "stage.hpp"
#include "world.hpp"

#include <optional>
#include <string>
#include <vector>

namespace grove::oracle {

class LocalStage final : public Stage {
 public:
  explicit LocalStage(Engine& engine);
  ~LocalStage() override;
  LocalStage(const LocalStage&) = delete;
  LocalStage& operator=(const LocalStage&) = delete;

  [[nodiscard]] const Recorder& recorder() const override { return world_.recorder(); }
  [[nodiscard]] bool is_alive(const Pid& actor) override { return node_.is_alive(actor); }
  void run(const Pid& actor, const Op& op) override { world_.run(actor, op); }
  void pause(const Pid& actor) override { world_.pause(actor); }
  void resume(const Pid& actor, const std::vector<Op>& queued) override {
    world_.resume(actor, queued);
  }
  std::optional<std::string> control(const Op& op) override;
  [[nodiscard]] bool settle() override;
  [[nodiscard]] std::vector<Event> take() override { return world_.recorder().take(); }

 private:
  Engine& engine_;
  World world_;
  Node node_;
};

}  // namespace grove::oracle
