// SPDX-License-Identifier: Apache-2.0
//
// Deaths that another node hears of, and what it costs to wait for them.
#include "bench/remote.hpp"

#include <ctime>
#include <future>
#include <thread>

namespace grove::bench {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

// -- monitor_down ----------------------------------------------------------------------------

/// Monitors of as many processes there, which are then killed; per second, until all are down.
double monitor_and_kill(Node& node, std::uint64_t count) {
  auto seconds = node.async([count](Context& context) -> Task<double> {
    const StartCrowd request{count};
    const Pid crowd = co_await start_there(context, request);
    std::vector<Pid> pids;
    while (pids.size() < count) {
      const Lot lot = co_await next<Lot>(context);
      pids.insert(pids.end(), lot.pids.begin(), lot.pids.end());
    }
    const auto start = Stopwatch::now();
    for (const Pid& pid : pids) context.monitor(pid);
    context.send<EndCrowd>(crowd);
    for (std::uint64_t left = count; left > 0; --left) {
      const EnvelopePtr envelope = co_await context.receive_any();
      const Down* down = envelope->message.get<Down>();
      if (down == nullptr || down->reason != ExitReason::killed()) {
        throw std::runtime_error{"no DOWN of a killed process"};
      }
    }
    co_return seconds_since(start);
  });
  return static_cast<double>(count) / seconds.get();
}

std::vector<Figure> monitor_down(const Setup& setup) {
  Pair pair{setup};
  const std::uint64_t count = scaled(100'000);
  monitor_and_kill(*pair.node, count / 10);
  return {{setup.figure("monitor_down"), monitor_and_kill(*pair.node, count), "cycle/s"}};
}

// -- kill_to_down ----------------------------------------------------------------------------

/// Milliseconds from what `hurt` does to a fresh peer until a process that monitors one there has
/// its DOWN.
double until_down(unsigned workers, void (Child::*hurt)() const noexcept) {
  Pair pair{Setup{workers}};
  auto milliseconds = (*pair.node).async([&pair, hurt](Context& context) -> Task<double> {
    const StartEcho request;
    const Pid echo = co_await start_there(context, request);
    context.monitor(echo);
    context.send<Tagged>(echo, 1U);
    co_await next<Tagged>(context);
    co_await context.sleep_for(200ms);
    const auto start = Stopwatch::now();
    (pair.peer.*hurt)();
    const Down down = co_await next<Down>(context);
    const double seconds = seconds_since(start);
    if (down.reason != ExitReason::noconnection()) throw std::runtime_error{"another DOWN"};
    co_return seconds * 1e3;
  });
  return milliseconds.get();
}

std::vector<Figure> kill_to_down(const Measurement& measurement) {
  until_down(measurement.workers, &Child::kill);
  std::vector<double> samples;
  for (std::uint64_t left = scaled(15, 5); left > 0; --left) {
    samples.push_back(until_down(measurement.workers, &Child::kill));
  }
  return {{measurement.name, percentile(samples, 0.50), "ms"}};
}

// -- blackhole_to_down -----------------------------------------------------------------------

std::vector<Figure> blackhole_to_down(const Measurement& measurement) {
  return {{measurement.name, until_down(measurement.workers, &Child::stop) / 1e3, "s"}};
}

// -- idle_cpu --------------------------------------------------------------------------------

/// Percent of one core that this OS process takes: a node with 1,000 processes that do nothing,
/// joined to two others.
std::vector<Figure> idle_cpu(const Measurement& measurement) {
  const Setup setup{measurement.workers};
  Child second{peer_command(setup)};
  Child third{peer_command(setup, "third")};
  ClusterNode node{"bench", setup, {second.read_line(), third.read_line()}};
  node.wait_for_sessions(2);
  for (int i = 0; i < 1'000; ++i) (*node).spawn<Idle>();
  std::this_thread::sleep_for(1s);
  const auto start = Stopwatch::now();
  const std::clock_t before = std::clock();
  std::this_thread::sleep_for(std::chrono::milliseconds{scaled(10'000, 1'000)});
  const auto used = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  return {{measurement.name, 100 * used / seconds_since(start), "%"}};
}

}  // namespace

std::vector<Row> remote_death_rows() {
  return {
      {"monitor_down",
       "100 k processes of another node monitored and killed, until all DOWNs are here",
       on_every_wire("monitor_down", {2}, monitor_down),
       {"erlang", "caf"},
       k_two_nodes,
       {{"monitor_down", 5, "erlang"}}},
      {"kill_to_down",
       "SIGKILL of the peer until its DOWN is here, median of 15 kills",
       {{"kill_to_down", 2, kill_to_down}},
       {"erlang", "caf", "zmq"},
       k_two_nodes},
      {"blackhole_to_down",
       "the peer says nothing any more (SIGSTOP) until its DOWN is here, by default settings",
       {{"blackhole_to_down", 2, blackhole_to_down}},
       {"erlang"},
       k_two_nodes},
      {"idle_cpu",
       "CPU of a node joined to two others, with 1,000 idle processes, over 10 s",
       {{"idle_cpu", 2, idle_cpu}},
       {"erlang"},
       k_two_nodes,
       {{"idle_cpu", 1, "erlang"}}},
  };
}

}  // namespace grove::bench
