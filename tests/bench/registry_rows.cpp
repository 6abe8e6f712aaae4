// SPDX-License-Identifier: Apache-2.0
//
// Rows about registries: names taken, and names looked up.
#include "grove/node/registry.hpp"

#include "bench/local.hpp"

#include <cstdint>
#include <stdexcept>

namespace grove::bench {
namespace {

constexpr std::uint64_t k_stride = 611'953;
constexpr std::uint64_t k_turn = 1000;  // what a process does before others may go

struct Done {};

void check(bool right) {
  if (!right) throw std::runtime_error{"the registry says something else"};
}

Task<> register_half(Context& context, std::uint64_t half, std::uint64_t keys, Pid boss) {
  const Registry registry{context, "bench"};
  for (std::uint64_t key = 0; key < keys; ++key) {
    check(registry.register_key(static_cast<std::int64_t>(2 * key + half)).has_value());
    if (key % k_turn != 0) continue;
    context.send(context.self(), Continue{});
    co_await context.receive<Continue>();
  }
  context.send(boss, Done{});
  co_await context.receive<Start>();  // stays until the clock has stopped
}

using Look = bool (*)(const Registry&, std::int64_t key);
bool finds(const Registry& registry, std::int64_t key) { return registry.lookup(key).size() == 1; }
bool names(const Registry& registry, std::int64_t key) { return registry.whereis(key).has_value(); }

template <Look k_look>
Task<> look_up(Context& context, std::uint64_t half, std::uint64_t keys, Pid boss) {
  const Registry registry{context, "bench"};
  for (std::uint64_t left = keys; left > 0; --left) {
    const auto key = static_cast<std::int64_t>((left + half) * k_stride % keys);
    check(k_look(registry, key));
    if (left % k_turn != 0) continue;
    context.send(context.self(), Continue{});
    co_await context.receive<Continue>();
  }
  context.send(boss, Done{});
}

/// Runs `work` in two processes. Returns: seconds until both are done.
template <class Work>
Task<double> in_two(Context& context, Work work, std::uint64_t keys) {
  const auto start = Stopwatch::now();
  for (std::uint64_t half = 0; half < 2; ++half) context.spawn(work, half, keys, context.self());
  for (int done = 0; done < 2; ++done) co_await context.receive<Done>();
  co_return seconds_since(start);
}

/// Starts a registry, measures, and waits until it has gone.
template <class Measure>
double with_registry(Node& node, Measure measure) {
  auto result = node.async([measure](Context& context) -> Task<double> {
    context.trap_exit(true);
    const StartResult started = co_await start_registry(context, "bench", RegistryKind::unique);
    check(started.ok());
    const double value = co_await measure(context);
    context.exit(started.pid, ExitReason::kill());
    co_await context.receive<Exit>();
    co_return value;
  });
  return result.get();
}

double registry_register(Node& node, std::uint64_t keys) {
  return with_registry(node, [keys](Context& context) -> Task<double> {
    const double seconds = co_await in_two(context, register_half, keys / 2);
    co_return static_cast<double>(keys) / seconds;
  });
}

template <Look k_look>
double look_up_all(Node& node, std::uint64_t keys) {
  return with_registry(node, [keys](Context& context) -> Task<double> {
    co_await in_two(context, register_half, keys / 2);
    const double seconds = co_await in_two(context, look_up<k_look>, keys);
    co_return 2 * static_cast<double>(keys) / seconds;
  });
}

}  // namespace

std::vector<Row> registry_rows() {
  return {
      {"registry_lookup",
       "two processes look up keys of a unique registry, all over its 1 M entries",
       measured<look_up_all<finds>>("registry_lookup", 1'000'000, "op/s"),
       {"elixir"}},
      {"registry_whereis",
       "the same for the pid alone, as a message to a name does",
       measured<look_up_all<names>>("registry_whereis", 1'000'000, "op/s"),
       {"elixir"}},
      {"registry_register",
       "two processes register 1 M keys in a unique registry",
       measured<registry_register>("registry_register", 1'000'000, "op/s"),
       {"elixir"}},
  };
}

}  // namespace grove::bench
