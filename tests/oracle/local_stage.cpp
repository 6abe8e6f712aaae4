// SPDX-License-Identifier: Apache-2.0
#include "local_stage.hpp"

#include "ops.hpp"

#include <algorithm>

namespace grove::oracle {

LocalStage::LocalStage(Engine& engine)
    : engine_{engine},
      node_{{.name = "oracle", .clock = &engine.clock(), .scheduler = &engine.scheduler()}} {
  world_.start(node_);
}

LocalStage::~LocalStage() {
  node_.kill_all();
  if (!engine_.run_until_idle()) engine_.scheduler().stop();
}

std::optional<std::string> LocalStage::control(const Op& op) {
  if (find_op(op.name()) == nullptr) throw op.unknown();
  world_.help(op);
  return std::nullopt;
}

bool LocalStage::settle() {
  Clock::TimePoint until;
  do {
    if (!engine_.run_until_idle()) return false;
    until = std::max(engine_.clock().now(), world_.awaited().latest());
  } while (engine_.clock().advance_to_next(until));
  return true;
}

}  // namespace grove::oracle
