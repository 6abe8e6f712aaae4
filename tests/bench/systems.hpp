// SPDX-License-Identifier: Apache-2.0
//
// The systems that are measured: this program itself and the peers, each in OS processes of its
// own.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/bench.hpp"

namespace grove::bench {

/// Runs a command and waits for it; its standard error is ours. The command ends when we do.
/// Returns: its standard output. Throws when it cannot be run or fails.
[[nodiscard]] std::string output_of(const std::vector<std::string>& command);

/// Measures `row` once with `system`: "grove", "erlang" or "zmq".
/// Returns: the figures in the order printed.
[[nodiscard]] std::vector<Figure> measure(const Row& row, const std::string& system);

/// What `--measure NAME` does: measures in this process and prints lines.
void measure_here(const Measurement& measurement);

/// Why `system` cannot be measured on this machine; nothing when it can.
[[nodiscard]] std::optional<std::string> missing(const std::string& system);

/// The machine and the versions, in one line.
[[nodiscard]] std::string describe_machine();

/// "row system value unit".
[[nodiscard]] std::string line(const Figure& figure, const std::string& system);

}  // namespace grove::bench
