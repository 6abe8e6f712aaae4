// SPDX-License-Identifier: Apache-2.0
//
// Report: turns what happened in a step into canonical lines. SPEC.md, section 4.
//
// Decides only: events in, text out.
#pragma once

#include "recorder.hpp"
#include "script.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace grove::oracle {

/// Whose result is still to come.
struct Owed {
  Pid actor;          // nobody: the controller's own op
  bool last = false;  // the op ends its actor
};

/// The actors that died in this step, or went with their node.
[[nodiscard]] std::set<Pid> died_in(const std::vector<Event>& events);

/// The lines of one step. `now`: the op's result, when the controller itself had one. Results that
/// came are taken off `pending`.
[[nodiscard]] std::string report_step(const Op& op, const std::optional<std::string>& now,
                                      const std::vector<Event>& events, const Recorder& recorder,
                                      std::map<int, Owed>& pending);

}  // namespace grove::oracle
