// SPDX-License-Identifier: Apache-2.0
//
// Squarer: a server to call.
#pragma once

#include "grove/node/gen_server.hpp"

#include "integration/messages.hpp"

namespace grove::integration {

class Squarer : public GenServer {
 public:
  using Handles = grove::Handles<Square>;
  int handle_call(Square square) { return square.number * square.number; }
};

/// Starts one with the name "squarer", which outlives whoever asks for it.
inline Task<Pid> start_squarer(Context& context) {
  ServerOptions options = named("squarer");
  options.link = false;
  const StartResult result = co_await start_server<Squarer>(context, options);
  co_return result.pid;
}

}  // namespace grove::integration
