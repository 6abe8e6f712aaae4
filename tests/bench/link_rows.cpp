// SPDX-License-Identifier: Apache-2.0
//
// Links and monitors in great numbers.
#include "bench/local.hpp"

namespace grove::bench {
namespace {

struct Born {
  Pid child;
};

class Child final : public Handler {
 public:
  void handle(Context&, Envelope&) override {}
};

/// Spawns linked children by batches and tells the observer of each.
class Parent final : public Handler {
 public:
  Parent(Pid observer, std::uint64_t children) : observer_{observer}, left_{children} {
    Context& context = Context::current();
    context.send<Continue>(context.self());
  }

  void handle(Context& context, Envelope&) override {
    for (std::uint64_t i = 0; i < k_batch && left_ > 0; ++i, --left_) {
      context.send<Born>(observer_, context.spawn_link<Child>());
    }
    if (left_ > 0) context.send<Continue>(context.self());
  }

 private:
  Pid observer_;
  std::uint64_t left_;
};

struct Storm {
  double setup_seconds = 0;
  double down_seconds = 0;
};

/// Monitors every child; when it has them all, kills the parent and waits for as many DOWNs.
class Observer final : public Handler {
 public:
  Observer(std::uint64_t children, SharedPromise<Storm> storm)
      : children_{children}, storm_{std::move(storm)} {}

  void handle(Context& context, Envelope& envelope) override {
    if (const Born* born = envelope.message.get<Born>()) {
      context.monitor(born->child);
      if (++monitored_ < children_) return;
      result_.setup_seconds = seconds_since(start_);
      start_ = Stopwatch::now();
      context.exit(parent_, ExitReason::kill());
    } else if (envelope.message.is<Down>()) {
      if (++down_ < children_) return;
      result_.down_seconds = seconds_since(start_);
      storm_->set_value(result_);
      context.stop(ExitReason::normal());
    } else {
      start_ = Stopwatch::now();
      parent_ = context.spawn<Parent>(context.self(), children_);
    }
  }

 private:
  std::uint64_t children_;
  SharedPromise<Storm> storm_;
  Pid parent_;
  std::uint64_t monitored_ = 0;
  std::uint64_t down_ = 0;
  Storm result_;
  Stopwatch::time_point start_;
};

Storm storm(Node& node, std::uint64_t children) {
  const auto result = std::make_shared<std::promise<Storm>>();
  node.send(node.spawn<Observer>(children, result), Continue{});
  return result->get_future().get();
}

std::vector<Figure> link_storm(const Measurement& measurement) {
  RealNode node{measurement.workers};
  const std::uint64_t children = scaled(100'000);
  storm(*node, children / 10);
  const Storm result = storm(*node, children);
  return {{figure_of(measurement, "link_storm.setup"),
           static_cast<double>(children) / result.setup_seconds, "proc/s"},
          {figure_of(measurement, "link_storm.down"), result.down_seconds * 1e3, "ms"}};
}

}  // namespace

std::vector<Row> link_rows() {
  return {{"link_storm",
           "100 k children linked to a parent and monitored; the parent killed until all DOWNs",
           on_two_and_one("link_storm", link_storm),
           {"erlang", "caf"}}};
}

}  // namespace grove::bench
