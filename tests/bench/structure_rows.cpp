// SPDX-License-Identifier: Apache-2.0
//
// Rows about many processes: a ring that passes a token, a tree that sums what its leaves say, a
// supervisor whose children crash.
#include "grove/node/supervisor.hpp"

#include "bench/local.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>

namespace grove::bench {
namespace {

// -- ring -----------------------------------------------------------------------------------

constexpr std::size_t k_ring = 503;

struct Token {
  std::uint64_t hops = 0;  // still to go
};

class Link final : public Handler {
 public:
  Link(Pid next, SharedPromise<void> done) : next_{next}, done_{std::move(done)} {}

  void handle(Context& context, Envelope& envelope) override {
    if (const Token* token = envelope.message.get<Token>()) {
      if (token->hops == 0) {
        done_->set_value();
      } else {
        context.send<Token>(next_, token->hops - 1);
      }
    } else if (const Start* close = envelope.message.get<Start>()) {
      next_ = close->peer;
    }
  }

 private:
  Pid next_;
  SharedPromise<void> done_;
};

double ring(Node& node, std::uint64_t hops) {
  const auto done = std::make_shared<std::promise<void>>();
  const Pid last = node.spawn<Link>(Pid{}, done);
  std::vector<Pid> links{last};
  while (links.size() < k_ring) links.push_back(node.spawn<Link>(links.back(), done));
  node.send(last, Start{links.back()});
  const auto start = Stopwatch::now();
  node.send(last, Token{hops});
  done->get_future().get();
  const double seconds = seconds_since(start);
  for (const Pid& link : links) node.exit(link, ExitReason::kill());
  return static_cast<double>(hops) / seconds;
}

// -- skynet ---------------------------------------------------------------------------------

constexpr std::uint64_t k_branches = 10;

struct Sum {
  std::uint64_t value = 0;
};

/// The root of a tree with `leaves` leaves, numbered from `first` on; tells its parent their sum.
class Tree final : public Handler {
 public:
  Tree(Pid parent, std::uint64_t first, std::uint64_t leaves) : parent_{parent} {
    Context& context = Context::current();
    if (leaves == 1) {
      context.send<Sum>(parent, first);
      context.stop(ExitReason::normal());
      return;
    }
    const std::uint64_t each = leaves / k_branches;
    for (std::uint64_t i = 0; i < k_branches; ++i) {
      context.spawn<Tree>(context.self(), first + i * each, each);
    }
  }

  void handle(Context& context, Envelope& envelope) override {
    sum_ += envelope.message.get<Sum>()->value;
    if (--left_ > 0) return;
    context.send<Sum>(parent_, sum_);
    context.stop(ExitReason::normal());
  }

 private:
  Pid parent_;
  std::uint64_t left_ = k_branches;
  std::uint64_t sum_ = 0;
};

/// The largest power of ten that `size` holds.
std::uint64_t whole_tree(std::uint64_t size) {
  std::uint64_t leaves = 1;
  while (leaves * k_branches <= size) leaves *= k_branches;
  return leaves;
}

/// Milliseconds.
double skynet(Node& node, std::uint64_t size) {
  auto milliseconds = node.async([leaves = whole_tree(size)](Context& context) -> Task<double> {
    const auto start = Stopwatch::now();
    context.spawn<Tree>(context.self(), 0U, leaves);
    const Sum sum = co_await context.receive<Sum>();
    const double seconds = seconds_since(start);
    if (sum.value != leaves * (leaves - 1) / 2) throw std::runtime_error{"a wrong sum"};
    co_return seconds * 1e3;
  });
  return milliseconds.get();
}

// -- supervisor_restarts --------------------------------------------------------------------

constexpr std::size_t k_children = 1'000;

/// Tells the observer that it runs, and crashes when it is told to.
template <bool k_throws>
class Crasher final : public GenServer {
 public:
  using Handles = grove::Handles<Start>;
  explicit Crasher(Pid observer) { context().template send<Start>(observer, self()); }
  void handle_info(Start) {
    if constexpr (k_throws) throw std::runtime_error{"crash"};
    stop(ExitReason::symbol("crash"));
  }
};

/// All children of one supervisor crash; when all are back, again, until there were `count`
/// crashes.
template <bool k_throws>
double supervisor_restarts(Node& node, std::uint64_t count) {
  auto rate = node.async([count](Context& context) -> Task<double> {
    context.trap_exit(true);
    SupervisorSpec spec;
    spec.intensity = {.restarts = count + k_children, .period = std::chrono::hours{1}};
    for (std::size_t i = 0; i < k_children; ++i) {
      spec.children.push_back(child<Crasher<k_throws>>(std::to_string(i), context.self()));
    }
    const StartResult supervisor = co_await start_supervisor(context, std::move(spec));
    std::vector<Pid> children(k_children);
    for (Pid& child : children) {
      const Start started = co_await context.receive<Start>();
      child = started.peer;
    }
    const auto start = Stopwatch::now();
    const std::uint64_t waves = std::max<std::uint64_t>(count / k_children, 1);
    for (std::uint64_t wave = 0; wave < waves; ++wave) {
      for (const Pid& child : children) context.send<Start>(child);
      for (Pid& child : children) {
        const Start started = co_await context.receive<Start>();
        child = started.peer;
      }
    }
    const double seconds = seconds_since(start);
    co_await stop_server(context, supervisor.pid, ExitReason::shutdown());
    co_return static_cast<double>(waves * k_children) / seconds;
  });
  return rate.get();
}

Row supervisor_row() {
  Row row{"supervisor_restarts",
          "100 k crashes under one_for_one with 1,000 children; .throw: by exception",
          measured<supervisor_restarts<false>>("supervisor_restarts", 100'000, "restart/s"),
          {"erlang"}};
  for (Measurement& thrown :
       measured<supervisor_restarts<true>>("supervisor_restarts.throw", 100'000, "restart/s")) {
    row.measurements.push_back(std::move(thrown));
  }
  return row;
}

}  // namespace

std::vector<Row> structure_rows() {
  return {
      {"ring",
       "503 processes pass a token on, 5 M times",
       measured<ring>("ring", 5'000'000, "hop/s"),
       {"erlang", "caf"}},
      {"skynet",
       "a tree of processes, ten below each, that sums 1 M leaves",
       measured<skynet>("skynet", 1'000'000, "ms"),
       {"erlang", "caf"}},
      supervisor_row(),
  };
}

}  // namespace grove::bench
