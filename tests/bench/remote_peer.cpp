// SPDX-License-Identifier: Apache-2.0
//
// The node at the other end of the rows of two nodes.
#include "grove/node/cluster_names.hpp"
#include "grove/node/gen_server.hpp"
#include "grove/node/pg.hpp"

#include "bench/remote.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <unistd.h>

namespace grove::bench {
namespace {

using std::chrono_literals::operator""ms;

constexpr std::size_t k_lot = 1'000;

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

class Acker final : public Handler {
 public:
  void handle(Context& context, Envelope& envelope) override { context.send<Done>(envelope.from); }
};

class Adder final : public GenServer {
 public:
  using Handles = grove::Handles<Add>;
  std::uint64_t handle_call(Add add) { return sum_ += add.by; }

 private:
  std::uint64_t sum_ = 0;
};

Task<> crowd(Context& context, Pid owner, std::uint64_t count) {
  std::vector<Pid> pids;
  Lot lot;
  while (pids.size() < count) {
    pids.push_back(context.spawn<Idle>());
    lot.pids.push_back(pids.back());
    if (lot.pids.size() == k_lot || pids.size() == count) {
      context.send<Lot>(owner, std::exchange(lot, {}));
    }
  }
  co_await context.receive<EndCrowd>();
  for (const Pid& pid : pids) context.exit(pid, ExitReason::kill());
}

Task<> wait_for_names(Context& context, Pid owner, NamesWanted wanted) {
  co_await await_names(context, wanted.prefix, wanted.count);
  context.send<Done>(owner);
}

Task<> wait_for_groups(Context& context, Pid owner, GroupsWanted wanted) {
  const auto last = static_cast<std::int64_t>(wanted.count - 1);
  while (pg::members(context, last, wanted.scope).empty() ||
         pg::which_groups(context, wanted.scope).size() < wanted.count) {
    co_await context.sleep_for(1ms);
  }
  context.send<Done>(owner);
}

void give_names(Context& context, const GiveNames& wanted) {
  for (std::uint64_t i = 0; i < wanted.count; ++i) {
    const Pid pid = context.spawn<Idle>();
    if (!context.register_name(numbered(wanted.prefix, i), pid, Scope::cluster)) {
      throw std::runtime_error{"a name is taken"};
    }
  }
}

/// Starts what it is asked for.
Task<> host(Context& context) {
  for (;;) {
    const EnvelopePtr envelope = co_await context.receive_any();
    const Message& request = envelope->message;
    const Pid owner = envelope->from;
    Pid started;
    if (request.is<StartEcho>()) {
      started = context.spawn<Echo>();
    } else if (const StartSink* sink = request.get<StartSink>()) {
      started = context.spawn<Sink>(owner, sink->count);
    } else if (request.is<StartAcker>()) {
      started = context.spawn<Acker>();
    } else if (request.is<StartServer>()) {
      const StartResult server = co_await start_link<Adder>(context);
      started = server.pid;
    } else if (const StartCrowd* wanted = request.get<StartCrowd>()) {
      started = context.spawn(crowd, owner, wanted->count);
    } else if (const NamesWanted* names = request.get<NamesWanted>()) {
      started = context.spawn(wait_for_names, owner, *names);
    } else if (const GroupsWanted* groups = request.get<GroupsWanted>()) {
      started = context.spawn(wait_for_groups, owner, *groups);
    } else if (const GiveNames* given = request.get<GiveNames>()) {
      give_names(context, *given);
      started = context.self();
    }
    context.send<Started>(owner, started);
  }
}

}  // namespace

void run_peer(unsigned workers, const std::string& name, const std::string& wire) {
  ClusterNode node{name, {workers, wire}, {}};
  if (!(*node).register_name(k_host, (*node).spawn(host))) {
    throw std::runtime_error{"the peer's host is gone"};
  }
  fmt::print("{}\n", node.address());
  std::fflush(stdout);
  for (;;) ::pause();
}

}  // namespace grove::bench
