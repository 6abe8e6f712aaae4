// SPDX-License-Identifier: Apache-2.0
//
// The world outside: a provider of machines and one of names, here both simulated.
#pragma once

#include <grove/grove.hpp>

#include <functional>
#include <stdexcept>
#include <string>

namespace vm {

/// Does one step for one machine, and returns when it is done. It may throw; an answer that is no
/// use to ask for again is an exit with {shutdown, Kind}.
using Cloud = std::function<grove::Task<>(grove::Context&, std::string step, std::string id)>;

/// Takes up to two seconds. One step of ten fails, one of fifty because a quota is used up.
inline grove::Task<> simulated_cloud(grove::Context& context, std::string step, std::string id) {
  grove::Random chance{grove::seed_from_system()};
  co_await context.sleep_for(std::chrono::milliseconds{chance.below(2000)});
  if (chance.percent(2)) context.exit(grove::ExitReason::shutdown(grove::Symbol{"quota"}));
  if (chance.percent(10)) throw std::runtime_error{step + " of " + id + " failed"};
}

}  // namespace vm
