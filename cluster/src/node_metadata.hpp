// SPDX-License-Identifier: Apache-2.0
//
// What NodeMetadata may be.
#pragma once

#include "grove/cluster/metadata.hpp"
#include "grove/core/result.hpp"

namespace grove::cluster {

/// Errors: bad_argument, too_large.
[[nodiscard]] Result<void> check(const NodeMetadata& metadata);

}  // namespace grove::cluster
