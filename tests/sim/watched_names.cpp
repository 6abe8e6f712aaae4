// SPDX-License-Identifier: Apache-2.0
//
// Names with more than the defaults: other orders, acknowledgements, watchers, minorities.
#include "grove/node/cluster_names.hpp"
#include "grove/node/gen_server.hpp"
#include "grove/node/supervisor.hpp"

#include "scenarios.hpp"
#include "workload.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

namespace grove::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr unsigned k_names = 4;
constexpr int k_crowd = 300;  // more names than an origin remembers changes of
constexpr auto k_ack = seconds{2};
constexpr auto k_tick = milliseconds{10};  // timers are that coarse, at most
constexpr auto k_stable_after = seconds{10};
constexpr auto k_decided = k_stable_after + seconds{30};  // and membership has agreed before
constexpr auto k_back = seconds{60};
constexpr unsigned k_ranks = 3;
constexpr std::uint64_t k_starts_max = 3;  // of children with names: of a node, in a second
/// Claims that are closer to each other may stand in either order: a crowd's are of one moment.
constexpr std::uint64_t k_near = 1000;

bool in_minority(Workload& workload, const std::string& node) {
  return workload.world[node].cluster().side() == Side::minority;
}
std::string here(const Context& context) { return node_name(context.self().node); }

// -- who takes names ------------------------------------------------------------------------

/// By time, or by a rank that a process keeps for life.
enum class Claims : std::uint8_t { newest, ranked };

/// Notes what the process can claim from now on. Returns: what it tells with the name.
Value claim(Workload& workload, Context& context, Claims claims) {
  std::uint64_t& own = workload.claims[context.self()];
  if (claims == Claims::newest) {
    own = workload.world.clock().wall_micros();
    return {};
  }
  if (own == 0) own = (1 + workload.random().below(k_ranks)) * 10 * k_near;
  return Value{static_cast<std::int64_t>(own)};
}

/// The winner's claim must be the better one.
void judge(Workload& workload, const Pid& loser, const std::string& name, const Exit& exit) {
  const Value::Items* told = exit.reason.term().as_tuple();
  const Pid* winner = told != nullptr && told->size() == 3 && told->at(1) == Value{name}
                          ? told->at(2).as_pid()
                          : nullptr;
  if (winner == nullptr) {
    workload.wrong.push_back(to_string(loser) + " lost " + name + " by " + to_string(exit.reason));
  } else if (workload.claims[*winner] + k_near < workload.claims[loser]) {
    workload.wrong.push_back(to_string(loser) + " lost " + name + " to a lesser claim");
  }
}

global::NameAck some_ack(Random& random) {
  switch (random.below(4)) {
    case 0: return global::NameAck::nodes(1);
    case 1: return global::NameAck::majority();
    case 2: return global::NameAck::all();
    default: return global::NameAck::none();
  }
}

struct Taken {
  bool has = false;          // the name, or had it
  std::optional<Exit> lost;  // and was told already that another one keeps it
};

/// Registers, and holds the answer against what is promised of it.
Task<Taken> take(Context& context, Workload* workload, std::string name, Claims claims) {
  const Pid self = context.self();
  const Clock& clock = context.node().clock();
  global::NameOptions options;
  options.metadata = claim(*workload, context, claims);
  options.ack = some_ack(workload->random());
  options.timeout = k_ack;
  const bool minority = in_minority(*workload, here(context));
  const Clock::TimePoint began = clock.now();
  const auto number = static_cast<std::uint64_t>(began.time_since_epoch().count());
  workload->world.note(testkit::CallBegan{self, number, began + k_ack + k_tick});
  const Result<void> given = co_await global::register_name(context, name, self, options);
  workload->world.note(testkit::CallEnded{self, number});

  const bool at_once = clock.now() == began;
  Taken taken{given || given.error().code == Errc::timeout, {}};
  taken.lost = co_await context.receive_for<Exit>(Clock::Duration::zero());
  const std::string what = given ? "given" : std::string{to_string(given.error().code)};
  ++workload->counts["registrations_" + what];
  const auto wrong = [&](const std::string& why) {
    workload->wrong.push_back(to_string(self) + ", " + what + ' ' + name + ": " + why);
  };
  if (minority != (what == "refused")) wrong("a minority is refused, and nobody else");
  if (taken.has && !taken.lost && context.whereis(name, Scope::cluster) != self) {
    wrong("it does not have the name");
  }
  if (!taken.has && !at_once && !taken.lost) wrong("it was not told that another one keeps it");
  taken.has = taken.has || taken.lost;
  co_return taken;
}

