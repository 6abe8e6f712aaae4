// SPDX-License-Identifier: Apache-2.0
//
// What an idle process costs in memory.
#include "bench/local.hpp"

#include <atomic>

namespace grove::bench {
namespace {

std::atomic<std::uint64_t> g_started{0};

/// A small state, and nothing to do.
class Idle final : public Handler {
 public:
  Idle() { g_started.fetch_add(1, std::memory_order_relaxed); }
  void handle(Context&, Envelope&) override { ++handled_; }

 private:
  std::uint64_t handled_ = 0;
};

Task<> co_idle(Context& context) {
  g_started.fetch_add(1, std::memory_order_relaxed);
  for (;;) co_await context.receive<Start>();
}

void spawn_handler(Context& context) { context.spawn<Idle>(); }
void spawn_coroutine(Context& context) { context.spawn(co_idle); }
void spawn_linked(Context& context) { context.spawn_link<Idle>(); }

/// Bytes for each of 1 M processes that one parent has spawned and that have all been started.
/// No warm-up: the memory of a process that is gone would be used again.
template <void (*k_spawn)(Context&)>
std::vector<Figure> idle_memory(const Measurement& measurement) {
  RealNode node{measurement.workers};
  const std::uint64_t count = scaled(1'000'000, 1'000);
  auto bytes = (*node).async([count](Context& context) -> Task<double> {
    const double before = resident_bytes();
    for (std::uint64_t left = count; left > 0;) {
      for (std::uint64_t i = 0; i < k_batch && left > 0; ++i, --left) k_spawn(context);
      context.send<Continue>(context.self());
      co_await context.receive<Continue>();
    }
    while (g_started.load(std::memory_order_relaxed) < count) {
      context.send<Continue>(context.self());
      co_await context.receive<Continue>();
    }
    co_return resident_bytes() - before;
  });
  return {{measurement.name, bytes.get() / static_cast<double>(count), "B"}};
}

}  // namespace

std::vector<Row> memory_rows() {
  return {{"idle_memory",
           "RSS for each of 1 M idle processes; coroutines (.co); linked to one parent (.linked)",
           {{"idle_memory", 2, idle_memory<spawn_handler>},
            {"idle_memory.co", 2, idle_memory<spawn_coroutine>},
            {"idle_memory.linked", 2, idle_memory<spawn_linked>}},
           {"erlang", "caf"}}};
}

}  // namespace grove::bench
