// SPDX-License-Identifier: Apache-2.0
#include "workload.hpp"

#include <map>
#include <optional>
#include <vector>

namespace grove::sim {

/// One of a stream.
struct Item {
  Pid from;
  Pid to;
  std::uint64_t number = 0;
  Bytes padding;
};

namespace {

using std::chrono::milliseconds;

constexpr auto k_timeout = std::chrono::seconds{2};
constexpr std::size_t k_flood_bytes = 8'000;
constexpr auto k_tick = milliseconds{10};  // timers are that coarse, at most

Task<> sink(Context& context, Workload* workload) {
  const Life life{*workload, context};
  workload->sinks.push_back(context.self());
  const auto end =
      context.node().clock().now() + std::chrono::seconds{5 + workload->random().below(30)};
  while (!workload->stopping && context.node().clock().now() < end) {
    while (const auto item = co_await context.receive_for<Item>(milliseconds{300})) {
      workload->world.note(testkit::Received{context.self(), item->from, item->to, item->number});
    }
  }
}

struct Stream {
  std::optional<Ref> monitor;
  std::uint64_t epoch = 0;
  std::uint64_t number = 0;
};

/// A lost connection begins a new epoch of its stream; the end of the sink ends it.
Task<> hear_losses(Context& context, std::map<Pid, Stream>& streams) {
  while (const auto down = co_await context.receive_for<Down>(Clock::Duration::zero())) {
    const auto place = streams.find(down->pid);
    if (place == streams.end()) continue;
    place->second.monitor.reset();
    ++place->second.epoch;
  }
}

struct Burst {
  std::uint64_t items = 8;  // at most
  std::size_t bytes = 0;    // in each, to no purpose
};

/// Sends bursts to sinks anywhere. What goes out has a monitor before it, so that the sender knows
/// whenever a connection was lost.
Task<> source(Context& context, Workload* workload, Burst burst) {
  const Life life{*workload, context};
  const Bytes padding{std::vector<std::byte>(burst.bytes)};
  Random& random = workload->random();
  std::map<Pid, Stream> streams;
  while (!workload->stopping) {
    co_await context.sleep_for(milliseconds{20 + random.below(200)});
    co_await hear_losses(context, streams);
    if (workload->sinks.empty()) continue;
    const std::size_t back = random.below(std::min<std::size_t>(workload->sinks.size(), 10));
    const Pid to = workload->sinks[workload->sinks.size() - 1 - back];
    Stream& stream = streams[to];
    if (!stream.monitor) stream.monitor = context.monitor(to);
    for (std::uint64_t left = 1 + random.below(burst.items); left > 0; --left) {
      const Item item{context.self(), to, ++stream.number, padding};
      workload->world.note(testkit::Sent{item.from, item.to, stream.epoch, item.number});
      context.send(to, item);
    }
  }
}

/// Answers late, at times too late, and at times it ends instead.
class SlowServer : public GenServer {
 public:
  using Handles = grove::Handles<Echo>;
  explicit SlowServer(Workload* workload) : workload_{*workload} {
    workload_.servers.push_back(self());
  }
  Task<int> handle_call(Echo echo) {
    Random& random = workload_.random();
    if (random.percent(3)) context().exit(ExitReason::symbol("boom"));
    if (random.percent(40)) co_await context().sleep_for(milliseconds{random.below(900)});
    co_return echo.number;
  }

 private:
  Workload& workload_;
};

Task<> caller(Context& context, Workload* workload) {
  const Life life{*workload, context};
  Random& random = workload->random();
  std::uint64_t number = 0;
  while (!workload->stopping) {
    co_await context.sleep_for(milliseconds{50 + random.below(400)});
    if (workload->servers.empty()) continue;
    const std::size_t back = random.below(std::min<std::size_t>(workload->servers.size(), 10));
    const Pid server = workload->servers[workload->servers.size() - 1 - back];
    const Clock::TimePoint deadline = context.node().clock().now() + k_timeout + k_tick;
    workload->world.note(testkit::CallBegan{context.self(), ++number, deadline});
    try {
      const int answer =
          co_await context.call_for<Echo>(k_timeout, server, static_cast<int>(number));
      if (answer != static_cast<int>(number)) context.exit(ExitReason::symbol("wrong_answer"));
    } catch (const ProcessExit& failed) {
      workload->world.trace(to_string(failed.reason()));
    }
    workload->world.note(testkit::CallEnded{context.self(), number});
  }
}

/// Keeps two sinks and two servers on its node.
Task<> keeper(Context& context, Workload* workload) {
  context.trap_exit(true);
  for (int i = 0; i < 2; ++i) context.spawn_link(sink, workload);
  for (int i = 0; i < 2; ++i) (void)co_await start_link<SlowServer>(context, workload);
  while (!workload->stopping) {
    if (!co_await context.receive_for<Exit>(milliseconds{500})) continue;
    if (workload->random().percent(50)) {
      context.spawn_link(sink, workload);
    } else {
      (void)co_await start_link<SlowServer>(context, workload);
    }
  }
  context.exit(ExitReason::shutdown());
}

}  // namespace

void populate_traffic(Workload& workload, const std::string& name) {
  Node& node = workload.world[name].node();
  node.spawn(keeper, &workload);
  for (int i = 0; i < 2; ++i) {
    node.spawn(source, &workload, Burst{});
    node.spawn(caller, &workload);
  }
}

void populate_flood(Workload& workload, const std::string& name) {
  Node& node = workload.world[name].node();
  node.spawn(keeper, &workload);
  for (int i = 0; i < 2; ++i) node.spawn(source, &workload, Burst{8, k_flood_bytes});
}

}  // namespace grove::sim

GROVE_MESSAGE(grove::sim::Item, "sim.item", from, to, number, padding)
