// SPDX-License-Identifier: Apache-2.0
//
// Timers: how fast they are armed, cancelled and fired, and how late they are.
#include "bench/local.hpp"

namespace grove::bench {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

constexpr auto k_far = 1h;
constexpr auto k_lead = 1s;  // enough to arm every timer that is to fire

struct Tick {
  Clock::TimePoint due;
};

auto arm(Context& context, Clock::Duration delay) {
  return context.send_after(delay, context.self(), Tick{});
}
using TimerId = decltype(arm(std::declval<Context&>(), k_far));

/// One at a time, armed and cancelled at once; per second.
double arm_and_cancel(Node& node, std::uint64_t count) {
  auto seconds = node.async([count](Context& context) -> Task<double> {
    const auto start = Stopwatch::now();
    for (std::uint64_t i = 0; i < count; ++i) context.cancel_timer(arm(context, k_far));
    co_return seconds_since(start);
  });
  return static_cast<double>(count) / seconds.get();
}

struct Pending {
  double arm_seconds = 0;
  double cancel_seconds = 0;
};

/// Arms until `count` are pending, each due at a time of its own; then cancels them all.
Pending arm_then_cancel(Node& node, std::uint64_t count) {
  auto pending = node.async([count](Context& context) -> Task<Pending> {
    Pending result;
    std::vector<TimerId> timers;
    timers.reserve(count);
    auto start = Stopwatch::now();
    for (std::uint64_t i = 0; i < count; ++i) {
      timers.push_back(arm(context, k_far + i % 1'000 * 1ms));
    }
    result.arm_seconds = seconds_since(start);
    start = Stopwatch::now();
    for (const TimerId& timer : timers) context.cancel_timer(timer);
    result.cancel_seconds = seconds_since(start);
    co_return result;
  });
  return pending.get();
}

/// Timers that are all due at one instant; per second from then on.
double fire(Node& node, std::uint64_t count) {
  auto seconds = node.async([count](Context& context) -> Task<double> {
    const Clock& clock = context.node().clock();
    const Clock::TimePoint due = clock.now() + k_lead;
    for (std::uint64_t i = 0; i < count; ++i) arm(context, due - clock.now());
    for (std::uint64_t i = 0; i < count; ++i) co_await context.receive<Tick>();
    co_return std::chrono::duration<double>(clock.now() - due).count();
  });
  return static_cast<double>(count) / seconds.get();
}

/// Microseconds that each of `count` timers is late, one due every millisecond.
std::vector<double> lateness(Node& node, std::uint64_t count) {
  auto all = node.async([count](Context& context) -> Task<std::vector<double>> {
    const Clock& clock = context.node().clock();
    const Clock::TimePoint start = clock.now() + 50ms;
    for (std::uint64_t i = 0; i < count; ++i) {
      const Tick tick{start + i * 1ms};
      context.send_after(tick.due - clock.now(), context.self(), tick);
    }
    std::vector<double> samples;
    for (std::uint64_t i = 0; i < count; ++i) {
      const Tick tick = co_await context.receive<Tick>();
      samples.push_back(std::chrono::duration<double, std::micro>(clock.now() - tick.due).count());
    }
    co_return samples;
  });
  return all.get();
}

std::vector<Figure> timers(const Measurement& measurement) {
  RealNode node{measurement.workers};
  const std::uint64_t many = scaled(1'000'000);
  arm_and_cancel(*node, many / 10);
  const double pairs = arm_and_cancel(*node, many);
  arm_then_cancel(*node, many / 10);
  const Pending pending = arm_then_cancel(*node, many);
  const std::uint64_t at_once = scaled(100'000);
  fire(*node, at_once / 10);
  const double fired = fire(*node, at_once);
  const std::vector<double> late = lateness(*node, scaled(1'000));
  const auto figure = [&](const char* name, double value, const char* unit) {
    return Figure{figure_of(measurement, std::string{"timers."} + name), value, unit};
  };
  return {figure("armcancel", pairs, "timer/s"),
          figure("arm", static_cast<double>(many) / pending.arm_seconds, "timer/s"),
          figure("cancel", static_cast<double>(many) / pending.cancel_seconds, "timer/s"),
          figure("fire", fired, "timer/s"),
          figure("late_p50", percentile(late, 0.50), "us"),
          figure("late_p99", percentile(late, 0.99), "us")};
}

}  // namespace

std::vector<Row> timer_rows() {
  return {{"timers",
           "1 M armed and cancelled singly; 1 M armed, then cancelled; 100 k due at once; lateness",
           on_two_and_one("timers", timers),
           {"erlang", "caf"}}};
}

}  // namespace grove::bench
