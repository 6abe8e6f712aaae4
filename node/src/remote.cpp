// SPDX-License-Identifier: Apache-2.0
#include "grove/node/remote.hpp"

#include <utility>

namespace grove::detail {

// The pid comes first, so that a server whose init takes too long can be killed; while that has not
// come, the request is given up, and its child killed by that.
Task<StartResult> start_server_on(Context& context, std::string node, Order order,
                                  Timeout timeout) {
  const Clock::TimePoint deadline = deadline_in(context, timeout);
  StartResult result;
  Pid pid;
  try {
    const Spawned asked = ask_spawn(context, node, std::move(order), SpawnAnswer::start);
    pid = asked.pid;
    if (!pid) {
      Call<Pid> spawning{context, asked.ref.serial, timeout};
      pid = co_await std::move(spawning);
    }
    Call<StartAck> start{context, asked.ref.serial,
                         timeout ? Timeout{left(context, deadline)} : Timeout{}};
    const StartAck ack = co_await std::move(start);
    result.status = ack.status;
    result.pid = ack.pid;
  } catch (const ProcessExit& failed) {
    result.reason = failed.reason();
    if (pid && result.reason == ExitReason::symbol("timeout")) {
      context.unlink(pid);
      context.exit(pid, ExitReason::kill());
    }
  }
  co_return result;
}

}  // namespace grove::detail
