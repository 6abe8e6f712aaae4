// SPDX-License-Identifier: Apache-2.0
//
// The systems that are measured: this program itself and the peers, each in OS processes of its
// own.
#pragma once

#include "bench/bench.hpp"

#include <csignal>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace grove::bench {

/// The path of this program.
[[nodiscard]] std::string own_program();

/// A running command. Its standard output is ours to read, its standard error is ours; it is killed
/// when this object or the thread that made it ends.
class Child {
 public:
  explicit Child(const std::vector<std::string>& command);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// The next line of its output. Throws when there is none.
  [[nodiscard]] std::string read_line();
  /// All the rest of its output.
  [[nodiscard]] std::string read_all();
  void kill() const noexcept { signal(SIGKILL); }
  void stop() const noexcept { signal(SIGSTOP); }
  void go_on() const noexcept { signal(SIGCONT); }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Waits for its end. Returns: the status of waitpid.
  int wait();

 private:
  void signal(int number) const noexcept;

  pid_t pid_ = -1;  // -1: waited for
  int output_ = -1;
};

/// Runs a command and waits for it; its standard error is ours. The command ends when we do.
/// Returns: its standard output. Throws when it cannot be run or fails.
[[nodiscard]] std::string output_of(const std::vector<std::string>& command);

/// Measures `row` once with `system`: "grove", "erlang", "elixir", "caf" or "zmq".
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
