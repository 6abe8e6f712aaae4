// SPDX-License-Identifier: Apache-2.0
//
// What the programs for CAF share: atoms, promises, and how a row is described.
#pragma once

#include "bench/bench.hpp"

#include <caf/all.hpp>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

namespace grove::bench {

using start_atom = caf::atom_constant<caf::atom("start")>;
using more_atom = caf::atom_constant<caf::atom("more")>;
using ping_atom = caf::atom_constant<caf::atom("ping")>;
using pong_atom = caf::atom_constant<caf::atom("pong")>;
using sum_atom = caf::atom_constant<caf::atom("sum")>;
using born_atom = caf::atom_constant<caf::atom("born")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;

struct Left {
  std::uint64_t left = 0;
};

/// Shared, so that whoever fulfils one may outlive whoever waits for it.
template <class T>
using SharedPromise = std::shared_ptr<std::promise<T>>;
template <class T>
SharedPromise<T> make_promise() {
  return std::make_shared<std::promise<T>>();
}

/// Another actor system, in an OS process of its own: what starts actors there.
struct Peer {
  caf::actor host;
  pid_t process = -1;
};

/// A row: how it is measured with CAF. A figure's name is what follows the row's: "" or ".setup".
struct Program {
  const char* row;
  bool on_one_core;  // too
  std::function<std::vector<Figure>(caf::actor_system&)> run;
  std::size_t peers = 0;  // more than none: what runs has that many
  std::function<std::vector<Figure>(caf::actor_system&, const std::vector<Peer>&)> run_with_peers =
      {};
};

/// What `k_run` says: a tenth of the size to warm up, then all of it in the same system.
template <double (*k_run)(caf::actor_system&, std::uint64_t)>
Program measured(const char* row, std::uint64_t size, const char* unit) {
  return {row, true, [size, unit](caf::actor_system& system) {
            const std::uint64_t count = scaled(size);
            k_run(system, count / 10);
            return std::vector<Figure>{{"", k_run(system, count), unit}};
          }};
}

// One function for each family of rows, in a file of its own.
[[nodiscard]] std::vector<Program> message_programs();
[[nodiscard]] std::vector<Program> process_programs();
[[nodiscard]] std::vector<Program> time_programs();
[[nodiscard]] std::vector<Program> remote_programs();

// Actors of several families.
/// Sends by batches, whenever it is told more; asks itself for the next one.
caf::behavior sender(caf::stateful_actor<Left>* self, const caf::actor& to, std::uint64_t count);
struct Sum {
  std::uint64_t sum = 0;
};
/// The server of the calls.
caf::behavior adder(caf::stateful_actor<Sum>* self);

// How the rows of two actor systems get theirs.
/// Has the middleman loaded, and the types that travel.
void join_others(caf::actor_system_config& config);
struct PeerProcess {
  pid_t process = -1;
  std::uint16_t port = 0;
};
/// Forks a peer, which ends with this process's main thread. Before there are other threads.
[[nodiscard]] PeerProcess start_peer(
    const std::function<void(caf::actor_system_config&)>& configure);
[[nodiscard]] Peer meet(caf::actor_system& system, const PeerProcess& process);

}  // namespace grove::bench
