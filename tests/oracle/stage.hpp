// SPDX-License-Identifier: Apache-2.0
//
// Stage: where a script plays, as the controller sees it: on one node, or on several.
//
// Threads: the controller's alone.
#pragma once

#include "recorder.hpp"
#include "script.hpp"

#include <optional>
#include <string>
#include <vector>

namespace grove::oracle {

class Stage {
 public:
  virtual ~Stage() = default;

  /// Who is called what.
  [[nodiscard]] virtual const Recorder& recorder() const = 0;
  [[nodiscard]] virtual bool is_alive(const Pid& actor) = 0;
  // What an actor is told; see actor.hpp.
  virtual void run(const Pid& actor, const Op& op) = 0;
  virtual void pause(const Pid& actor) = 0;
  virtual void resume(const Pid& actor, const std::vector<Op>& queued) = 0;
  /// An op of the controller's own. Returns: its result when that is known at once.
  virtual std::optional<std::string> control(const Op& op) = 0;
  /// The barrier. Returns: false when the script hangs. Blocks.
  [[nodiscard]] virtual bool settle() = 0;
  /// What has happened since the last take.
  [[nodiscard]] virtual std::vector<Event> take() = 0;
};

}  // namespace grove::oracle
