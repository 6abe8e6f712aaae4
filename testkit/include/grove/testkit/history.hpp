// SPDX-License-Identifier: Apache-2.0
//
// History: what has happened in a run, as values, in order. The world notes faults and lives of
// nodes; processes note what they did and saw. Checkers read it.
#pragma once

#include "grove/core/clock.hpp"
#include "grove/core/ids.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace grove::testkit {

// -- nodes and the network ----------------------------------------------------------------------

struct NodeStarted {
  NodeId node;
};
struct NodeEnded {
  NodeId node;
  bool silently = false;  // its peers' connections did not break
};
/// For a while, or again and again: it is slow.
struct NodePaused {
  std::string name;
};
struct NodeResumed {
  std::string name;
};
struct LinkCut {
  std::string from;
  std::string to;
};
/// Frames are lost, repeated, reordered or late, between all.
struct NetworkBad {};
/// The end of all cuts, pauses and bad networks.
struct Healed {};

// -- processes ----------------------------------------------------------------------------------

struct Started {
  Pid pid;
  Pid tied_to;  // whose end should end it; nobody, if nobody's
};
struct Ended {
  Pid pid;
};
/// All that live on a node now.
struct Census {
  NodeId node;
  std::vector<Pid> living;
  std::optional<std::size_t> baseline;  // as many there should be
};
struct Monitored {
  Pid by;
  Ref ref;
  Pid of;
};
struct Demonitored {
  Ref ref;
  bool flushed = false;
};
struct GotDown {
  Pid by;
  Ref ref;
};
struct Linked {
  Pid by;
  Pid to;
};
struct Unlinked {
  Pid by;
  Pid to;
};
/// Because of a link: by whom traps exits.
struct GotExit {
  Pid by;
  Pid from;
};
/// The links that a living process has now.
struct LinksSeen {
  Pid of;
  std::vector<Pid> links;
};

// -- messages and calls -------------------------------------------------------------------------

struct Sent {
  Pid from;
  Pid to;
  std::uint64_t epoch = 0;  // how often the sender has been told that the connection was lost
  std::uint64_t number = 0;
};
struct Received {
  Pid by;
  Pid from;
  Pid to;  // as its sender meant it
  std::uint64_t number = 0;
};
struct CallBegan {
  Pid by;
  std::uint64_t number = 0;
  Clock::TimePoint deadline{};
};
struct CallEnded {
  Pid by;
  std::uint64_t number = 0;
};

// -- names and members --------------------------------------------------------------------------

struct NameHeld {
  std::string name;
  Pid pid;
};
struct NameGivenUp {
  std::string name;
  Pid pid;
};
/// Its holder was told that another one keeps it.
struct NameLost {
  std::string name;
  Pid pid;
};
/// All names of the cluster that a node knows now.
struct NamesSeen {
  NodeId by;
  std::map<std::string, Pid> names;
};
/// The nodes that a node holds for members now, and for dead.
struct MembersSeen {
  NodeId by;
  std::vector<NodeId> up;
  std::vector<NodeId> down;
};

// -- supervisors --------------------------------------------------------------------------------

struct Supervises {
  Pid supervisor;
  unsigned intensity = 0;
  Clock::Duration period{};
  bool group = false;  // one end restarts several
};
/// Each but the first of an id counts as a restart: a child that is started by request, or started
/// again so, is to be told under an id that is new.
struct ChildStarted {
  Pid supervisor;
  std::string id;
  Pid pid;
};
struct ChildEnded {
  Pid supervisor;
  Pid pid;
  bool asked = false;  // by its supervisor
};

// -- bounds -------------------------------------------------------------------------------------

/// What a node keeps for a peer now.
struct Queued {
  NodeId by;
  std::string peer;
  std::size_t bytes = 0;
};
/// Something that must come about.
struct Wanted {
  std::string what;
  Clock::TimePoint deadline{};
};
struct Done {
  std::string what;
};

using Event = std::variant<NodeStarted, NodeEnded, NodePaused, NodeResumed, LinkCut, NetworkBad,
                           Healed, Started, Ended, Census, Monitored, Demonitored, GotDown, Linked,
                           Unlinked, GotExit, LinksSeen, Sent, Received, CallBegan, CallEnded,
                           NameHeld, NameGivenUp, NameLost, NamesSeen, MembersSeen, Supervises,
                           ChildStarted, ChildEnded, Queued, Wanted, Done>;

struct HistoryEntry {
  Clock::TimePoint at{};
  Event event;
};
using History = std::vector<HistoryEntry>;

}  // namespace grove::testkit
