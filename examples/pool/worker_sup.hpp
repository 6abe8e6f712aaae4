// SPDX-License-Identifier: Apache-2.0
//
// Supervises a pool's workers, and restarts none: that is the manager's to do.
#pragma once

#include "grove/grove.hpp"

namespace pool_toy {

/// The manager starts it anew, so nobody else may.
inline grove::ChildSpec worker_sup() {
  return grove::dynamic_supervisor("worker_sup").with(grove::temporary);
}

inline auto start_worker(grove::Context& context, grove::Pid worker_sup, grove::ChildSpec spec) {
  return grove::start_child(context, worker_sup, std::move(spec).with(grove::temporary));
}

}  // namespace pool_toy
