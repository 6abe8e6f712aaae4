// SPDX-License-Identifier: Apache-2.0
//
// Log: where a node writes for people. Real: spdlog on stderr. Tests: a recording sink.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace grove {

enum class LogLevel : std::uint8_t { debug, info, warning, error, off };

class Log {
 public:
  virtual ~Log() = default;
  /// Threads: any.
  virtual void write(LogLevel level, std::string_view text) = 0;
  /// Whether a line of this level goes anywhere: ask it before making one that costs something.
  /// Threads: any.
  [[nodiscard]] virtual bool writes(LogLevel) const { return true; }
  void debug(std::string_view text) { write(LogLevel::debug, text); }
  void info(std::string_view text) { write(LogLevel::info, text); }
  void warning(std::string_view text) { write(LogLevel::warning, text); }
  void error(std::string_view text) { write(LogLevel::error, text); }
};

/// Lines `time level [name] text` on stderr, from `least` on; lost, and counted, if nobody reads.
[[nodiscard]] std::shared_ptr<Log> make_stderr_log(std::string_view name, LogLevel least);
/// Drops everything.
[[nodiscard]] std::shared_ptr<Log> make_null_log();

}  // namespace grove
