// SPDX-License-Identifier: Apache-2.0
//
// Cluster: makes a node one of several. The place where processes and frames meet: it carries
// signals to other nodes and back, keeps the full mesh, and holds the cluster-wide names.
//
// Thread-safety: all members, once started.
#pragma once

#include "grove/cluster/flow.hpp"
#include "grove/cluster/metadata.hpp"
#include "grove/cluster/names.hpp"
#include "grove/cluster/partition.hpp"
#include "grove/node/node.hpp"
#include "grove/transport/endpoint.hpp"
#include "grove/transport/sessions.hpp"
#include "grove/transport/transport.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace grove {

struct ClusterConfig {
  std::string cluster = "grove";
  // Addresses: see docs/nodes.md.
  std::string listen = "127.0.0.1:0";
  std::string advertise;           // empty: the address bound; port 0: the port bound
  std::string local_path;          // of a socket for nodes of this machine; empty: none
  bool meet_locally = true;        // false: peers are dialled over the network in any case
  std::vector<std::string> seeds;  // nodes to join; a DNS name may stand for several
  /// Of more of them, one a line, # begins a comment; read again when it changes. Empty: none.
  std::string seeds_file;
  std::uint16_t port = transport::k_default_port;  // of addresses to join that name none
  NodeMetadata metadata;                           // what others are told of this node
  PartitionConfig partition;
  transport::Cookie cookie;
  transport::SessionTimes times;
  FlowConfig flow;
  NamesConfig names;
  /// never: no seeds, no news of other nodes, no second attempt; see connect().
  transport::AutoConnect auto_connect = transport::AutoConnect::always;
  std::uint64_t random_seed = 0;
  std::function<transport::Nonce()> nonce = transport::random_nonce;
};

/// What a subscriber of monitor_members() is told.
struct MemberEvent {
  std::string name;
  Life life;
  enum class What : std::uint8_t {
    joined,
    suspect,  // somebody cannot reach it
    back,     // after suspect or dead: the same life is a member as before
    dead,
    left,     // said good-bye
    changed,  // its metadata
  } what = What::joined;
  std::string why;  // for people
};

/// One node as this one sees it.
struct Member {
  std::string name;
  Life life;
  std::string address;
  enum class State : std::uint8_t {
    up,       // a member, and reached from here
    partial,  // a member, and reached by another member though not from here
    suspect,  // out of reach; the members have not agreed yet that it is dead
    down,     // declared dead, or not met yet in this life
    left,     // said good-bye
  } state = State::down;
  bool self = false;
  std::uint64_t incarnation = 0;      // how often that life has refuted that it is dead
  std::string trouble;                // why it cannot be reached
  std::string over;                   // the address that the link to it goes to; empty: none is up
  std::string reached_by;             // partial: by whom
  std::vector<std::string> accusers;  // suspect: who could not reach it, as far as is known
  NodeMetadata metadata;              // as it has told last, as far as is known
  std::size_t queued_bytes = 0;       // for it: not sent yet, or not acknowledged
};

/// What runs on the transport's loop is short, and waits for no process.
class Cluster {
 public:
  /// Both outlive the cluster. Call before the node's first process; destroy it when the node has
  /// no process left, or its scheduler has stopped: with that the transport's loop ends, and what
  /// it was still to run is dropped.
  Cluster(Node& node, transport::Transport& transport, ClusterConfig config);
  /// As stop().
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  /// Listens, and begins to join. Returns: the address bound.
  /// Errors: address_in_use, bad_address, bad_argument, too_large; io when there is no seeds file
  /// to read; refused when there is no cookie and the address is not
  /// this machine's own (loopback).
  Result<std::string> start();
  /// Closes the transport: peers see their connections end. For a good-bye, leave() first.
  void stop();

  /// Adds a node to join; tried for ever. Errors: bad_address, refused (with AutoConnect::never).
  Result<void> join(const std::string& address);
  /// Looks for whoever is at that address no more; a session there stays. `done` runs on the
  /// transport's loop. Errors there: bad_address, not_found, refused (the seeds file names it).
  void forget_seed(const std::string& address, std::function<void(Result<void>)> done);
  /// Makes one attempt to open a session with a node: one known here, by its name, or whoever is at
  /// an address. `done` runs on the transport's loop, within twice SessionTimes::handshake and the
  /// time of a name look-up. Returns there: the node's name; also when there is a session already,
  /// or it is this node. Errors there: noconnection (detail: why), bad_address.
  /// Source: OTP, net_kernel:connect_node/1.
  void connect(const std::string& node, std::function<void(Result<std::string>)> done);
  /// Ends the session with a node, at once; what is on its way is lost, and links and monitors
  /// across it hear noconnection. The other side hears of it, too. With AutoConnect::always both
  /// dial again. `done` runs on the transport's loop: was there a session?
  /// Source: OTP, erlang:disconnect_node/1.
  void disconnect(const std::string& node, std::function<void(bool)> done);
  /// Says good-bye to all members; `done` runs when they have heard it, on the transport's loop.
  void leave(std::function<void()> done);

  /// Hands all known members, this node first, to `use` on the transport's loop.
  void members(std::function<void(std::vector<Member>)> use);
  /// The same of those, this node among them, that are up or partial and have that role.
  void members_with_role(const std::string& role, std::function<void(std::vector<Member>)> use);
  /// Sends `subscriber`, a process of this node, a MemberEvent for each change of another member,
  /// in order, until it ends or unsubscribes. It should have a bounded mailbox.
  void monitor_members(const Pid& subscriber, bool on);
  /// From now on others are told this of this node. Errors: bad_argument, too_large.
  Result<void> set_metadata(NodeMetadata metadata);
  /// Where this node stands by its partition policy; majority without one.
  [[nodiscard]] Side side() const noexcept;
  [[nodiscard]] std::size_t sessions() const;
  /// Hands the names of the nodes that there is a session with to `use` on the transport's loop: of
  /// others, whoever lost something with them here has been told. Source: OTP, nodes/0.
  void nodes(std::function<void(std::vector<std::string>)> use);
  /// Hands what became of each address to join to `use` on the transport's loop.
  void seeds(std::function<void(std::vector<transport::Sessions::SeedView>)> use);
  /// Hands whoever was refused, or refused us, to `use` on the transport's loop.
  void refused(std::function<void(std::vector<transport::Sessions::RefusedView>)> use);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace grove
