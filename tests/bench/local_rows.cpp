// SPDX-License-Identifier: Apache-2.0
//
// Rows of one node: messages, spawning, calls. Each does what the Erlang peer's function of the
// same name does.
#include "grove/node/gen_server.hpp"

#include "bench/local.hpp"

#include <array>
#include <stdexcept>

namespace grove::bench {
namespace {

struct Ping {
  std::uint64_t number = 0;
};
struct Pong {
  std::uint64_t number = 0;
};

// -- pingpong -------------------------------------------------------------------------------

class Ponger final : public Handler {
 public:
  void handle(Context& context, Envelope& envelope) override {
    if (const Ping* ping = envelope.message.get<Ping>()) {
      context.send<Pong>(envelope.from, ping->number);
    }
  }
};

class Pinger final : public Handler {
 public:
  Pinger(Pid ponger, std::uint64_t trips, SharedPromise<double> seconds)
      : ponger_{ponger}, left_{trips}, seconds_{std::move(seconds)} {}

  void handle(Context& context, Envelope& envelope) override {
    if (envelope.message.is<Start>()) {
      start_ = Stopwatch::now();
    } else if (--left_ == 0) {
      seconds_->set_value(seconds_since(start_));
      context.stop(ExitReason::normal());
      return;
    }
    context.send<Ping>(ponger_, left_);
  }

 private:
  Pid ponger_;
  std::uint64_t left_;
  SharedPromise<double> seconds_;
  Stopwatch::time_point start_;
};

double pingpong(Node& node, std::uint64_t trips) {
  const auto seconds = std::make_shared<std::promise<double>>();
  const Pid ponger = node.spawn<Ponger>();
  node.send(node.spawn<Pinger>(ponger, trips, seconds), Start{});
  return 2 * static_cast<double>(trips) / seconds->get_future().get();
}

Task<> co_ponger(Context& context) {
  const Start pinger = co_await context.receive<Start>();
  for (;;) {
    const Ping ping = co_await context.receive<Ping>();
    context.send<Pong>(pinger.peer, ping.number);
  }
}

double co_pingpong(Node& node, std::uint64_t trips) {
  auto seconds = node.async([trips](Context& context) -> Task<double> {
    const Pid ponger = context.spawn(co_ponger);
    context.send<Start>(ponger, context.self());
    const auto start = Stopwatch::now();
    for (std::uint64_t left = trips; left > 0; --left) {
      context.send<Ping>(ponger, left);
      co_await context.receive<Pong>();
    }
    co_return seconds_since(start);
  });
  return 2 * static_cast<double>(trips) / seconds.get();
}

// -- fanin ----------------------------------------------------------------------------------

constexpr std::uint64_t k_senders = 8;

/// Sends by batches, as Erlang's scheduler would make it.
class Sender final : public Handler {
 public:
  Sender(Pid to, std::uint64_t count) : to_{to}, left_{count} {}

  void handle(Context& context, Envelope&) override {
    for (std::uint64_t i = 0; i < k_batch && left_ > 0; ++i) context.send<Ping>(to_, left_--);
    if (left_ > 0) {
      context.send<Continue>(context.self());
    } else {
      context.stop(ExitReason::normal());
    }
  }

 private:
  Pid to_;
  std::uint64_t left_;
};

class Receiver final : public Handler {
 public:
  Receiver(std::uint64_t count, SharedPromise<void> done) : left_{count}, done_{std::move(done)} {}

  void handle(Context& context, Envelope&) override {
    if (--left_ > 0) return;
    done_->set_value();
    context.stop(ExitReason::normal());
  }

 private:
  std::uint64_t left_;
  SharedPromise<void> done_;
};

double fanin(Node& node, std::uint64_t count) {
  const auto done = std::make_shared<std::promise<void>>();
  const Pid receiver = node.spawn<Receiver>(k_senders * count, done);
  std::array<Pid, k_senders> senders;
  for (Pid& sender : senders) sender = node.spawn<Sender>(receiver, count);
  const auto start = Stopwatch::now();
  for (const Pid& sender : senders) node.send(sender, Continue{});
  done->get_future().get();
  return static_cast<double>(k_senders * count) / seconds_since(start);
}

// -- spawn ----------------------------------------------------------------------------------

Task<> nothing(Context&) { co_return; }

double spawn_all(Node& node, std::uint64_t count) {
  auto seconds = node.async([count](Context& context) -> Task<double> {
    const std::size_t before = context.node().process_count();
    const auto start = Stopwatch::now();
    for (std::uint64_t left = count; left > 0;) {
      for (std::uint64_t i = 0; i < k_batch && left > 0; ++i, --left) context.spawn(nothing);
      context.send<Continue>(context.self());
      co_await context.receive<Continue>();
    }
    while (context.node().process_count() > before) {
      context.send<Continue>(context.self());
      co_await context.receive<Continue>();
    }
    co_return seconds_since(start);
  });
  return static_cast<double>(count) / seconds.get();
}

// -- call -----------------------------------------------------------------------------------

struct Add {
  using Reply = std::uint64_t;
  std::uint64_t by = 0;
};

class Adder final : public GenServer {
 public:
  using Handles = grove::Handles<Add>;
  std::uint64_t handle_call(Add add) { return sum_ += add.by; }

 private:
  std::uint64_t sum_ = 0;
};

/// One after the other, each with its monitor and the default timeout.
double call(Node& node, std::uint64_t count) {
  auto seconds = node.async([count](Context& context) -> Task<double> {
    const StartResult adder = co_await start_link<Adder>(context);
    const auto start = Stopwatch::now();
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) sum = co_await context.call<Add>(adder.pid, 1U);
    const double elapsed = seconds_since(start);
    if (sum != count) throw std::runtime_error{"calls are missing"};
    co_await stop_server(context, adder.pid);
    co_return elapsed;
  });
  return static_cast<double>(count) / seconds.get();
}

}  // namespace

std::vector<Row> local_rows() {
  std::vector<Row> rows{
      {"pingpong",
       "two processes, 3 M round trips; handlers, and coroutines (.co)",
       measured<pingpong>("pingpong", 3'000'000, "msg/s"),
       {"erlang", "caf"}},
      {"fanin",
       "8 senders x 1 M messages to one receiver",
       measured<fanin>("fanin", 1'000'000, "msg/s"),
       {"erlang", "caf"}},
      {"spawn",
       "1 M processes spawned, run and gone",
       measured<spawn_all>("spawn", 1'000'000, "proc/s"),
       {"erlang", "caf"}},
      {"call",
       "1 M calls of a GenServer, one after the other",
       measured<call>("call", 1'000'000, "call/s"),
       {"erlang", "caf"}},
  };
  for (Measurement& form : measured<co_pingpong>("pingpong.co", 3'000'000, "msg/s")) {
    rows[0].measurements.push_back(std::move(form));
  }
  return rows;
}

}  // namespace grove::bench
