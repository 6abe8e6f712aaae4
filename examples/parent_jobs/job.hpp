// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grove/grove.hpp>

#include <functional>

namespace jobs {

/// What the servers run. Each run is given chance of its own.
using Job = std::function<grove::Task<>(grove::Context&, grove::Random chance)>;

/// 1 to `most` ms.
inline std::chrono::milliseconds some_time(grove::Random& chance, unsigned most) {
  return std::chrono::milliseconds{1 + chance.below(most)};
}

}  // namespace jobs
