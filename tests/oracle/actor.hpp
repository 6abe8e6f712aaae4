// SPDX-License-Identifier: Apache-2.0
//
// Actor: a process that runs ops and logs every message it handles. SPEC.md, section 2.
#pragma once

#include "ops.hpp"

#include <string>
#include <vector>

namespace grove::oracle {

// What the controller tells an actor; an Op is told as it is.
struct Pause {};
struct Resume {
  std::vector<Op> ops;  // to run back to back before anything else is handled
};

// What actors tell each other.
struct ScriptMessage {
  Pid from;
  Value value;
};
struct BurstMessage {
  Pid from;
  int index = 0;  // 1 to count
  int count = 0;
};

/// A plain actor's whole life.
Task<> run_actor(Context& context, World* world);

/// Starts a plain actor, with its name given and its death watched from the start.
Task<Spawned> start_actor(Self* self, std::string name, SpawnOptions options);

/// Logs one received message.
void received(Self& self, const Message& message);

/// A controller op's helper: runs it and ends.
Task<> run_helper(Context& context, World* world, Op op);

}  // namespace grove::oracle

GROVE_MESSAGE(grove::oracle::ScriptMessage, "oracle.message", from, value)
GROVE_MESSAGE(grove::oracle::BurstMessage, "oracle.burst", from, index, count)
