// SPDX-License-Identifier: Apache-2.0
//
// Driver: the controller. Runs a script op by op, with the barrier after each.
#pragma once

#include "report.hpp"
#include "script.hpp"
#include "stage.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace grove::oracle {

struct Outcome {
  bool failed = false;  // it hung, or had an op that nobody knows
  std::string log;
};

class Driver {
 public:
  explicit Driver(Stage& stage) : stage_{stage} {}
  /// Blocks.
  Outcome run(const std::vector<Op>& ops);

 private:
  /// Starts one op. Returns: its result when that is known at once.
  std::optional<std::string> start(const Op& op);
  std::optional<std::string> start_at_actor(const Op& op, bool last);
  std::string pause(const Op& op);
  std::string resume(const Op& op);
  /// Why nothing can be done with this actor; nothing when it lives.
  std::optional<std::string> absence(const std::string& actor);

  Stage& stage_;
  std::map<Pid, std::vector<Op>> paused_;  // with the ops that wait for resume
  std::map<int, Owed> pending_;
};

}  // namespace grove::oracle
