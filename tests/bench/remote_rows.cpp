// SPDX-License-Identifier: Apache-2.0
//
// Rows of two nodes, each in an OS process of its own. They do what the Erlang peer's functions of
// the same name do.
#include "grove/cluster/cluster.hpp"
#include "grove/node/node.hpp"
#include "grove/transport/zmq_transport.hpp"

#include "bench/bench.hpp"
#include "bench/systems.hpp"

#include <fmt/format.h>

#include <csignal>
#include <ctime>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>
#include <unistd.h>
#include <utility>

namespace grove::bench {

/// Asks the peer's host for an Echo, or for a Sink that takes `count` messages.
struct StartEcho {};
struct StartSink {
  std::uint64_t count = 0;
};
struct Started {
  Pid pid;
};
struct Tagged {
  std::uint64_t number = 0;
};
struct Done {};

}  // namespace grove::bench

GROVE_MESSAGE(grove::bench::StartEcho, "bench.start_echo")
GROVE_MESSAGE(grove::bench::StartSink, "bench.start_sink", count)
GROVE_MESSAGE(grove::bench::Started, "bench.started", pid)
GROVE_MESSAGE(grove::bench::Tagged, "bench.tagged", number)
GROVE_MESSAGE(grove::bench::Done, "bench.done")

namespace grove::bench {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

constexpr auto k_patience = 10s;
constexpr std::uint64_t k_batch = 32;  // what a process does before others may go
constexpr const char* k_peer = "peer";
constexpr const char* k_host = "host";

/// A node on real threads and ZeroMQ.
class ClusterNode {
 public:
  ClusterNode(const std::string& name, unsigned workers, std::vector<std::string> seeds)
      : clock_{make_system_clock()},
        scheduler_{make_thread_scheduler(workers)},
        node_{std::make_unique<Node>(
            NodeConfig{.name = name, .clock = clock_.get(), .scheduler = scheduler_.get()})},
        transport_{transport::make_zmq_transport(*clock_)} {
    ClusterConfig config;
    config.seeds = std::move(seeds);
    cluster_ = std::make_unique<Cluster>(*node_, *transport_, std::move(config));
    address_ = cluster_->start().value();
  }
  ~ClusterNode() {
    node_->kill_all();
    (void)node_->wait_until_empty(k_patience);
    cluster_.reset();
    transport_.reset();
    scheduler_->stop();
  }
  ClusterNode(const ClusterNode&) = delete;
  ClusterNode& operator=(const ClusterNode&) = delete;

  Node& operator*() noexcept { return *node_; }
  [[nodiscard]] const std::string& address() const noexcept { return address_; }

  void wait_for_sessions(std::size_t count) {
    const auto start = Stopwatch::now();
    while (cluster_->sessions() < count) {
      if (seconds_since(start) > std::chrono::duration<double>(k_patience).count()) {
        throw std::runtime_error{"no session with a peer"};
      }
      std::this_thread::sleep_for(1ms);
    }
  }

 private:
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<Cluster> cluster_;
  std::string address_;
};

/// A peer in a fresh OS process, and a node here that has a session with it.
struct Pair {
  explicit Pair(unsigned workers)
      : peer{{own_program(), "--peer", std::to_string(workers)}},
        node{"bench", workers, {peer.read_line()}} {
    node.wait_for_sessions(1);
  }
  Child peer;  // first: it is forked while this process has one thread
  ClusterNode node;
};

// -- the peer's processes --------------------------------------------------------------------

class Echo final : public Handler {
 public:
  void handle(Context& context, Envelope& envelope) override {
    if (const Tagged* ping = envelope.message.get<Tagged>()) {
      context.send<Tagged>(envelope.from, ping->number);
    }
  }
};

class Sink final : public Handler {
 public:
  Sink(Pid owner, std::uint64_t count) : owner_{owner}, left_{count} {}

  void handle(Context& context, Envelope&) override {
    if (--left_ > 0) return;
    context.send<Done>(owner_);
    context.stop(ExitReason::normal());
  }

