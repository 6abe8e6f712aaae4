// SPDX-License-Identifier: Apache-2.0
//
// CAF's side of Grove's benchmark rows of one node.
//
//     caf_peer ROW | --version
//
// prints "ROW[.FIGURE]SUFFIX caf VALUE UNIT" and exits with 0 if all went well: the plain figures
// from a fresh process with two workers, those ending in .1c from one with one worker on CPU 0.
// Each is one measurement after a warm-up of a tenth of its size; GROVE_BENCH_SCALE multiplies the
// sizes. The programs do what Grove's and Erlang's of the same name do.
//
// Written for CAF 0.17, which is what Debian has. Its timers cannot be cancelled.
#include "bench/bench.hpp"

#include <caf/all.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <future>
#include <memory>
#include <sched.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace {

using caf::actor;
using caf::actor_system;
using caf::behavior;
using caf::event_based_actor;
using caf::stateful_actor;
using grove::bench::percentile;
using grove::bench::scaled;
using grove::bench::seconds_since;
using grove::bench::Stopwatch;

using start_atom = caf::atom_constant<caf::atom("start")>;
using more_atom = caf::atom_constant<caf::atom("more")>;
using ping_atom = caf::atom_constant<caf::atom("ping")>;
using pong_atom = caf::atom_constant<caf::atom("pong")>;
using sum_atom = caf::atom_constant<caf::atom("sum")>;
using born_atom = caf::atom_constant<caf::atom("born")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;

constexpr unsigned k_time_limit_seconds = 180;
constexpr std::uint64_t k_batch = 32;

struct Figure {
  std::string name;  // with a dot before it, or empty
  double value = 0;
  const char* unit = "";
};
using Figures = std::vector<Figure>;

template <class T>
using SharedPromise = std::shared_ptr<std::promise<T>>;
template <class T>
SharedPromise<T> make_promise() {
  return std::make_shared<std::promise<T>>();
}

// -- pingpong -------------------------------------------------------------------------------

behavior ponger(event_based_actor* self, const actor& pinger) {
  return {[=](ping_atom, std::uint64_t number) { self->send(pinger, pong_atom::value, number); }};
}

behavior pinger(event_based_actor* self, std::uint64_t trips, SharedPromise<double> seconds) {
  const actor peer = self->spawn(ponger, actor{self});
  const auto start = Stopwatch::now();
  self->send(peer, ping_atom::value, trips);
  return {[=](pong_atom, std::uint64_t number) {
    if (number > 1) {
      self->send(peer, ping_atom::value, number - 1);
      return;
    }
    seconds->set_value(seconds_since(start));
    self->send_exit(peer, caf::exit_reason::user_shutdown);
    self->quit();
  }};
}

double pingpong(actor_system& system, std::uint64_t trips) {
  const auto seconds = make_promise<double>();
  system.spawn(pinger, trips, seconds);
  return 2 * static_cast<double>(trips) / seconds->get_future().get();
}

// -- fanin ----------------------------------------------------------------------------------

constexpr std::uint64_t k_senders = 8;

struct Left {
  std::uint64_t left = 0;
};

behavior sender(stateful_actor<Left>* self, const actor& to, std::uint64_t count) {
  self->state.left = count;
  return {[=](more_atom) {
    std::uint64_t& left = self->state.left;
    for (std::uint64_t i = 0; i < k_batch && left > 0; ++i) {
      self->send(to, ping_atom::value, left--);
    }
    if (left > 0) {
      self->send(self, more_atom::value);
    } else {
      self->quit();
    }
  }};
}

behavior receiver(stateful_actor<Left>* self, std::uint64_t count, SharedPromise<void> done) {
  self->state.left = count;
  return {[=](ping_atom, std::uint64_t) {
    if (--self->state.left > 0) return;
    done->set_value();
    self->quit();
  }};
}

