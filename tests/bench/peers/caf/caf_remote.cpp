// SPDX-License-Identifier: Apache-2.0
//
// Rows of two actor systems, each in an OS process of its own, with CAF's middleman between them.
#include "bench/peers/caf/caf_peer.hpp"

#include <caf/io/all.hpp>

#include <array>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <sys/prctl.h>
#include <thread>
#include <unistd.h>

namespace grove::bench {
namespace {

using caf::actor;
using caf::actor_system;
using caf::behavior;
using caf::event_based_actor;
using caf::stateful_actor;

using echo_atom = caf::atom_constant<caf::atom("echo")>;
using sink_atom = caf::atom_constant<caf::atom("sink")>;
using acker_atom = caf::atom_constant<caf::atom("acker")>;
using server_atom = caf::atom_constant<caf::atom("server")>;
using crowd_atom = caf::atom_constant<caf::atom("crowd")>;
using done_atom = caf::atom_constant<caf::atom("done")>;
using end_atom = caf::atom_constant<caf::atom("end")>;

using Actors = std::vector<actor>;

constexpr std::uint64_t k_window = 16;  // large messages under way
constexpr std::size_t k_mebibyte = std::size_t{1} << 20U;
constexpr std::size_t k_lot = 1'000;

// -- the peer's actors ------------------------------------------------------------------------

behavior echo(event_based_actor* self, const actor& pinger) {
  return {[=](ping_atom, std::uint64_t number) { self->send(pinger, pong_atom::value, number); }};
}

behavior sink(stateful_actor<Left>* self, const actor& owner, std::uint64_t count) {
  self->state.left = count;
  return {[=](ping_atom, std::uint64_t) {
    if (--self->state.left > 0) return;
    self->send(owner, done_atom::value);
    self->quit();
  }};
}

behavior acker(event_based_actor* self, const actor& owner) {
  return {[=](const std::string&) { self->send(owner, done_atom::value); }};
}

behavior idle(event_based_actor*) {
  return {[](ping_atom) {}};
}

struct Crowd {
  Actors all;
};

behavior crowd(stateful_actor<Crowd>* self, const actor& owner, std::uint64_t count) {
  Actors& all = self->state.all;
  Actors lot;
  while (all.size() < count) {
    all.push_back(self->spawn(idle));
    lot.push_back(all.back());
    if (lot.size() == k_lot || all.size() == count) {
      self->send(owner, std::move(lot));
      lot.clear();
    }
  }
  return {[=](end_atom) {
    for (const actor& one : self->state.all) self->send_exit(one, caf::exit_reason::kill);
    self->quit();
  }};
}

/// Starts what it is asked for.
behavior host(event_based_actor* self) {
  return {
      [=](echo_atom, const actor& pinger) { return self->spawn(echo, pinger); },
      [=](sink_atom, const actor& owner, std::uint64_t count) {
        return self->spawn(sink, owner, count);
      },
      [=](acker_atom, const actor& owner) { return self->spawn(acker, owner); },
      [=](server_atom) { return self->spawn(adder); },
      [=](crowd_atom, const actor& owner, std::uint64_t count) {
        return self->spawn(crowd, owner, count);
      },
  };
}

/// Has the peer start an actor.
template <class... Args>
actor start_there(actor_system& system, const Peer& peer, const Args&... args) {
  caf::scoped_actor self{system};
  actor started;
  self->request(peer.host, caf::infinite, args...)
      .receive([&](const actor& one) { started = one; },
               [](const caf::error&) { throw std::runtime_error{"the peer does not answer"}; });
  return started;
}

// -- remote_latency ---------------------------------------------------------------------------

struct Trips {
  actor peer;
  std::uint64_t left = 0;
  std::vector<double> samples;
  Stopwatch::time_point start;
};

behavior pinger(stateful_actor<Trips>* self, std::uint64_t trips,
                SharedPromise<std::vector<double>> samples) {
  Trips& state = self->state;
  state.left = trips;
  state.samples.reserve(trips);
  const auto ping = [=, &state] {
    state.start = Stopwatch::now();
    self->send(state.peer, ping_atom::value, state.left);
  };
  return {[=, &state](start_atom, const actor& peer) {
            state.peer = peer;
            ping();
          },
          [=, &state](pong_atom, std::uint64_t) {
            state.samples.push_back(seconds_since(state.start) * 1e6);
            if (--state.left > 0) {
              ping();
            } else {
              samples->set_value(std::move(state.samples));
              self->quit();
            }
          }};
}

std::vector<double> round_trips(actor_system& system, const Peer& peer, std::uint64_t trips) {
  const auto samples = make_promise<std::vector<double>>();
  const actor from = system.spawn(pinger, trips, samples);
  caf::anon_send(from, start_atom::value, start_there(system, peer, echo_atom::value, from));
  return samples->get_future().get();
}

std::vector<Figure> remote_latency(actor_system& system, const Peer& peer) {
  const std::uint64_t trips = scaled(50'000);
  round_trips(system, peer, trips / 10);
  const std::vector<double> samples = round_trips(system, peer, trips);
  return {{".p50", percentile(samples, 0.50), "us"}, {".p99", percentile(samples, 0.99), "us"}};
}

// -- remote_throughput ------------------------------------------------------------------------

/// Waits for so many acknowledgements.
behavior waiter(stateful_actor<Left>* self, std::uint64_t count, SharedPromise<void> done) {
  self->state.left = count;
  return {[=](done_atom) {
    if (--self->state.left > 0) return;
    done->set_value();
    self->quit();
  }};
}

double throughput(actor_system& system, const Peer& peer, std::uint64_t pairs,
                  std::uint64_t count) {
  const auto done = make_promise<void>();
  const actor owner = system.spawn(waiter, pairs, done);
  Actors senders;
  for (std::uint64_t i = 0; i < pairs; ++i) {
    const actor to = start_there(system, peer, sink_atom::value, owner, count);
    senders.push_back(system.spawn(sender, to, count));
  }
  const auto start = Stopwatch::now();
  for (const actor& one : senders) caf::anon_send(one, more_atom::value);
  done->get_future().get();
  return seconds_since(start);
}

std::vector<Figure> remote_throughput(actor_system& system, const Peer& peer) {
  const auto both = [&](double (*of)(pid_t)) { return of(::getpid()) + of(peer.process); };
  std::vector<Figure> figures;
  for (const std::uint64_t pairs : {1U, 8U}) {
    const std::uint64_t count = scaled(1'000'000 / pairs);
    throughput(system, peer, pairs, count / 10);
    const double before = both(cpu_seconds);
    const double seconds = throughput(system, peer, pairs, count);
    const double used = both(cpu_seconds) - before;
    const auto messages = static_cast<double>(pairs * count);
    const std::string name = std::to_string(pairs);
    figures.push_back({"." + name + "x" + name, messages / seconds, "msg/s"});
    if (pairs > 1) continue;
    figures.push_back({".cpu_ns", used / messages * 1e9, "ns"});
    figures.push_back({".rss_mb", both(peak_resident_mb), "MB"});
  }
  return figures;
}

// -- remote_large -----------------------------------------------------------------------------

struct Flight {
  actor peer;
  caf::message blob;
  std::uint64_t unsent = 0;
  std::uint64_t unacknowledged = 0;
};

behavior large_sender(stateful_actor<Flight>* self, std::uint64_t count, SharedPromise<void> done) {
  Flight& state = self->state;
  state.blob = caf::make_message(std::string(k_mebibyte, 'x'));
  state.unsent = count;
  state.unacknowledged = count;
  return {[=, &state](start_atom, const actor& peer) {
            state.peer = peer;
            for (; state.unsent > 0 && count - state.unsent < k_window; --state.unsent) {
              self->send(peer, state.blob);
            }
          },
          [=, &state](done_atom) {
            if (state.unsent > 0) {
              --state.unsent;
              self->send(state.peer, state.blob);
            }
            if (--state.unacknowledged > 0) return;
            done->set_value();
            self->quit();
          }};
}

double large(actor_system& system, const Peer& peer, std::uint64_t count) {
  const auto done = make_promise<void>();
  const actor from = system.spawn(large_sender, count, done);
  const actor to = start_there(system, peer, acker_atom::value, from);
  const auto start = Stopwatch::now();
  caf::anon_send(from, start_atom::value, to);
  done->get_future().get();
  return static_cast<double>(count * k_mebibyte) / 1e6 / seconds_since(start);
}

std::vector<Figure> remote_large(actor_system& system, const Peer& peer) {
  const std::uint64_t count = scaled(2'000);
  large(system, peer, count / 10);
  return {{"", large(system, peer, count), "MB/s"}};
}

// -- remote_call ------------------------------------------------------------------------------

struct Calls {
  actor server;
  actor owner;
  std::uint64_t left = 0;
};

void call_next(stateful_actor<Calls>* self) {
  self->request(self->state.server, std::chrono::seconds{5}, sum_atom::value, std::uint64_t{1})
      .then([=](std::uint64_t) {
        if (--self->state.left > 0) {
          call_next(self);
        } else {
          self->send(self->state.owner, done_atom::value);
        }
      });
}

double calls(actor_system& system, const Peer& peer, std::uint64_t callers, std::uint64_t count) {
  const auto done = make_promise<void>();
  const actor owner = system.spawn(waiter, callers, done);
  const actor server = start_there(system, peer, server_atom::value);
  const auto start = Stopwatch::now();
  for (std::uint64_t i = 0; i < callers; ++i) {
    system.spawn([=](stateful_actor<Calls>* self) {
      self->state = Calls{server, owner, count};
      call_next(self);
    });
  }
  done->get_future().get();
  return static_cast<double>(callers * count) / seconds_since(start);
}

std::vector<Figure> remote_call(actor_system& system, const Peer& peer) {
  std::vector<Figure> figures;
  for (const std::uint64_t callers : {1U, 64U}) {
    const std::uint64_t count = scaled(callers == 1 ? 50'000 : 5'000);
    calls(system, peer, callers, count / 10);
    figures.push_back(
        {"." + std::to_string(callers), calls(system, peer, callers, count), "call/s"});
  }
  return figures;
}

// -- monitor_down -----------------------------------------------------------------------------

struct Watch {
  Actors all;
  std::uint64_t down = 0;
};

/// CAF's middleman watches an actor from when its handle arrives, which is before the clock starts.
behavior watcher(stateful_actor<Watch>* self, std::uint64_t count, SharedPromise<void> ready,
                 SharedPromise<void> done) {
  Watch& state = self->state;
  self->set_down_handler([=, &state](caf::down_msg&) {
    if (++state.down < count) return;
    done->set_value();
    self->quit();
  });
  return {[=, &state](Actors& lot) {
            std::move(lot.begin(), lot.end(), std::back_inserter(state.all));
            if (state.all.size() == count) ready->set_value();
          },
          [=, &state](start_atom, const actor& crowd) {
            for (const actor& one : state.all) self->monitor(one);
            self->send(crowd, end_atom::value);
          }};
}

double monitor_and_kill(actor_system& system, const Peer& peer, std::uint64_t count) {
  const auto ready = make_promise<void>();
  const auto done = make_promise<void>();
  const actor watching = system.spawn(watcher, count, ready, done);
  const actor crowd = start_there(system, peer, crowd_atom::value, watching, count);
  ready->get_future().get();
  const auto start = Stopwatch::now();
  caf::anon_send(watching, start_atom::value, crowd);
  done->get_future().get();
  return static_cast<double>(count) / seconds_since(start);
}

std::vector<Figure> monitor_down(actor_system& system, const Peer& peer) {
  const std::uint64_t count = scaled(100'000);
  monitor_and_kill(system, peer, count / 10);
  return {{"", monitor_and_kill(system, peer, count), "cycle/s"}};
}

// -- kill_to_down -----------------------------------------------------------------------------

behavior mourner(event_based_actor* self, const actor& other, SharedPromise<void> ready,
                 SharedPromise<Stopwatch::time_point> down) {
  self->set_down_handler([=](caf::down_msg&) {
    down->set_value(Stopwatch::now());
    self->quit();
  });
  self->monitor(other);
  ready->set_value();
  return {[](ping_atom) {}};
}

/// SIGKILL of a peer until who monitors an actor there has its DOWN, the median of several kills.
std::vector<Figure> kill_to_down(actor_system& system, const std::vector<Peer>& peers) {
  std::vector<double> samples;
  for (const Peer& peer : peers) {
    const auto ready = make_promise<void>();
    const auto down = make_promise<Stopwatch::time_point>();
    const actor mourning =
        system.spawn(mourner, start_there(system, peer, server_atom::value), ready, down);
    ready->get_future().get();
    std::this_thread::sleep_for(std::chrono::milliseconds{200});
    const auto start = Stopwatch::now();
    ::kill(peer.process, SIGKILL);
    const std::chrono::duration<double, std::milli> took = down->get_future().get() - start;
    samples.push_back(took.count());
  }
  samples.erase(samples.begin());  // the first one warms up
  return {{"", percentile(samples, 0.50), "ms"}};
}

Program with_peer(const char* row, bool on_one_core,
                  std::vector<Figure> (*run)(actor_system&, const Peer&)) {
  return {row, on_one_core, {}, 1, [run](actor_system& system, const std::vector<Peer>& peers) {
            return run(system, peers.front());
          }};
}

}  // namespace

void join_others(caf::actor_system_config& config) {
  config.load<caf::io::middleman>();
  config.add_message_type<Actors>("actors");
}

PeerProcess start_peer(const std::function<void(caf::actor_system_config&)>& configure) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) < 0) throw std::runtime_error{"no pipe"};
  PeerProcess peer;
  peer.process = ::fork();
  if (peer.process < 0) throw std::runtime_error{"no process"};
  if (peer.process == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    caf::actor_system_config config;
    configure(config);
    actor_system system{config};
    const auto port = system.middleman().publish(system.spawn(host), 0, "127.0.0.1");
    if (!port || ::write(ends[1], &*port, sizeof *port) != sizeof *port) ::_exit(1);
    for (;;) ::pause();
  }
  ::close(ends[1]);
  const auto size = ::read(ends[0], &peer.port, sizeof peer.port);
  ::close(ends[0]);
  if (size != sizeof peer.port) throw std::runtime_error{"the peer does not start"};
  return peer;
}

Peer meet(actor_system& system, const PeerProcess& process) {
  auto host = system.middleman().remote_actor("127.0.0.1", process.port);
  if (!host) throw std::runtime_error{"cannot meet the peer: " + system.render(host.error())};
  return {*host, process.process};
}

std::vector<Program> remote_programs() {
  return {with_peer("remote_latency", true, remote_latency),
          with_peer("remote_throughput", false, remote_throughput),
          with_peer("remote_large", false, remote_large),
          with_peer("remote_call", true, remote_call),
          with_peer("monitor_down", false, monitor_down),
          {"kill_to_down", false, {}, 1 + scaled(15, 5), kill_to_down}};
}

}  // namespace grove::bench
