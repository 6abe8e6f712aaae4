// SPDX-License-Identifier: Apache-2.0
#include "workload.hpp"

#include <algorithm>
#include <optional>
#include <set>

namespace grove::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int k_workers = 3;
constexpr Clock::Duration k_step = milliseconds{80};
constexpr Clock::Duration k_look = milliseconds{500};  // at whether all is over

/// Lives for a while, then ends: normally, with an error, or not before the end of the run.
Task<> worker(Context& context, Workload* workload, Pid tied_to) {
  const Life life{*workload, context, tied_to};
  Random& random = workload->random();
  workload->seen.push_back(context.self());
  const bool patient = random.percent(60);
  const Clock::TimePoint born = context.node().clock().now();
  const Clock::TimePoint end = born + milliseconds{random.below(8000)};
  Clock::TimePoint now = born;
  while (!workload->stopping && (patient || now < end)) {
    co_await context.sleep_for(patient ? k_look : std::min(k_look, end - now));
    now = context.node().clock().now();
  }
  if (random.percent(30)) context.exit(ExitReason::symbol("boom"));
}

/// Mostly a young one: the old ones are dead for certain.
std::optional<Pid> some_worker(Context& context, Workload& workload) {
  const std::vector<Pid>& seen = workload.seen;
  if (seen.empty()) return std::nullopt;
  const std::size_t back = workload.random().below(std::min<std::size_t>(seen.size(), 30));
  const Pid pid = seen[seen.size() - 1 - back];
  return pid == context.self() ? std::nullopt : std::optional{pid};
}

void hear_down(Workload& workload, Context& context, const Down& down) {
  workload.world.note(testkit::GotDown{context.self(), down.ref});
  workload.world.trace(to_string(down.reason));
}

/// Keeps workers alive on its node, and monitors workers anywhere, living and dead.
Task<> watcher(Context& context, Workload* workload) {
  const Life life{*workload, context};
  Random& random = workload->random();
  std::vector<Ref> open;
  while (!workload->stopping) {
    if (random.percent(12)) context.spawn(worker, workload, Pid{});
    if (random.percent(40)) {
      if (const auto pid = some_worker(context, *workload)) {
        open.push_back(context.monitor(*pid));
        workload->world.note(testkit::Monitored{context.self(), open.back(), *pid});
      }
    }
    if (random.percent(5) && !open.empty()) {
      const Ref ref = open[random.below(open.size())];
      context.demonitor(ref, Flush::yes);
      workload->world.note(testkit::Demonitored{ref, true});
    }
    while (const auto down = co_await context.receive_for<Down>(k_step)) {
      hear_down(*workload, context, *down);
    }
  }
  workload->kept.push_back(context.self());  // all its monitors have to fire
  for (;;) {
    const auto down = co_await context.receive<Down>();
    hear_down(*workload, context, down);
  }
}

void hear_exit(Workload& workload, Context& context, std::set<Pid>& linked, const Exit& exit) {
  workload.world.note(testkit::GotExit{context.self(), exit.from});
  linked.erase(exit.from);
}

/// Links to workers anywhere, and unlinks; some workers are its own.
Task<> linker(Context& context, Workload* workload) {
  const Life life{*workload, context};
  Random& random = workload->random();
  context.trap_exit(true);
  std::set<Pid> linked;
  while (!workload->stopping) {
    std::optional<Pid> other;
    if (random.percent(10)) {
      other = context.spawn_link(worker, workload, context.self());
      linked.insert(*other);
      workload->world.note(testkit::Linked{context.self(), *other});
    } else if (random.percent(50)) {
      other = some_worker(context, *workload);
      if (other && linked.insert(*other).second) {
        workload->world.note(testkit::Linked{context.self(), *other});
        context.link(*other);
      }
    } else if (random.percent(20) && !linked.empty()) {
      const Pid former = *linked.begin();
      linked.erase(former);
      context.unlink(former);
      workload->world.note(testkit::Unlinked{context.self(), former});
    }
    while (const auto exit = co_await context.receive_for<Exit>(k_step)) {
      hear_exit(*workload, context, linked, *exit);
    }
  }
  while (const auto exit = co_await context.receive_for<Exit>(seconds{10})) {
    hear_exit(*workload, context, linked, *exit);
  }
  workload->kept.push_back(context.self());
  for (;;) {
    const auto exit = co_await context.receive<Exit>();
    hear_exit(*workload, context, linked, exit);
  }
}

}  // namespace

void populate_relations(Workload& workload, const std::string& name) {
  Node& node = workload.world[name].node();
  for (int i = 0; i < k_workers; ++i) node.spawn(worker, &workload, Pid{});
  for (int i = 0; i < 2; ++i) node.spawn(watcher, &workload);
  node.spawn(linker, &workload);
}

}  // namespace grove::sim
