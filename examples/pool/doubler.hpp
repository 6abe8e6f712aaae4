// SPDX-License-Identifier: Apache-2.0
//
// The pool's workers here: one doubles numbers, slowly.
#pragma once

#include "grove/grove.hpp"

namespace pool_toy {

struct Compute {
  using Reply = int;
  int number = 0;
};

class Doubler : public grove::GenServer {
 public:
  using Handles = grove::Handles<Compute>;
  grove::Task<int> handle_call(Compute request) {
    node().log().info("doubling " + std::to_string(request.number));
    co_await context().sleep_for(std::chrono::milliseconds{500});
    co_return 2 * request.number;
  }
};

inline auto compute(grove::Context& context, grove::Pid doubler, int number) {
  return context.call<Compute>(doubler, number);
}

}  // namespace pool_toy
