// SPDX-License-Identifier: Apache-2.0
//
// What a call of a function on another node is answered when nothing has run.
#pragma once

#include "grove/core/exit_reason.hpp"

namespace grove::detail {

/// The request was not sent, or that node has started nothing. The reason of a process that has run
/// is an ExitReason; the two may read alike.
struct SpawnRefused {
  ExitReason reason;
};

}  // namespace grove::detail
