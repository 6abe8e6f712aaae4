// SPDX-License-Identifier: Apache-2.0
//
// Rows about processes under supervision: children that come and go, and tasks.
#include "grove/node/async_stream.hpp"
#include "grove/node/dynamic_supervisor.hpp"

#include "bench/local.hpp"

#include <ranges>
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
  return {{measurement.name, rate / result.start_seconds, "child/s"},
          {figure_of(measurement, "dynsup_start.stop"), rate / result.stop_seconds, "child/s"}};
}

// -- task_fanout ----------------------------------------------------------------------------

double task_fanout(Node& node, std::uint64_t tasks) {
  auto rate = node.async([tasks](Context& context) -> Task<double> {
    const auto start = Stopwatch::now();
    auto stream =
        async_stream(context, std::views::iota(std::uint64_t{0}, tasks),
                     [](std::uint64_t number) { return number + 1; }, {.max_concurrency = 8});
    std::uint64_t sum = 0;
    while (auto next = co_await stream.next()) sum += next->value();
    if (sum != tasks * (tasks + 1) / 2) throw std::runtime_error{"a wrong sum"};
    co_return static_cast<double>(tasks) / seconds_since(start);
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
  };
}

}  // namespace grove::bench
