// SPDX-License-Identifier: Apache-2.0
//
// How a cluster grows: docs/scale.md and its plots.
#pragma once

#include <string>
#include <vector>

namespace grove::sim {

/// Simulates clusters of so many nodes, says on standard error how far it is, and writes scale.md
/// and scale_*.svg into `folder`. Throws: std::runtime_error when it cannot, or a cluster does not
/// do what is to be measured.
void report_scale(const std::string& folder, const std::vector<unsigned>& sizes);

}  // namespace grove::sim
