// SPDX-License-Identifier: Apache-2.0
//
// Requests: what the controller asks of a node of a cluster's script, and what the node answers.
#pragma once

#include "grove/core/message.hpp"

#include "recorder.hpp"
#include "script.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace grove::oracle {

/// The answer that says no more than that it is done.
struct Done {};

struct RunOp {
  Pid actor;
  Op op;
};
struct PauseActor {
  Pid actor;
};
struct ResumeActor {
  Pid actor;
  std::vector<Op> queued;
};
struct HelpOp {
  Op op;
};
/// Answered with a bool.
struct IsAlive {
  Pid pid;
};

struct Name {
  Pid pid;
  std::string name;
};
/// What others are called.
struct Learn {
  std::vector<Name> names;
};
/// Answered with Happened: all since the last.
struct TakeEvents {};
struct Happened {
  std::vector<Event> events;
  std::vector<Name> names;  // of all that were ever here
};

/// Answered with a bool: whether there is a session.
struct ConnectTo {
  std::string address;
};
/// Answered with a bool: whether there was a session.
struct DisconnectFrom {
  std::string node;
};
/// Answered with Nodes.
struct ListNodes {};
struct Nodes {
  std::vector<std::string> names;
};

// Of nodes that are programs alone; see dist_node.hpp.
/// The first thing that such a node says.
struct Listening {
  std::string address;
};
/// Answered with Stillness, as soon as nothing runs here and no time is awaited.
struct AwaitQuiet {};
struct Stillness {
  bool quiet = false;       // false: not within the barrier's patience
  std::uint64_t turns = 0;  // that processes have had so far
};
/// A round trip over every session, behind all that was sent there so far.
struct FlushSessions {};
/// The node says good-bye to the others, answers, and ends.
struct EndNode {};

}  // namespace grove::oracle

GROVE_MESSAGE(grove::oracle::Done, "oracle.done")
GROVE_MESSAGE(grove::oracle::RunOp, "oracle.run", actor, op)
GROVE_MESSAGE(grove::oracle::PauseActor, "oracle.pause", actor)
GROVE_MESSAGE(grove::oracle::ResumeActor, "oracle.resume", actor, queued)
GROVE_MESSAGE(grove::oracle::HelpOp, "oracle.help", op)
GROVE_MESSAGE(grove::oracle::IsAlive, "oracle.is_alive", pid)
GROVE_MESSAGE(grove::oracle::Name, "oracle.name", pid, name)
GROVE_MESSAGE(grove::oracle::Learn, "oracle.learn", names)
GROVE_MESSAGE(grove::oracle::TakeEvents, "oracle.take")
GROVE_MESSAGE(grove::oracle::Happened, "oracle.happened", events, names)
GROVE_MESSAGE(grove::oracle::ConnectTo, "oracle.connect", address)
GROVE_MESSAGE(grove::oracle::DisconnectFrom, "oracle.disconnect", node)
GROVE_MESSAGE(grove::oracle::ListNodes, "oracle.list_nodes")
GROVE_MESSAGE(grove::oracle::Nodes, "oracle.nodes", names)
GROVE_MESSAGE(grove::oracle::Listening, "oracle.listening", address)
GROVE_MESSAGE(grove::oracle::AwaitQuiet, "oracle.await_quiet")
GROVE_MESSAGE(grove::oracle::Stillness, "oracle.stillness", quiet, turns)
GROVE_MESSAGE(grove::oracle::FlushSessions, "oracle.flush")
GROVE_MESSAGE(grove::oracle::EndNode, "oracle.end")
