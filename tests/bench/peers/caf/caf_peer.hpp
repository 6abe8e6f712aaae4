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

/// A row: how it is measured with CAF. A figure's name is what follows the row's: "" or ".setup".
struct Program {
  const char* row;
  bool on_one_core;  // too
  std::function<std::vector<Figure>(caf::actor_system&)> run;
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

}  // namespace grove::bench
