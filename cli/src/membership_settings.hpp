// SPDX-License-Identifier: Apache-2.0
//
// What the command line says of membership, as a ClusterConfig has it.
#pragma once

#include "grove/cluster/cluster.hpp"

#include "settings.hpp"

namespace grove::cli {

/// Sets the seeds file, the metadata and the partition policy. Errors: bad_argument, bad_address
/// (GROVE_PORT).
[[nodiscard]] Result<void> set_membership(const Settings& settings, ClusterConfig& config);

}  // namespace grove::cli