 private:
  Pid owner_;
  std::uint64_t left_;
};

class Host final : public Handler {
 public:
  void handle(Context& context, Envelope& envelope) override {
    if (envelope.message.is<StartEcho>()) {
      context.send<Started>(envelope.from, context.spawn<Echo>());
    } else if (const StartSink* sink = envelope.message.get<StartSink>()) {
      context.send<Started>(envelope.from, context.spawn<Sink>(envelope.from, sink->count));
    }
  }
};

// -- what they are asked ---------------------------------------------------------------------

/// The next message, which must be a T: a monitor's DOWN is not.
template <class T>
Task<T> next(Context& context) {
  const EnvelopePtr envelope = co_await context.receive_any(k_patience);
  const T* message = envelope == nullptr ? nullptr : envelope->message.get<T>();
  if (message == nullptr) throw std::runtime_error{"the peer does not answer"};
  co_return *message;
}

/// Has the peer start a process.
template <class Request>
Task<Pid> start_there(Context& context, Request request) {
  context.send(RemoteName{k_host, k_peer}, request);
  const Started started = co_await next<Started>(context);
  co_return started.pid;
}

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

std::vector<Figure> remote_latency(const Measurement& measurement) {
  Pair pair{measurement.workers};
  const std::uint64_t count = scaled(50'000);
  round_trips(*pair.node, count / 10);
  const std::vector<double> samples = round_trips(*pair.node, count);
  const char* suffix = measurement.workers == 1 ? ".1c" : "";
  return {{fmt::format("remote_latency.p50{}", suffix), percentile(samples, 0.50), "us"},
          {fmt::format("remote_latency.p99{}", suffix), percentile(samples, 0.99), "us"}};
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

/// Messages per second, until every sink has acknowledged its last one.
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
  return static_cast<double>(pairs * count) / seconds.get();
}

std::vector<Figure> remote_throughput(const Measurement& measurement) {
  Pair pair{measurement.workers};
  std::vector<Figure> figures;
  for (const std::uint64_t pairs : {1U, 8U}) {
    const std::uint64_t count = scaled(1'000'000 / pairs);
    throughput(*pair.node, pairs, count / 10);
    figures.push_back({fmt::format("remote_throughput.{0}x{0}", pairs),
                       throughput(*pair.node, pairs, count), "msg/s"});
  }
  return figures;
}

// -- kill_to_down ----------------------------------------------------------------------------

/// Milliseconds from SIGKILL of a fresh peer until a process that monitors one there has its DOWN.
double kill_once(unsigned workers) {
  Pair pair{workers};
  auto milliseconds = (*pair.node).async([&pair](Context& context) -> Task<double> {
    const StartEcho request;
    const Pid echo = co_await start_there(context, request);
    context.monitor(echo);
    context.send<Tagged>(echo, 1U);
    co_await next<Tagged>(context);
    co_await context.sleep_for(200ms);
    const auto start = Stopwatch::now();
    pair.peer.kill();
    const Down down = co_await next<Down>(context);
    const double seconds = seconds_since(start);
    if (down.reason != ExitReason::noconnection()) throw std::runtime_error{"another DOWN"};
    co_return seconds * 1e3;
  });
  return milliseconds.get();
}

std::vector<Figure> kill_to_down(const Measurement& measurement) {
  kill_once(measurement.workers);
  std::vector<double> samples;
  for (std::uint64_t left = scaled(15, 5); left > 0; --left) {
    samples.push_back(kill_once(measurement.workers));
  }
  return {{measurement.name, percentile(samples, 0.50), "ms"}};
}

// -- idle_cpu --------------------------------------------------------------------------------

/// Percent of one core that this OS process takes: a node with 1,000 processes that do nothing,
/// joined to two others.
std::vector<Figure> idle_cpu(const Measurement& measurement) {
  const std::string workers = std::to_string(measurement.workers);
  Child second{{own_program(), "--peer", workers}};
  Child third{{own_program(), "--peer", workers, "--name", "third"}};
  ClusterNode node{"bench", measurement.workers, {second.read_line(), third.read_line()}};
  node.wait_for_sessions(2);
  for (int i = 0; i < 1'000; ++i) (*node).spawn<Host>();
  std::this_thread::sleep_for(1s);
  const auto start = Stopwatch::now();
  const std::clock_t before = std::clock();
  std::this_thread::sleep_for(std::chrono::milliseconds{scaled(10'000, 1'000)});
  const auto used = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  return {{measurement.name, 100 * used / seconds_since(start), "%"}};
}

}  // namespace

void run_peer(unsigned workers, const std::string& name) {
  ClusterNode node{name, workers, {}};
  if (!(*node).register_name(k_host, (*node).spawn<Host>())) {
    throw std::runtime_error{"the peer's host is gone"};
  }
  fmt::print("{}\n", node.address());
  std::fflush(stdout);
  for (;;) ::pause();
}

std::vector<Row> remote_rows() {
  return {
      {"remote_latency",
       "50 k round trips between two OS processes",
       on_two_and_one("remote_latency", remote_latency),
       {"erlang", "zmq"}},
      {"remote_throughput",
       "1 M messages one way, until acknowledged; 1 pair, and 8",
       {{"remote_throughput", 2, remote_throughput}},
       {"erlang", "zmq"}},
      {"kill_to_down",
       "SIGKILL of the peer until its DOWN is here, median of 15 kills",
       {{"kill_to_down", 2, kill_to_down}},
       {"erlang", "zmq"}},
      {"idle_cpu",
       "CPU of a node joined to two others, with 1,000 idle processes, over 10 s",
       {{"idle_cpu", 2, idle_cpu}},
       {"erlang"}},
  };
}

}  // namespace grove::bench
