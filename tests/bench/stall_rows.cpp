// SPDX-License-Identifier: Apache-2.0
//
// Whether a handler that blocks its worker holds up the processes that have nothing to do with it.
#include "bench/local.hpp"

#include <thread>

namespace grove::bench {
namespace {

using Samples = std::vector<double>;

struct Go {
  Stopwatch::time_point since;
};
struct Ping {};
struct Pong {};

class Ponger final : public Handler {
 public:
  void handle(Context& context, Envelope& envelope) override { context.send<Pong>(envelope.from); }
};

/// Round trips, one after the other, until the time is over; each one's microseconds. The first
/// counts from when somebody said go, so that whoever is stuck behind a blocked worker shows it.
class Pinger final : public Handler {
 public:
  Pinger(Pid ponger, Stopwatch::duration window, SharedPromise<Samples> samples)
      : ponger_{ponger}, window_{window}, samples_{std::move(samples)} {}

  void handle(Context& context, Envelope& envelope) override {
    if (const Go* go = envelope.message.get<Go>()) {
      sent_ = go->since;
      end_ = sent_ + window_;
    } else {
      const auto now = Stopwatch::now();
      taken_.push_back(std::chrono::duration<double, std::micro>(now - sent_).count());
      sent_ = now;
      if (now >= end_) {
        samples_->set_value(std::move(taken_));
        context.stop(ExitReason::normal());
        return;
      }
    }
    context.send<Ping>(ponger_);
  }

 private:
  Pid ponger_;
  Stopwatch::duration window_;
  SharedPromise<Samples> samples_;
  Samples taken_;
  Stopwatch::time_point sent_;
  Stopwatch::time_point end_;
};

/// Says go, then sleeps on its worker for `block`.
class Sleeper final : public Handler {
 public:
  explicit Sleeper(Stopwatch::duration block) : block_{block} {}

  void handle(Context& context, Envelope& envelope) override {
    context.send<Go>(envelope.message.get<Start>()->peer, Stopwatch::now());
    std::this_thread::sleep_for(block_);
  }

 private:
  Stopwatch::duration block_;
};

/// Round trips during `window`, with a worker that sleeps for `block` of it.
Samples round_trips(Node& node, Stopwatch::duration window, Stopwatch::duration block) {
  const auto samples = std::make_shared<std::promise<Samples>>();
  const Pid ponger = node.spawn<Ponger>();
  const Pid pinger = node.spawn<Pinger>(ponger, window, samples);
  node.send(node.spawn<Sleeper>(block), Start{pinger});
  return samples->get_future().get();
}

std::vector<Figure> blocked_worker(const Measurement& measurement) {
  RealNode node{measurement.workers};
  const std::chrono::milliseconds window{scaled(2'000, 200)};
  round_trips(*node, window / 10, {});
  const double undisturbed = percentile(round_trips(*node, window, {}), 0.99);
  const Samples blocked = round_trips(*node, window, window);
  return {{measurement.name, percentile(blocked, 0.99) / undisturbed, "ratio"},
          {measurement.name + ".longest", percentile(blocked, 1.0) / 1e3, "ms"}};
}

}  // namespace

std::vector<Row> stall_rows() {
  return {{"blocked_worker",
           "p99 of round trips while a handler sleeps 2 s, by p99 without; the longest of them",
           {{"blocked_worker", 2, blocked_worker}},
           {"erlang", "caf"}}};
}

}  // namespace grove::bench