double fanin(actor_system& system, std::uint64_t count) {
  const auto done = make_promise<void>();
  const actor to = system.spawn(receiver, k_senders * count, done);
  std::vector<actor> senders;
  for (std::uint64_t i = 0; i < k_senders; ++i) senders.push_back(system.spawn(sender, to, count));
  const auto start = Stopwatch::now();
  for (const actor& one : senders) caf::anon_send(one, more_atom::value);
  done->get_future().get();
  return static_cast<double>(k_senders * count) / seconds_since(start);
}

// -- ring -----------------------------------------------------------------------------------

constexpr std::size_t k_ring = 503;

struct Next {
  actor next;
};

behavior link(stateful_actor<Next>* self, const actor& next, SharedPromise<void> done) {
  self->state.next = next;
  return {[=](ping_atom, std::uint64_t hops) {
            if (hops == 0) {
              done->set_value();
            } else {
              self->send(self->state.next, ping_atom::value, hops - 1);
            }
          },
          [=](start_atom, const actor& other) { self->state.next = other; }};
}

double ring(actor_system& system, std::uint64_t hops) {
  const auto done = make_promise<void>();
  std::vector<actor> links{system.spawn(link, actor{}, done)};
  while (links.size() < k_ring) links.push_back(system.spawn(link, links.back(), done));
  caf::anon_send(links.front(), start_atom::value, links.back());
  const auto start = Stopwatch::now();
  caf::anon_send(links.front(), ping_atom::value, hops);
  done->get_future().get();
  const double seconds = seconds_since(start);
  for (const actor& one : links) caf::anon_send_exit(one, caf::exit_reason::kill);
  return static_cast<double>(hops) / seconds;
}

// -- spawn ----------------------------------------------------------------------------------

void nothing(event_based_actor*) {}

behavior spawner(stateful_actor<Left>* self, std::uint64_t count) {
  self->state.left = count;
  self->send(self, more_atom::value);
  return {[=](more_atom) {
    std::uint64_t& left = self->state.left;
    for (std::uint64_t i = 0; i < k_batch && left > 0; ++i, --left) self->spawn(nothing);
    if (left > 0) {
      self->send(self, more_atom::value);
    } else {
      self->quit();
    }
  }};
}

double spawn_all(actor_system& system, std::uint64_t count) {
  const auto start = Stopwatch::now();
  system.spawn(spawner, count);
  system.await_all_actors_done();
  return static_cast<double>(count) / seconds_since(start);
}

// -- skynet ---------------------------------------------------------------------------------

constexpr std::uint64_t k_branches = 10;

struct Total {
  std::uint64_t left = k_branches;
  std::uint64_t sum = 0;
};

behavior tree(stateful_actor<Total>* self, const actor& parent, std::uint64_t first,
              std::uint64_t leaves) {
  if (leaves == 1) {
    self->send(parent, sum_atom::value, first);
    return {};  // that is its end
  }
  const std::uint64_t each = leaves / k_branches;
  for (std::uint64_t i = 0; i < k_branches; ++i) {
    self->spawn(tree, actor{self}, first + i * each, each);
  }
  return {[=](sum_atom, std::uint64_t value) {
    self->state.sum += value;
    if (--self->state.left > 0) return;
    self->send(parent, sum_atom::value, self->state.sum);
    self->quit();
  }};
}

double skynet(actor_system& system, std::uint64_t size) {
  std::uint64_t leaves = 1;
  while (leaves * k_branches <= size) leaves *= k_branches;
  caf::scoped_actor self{system};
  const auto start = Stopwatch::now();
  self->spawn(tree, actor{self}, std::uint64_t{0}, leaves);
  std::uint64_t total = 0;
  self->receive([&](sum_atom, std::uint64_t value) { total = value; });
  const double seconds = seconds_since(start);
  if (total != leaves * (leaves - 1) / 2) throw std::runtime_error{"a wrong sum"};
  return seconds * 1e3;
}

