// SPDX-License-Identifier: Apache-2.0
//
// Cluster: makes a node one of several. The place where processes and frames meet: it carries
// signals to other nodes and back, keeps the full mesh, and holds the cluster-wide names.
//
// Thread-safety: all members, once started.
#pragma once

#include "grove/cluster/flow.hpp"
#include "grove/node/node.hpp"
#include "grove/transport/sessions.hpp"
#include "grove/transport/transport.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace grove {

struct ClusterConfig {
  std::string cluster = "grove";
  std::string listen = "127.0.0.1:0";
  std::string advertise;           // empty: the address bound; port 0: the port bound
  std::vector<std::string> seeds;  // nodes to join, host:port; a DNS name may stand for several
  transport::Cookie cookie;
  transport::SessionTimes times;
  FlowConfig flow;
  std::uint64_t random_seed = 0;
  std::function<transport::Nonce()> nonce = transport::random_nonce;
};

struct Member {
  std::string name;
  Life life;
  std::string address;
  enum class State : std::uint8_t { up, down, left } state = State::down;
  bool self = false;
  std::string trouble;           // why a member that is down cannot be reached
  std::size_t queued_bytes = 0;  // for it: not sent yet, or not acknowledged
};

class Cluster {
 public:
  /// Both outlive the cluster. Call before the node's first process; destroy it when the node has
  /// no process left, or its scheduler has stopped.
  Cluster(Node& node, transport::Transport& transport, ClusterConfig config);
  /// As stop().
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  /// Listens, and begins to join. Returns: the address bound.
  /// Errors: address_in_use, bad_address; refused when there is no cookie and the address is not
  /// this machine's own (loopback).
  Result<std::string> start();
  /// Closes the transport: peers see their connections end. For a good-bye, leave() first.
  void stop();

  /// Adds a node to join; tried for ever. Errors: bad_address.
  Result<void> join(const std::string& address);
  /// Says good-bye to all members; `done` runs when they have heard it, on the transport's loop.
  void leave(std::function<void()> done);

  /// Hands all known members, this node first, to `use` on the transport's loop.
  void members(std::function<void(std::vector<Member>)> use);
  [[nodiscard]] std::size_t sessions() const;
  /// Hands what became of each address to join to `use` on the transport's loop.
  void seeds(std::function<void(std::vector<transport::Sessions::SeedView>)> use);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace grove
