// SPDX-License-Identifier: Apache-2.0
//
// Messages between two nodes, each in an OS process of its own. The rows do what the Erlang peer's
// functions of the same name do.
#include "bench/remote.hpp"

#include <fmt/format.h>

#include <future>
#include <unistd.h>

namespace grove::bench {
namespace {

constexpr std::uint64_t k_batch = 32;   // what a process does before others may go
constexpr std::uint64_t k_window = 16;  // large messages under way
constexpr std::size_t k_mebibyte = std::size_t{1} << 20U;

// -- remote_latency --------------------------------------------------------------------------

/// Microseconds of each round trip.
std::vector<double> round_trips(Node& node, std::uint64_t count) {
  auto all = node.async([count](Context& context) -> Task<std::vector<double>> {
    const StartEcho request;
    const Pid echo = co_await start_there(context, request);
    context.monitor(echo);
    std::vector<double> samples;
    samples.reserve(count);
    for (std::uint64_t left = count; left > 0; --left) {
      const auto start = Stopwatch::now();
      context.send<Tagged>(echo, left);
      const EnvelopePtr answer = co_await context.receive_any();
      samples.push_back(seconds_since(start) * 1e6);
      if (!answer->message.is<Tagged>()) throw std::runtime_error{"the peer is gone"};
    }
    co_return samples;
  });
  return all.get();
}

std::vector<Figure> remote_latency(const Setup& setup) {
  Pair pair{setup};
  const std::uint64_t count = scaled(50'000);
  round_trips(*pair.node, count / 10);
  const std::vector<double> samples = round_trips(*pair.node, count);
  return {{setup.figure("remote_latency.p50"), percentile(samples, 0.50), "us"},
          {setup.figure("remote_latency.p99"), percentile(samples, 0.99), "us"}};
}

// -- remote_throughput -----------------------------------------------------------------------

/// Sends by batches; asks itself for the next one.
class Sender final : public Handler {
 public:
  Sender(Pid to, std::uint64_t count) : to_{to}, left_{count} {}

  void handle(Context& context, Envelope&) override {
    for (std::uint64_t i = 0; i < k_batch && left_ > 0; ++i) context.send<Tagged>(to_, left_--);
    if (left_ > 0) {
      context.send<Done>(context.self());
    } else {
      context.stop(ExitReason::normal());
    }
  }

 private:
  Pid to_;
  std::uint64_t left_;
};

/// Seconds until every sink has acknowledged its last message.
double throughput(Node& node, std::uint64_t pairs, std::uint64_t count) {
  auto seconds = node.async([pairs, count](Context& context) -> Task<double> {
    std::vector<Pid> senders;
    for (std::uint64_t i = 0; i < pairs; ++i) {
      const StartSink request{count};
      const Pid sink = co_await start_there(context, request);
      senders.push_back(context.spawn<Sender>(sink, count));
    }
    context.monitor(RemoteName{k_host, k_peer});
    const auto start = Stopwatch::now();
    for (const Pid& sender : senders) context.send<Done>(sender);
    for (std::uint64_t left = pairs; left > 0; --left) {
      const EnvelopePtr answer = co_await context.receive_any();
      if (!answer->message.is<Done>()) throw std::runtime_error{"the peer is gone"};
    }
    co_return seconds_since(start);
  });
  return seconds.get();
}

std::vector<Figure> remote_throughput(const Setup& setup) {
  Pair pair{setup};
  const auto both = [&](double (*of)(pid_t)) { return of(::getpid()) + of(pair.peer.pid()); };
  std::vector<Figure> figures;
  for (const std::uint64_t pairs : {1U, 8U}) {
    const std::uint64_t count = scaled(1'000'000 / pairs);
    throughput(*pair.node, pairs, count / 10);
    const double before = both(cpu_seconds);
    const double seconds = throughput(*pair.node, pairs, count);
    const double used = both(cpu_seconds) - before;
    const auto messages = static_cast<double>(pairs * count);
    figures.push_back({setup.figure(fmt::format("remote_throughput.{0}x{0}", pairs)),
                       messages / seconds, "msg/s"});
    if (pairs > 1) continue;
    figures.push_back({setup.figure("remote_throughput.cpu_ns"), used / messages * 1e9, "ns"});
    figures.push_back({setup.figure("remote_throughput.rss_mb"), both(peak_resident_mb), "MB"});
  }
  return figures;
}

// -- remote_large ----------------------------------------------------------------------------

/// MB per second of messages of 1 MiB, of which a window is under way at any time.
double large(Node& node, std::uint64_t count) {
  auto seconds = node.async([count](Context& context) -> Task<double> {
    const StartAcker request;
    const Pid acker = co_await start_there(context, request);
    context.monitor(acker);
    const Bytes payload{std::vector<std::byte>(k_mebibyte, std::byte{'x'})};
    const auto start = Stopwatch::now();
    std::uint64_t sent = 0;
    for (std::uint64_t acknowledged = 0; acknowledged < count; ++acknowledged) {
      for (; sent < count && sent - acknowledged < k_window; ++sent) {
        context.send<Blob>(acker, payload);
      }
      const EnvelopePtr answer = co_await context.receive_any();
      if (!answer->message.is<Done>()) throw std::runtime_error{"the peer is gone"};
    }
    co_return seconds_since(start);
  });
  return static_cast<double>(count * k_mebibyte) / 1e6 / seconds.get();
}

std::vector<Figure> remote_large(const Setup& setup) {
  Pair pair{setup};
  const std::uint64_t count = scaled(2'000);
  large(*pair.node, count / 10);
  return {{setup.figure("remote_large"), large(*pair.node, count), "MB/s"}};
}

// -- remote_call -----------------------------------------------------------------------------

Task<> caller(Context& context, Pid server, std::uint64_t count, Pid boss) {
  for (; count > 0; --count) co_await context.call<Add>(server, 1U);
  context.send<Done>(boss);
}

/// Calls per second of one server there, by callers that each wait for their answers.
double calls(Node& node, std::uint64_t callers, std::uint64_t count) {
  auto seconds = node.async([callers, count](Context& context) -> Task<double> {
    const StartServer request;
    const Pid server = co_await start_there(context, request);
    context.monitor(server);
    const auto start = Stopwatch::now();
    for (std::uint64_t i = 0; i < callers; ++i) {
      context.spawn_link(caller, server, count, context.self());
    }
    for (std::uint64_t left = callers; left > 0; --left) {
      const EnvelopePtr answer = co_await context.receive_any();
      if (!answer->message.is<Done>()) throw std::runtime_error{"the peer is gone"};
    }
    co_return seconds_since(start);
  });
  return static_cast<double>(callers * count) / seconds.get();
}

std::vector<Figure> remote_call(const Setup& setup) {
  Pair pair{setup};
  std::vector<Figure> figures;
  for (const std::uint64_t callers : {1U, 64U}) {
    const std::uint64_t count = scaled(callers == 1 ? 50'000 : 5'000);
    calls(*pair.node, callers, count / 10);
    figures.push_back({setup.figure(fmt::format("remote_call.{}", callers)),
                       calls(*pair.node, callers, count), "call/s"});
  }
  return figures;
}

}  // namespace

std::vector<Row> remote_rows() {
  return {
      {"remote_latency",
       "50 k round trips between two OS processes",
       on_every_wire("remote_latency", {2, 1}, remote_latency),
       {"erlang", "caf", "zmq"},
       k_two_nodes,
       {{"remote_latency.p50.1c", 1.4, "zmq"}, {"remote_latency.p50.1c", 0.25, "caf"}}},
      {"remote_throughput",
       "1 M messages one way, until acknowledged; 1 pair, and 8; CPU and memory of both sides",
       on_every_wire("remote_throughput", {2}, remote_throughput),
       {"erlang", "caf", "zmq"},
       k_two_nodes,
       {{"remote_throughput.1x1", 10, "erlang"},
        {"remote_throughput.1x1", 0.35, "zmq"},
        {"remote_throughput.8x8", 10, "erlang"},
        {"remote_throughput.8x8", 0.35, "zmq"}}},
      {"remote_large",
       "2,000 messages of 1 MiB one way, 16 under way, until acknowledged",
       on_every_wire("remote_large", {2}, remote_large),
       {"erlang", "caf", "zmq"},
       k_two_nodes,
       {{"remote_large", 0.8, "erlang"}}},
      {"remote_call",
       "calls of a GenServer of another node, by 1 caller, and by 64",
       on_every_wire("remote_call", {2, 1}, remote_call),
       {"erlang", "caf"},
       k_two_nodes,
       {{"remote_call.1", 1, "erlang"}, {"remote_call.64", 5, "erlang"}}},
  };
}

}  // namespace grove::bench