// -- idle_memory ----------------------------------------------------------------------------

std::atomic<std::uint64_t> g_started{0};

behavior idle(event_based_actor*) {
  g_started.fetch_add(1, std::memory_order_relaxed);
  return {[](ping_atom) {}};
}

double resident_bytes() {
  std::ifstream file{"/proc/self/statm"};
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  file >> size >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

Figures idle_memory(actor_system& system) {
  const std::uint64_t count = scaled(1'000'000, 1'000);
  const double before = resident_bytes();
  const auto all = make_promise<std::vector<actor>>();
  system.spawn([=](event_based_actor* self) {
    std::vector<actor> actors;  // an actor that nobody holds a handle of ends
    actors.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) actors.push_back(self->spawn(idle));
    all->set_value(std::move(actors));
  });
  const std::vector<actor> actors = all->get_future().get();
  while (g_started.load(std::memory_order_relaxed) < count) std::this_thread::yield();
  const double handles = static_cast<double>(actors.capacity() * sizeof(actor));
  const double bytes = resident_bytes() - before - handles;
  return {{"", bytes / static_cast<double>(count), "B"}};
}

// -- call -----------------------------------------------------------------------------------

behavior adder(stateful_actor<Total>* self) {
  return {[=](sum_atom, std::uint64_t by) { return self->state.sum += by; }};
}

struct Calls {
  actor server;
  std::uint64_t left = 0;
  Stopwatch::time_point start;
  SharedPromise<double> seconds;
};

void call_next(stateful_actor<Calls>* self) {
  self->request(self->state.server, std::chrono::seconds{5}, sum_atom::value, std::uint64_t{1})
      .then([=](std::uint64_t) {
        if (--self->state.left > 0) {
          call_next(self);
        } else {
          self->state.seconds->set_value(seconds_since(self->state.start));
          self->send_exit(self->state.server, caf::exit_reason::user_shutdown);
        }
      });
}

double call(actor_system& system, std::uint64_t count) {
  const auto seconds = make_promise<double>();
  system.spawn([=](stateful_actor<Calls>* self) {
    self->state = Calls{self->spawn(adder), count, Stopwatch::now(), seconds};
    call_next(self);
  });
  return static_cast<double>(count) / seconds->get_future().get();
}

// -- link_storm -----------------------------------------------------------------------------

behavior child(event_based_actor*) {
  return {[](ping_atom) {}};
}

struct Children {
  std::vector<actor> all;  // as in idle_memory
};

behavior parent(stateful_actor<Children>* self, const actor& observer, std::uint64_t children) {
  std::vector<actor>& all = self->state.all;
  for (std::uint64_t i = 0; i < children; ++i) {
    all.push_back(self->spawn<caf::linked>(child));
    self->send(observer, born_atom::value, all.back());
  }
  return {[](ping_atom) {}};
}

struct Storm {
  actor parent;
  std::uint64_t monitored = 0;
  std::uint64_t down = 0;
  double setup_seconds = 0;
  Stopwatch::time_point start;
};
using StormSeconds = std::pair<double, double>;  // to set up, until all are down

behavior observer(stateful_actor<Storm>* self, std::uint64_t children,
                  SharedPromise<StormSeconds> result) {
  Storm& storm = self->state;
  self->set_down_handler([=, &storm](caf::down_msg&) {
    if (++storm.down < children) return;
    result->set_value({storm.setup_seconds, seconds_since(storm.start)});
    self->quit();
  });
  storm.start = Stopwatch::now();
  storm.parent = self->spawn(parent, actor{self}, children);
  return {[=, &storm](born_atom, const actor& born) {
    self->monitor(born);
    if (++storm.monitored < children) return;
    storm.setup_seconds = seconds_since(storm.start);
    storm.start = Stopwatch::now();
    self->send_exit(storm.parent, caf::exit_reason::kill);
  }};
}

StormSeconds storm(actor_system& system, std::uint64_t children) {
  const auto result = make_promise<StormSeconds>();
  const actor watching = system.spawn(observer, children, result);
  return result->get_future().get();
}

Figures link_storm(actor_system& system) {
  const std::uint64_t children = scaled(100'000);
  storm(system, children / 10);
  const auto [setup, down] = storm(system, children);
  return {{".setup", static_cast<double>(children) / setup, "proc/s"}, {".down", down * 1e3, "ms"}};
}

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

Figures timers(actor_system& system) {
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

Figures blocked_worker(actor_system& system) {
  const std::chrono::milliseconds window{scaled(2'000, 200)};
  round_trips(system, window / 10, {});
  const double undisturbed = percentile(round_trips(system, window, {}), 0.99);
  const Samples blocked = round_trips(system, window, window);
  return {{"", percentile(blocked, 0.99) / undisturbed, "ratio"},
          {".longest", percentile(blocked, 1.0) / 1e3, "ms"}};
}

// -- which, and how -------------------------------------------------------------------------

struct Program {
  const char* row;
  bool on_one_core;  // too
  std::function<Figures(actor_system&)> run;
};

template <double (*k_run)(actor_system&, std::uint64_t)>
Program measured(const char* row, std::uint64_t size, const char* unit) {
  return {row, true, [size, unit](actor_system& system) {
            const std::uint64_t count = scaled(size);
            k_run(system, count / 10);
            return Figures{{"", k_run(system, count), unit}};
          }};
}

std::vector<Program> programs() {
  return {measured<pingpong>("pingpong", 3'000'000, "msg/s"),
          measured<fanin>("fanin", 1'000'000, "msg/s"),
          measured<ring>("ring", 5'000'000, "hop/s"),
          measured<spawn_all>("spawn", 1'000'000, "proc/s"),
          measured<skynet>("skynet", 1'000'000, "ms"),
          {"idle_memory", false, idle_memory},
          measured<call>("call", 1'000'000, "call/s"),
          {"link_storm", true, link_storm},
          {"timers", true, timers},
          {"blocked_worker", false, blocked_worker}};
}

/// Measures in this process and ends it: whatever is still armed or idle goes with it.
[[noreturn]] void measure(const Program& program, unsigned workers) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::alarm(k_time_limit_seconds);
  const char* suffix = "";
  if (workers == 1) {
    suffix = ".1c";
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    if (::sched_setaffinity(0, sizeof cpus, &cpus) < 0) std::perror("sched_setaffinity");
  }
  caf::actor_system_config config;
  config.set("scheduler.max-threads", workers);
  caf::actor_system system{config};
  int status = 0;
  try {
    for (const Figure& figure : program.run(system)) {
      std::printf("%s%s%s caf %.*f %s\n", program.row, figure.name.c_str(), suffix,
                  figure.value >= 1000 ? 0 : 3, figure.value, figure.unit);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "caf_peer: %s: %s\n", program.row, error.what());
    status = 1;
  }
  std::fflush(stdout);
  ::_exit(status);
}

bool measure_in_fresh_process(const Program& program, unsigned workers) {
  const pid_t pid = ::fork();
  if (pid == 0) measure(program, workers);
  int status = 0;
  while (pid > 0 && ::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return pid > 0 && status == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string wanted = argc == 2 ? argv[1] : "";
  if (wanted == "--version") {
    std::printf("%d.%d.%d\n", CAF_MAJOR_VERSION, CAF_MINOR_VERSION, CAF_PATCH_VERSION);
    return 0;
  }
  for (const Program& program : programs()) {
    if (program.row != wanted) continue;
    if (!measure_in_fresh_process(program, 2)) return 1;
    return !program.on_one_core || measure_in_fresh_process(program, 1) ? 0 : 1;
  }
  std::fprintf(stderr, "caf_peer: no such row: %s\n", wanted.c_str());
  return 64;  // EX_USAGE of sysexits.h
}
