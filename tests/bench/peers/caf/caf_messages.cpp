// SPDX-License-Identifier: Apache-2.0
//
// Rows about messages with CAF.
#include "bench/peers/caf/caf_peer.hpp"

namespace grove::bench {
namespace {

constexpr std::uint64_t k_batch = 32;  // what an actor does before others may go

using caf::actor;
using caf::actor_system;
using caf::behavior;
using caf::event_based_actor;
using caf::stateful_actor;

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

// -- call -----------------------------------------------------------------------------------

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

}  // namespace

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

behavior adder(stateful_actor<Sum>* self) {
  return {[=](sum_atom, std::uint64_t by) { return self->state.sum += by; }};
}

std::vector<Program> message_programs() {
  return {measured<pingpong>("pingpong", 3'000'000, "msg/s"),
          measured<fanin>("fanin", 1'000'000, "msg/s"), measured<ring>("ring", 5'000'000, "hop/s"),
          measured<call>("call", 1'000'000, "call/s")};
}

}  // namespace grove::bench
