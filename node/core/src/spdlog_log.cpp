// SPDX-License-Identifier: Apache-2.0
#include "grove/core/log.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace grove {
namespace {

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
      : logger_{std::string{name}, std::make_shared<spdlog::sinks::stderr_color_sink_mt>()} {
    logger_.set_level(spdlog_level(least));
    logger_.set_pattern("%H:%M:%S.%e %^%-7l%$ [%n] %v");
    logger_.flush_on(spdlog::level::debug);
  }
  void write(LogLevel level, std::string_view text) override {
    logger_.log(spdlog_level(level), spdlog::string_view_t{text.data(), text.size()});
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
