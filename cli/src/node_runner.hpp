// SPDX-License-Identifier: Apache-2.0
//
// `grove run`: one node of the real world, from start to a stop in good order.
#pragma once

#include "grove/run.hpp"

#include "settings.hpp"

namespace grove::cli {

/// Runs until a signal, `grove stop`, or the end of the application. Returns: the exit code.
int run_node(const Settings& settings, const App& app);

}  // namespace grove::cli
