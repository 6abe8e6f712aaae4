// SPDX-License-Identifier: Apache-2.0
//
// ExitReason: why a process ended.
//
// A shared, immutable term. The common reasons are immortal and compare by address; a hundred
// thousand EXITs of one death share one allocation. Thread-safety: copies may live on any thread.
// Source: OTP Reference Manual, Processes, "Sending Exit Signals".
#pragma once

#include "grove/core/value.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace grove {

class ExitReason {
 public:
  /// `normal`.
  ExitReason() noexcept;
  /// Any term; a symbol that names a common reason becomes that reason.
  explicit ExitReason(Value term);
  ExitReason(const ExitReason& other) noexcept : rep_{other.rep_} { retain(); }
  ExitReason(ExitReason&& other) noexcept : rep_{other.rep_} { other.rep_ = normal_rep(); }
  ExitReason& operator=(ExitReason other) noexcept {
    std::swap(rep_, other.rep_);
    return *this;
  }
  ~ExitReason() { release(); }

  static ExitReason normal();
  static ExitReason shutdown();
  static ExitReason kill();    // as a *signal* it cannot be trapped
  static ExitReason killed();  // what others see of a process that was killed
  static ExitReason noproc();
  static ExitReason noconnection();
  static ExitReason symbol(std::string_view text);
  /// `{shutdown, term}`: an orderly end that carries a value.
  static ExitReason shutdown(Value term);
  /// `{error, type, what}`: an exception left the process.
  static ExitReason error(std::string_view type, std::string_view what);

  [[nodiscard]] const Value& term() const noexcept;
  [[nodiscard]] bool is_normal() const noexcept;
  [[nodiscard]] bool is_kill() const noexcept;
  /// normal, shutdown or {shutdown, _}: not a failure, so no crash report and no transient restart.
  [[nodiscard]] bool is_clean() const;
  friend bool operator==(const ExitReason& a, const ExitReason& b);

 private:
  struct Rep;
  struct Common;
  static const Common& common();
  static Rep* normal_rep() noexcept;
  explicit ExitReason(Rep* rep) noexcept : rep_{rep} {}
  void retain() const noexcept;
  void release() noexcept;
  Rep* rep_;
};

[[nodiscard]] std::string to_string(const ExitReason& reason);

}  // namespace grove
