// SPDX-License-Identifier: Apache-2.0
//
// Rows about timers and blocked workers with CAF.
#include "bench/peers/caf/caf_peer.hpp"

#include <thread>

namespace grove::bench {
namespace {

using caf::actor;
using caf::actor_system;
using caf::behavior;
using caf::event_based_actor;
using caf::stateful_actor;

// -- timers ---------------------------------------------------------------------------------

double arm(actor_system& system, std::uint64_t count) {
  const auto seconds = make_promise<double>();
  system.spawn([=](event_based_actor* self) {
    const auto start = Stopwatch::now();
    for (std::uint64_t i = 0; i < count; ++i) {
      self->delayed_send(self, std::chrono::milliseconds{3'600'000 + i % 1'000}, tick_atom::value);
    }
    seconds->set_value(seconds_since(start));
  });
  return static_cast<double>(count) / seconds->get_future().get();
}

struct Fired {
  Stopwatch::time_point due;
  std::vector<double> late;  // microseconds
};

/// Arms `count` timers, the first due after `lead`, the others each `gap` later.
behavior timed(stateful_actor<Fired>* self, std::uint64_t count, Stopwatch::duration lead,
               Stopwatch::duration gap, SharedPromise<std::vector<double>> result) {
  const auto due = Stopwatch::now() + lead;
  self->state.due = due;
  self->state.late.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto at = due + static_cast<std::int64_t>(i) * gap;
    self->delayed_send(self, at - Stopwatch::now(), tick_atom::value, i);
  }
  return {[=](tick_atom, std::uint64_t index) {
    const auto at = self->state.due + static_cast<std::int64_t>(index) * gap;
    self->state.late.push_back(seconds_since(at) * 1e6);
    if (self->state.late.size() < count) return;
    result->set_value(std::move(self->state.late));
    self->quit();
  }};
}

std::vector<double> lateness(actor_system& system, std::uint64_t count, Stopwatch::duration lead,
                             Stopwatch::duration gap) {
  const auto result = make_promise<std::vector<double>>();
  system.spawn(timed, count, lead, gap, result);
  return result->get_future().get();
}

double fire(actor_system& system, std::uint64_t count) {
  const auto late = lateness(system, count, std::chrono::seconds{1}, {});
  return static_cast<double>(count) / (percentile(late, 1.0) / 1e6);
}

std::vector<Figure> timers(actor_system& system) {
  const std::uint64_t at_once = scaled(100'000);
  fire(system, at_once / 10);
  const double fired = fire(system, at_once);
  const auto late =
      lateness(system, scaled(1'000), std::chrono::milliseconds{50}, std::chrono::milliseconds{1});
  const std::uint64_t many = scaled(1'000'000);  // last: they stay
  arm(system, many / 10);
  return {{".arm", arm(system, many), "timer/s"},
          {".fire", fired, "timer/s"},
          {".late_p50", percentile(late, 0.50), "us"},
          {".late_p99", percentile(late, 0.99), "us"}};
}

// -- blocked_worker -------------------------------------------------------------------------

using Samples = std::vector<double>;

struct Trips {
  Samples taken;  // microseconds
  Stopwatch::time_point sent;
  Stopwatch::time_point end;
};

behavior echo(event_based_actor* self) {
  return {[=](ping_atom) {
    self->send(caf::actor_cast<actor>(self->current_sender()), pong_atom::value);
  }};
}

behavior prober(stateful_actor<Trips>* self, const actor& peer, Stopwatch::duration window,
                SharedPromise<Samples> samples) {
  return {
      [=](start_atom, std::int64_t since) {
        Trips& trips = self->state;
        trips.sent = Stopwatch::time_point{Stopwatch::duration{since}};
        trips.end = trips.sent + window;
        self->send(peer, ping_atom::value);
      },
      [=](pong_atom) {
        Trips& trips = self->state;
        const auto now = Stopwatch::now();
        trips.taken.push_back(std::chrono::duration<double, std::micro>(now - trips.sent).count());
        trips.sent = now;
        if (now < trips.end) {
          self->send(peer, ping_atom::value);
          return;
        }
        samples->set_value(std::move(trips.taken));
        self->send_exit(peer, caf::exit_reason::user_shutdown);
        self->quit();
      }};
}

Samples round_trips(actor_system& system, Stopwatch::duration window, Stopwatch::duration block) {
  const auto samples = make_promise<Samples>();
  const actor prober_actor = system.spawn(prober, system.spawn(echo), window, samples);
  system.spawn([=](event_based_actor* self) {
    self->send(prober_actor, start_atom::value,
               std::int64_t{Stopwatch::now().time_since_epoch().count()});
    std::this_thread::sleep_for(block);
  });
  return samples->get_future().get();
}

std::vector<Figure> blocked_worker(actor_system& system) {
  const std::chrono::milliseconds window{scaled(2'000, 200)};
  round_trips(system, window / 10, {});
  const double undisturbed = percentile(round_trips(system, window, {}), 0.99);
  const Samples blocked = round_trips(system, window, window);
  return {{"", percentile(blocked, 0.99) / undisturbed, "ratio"},
          {".longest", percentile(blocked, 1.0) / 1e3, "ms"}};
}

}  // namespace

std::vector<Program> time_programs() {
  return {{"timers", true, timers}, {"blocked_worker", false, blocked_worker}};
}

}  // namespace grove::bench
