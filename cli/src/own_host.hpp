// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace grove::cli {

/// An address of this machine that others may know it by: one that its name stands for, else one of
/// its interfaces; a loopback only when it has no other. `v4_only`: of IPv4. Blocks for a look-up.
[[nodiscard]] std::string own_host(bool v4_only);

}  // namespace grove::cli
