// SPDX-License-Identifier: Apache-2.0
//
// LocalWorld: one node without a cluster, on virtual time, one thread, in order or by a seed.
//
// GROVE_SEED=N in the environment makes every LocalWorld pick the next process at random with
// that seed; the gate runs the local tests so for 20 seeds.
#pragma once

#include "grove/node/gen_server.hpp"
#include "grove/node/node.hpp"
#include "grove/testkit/virtual_clock.hpp"

#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace grove::testkit {

/// Keeps what is logged.
class RecordingLog final : public Log {
 public:
  void write(LogLevel level, std::string_view text) override {
    const std::lock_guard lock{mutex_};
    lines_.emplace_back(level, std::string{text});
  }
  [[nodiscard]] std::vector<std::pair<LogLevel, std::string>> lines() const {
    const std::lock_guard lock{mutex_};
    return lines_;
  }
  [[nodiscard]] std::size_t count(LogLevel level) const {
    std::size_t found = 0;
    for (const auto& line : lines()) found += line.first == level ? 1 : 0;
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::pair<LogLevel, std::string>> lines_;
};

class LocalWorld {
 public:
  explicit LocalWorld(std::string name = "test")
      : random_{seed()},
        scheduler_{seed() != 0 ? &random_ : nullptr},
        log_{std::make_shared<RecordingLog>()},
        node_{{.name = std::move(name), .clock = &clock_, .scheduler = &scheduler_, .log = log_}} {}
  ~LocalWorld() {
    node_.kill_all();
    settle();
  }

  [[nodiscard]] Node& node() noexcept { return node_; }
  [[nodiscard]] VirtualClock& clock() noexcept { return clock_; }
  [[nodiscard]] RecordingLog& log() noexcept { return *log_; }

  /// Runs everything that can run without time passing.
  void settle() { scheduler_.run_until_idle(); }
  /// Lets virtual time pass.
  void run_for(Clock::Duration duration) {
    const Clock::TimePoint limit = clock_.now() + duration;
    do {
      settle();
    } while (clock_.advance_to_next(limit));
    settle();
  }
  /// Runs `function` (a coroutine of a Context&) as a process, for up to an hour of virtual time.
  /// Returns: what it returned; rethrows what it threw. Throws when it does not end.
  template <class F>
  auto run(F function) {
    auto future = node_.async(std::move(function));
    const Clock::TimePoint limit = clock_.now() + std::chrono::hours{1};
    do {
      settle();
    } while (future.wait_for(std::chrono::seconds{0}) != std::future_status::ready &&
             clock_.advance_to_next(limit));
    if (future.wait_for(std::chrono::seconds{0}) != std::future_status::ready) {
      throw std::runtime_error{"it waits for what never comes, or for more than an hour"};
    }
    return future.get();
  }

 private:
  static std::uint64_t seed() {
    const char* text = std::getenv("GROVE_SEED");
    return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
  }

  VirtualClock clock_;
  Random random_;
  SeededScheduler scheduler_;
  std::shared_ptr<RecordingLog> log_;
  Node node_;
};

}  // namespace grove::testkit
