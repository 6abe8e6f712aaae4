// SPDX-License-Identifier: Apache-2.0
//
// Rows about spawning, links and monitors with CAF.
#include "bench/peers/caf/caf_peer.hpp"

#include <atomic>
#include <stdexcept>
#include <thread>

namespace grove::bench {
namespace {

using caf::actor;
using caf::actor_system;
using caf::behavior;
using caf::event_based_actor;
using caf::stateful_actor;

// -- spawn ----------------------------------------------------------------------------------

void nothing(event_based_actor*) {}

/// From outside: an actor that spawns fights with the workers that steal from it.
double spawn_all(actor_system& system, std::uint64_t count) {
  const auto start = Stopwatch::now();
  for (std::uint64_t i = 0; i < count; ++i) system.spawn(nothing);
  system.await_all_actors_done();
  return static_cast<double>(count) / seconds_since(start);
}

// -- skynet ---------------------------------------------------------------------------------

constexpr std::uint64_t k_branches = 10;

struct Total {
  std::uint64_t left = k_branches;
  std::uint64_t sum = 0;
};

behavior tree(stateful_actor<Total>* self, const actor& parent, std::uint64_t first,
              std::uint64_t leaves) {
  if (leaves == 1) {
    self->send(parent, sum_atom::value, first);
    return {};  // that is its end
  }
  const std::uint64_t each = leaves / k_branches;
  for (std::uint64_t i = 0; i < k_branches; ++i) {
    self->spawn(tree, actor{self}, first + i * each, each);
  }
  return {[=](sum_atom, std::uint64_t value) {
    self->state.sum += value;
    if (--self->state.left > 0) return;
    self->send(parent, sum_atom::value, self->state.sum);
    self->quit();
  }};
}

double skynet(actor_system& system, std::uint64_t size) {
  std::uint64_t leaves = 1;
  while (leaves * k_branches <= size) leaves *= k_branches;
  caf::scoped_actor self{system};
  const auto start = Stopwatch::now();
  self->spawn(tree, actor{self}, std::uint64_t{0}, leaves);
  std::uint64_t total = 0;
  self->receive([&](sum_atom, std::uint64_t value) { total = value; });
  const double seconds = seconds_since(start);
  if (total != leaves * (leaves - 1) / 2) throw std::runtime_error{"a wrong sum"};
  return seconds * 1e3;
}

// -- idle_memory ----------------------------------------------------------------------------

std::atomic<std::uint64_t> g_started{0};

behavior idle(event_based_actor*) {
  g_started.fetch_add(1, std::memory_order_relaxed);
  return {[](ping_atom) {}};
}

std::vector<Figure> idle_memory(actor_system& system) {
  const std::uint64_t count = scaled(1'000'000, 1'000);
  std::vector<actor> actors(count);  // one that nobody holds a handle of ends
  const double before = resident_bytes();
  for (actor& one : actors) one = system.spawn(idle);
  while (g_started.load(std::memory_order_relaxed) < count) std::this_thread::yield();
  return {{"", (resident_bytes() - before) / static_cast<double>(count), "B"}};
}

// -- link_storm -----------------------------------------------------------------------------

behavior child(event_based_actor*) {
  return {[](ping_atom) {}};
}

struct Children {
  std::vector<actor> all;  // as in idle_memory
};

behavior parent(stateful_actor<Children>* self, const actor& observer, std::uint64_t children) {
  std::vector<actor>& all = self->state.all;
  for (std::uint64_t i = 0; i < children; ++i) {
    all.push_back(self->spawn<caf::linked>(child));
    self->send(observer, born_atom::value, all.back());
  }
  return {[](ping_atom) {}};
}

struct Storm {
  actor parent;
  std::uint64_t monitored = 0;
  std::uint64_t down = 0;
  double setup_seconds = 0;
  Stopwatch::time_point start;
};
using StormSeconds = std::pair<double, double>;  // to set up, until all are down

behavior observer(stateful_actor<Storm>* self, std::uint64_t children,
                  SharedPromise<StormSeconds> result) {
  Storm& storm = self->state;
  self->set_down_handler([=, &storm](caf::down_msg&) {
    if (++storm.down < children) return;
    result->set_value({storm.setup_seconds, seconds_since(storm.start)});
    self->quit();
  });
  storm.start = Stopwatch::now();
  storm.parent = self->spawn(parent, actor{self}, children);
  return {[=, &storm](born_atom, const actor& born) {
    self->monitor(born);
    if (++storm.monitored < children) return;
    storm.setup_seconds = seconds_since(storm.start);
    storm.start = Stopwatch::now();
    self->send_exit(storm.parent, caf::exit_reason::kill);
  }};
}

StormSeconds storm(actor_system& system, std::uint64_t children) {
  const auto result = make_promise<StormSeconds>();
  const actor watching = system.spawn(observer, children, result);
  return result->get_future().get();
}

std::vector<Figure> link_storm(actor_system& system) {
  const std::uint64_t children = scaled(100'000);
  storm(system, children / 10);
  const auto [setup, down] = storm(system, children);
  return {{".setup", static_cast<double>(children) / setup, "proc/s"}, {".down", down * 1e3, "ms"}};
}

}  // namespace

std::vector<Program> process_programs() {
  return {measured<spawn_all>("spawn", 1'000'000, "proc/s"),
          measured<skynet>("skynet", 1'000'000, "ms"),
          {"idle_memory", false, idle_memory},
          {"link_storm", true, link_storm}};
}

}  // namespace grove::bench