/// As a holder of names.cpp.
Task<> claimant(Context& context, Workload* workload, Claims claims) {
  const Life life{*workload, context};
  Random& random = workload->random();
  context.trap_exit(true);
  while (!workload->stopping) {
    co_await context.sleep_for(milliseconds{50 + random.below(500)});
    const std::string name = "name-" + std::to_string(random.below(k_names));
    Taken taken = co_await take(context, workload, name, claims);
    if (!taken.has) continue;
    const Holding held = co_await hold_name(context, workload, name, std::move(taken.lost));
    if (held.lost) judge(*workload, context.self(), name, *held.lost);
    if (!held.given_up) co_return;
  }
}

Task<> parent(Context& context, Workload* workload, Claims claims) {
  std::vector<Pid> claimants;
  while (!workload->stopping) {
    std::erase_if(claimants, [&](const Pid& pid) { return !context.node().is_alive(pid); });
    if (claimants.size() < 3) claimants.push_back(context.spawn(claimant, workload, claims));
    co_await context.sleep_for(milliseconds{300});
  }
}

// -- names by hundreds ----------------------------------------------------------------------

/// Has one of a crowd's names until it loses it, or to the end.
Task<> one_of_many(Context& context, Workload* workload, std::string name) {
  const Life life{*workload, context};
  context.trap_exit(true);
  (void)claim(*workload, context, Claims::newest);
  if (!context.register_name(name, context.self(), Scope::cluster)) co_return;
  workload->world.note(testkit::NameHeld{name, context.self()});
  while (!workload->stopping) {
    const auto lost = co_await context.receive_for<Exit>(seconds{5});
    if (!lost) continue;
    workload->world.note(testkit::NameLost{name, context.self()});
    judge(*workload, context.self(), name, *lost);
    co_return;
  }
}

/// Takes hundreds of names where none is taken: two sides of a cut take the same. When they meet,
/// one side loses more of them in a moment than it remembers changes.
Task<> crowd(Context& context, Workload* workload) {
  while (!workload->stopping) {
    co_await context.sleep_for(milliseconds{500 + workload->random().below(3000)});
    if (context.whereis("crowd-0", Scope::cluster)) continue;
    for (int i = 0; i < k_crowd && !workload->stopping; ++i) {
      context.spawn(one_of_many, workload, "crowd-" + std::to_string(i));
    }
  }
}

// -- watchers -------------------------------------------------------------------------------

/// Begins anew.
Ref watch(Context& context, NamesTold& told) {
  const global::NameWatch watch = global::watch_names(context);
  told.clear();
  for (const global::NameRow& row : watch.view) told[row.name] = row.pid;
  return watch.ref;
}

/// Adds up what it is told of all names.
Task<> watcher(Context& context, Workload* workload) {
  workload->kept.push_back(context.self());
  NamesTold& told = workload->names[here(context)];
  Ref ref = watch(context, told);
  for (;;) {
    const auto event = co_await context.receive<global::NameEvent>();
    if (event.watch != ref) continue;  // of a watch that is over
    ++workload->counts["name_events"];
    const auto& [name, pid, metadata] = event.row;
    const auto place = told.find(name);
    const bool up = event.kind == global::NameEvent::Kind::up;
    const Pid before = place == told.end() ? Pid{} : place->second;
    if (before != (up ? Pid{} : pid)) {
      workload->wrong.push_back("a watcher of " + here(context) + " was told of " + name +
                                (up ? ", which was up" : ", which another one had"));
    }
    if (up) told[name] = pid;
    if (!up) told.erase(name);
    if (!workload->random().percent(1)) continue;
    global::unwatch_names(context, ref);
    ref = watch(context, told);
  }
}

// -- children -------------------------------------------------------------------------------

struct Fail {};

/// Crashes after a while.
class Chief : public GenServer {
 public:
  using Handles = grove::Handles<Fail>;
  explicit Chief(Workload* workload) {
    context().send_after(milliseconds{500 + workload->random().below(10000)}, self(), Fail{});
    ++workload->counts["children_with_names"];
  }
  void handle_info(Fail) { throw std::runtime_error{"boom"}; }
};

