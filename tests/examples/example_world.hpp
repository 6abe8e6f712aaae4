// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the examples share: a tree that stands for the whole test, and what is printed.
#pragma once

#include "grove/node/supervisor.hpp"
#include "grove/node/sys.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace grove::testkit {

using Lines = std::vector<std::string>;

/// What is at a level of the log, from the `first` line on.
inline Lines logged(LocalWorld& world, LogLevel wanted, std::size_t first = 0) {
  Lines lines;
  for (const auto& [level, text] : world.log().lines()) {
    if (level == wanted) lines.push_back(text);
  }
  lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(first));
  return lines;
}

/// Lets time pass. Returns: what is printed meanwhile, after the time in ms.
inline Lines follow(LocalWorld& world, Clock::Duration time) {
  using namespace std::chrono_literals;
  Lines lines;
  const Clock::TimePoint end = world.clock().now() + time;
  for (std::size_t seen = logged(world, LogLevel::info).size(); world.clock().now() < end;) {
    world.run_for(50ms);
    for (const std::string& line : logged(world, LogLevel::info, seen)) {
      lines.push_back(std::to_string(world.clock().now().time_since_epoch() / 1ms) + ' ' + line);
      ++seen;
    }
  }
  return lines;
}

/// Those that contain `part`.
inline Lines with(const std::string& part, const Lines& lines) {
  Lines found;
  for (const std::string& line : lines) {
    if (line.find(part) != std::string::npos) found.push_back(line);
  }
  return found;
}

/// Starts a supervisor that nobody is linked to.
inline StartResult start(LocalWorld& world, SupervisorSpec spec) {
  return world.run([spec](Context& context) -> Task<StartResult> {
    ServerOptions options;
    options.link = false;
    co_return co_await start_supervisor(context, spec, options);
  });
}

/// Waits for the ends of monitored processes. Returns: their reasons.
inline Task<Lines> reasons_of_downs(Context& context, std::size_t count) {
  Lines reasons;
  while (reasons.size() < count) {
    const Down down = co_await context.receive<Down>();
    reasons.push_back(to_string(down.reason));
  }
  co_return reasons;
}

/// Lets others run until they wait.
inline Task<> settle(Context& context) {
  for (int turns = 0; turns < 3; ++turns) co_await context.sleep_for(std::chrono::milliseconds{1});
}

}  // namespace grove::testkit
