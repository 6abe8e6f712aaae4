// SPDX-License-Identifier: Apache-2.0
//
// Rows about processes under supervision: children that come and go, tasks, and pools.
#include "grove/node/async_stream.hpp"
#include "grove/node/dynamic_supervisor.hpp"
#include "grove/node/pool.hpp"

#include "bench/local.hpp"

#include <numeric>
#include <stdexcept>

namespace grove::bench {
namespace {

// -- dynsup_start ---------------------------------------------------------------------------

class Worker final : public GenServer {
 public:
  explicit Worker(int value) : value_{value} {}
  int value() const { return value_; }

 private:
  int value_;
};

struct StartAndStop {
  double start_seconds = 0;
  double stop_seconds = 0;
};

StartAndStop dynsup(Node& node, std::uint64_t children) {
  auto seconds = node.async([children](Context& context) -> Task<StartAndStop> {
    const StartResult sup = co_await start_dynamic_supervisor(context);
    StartAndStop result;
    auto start = Stopwatch::now();
    for (std::uint64_t count = 0; count < children; ++count) {
      ChildSpec spec = child<Worker>("worker", 1).with(temporary);
      const StartResult worker = co_await start_child(context, sup.pid, std::move(spec));
      if (!worker.ok()) throw std::runtime_error{to_string(worker)};
    }
    result.start_seconds = seconds_since(start);
    start = Stopwatch::now();
    co_await stop_server(context, sup.pid);
    result.stop_seconds = seconds_since(start);
    co_return result;
  });
  return seconds.get();
}

std::vector<Figure> dynsup_start(const Measurement& measurement) {
  RealNode node{measurement.workers};
  const std::uint64_t children = scaled(100'000);
  dynsup(*node, children / 10);
  const StartAndStop result = dynsup(*node, children);
  const auto rate = static_cast<double>(children);
  const double seconds = result.start_seconds + result.stop_seconds;
  return {{measurement.name, rate / seconds, "child/s"},
          {figure_of(measurement, "dynsup_start.start"), rate / result.start_seconds, "child/s"},
          {figure_of(measurement, "dynsup_start.stop"), rate / result.stop_seconds, "child/s"}};
}

// -- task_fanout ----------------------------------------------------------------------------

double task_fanout(Node& node, std::uint64_t tasks) {
  auto rate = node.async([tasks](Context& context) -> Task<double> {
    std::vector<std::uint64_t> numbers(tasks);
    std::iota(numbers.begin(), numbers.end(), 0);
    const auto start = Stopwatch::now();
    auto stream =
        async_stream(context, std::move(numbers), [](std::uint64_t number) { return number + 1; },
                     {.max_concurrency = 8});
    std::uint64_t sum = 0;
    while (auto next = co_await stream.next()) sum += next->value();
    if (sum != tasks * (tasks + 1) / 2) throw std::runtime_error{"a wrong sum"};
    co_return static_cast<double>(tasks) / seconds_since(start);
  });
  return rate.get();
}

// -- pool_checkout --------------------------------------------------------------------------

constexpr std::uint64_t k_clients = 100;

Task<> borrow(Context& context, std::uint64_t rounds, Pid boss) {
  for (; rounds > 0; --rounds) {
    const Result<Pid> worker = co_await checkout(context, "bench");
    if (!worker) throw std::runtime_error{worker.error().detail};
    checkin(context, "bench", *worker);
  }
  context.send(boss, Continue{});
}

double pool_checkout(Node& node, std::uint64_t rounds) {
  auto rate = node.async([rounds](Context& context) -> Task<double> {
    const PoolSpec spec{"bench", child<Worker>("worker", 1), 10};
    SupervisorSpec app;
    app.children.push_back(pool(spec));
    const StartResult sup = co_await start_supervisor(context, app);
    const auto start = Stopwatch::now();
    for (std::uint64_t client = 0; client < k_clients; ++client) {
      context.spawn(borrow, rounds / k_clients, context.self());
    }
    for (std::uint64_t done = 0; done < k_clients; ++done) co_await context.receive<Continue>();
    const double seconds = seconds_since(start);
    co_await stop_server(context, sup.pid);
    co_return static_cast<double>(rounds) / seconds;
  });
  return rate.get();
}

}  // namespace

std::vector<Row> supervised_rows() {
  return {
      {"dynsup_start",
       "a dynamic supervisor starts 100 k children, and ends them all",
       on_two_and_one("dynsup_start", dynsup_start),
       {"erlang"}},
      {"task_fanout",
       "10 k tasks, 8 at a time, and their results in order",
       measured<task_fanout>("task_fanout", 10'000, "task/s"),
       {"elixir"}},
      {"pool_checkout",
       "100 clients check 10 workers of a pool out and in, 200 k times",
       measured<pool_checkout>("pool_checkout", 200'000, "op/s"),
       {"elixir"}},
  };
}

}  // namespace grove::bench
