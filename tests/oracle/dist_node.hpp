// SPDX-License-Identifier: Apache-2.0
//
// A node of a script as a program of its own; DistStage starts it and tells it what to do.
#pragma once

#include <string>

namespace grove::oracle {

/// The descriptor of the socket to the controller.
inline constexpr int k_control_file = 3;

/// Runs the node until the controller ends it, or is gone. Returns: the exit status. Blocks.
[[nodiscard]] int run_dist_node(const std::string& name, unsigned threads);

}  // namespace grove::oracle