/// A singleton and a child with a name. Neither the loss of a name nor a refusal ends a supervisor.
Task<> owner(Context& context, Workload* workload) {
  context.trap_exit(true);
  SupervisorSpec spec;
  spec.intensity = {10, seconds{1}};
  spec.children.push_back(global::singleton("chief", child<Chief>("chief", workload)));
  spec.children.push_back(child<Chief>("deputy", workload).as(Global{"deputy"}));
  const StartResult started = co_await start_supervisor(context, std::move(spec));
  while (started.ok() && !workload->stopping) {
    if (!co_await context.receive_for<Exit>(milliseconds{500})) continue;
    workload->wrong.push_back("a supervisor of " + here(context) + " has given up");
    co_return;
  }
  if (!started.ok()) workload->wrong.push_back("a supervisor does not start");
  context.exit(ExitReason::shutdown());
}

Pid ranked(const std::string&, const NameClaim& older, const NameClaim& newer) {
  const auto* one = older.metadata.as_integer();
  const auto* other = newer.metadata.as_integer();
  return one != nullptr && other != nullptr && *other > *one ? newer.pid : older.pid;
}

}  // namespace

void populate_names_newest(Workload& workload, const std::string& node) {
  workload.world[node].node().spawn(watcher, &workload);
  workload.world[node].node().spawn(parent, &workload, Claims::newest);
  workload.world[node].node().spawn(crowd, &workload);
}

void configure_names_newest(ClusterConfig& config) { config.names.order = NameOrder::keep_newest; }

void populate_majority(Workload& workload, const std::string& node) {
  workload.world[node].node().spawn(watcher, &workload);
  workload.world[node].node().spawn(parent, &workload, Claims::ranked);
  workload.world[node].node().spawn(owner, &workload);
}

void configure_majority(ClusterConfig& config) {
  config.names.choose = ranked;
  config.partition.policy = keep_majority();
  config.partition.stable_after = k_stable_after;
}

void cut_once(Workload& workload) {
  testkit::SimWorld& world = workload.world;
  const std::vector<std::string> all = world.names();
  world.run_for(seconds{5});  // so that all count
  std::vector<std::vector<std::string>> parts(2);
  const std::uint64_t cut = 1 + workload.random().below((std::uint64_t{1} << all.size()) - 2);
  for (std::size_t i = 0; i < all.size(); ++i) parts[(cut >> i) & 1U].push_back(all[i]);
  world.partition(parts);
  world.run_for(k_decided);
  for (const auto& part : parts) {
    const bool half = 2 * part.size() == all.size() && part.front() == all.front();
    const bool majority = 2 * part.size() > all.size() || half;
    for (const std::string& name : part) {
      if (in_minority(workload, name) == majority) {
        workload.wrong.push_back(name + " is on the wrong side of a cut");
      }
    }
  }
  world.heal();
  want(world, "all meet after the last cut", k_back, [&] { return world.connected(all); });
  want(world, "nobody is in the minority", k_back, [&] {
    return std::none_of(all.begin(), all.end(),
                        [&](const std::string& name) { return in_minority(workload, name); });
  });
  want(world, "all have one chief", k_back, [&] {
    const auto chief = world[all.front()].node().whereis("chief", Scope::cluster);
    return chief && std::all_of(all.begin(), all.end(), [&](const std::string& name) {
             return world[name].node().whereis("chief", Scope::cluster) == chief;
           });
  });
}

void finish_watched_names(Workload& workload, Outcome& outcome) {
  for (const std::string& name : workload.world.names()) {
    NamesTold there_are;
    for (const auto& [text, pid] : workload.world[name].node().global_names()) {
      there_are[text] = pid;
    }
    if (workload.names[name] != there_are) {
      workload.wrong.push_back("a watcher of " + name + " was told of other names than there are");
    }
  }
  const auto second = static_cast<std::uint64_t>(outcome.simulated / seconds{1});
  const std::uint64_t most = k_starts_max * workload.world.names().size() * second;
  if (workload.counts["children_with_names"] > most) {
    workload.wrong.push_back("children lose their names and start again without end");
  }
  for (const std::string& wrong : workload.wrong) outcome.violations.push_back("names: " + wrong);
  outcome.counts.insert(workload.counts.begin(), workload.counts.end());
}

}  // namespace grove::sim
