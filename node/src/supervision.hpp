// SPDX-License-Identifier: Apache-2.0
//
// Supervision: what whoever has children can be asked.
#pragma once

#include "grove/node/supervisor.hpp"

#include <vector>

namespace grove::detail {

struct WhichChildren {
  using Reply = std::vector<ChildInfo>;
};
struct CountChildren {
  using Reply = ChildCounts;
};

}  // namespace grove::detail
