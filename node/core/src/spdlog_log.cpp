// SPDX-License-Identifier: Apache-2.0
#include "grove/core/log.hpp"
#include "grove/core/printable.hpp"

#include <spdlog/details/os.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <poll.h>
#include <unistd.h>

namespace grove {
namespace {

/// So long a line waits, at first, for whoever reads the log to take something.
constexpr int k_patience_ms = 100;

/// Standard error, as far as somebody takes what is written. A terminal that is held (Ctrl-S), a
/// pager or a collector that hangs takes nothing, and whoever waited for it, the net thread among
/// others, would hang as well: lines are lost instead, and how many is said when it takes some
/// again.
class StderrSink final : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    message.color_range_start = message.color_range_end = 0;
    formatter_->format(message, line);
    const std::string_view text{line.data(), line.size()};
    if (lost_ > 0 && !say_lost()) {
      ++lost_;
    } else if (!write(colours_ ? coloured(message, text) : std::string{text})) {
      lost_ = 1;
    }
  }
  void flush_() override {}

 private:
  bool say_lost() {
    const std::string lines = std::to_string(lost_) + (lost_ == 1 ? " line" : " lines");
    return write((torn_ ? "\n" : "") + ("lost " + lines) + " of this log: nobody read it\n");
  }

  static std::string coloured(const spdlog::details::log_msg& message, std::string_view text) {
    const auto colour = [&]() -> const char* {
      switch (message.level) {
        case spdlog::level::debug: return "\033[36m";
        case spdlog::level::warn: return "\033[33m\033[1m";
        case spdlog::level::err: return "\033[31m\033[1m";
        default: return "\033[32m";
      }
    }();
    const std::size_t begin = message.color_range_start;
    const std::size_t end = message.color_range_end;
    return std::string{text.substr(0, begin)} + colour +
           std::string{text.substr(begin, end - begin)} + "\033[m" + std::string{text.substr(end)};
  }

  enum class Taken { some, none, never };
  /// Takes off the front of `text` what is taken of it within `patience`.
  static Taken offer(std::string_view& text, int patience) {
    for (;;) {
      pollfd out{STDERR_FILENO, POLLOUT, 0};
      const int ready = ::poll(&out, 1, patience);
      if (ready == 0) return Taken::none;
      // A pipe that has room has it for so much.
      const std::size_t size = std::min<std::size_t>(text.size(), PIPE_BUF);
      const ssize_t taken = ready > 0 ? ::write(STDERR_FILENO, text.data(), size) : ready;
      if (taken >= 0) {
        text.remove_prefix(static_cast<std::size_t>(taken));
        return Taken::some;
      }
      if (errno == EAGAIN) return Taken::none;
      if (errno != EINTR) return Taken::never;
    }
  }

  /// Returns: false when it is not taken to its end.
  bool write(std::string_view text) {
    int patience = lost_ == 0 ? k_patience_ms : 0;
    const std::size_t size = text.size();
    while (!text.empty()) {
      const Taken taken = offer(text, patience);
      if (taken == Taken::never) break;  // as by a disk that is full: nobody is to be waited for
      if (taken == Taken::none) {
        torn_ = torn_ || text.size() < size;
        return false;
      }
      patience = k_patience_ms;
    }
    lost_ = 0;
    torn_ = false;
    return true;
  }

  const bool colours_ =
      spdlog::details::os::in_terminal(stderr) && spdlog::details::os::is_color_terminal();
  std::uint64_t lost_ = 0;
  bool torn_ = false;  // half a line was taken
};

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
    case LogLevel::off: return spdlog::level::off;
  }
  return spdlog::level::off;
}

class SpdlogLog final : public Log {
 public:
  SpdlogLog(std::string_view name, LogLevel least)
      : logger_{std::string{name}, std::make_shared<StderrSink>()} {
    logger_.set_level(spdlog_level(least));
    logger_.set_pattern("%H:%M:%S.%e %^%-7l%$ [%n] %v");
    logger_.flush_on(spdlog::level::debug);
  }
  void write(LogLevel level, std::string_view text) override {
    if (!writes(level)) return;
    const std::string shown = printable(text, "\n\t");  // some of it comes from other nodes
    logger_.log(spdlog_level(level), spdlog::string_view_t{shown.data(), shown.size()});
  }
  bool writes(LogLevel level) const override { return logger_.should_log(spdlog_level(level)); }

 private:
  spdlog::logger logger_;
};

class NullLog final : public Log {
 public:
  void write(LogLevel, std::string_view) override {}
  bool writes(LogLevel) const override { return false; }
};

}  // namespace

std::shared_ptr<Log> make_stderr_log(std::string_view name, LogLevel least) {
  return std::make_shared<SpdlogLog>(name, least);
}
std::shared_ptr<Log> make_null_log() { return std::make_shared<NullLog>(); }

}  // namespace grove
