// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "grove/node/node.hpp"

#include <future>
#include <vector>

namespace grove::testkit {

/// A process of `node` links to and monitors `target`.
/// Returns: the reasons that it is told, of the DOWN and of the EXIT, once it has both.
inline std::future<std::vector<ExitReason>> told_of_end(Node& node, Pid target) {
  return node.async([target](Context& context) -> Task<std::vector<ExitReason>> {
    context.trap_exit(true);
    context.link(target);
    context.monitor(target);
    const Down down = co_await context.receive<Down>();
    const Exit exit = co_await context.receive<Exit>();
    co_return std::vector<ExitReason>{down.reason, exit.reason};
  });
}

}  // namespace grove::testkit
