// SPDX-License-Identifier: Apache-2.0
//
// How a cluster grows: docs/scale.md and its plots.
#pragma once

#include <string>
#include <vector>

namespace grove::sim {

inline constexpr unsigned k_scale_nodes_min = 4;

/// Simulates clusters of so many nodes, says on standard error how far it is, and writes scale.md
/// and scale_*.svg into `folder`. Throws: std::runtime_error when it cannot, or a cluster does not
/// do what is to be measured. Bounds: each size is at least k_scale_nodes_min, for two die.
void report_scale(const std::string& folder, const std::vector<unsigned>& sizes);

}  // namespace grove::sim
