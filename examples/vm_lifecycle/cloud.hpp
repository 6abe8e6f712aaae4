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

inline grove::Task<> simulated_step(grove::Context& context, unsigned faults, std::string step,
                                    std::string id) {
  grove::Random chance{grove::seed_from_system()};
  co_await context.sleep_for(std::chrono::milliseconds{chance.below(2000)});
  if (!chance.percent(faults)) co_return;
  if (chance.percent(20)) context.exit(grove::ExitReason::shutdown(grove::Symbol{"quota"}));
  throw std::runtime_error{step + " of " + id + " failed"};
}
/// Takes up to two seconds. So many of 100 steps fail, one of five of these because a quota is used
/// up.
inline Cloud simulated_cloud(unsigned faults) {
  return [faults](grove::Context& context, std::string step, std::string id) {
    return simulated_step(context, faults, step, id);
  };
}

}  // namespace vm
