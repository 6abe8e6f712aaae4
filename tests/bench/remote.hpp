// SPDX-License-Identifier: Apache-2.0
//
// What the rows of two nodes share: how the nodes are joined, and what a peer can be asked for.
#pragma once

#include "grove/cluster/cluster.hpp"
#include "grove/core/bytes.hpp"
#include "grove/node/node.hpp"

#include "bench/bench.hpp"
#include "bench/systems.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grove::bench {

// -- messages --------------------------------------------------------------------------------

// Each Start has the peer start a process, which Started names.
struct StartEcho {};  // returns each Tagged
struct StartSink {    // takes `count` Tagged, then says Done and ends
  std::uint64_t count = 0;
};
struct StartAcker {};   // says Done to each message
struct StartServer {};  // answers Add
struct StartCrowd {     // sends the pids of `count` idle processes by lots; EndCrowd kills them
  std::uint64_t count = 0;
};
struct Started {
  Pid pid;
};
struct Tagged {
  std::uint64_t number = 0;
};
struct Done {};
struct Lot {
  std::vector<Pid> pids;
};
struct EndCrowd {};
struct Add {
  using Reply = std::uint64_t;
  std::uint64_t by = 0;
};
struct Blob {
  Bytes payload;
};
struct GiveNames {  // gives as many processes names; Started when it has
  std::string prefix;
  std::uint64_t count = 0;
};
// Each says Done when its node knows so many, numbered from 0.
struct NamesWanted {
  std::string prefix;
  std::uint64_t count = 0;
};
struct GroupsWanted {
  std::string scope;
  std::uint64_t count = 0;
};

// -- nodes -----------------------------------------------------------------------------------

inline constexpr auto k_patience = std::chrono::seconds{10};
inline constexpr const char* k_two_nodes = "Two nodes";  // the section of these rows
inline constexpr const char* k_peer = "peer";
inline constexpr const char* k_host = "host";

/// How a measurement joins its nodes, and on how many workers each runs.
struct Setup {
  unsigned workers = 2;
  std::string wire = "tcp";  // or "curve", which is tcp between nodes with a cookie
  /// A figure's name, with the endings that tell it from those of other setups.
  [[nodiscard]] std::string figure(std::string_view name) const;
};

/// One measurement for each number of workers and each wire.
[[nodiscard]] std::vector<Measurement> on_every_wire(
    const std::string& row, const std::vector<unsigned>& workers,
    const std::function<std::vector<Figure>(const Setup&)>& run);

/// A node on real threads and ZeroMQ.
class ClusterNode {
 public:
  ClusterNode(const std::string& name, const Setup& setup, std::vector<std::string> seeds);
  ~ClusterNode();
  ClusterNode(const ClusterNode&) = delete;
  ClusterNode& operator=(const ClusterNode&) = delete;

  Node& operator*() noexcept { return *node_; }
  [[nodiscard]] const std::string& address() const noexcept { return address_; }
  /// Throws when it takes too long.
  void wait_for_sessions(std::size_t count);

 private:
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<Cluster> cluster_;
  std::string address_;
};

/// The command that is another node.
[[nodiscard]] std::vector<std::string> peer_command(const Setup& setup,
                                                    const std::string& name = k_peer);

/// A peer in a fresh OS process, and a node here that has a session with it.
struct Pair {
  explicit Pair(const Setup& setup);
  Child peer;  // first: it is forked while this process has one thread
  ClusterNode node;
};

/// A process that does nothing.
class Idle final : public Handler {
 public:
  void handle(Context&, Envelope&) override {}
};

// -- asking the peer -------------------------------------------------------------------------

/// The next message, which must be a T: a monitor's DOWN, for one, is not.
template <class T>
Task<T> next(Context& context) {
  const EnvelopePtr envelope = co_await context.receive_any(k_patience);
  const T* message = envelope == nullptr ? nullptr : envelope->message.get<T>();
  if (message == nullptr) throw std::runtime_error{"the peer does not answer"};
  co_return *message;
}

/// Has a node start a process.
template <class Request>
Task<Pid> start_at(Context& context, std::string node, Request request) {
  context.send(RemoteName{k_host, std::move(node)}, request);
  const Started started = co_await next<Started>(context);
  co_return started.pid;
}
/// Has the peer start one.
template <class Request>
Task<Pid> start_there(Context& context, Request request) {
  return start_at(context, k_peer, std::move(request));
}

/// One of a series of names.
[[nodiscard]] std::string numbered(const std::string& prefix, std::uint64_t number);
/// Waits until all of a series are known here. Looks every millisecond: a watch would cost a
/// message for each name.
[[nodiscard]] Task<> await_names(Context& context, std::string prefix, std::uint64_t count);

}  // namespace grove::bench

GROVE_MESSAGE(grove::bench::StartEcho, "bench.start_echo")
GROVE_MESSAGE(grove::bench::StartSink, "bench.start_sink", count)
GROVE_MESSAGE(grove::bench::StartAcker, "bench.start_acker")
GROVE_MESSAGE(grove::bench::StartServer, "bench.start_server")
GROVE_MESSAGE(grove::bench::StartCrowd, "bench.start_crowd", count)
GROVE_MESSAGE(grove::bench::Started, "bench.started", pid)
GROVE_MESSAGE(grove::bench::Tagged, "bench.tagged", number)
GROVE_MESSAGE(grove::bench::Done, "bench.done")
GROVE_MESSAGE(grove::bench::Lot, "bench.lot", pids)
GROVE_MESSAGE(grove::bench::EndCrowd, "bench.end_crowd")
GROVE_MESSAGE(grove::bench::Add, "bench.add", by)
GROVE_MESSAGE(grove::bench::Blob, "bench.blob", payload)
GROVE_MESSAGE(grove::bench::GiveNames, "bench.give_names", prefix, count)
GROVE_MESSAGE(grove::bench::NamesWanted, "bench.names_wanted", prefix, count)
GROVE_MESSAGE(grove::bench::GroupsWanted, "bench.groups_wanted", scope, count)
