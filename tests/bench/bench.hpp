// SPDX-License-Identifier: Apache-2.0
//
// What a row of grove-bench is, and what its measurements share.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace grove::bench {

/// One line of output. `name` is the row's, or the row's with a figure's name behind it.
struct Figure {
  std::string name;
  double value = 0;
  std::string unit;
};

/// One part of a row, measured in an OS process of its own.
struct Measurement {
  std::string name;      // ends in .1c: the process runs on CPU 0 alone
  unsigned workers = 2;  // what the figures mean without .1c; 1 with it
  /// Warms up, measures once. Returns: one or more figures. Throws when it fails.
  std::function<std::vector<Figure>(const Measurement&)> run;
};

/// What a figure of Grove's should be of a peer's: at least so much of a rate, at most of all else.
struct Target {
  std::string figure;
  double ratio = 1;
  std::string peer;
};

struct Row {
  std::string name;
  std::string summary;
  std::vector<Measurement> measurements;
  std::vector<std::string> peers;  // besides grove: "erlang", "elixir", "caf", "zmq"
  std::string section = "One node";
  std::vector<Target> targets = {};
};

// One function for each family of rows, in a file of its own.
[[nodiscard]] std::vector<Row> local_rows();
[[nodiscard]] std::vector<Row> structure_rows();
[[nodiscard]] std::vector<Row> memory_rows();
[[nodiscard]] std::vector<Row> link_rows();
[[nodiscard]] std::vector<Row> timer_rows();
[[nodiscard]] std::vector<Row> stall_rows();
[[nodiscard]] std::vector<Row> supervised_rows();
[[nodiscard]] std::vector<Row> registry_rows();
[[nodiscard]] std::vector<Row> remote_rows();
[[nodiscard]] std::vector<Row> remote_death_rows();
[[nodiscard]] std::vector<Row> names_rows();

/// What `--peer WORKERS --name NAME --wire WIRE` does: is another node of the remote rows, and
/// prints its address. Runs until killed.
[[noreturn]] void run_peer(unsigned workers, const std::string& name, const std::string& wire);

/// The measurement `name` and its twin `name`.1c.
[[nodiscard]] std::vector<Measurement> on_two_and_one(
    const std::string& name, std::function<std::vector<Figure>(const Measurement&)> run);

/// `size` times GROVE_BENCH_SCALE, at least `least`.
[[nodiscard]] std::uint64_t scaled(std::uint64_t size, std::uint64_t least = 10);

/// Nearest rank. Bounds: at least one sample.
[[nodiscard]] double percentile(std::vector<double> samples, double fraction);

/// User and system time that an OS process, with all its threads, has taken so far.
[[nodiscard]] double cpu_seconds(pid_t process);
/// What of this OS process is in memory.
[[nodiscard]] double resident_bytes();
/// The most memory that an OS process has had resident.
[[nodiscard]] double peak_resident_mb(pid_t process);

using Stopwatch = std::chrono::steady_clock;
[[nodiscard]] inline double seconds_since(Stopwatch::time_point start) {
  return std::chrono::duration<double>(Stopwatch::now() - start).count();
}

}  // namespace grove::bench
