// SPDX-License-Identifier: Apache-2.0
//
// The asking side of the admin socket.
#pragma once

#include "settings.hpp"

#include <nlohmann/json_fwd.hpp>

namespace grove::cli {

/// Asks the node that the settings name, or the only one that runs here.
/// Returns: its answer. Errors: unavailable (no such node; what to do), bad_argument (several).
[[nodiscard]] Result<nlohmann::json> ask(const Settings& settings);

/// Prints the answer, as JSON or for people. Returns: the exit code.
int print(const Settings& settings, const nlohmann::json& answer);

}  // namespace grove::cli
