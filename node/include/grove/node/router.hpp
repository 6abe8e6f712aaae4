// SPDX-License-Identifier: Apache-2.0
//
// Router: what a node asks of the world outside it. The cluster implements it; a node alone has
// none.
#pragma once

#include "grove/core/scheduler.hpp"
#include "grove/node/envelope.hpp"

#include <string>

namespace grove {

class ClusterNames;  // cluster_names.hpp
namespace detail {
struct GroupsChange;
}  // namespace detail

/// Flushable: what route() has gathered.
class Router : public Flushable {
 public:
  /// What route() returns when there is no session: the node is out of reach, or that life is over.
  static constexpr SessionId k_no_connection = 0;
  static constexpr SessionId k_dead_life = ~SessionId{0};
  /// And of a message whose peer takes less than is sent to it: it was dropped, and its sender
  /// should know; or it is on its way, and its sender should wait for a `room` of {node, 0, 0}.
  static constexpr SessionId k_refused = ~SessionId{1};
  static constexpr SessionId k_crowded = ~SessionId{2};

  virtual ~Router() = default;

  /// Sends a signal to a process elsewhere, in order after all that this process sent before.
  /// Never blocks. A signal that makes a relation (link, monitor, call) also makes the sender hear
  /// `node_lost` when that session ends.
  /// Returns: the session it goes over, or one of the constants above. Never k_crowded for a call,
  /// whose sender waits anyway, nor for what is not of a process.
  virtual SessionId route(const Pid& to, EnvelopePtr envelope) = 0;
  /// The same to whoever has a local name on that node; a `spawn`: to the node itself, to start
  /// what is declared by that name.
  virtual SessionId route(NodeId node, const std::string& name, EnvelopePtr envelope) = 0;
  /// The life of the node of that name that we have a session with; none: 0.
  [[nodiscard]] virtual NodeId connected(const std::string& node) const = 0;

  /// Turns a message in wire form into its type, on the receiver's worker.
  /// Returns: false when the bytes are not a value of that type (counted, session closed).
  virtual bool unpack(Envelope& envelope) = 0;

  /// The process was dead when somebody elsewhere wanted a relation with it.
  virtual void forget(const Pid& pid) = 0;

  /// The process is gone; it had dealt with others elsewhere, or was `named`: may have had
  /// cluster-wide names, or watched them. Returns: whether that has left something to flush.
  virtual bool process_ended(const Pid& pid, bool named) = 0;

  /// It ended before `node` had answered its request to spawn a linked child there.
  virtual void spawner_ended(NodeId node, const Ref& request, const ExitReason& reason) = 0;
  /// What that child is to hear, now that it has come. Returns: noproc when nobody has said so.
  [[nodiscard]] virtual ExitReason take_spawner_end(NodeId node, const Ref& request) = 0;

  /// As Context's, for a process of this node. Undone by its process_ended().
  virtual void monitor_nodes(const Pid& subscriber, bool on) = 0;
  virtual void monitor_node(const Pid& watcher, const std::string& node, bool on) = 0;
  /// Tells all other nodes of a change to this node's process groups, in the order of the calls.
  /// Not flushed.
  virtual void groups_changed(const detail::GroupsChange& change) = 0;

  [[nodiscard]] virtual ClusterNames& names() noexcept = 0;
};

}  // namespace grove
