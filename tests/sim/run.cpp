// SPDX-License-Identifier: Apache-2.0
#include "grove/node/gen_server.hpp"

#include "scenarios.hpp"
#include "workload.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

namespace grove::sim {
namespace {

using std::chrono::seconds;
using testkit::FaultPlan;
using testkit::Ordeal;

constexpr auto k_connect = seconds{60};
constexpr auto k_names_known = seconds{10};
constexpr auto k_majority = seconds{30};
constexpr auto k_call = seconds{2};
constexpr auto k_pause = std::chrono::milliseconds{200};
constexpr auto k_answer = seconds{10};
constexpr std::size_t k_base_processes = 2;  // the echo server and whoever started it
constexpr std::size_t k_beyond_budget = std::size_t{1} << 18U;  // the last burst of each sender

Task<> echo(Context& context) {
  const ServerOptions options{"echo"};
  (void)co_await start_server<EchoServer>(context, options);
  for (;;) co_await context.receive_any();
}

/// Takes one name and keeps it to the end.
Task<> keep_name(Context& context, Workload* workload, std::string name) {
  const Life life{*workload, context};
  workload->kept.push_back(context.self());
  if (!context.register_name(name, context.self(), Scope::cluster)) co_return;
  workload->world.note(testkit::NameHeld{name, context.self()});
  for (;;) co_await context.receive_any();
}

class Run {
 public:
  Run(const Scenario& scenario, const RunOptions& options)
      : scenario_{scenario},
        options_{options},
        workload_{options.seed},
        ordeal_{workload_.world, options.nodes} {
    ClusterConfig config;
    if (scenario_.configure != nullptr) scenario_.configure(config);
    budget_ = config.flow.budget_bytes;
  }

  Outcome all() {
    if (scenario_.configure != nullptr) world().configure(scenario_.configure);
    ordeal_.on_start = [this](const std::string& name) {
      workload_.world[name].node().spawn(echo);
      scenario_.populate(workload_, name);
    };
    ordeal_.start_all();
    want("all meet", k_connect, [this] { return world().connected(ordeal_.all()); });
    safety();
    Random random{options_.seed};
    liveness(ordeal_.heal_core(random.next()), "core");
    ordeal_.heal_all();
    want("all are in the majority", k_majority, [this] {
      return std::all_of(ordeal_.all().begin(), ordeal_.all().end(),
                         [this](const std::string& name) { return takes_names(name); });
    });
    liveness(ordeal_.all(), "all");
    if (scenario_.last_act != nullptr) scenario_.last_act(workload_);
    end();
    return outcome();
  }

 private:
  testkit::SimWorld& world() { return workload_.world; }

  void safety() {
    const testkit::Schedule schedule =
        testkit::make_schedule(options_.seed, options_.nodes, options_.steps, scenario_.plan);
    std::vector<std::size_t> kept(schedule.size());
    std::iota(kept.begin(), kept.end(), std::size_t{0});
    for (const std::size_t at : options_.kept.value_or(kept)) {
      ordeal_.suffer(schedule[at]);
      look();
    }
  }

  /// What each node says of the others now.
  void look() {
    for (const std::string& name : world().names()) {
      const NodeId node = world()[name].node().id();
      testkit::MembersSeen seen{node, {}, {}};
      for (const Member& member : world().members(name)) {
        const NodeId id = intern_node(member.name, member.life);
        if (member.state == Member::State::up) seen.up.push_back(id);
        if (member.state == Member::State::down) seen.down.push_back(id);
        if (!member.self) world().note(testkit::Queued{node, member.name, member.queued_bytes});
      }
      if (!world()[name].paused()) world().note(std::move(seen));
    }
  }

  void want(const std::string& what, Clock::Duration within, const std::function<bool()>& done) {
    sim::want(world(), what, within, done);
  }

  /// A core may be a minority: where there is a policy, it takes none then.
  bool takes_names(const std::string& name) {
    return world()[name].cluster().side() == Side::majority;
  }

  /// Whoever can reach each other connects, calls, and shares names.
  void liveness(const std::vector<std::string>& core, const std::string& which) {
    want(which + " connects", k_connect, [&] { return world().connected(core); });
    for (std::size_t i = 0; i < core.size(); ++i) {
      call(core[i], core[(i + 1) % core.size()], which);
      if (!takes_names(core[i])) continue;
      const std::string kept = "kept-for-" + which + "-by-" + core[i];
      const Pid pid = world()[core[i]].node().spawn(keep_name, &workload_, kept);
      want(kept + " is known", k_names_known, [&] {
        return std::all_of(core.begin(), core.end(), [&](const std::string& name) {
          return world()[name].node().whereis(kept, Scope::cluster) == pid;
        });
      });
    }
  }

  /// A connection may end once more right after it has begun: then the call is tried again.
  void call(const std::string& from, const std::string& to, const std::string& which) {
    auto answer = world()[from].node().async([to](Context& context) -> Task<bool> {
      const RemoteName server{"echo", to};
      const auto until = context.node().clock().now() + k_answer;
      while (context.node().clock().now() < until) {
        try {
          co_return co_await context.call_for<Echo>(k_call, server, 7) == 7;
        } catch (const ProcessExit&) {
          // Tried again below.
        }
        co_await context.sleep_for(k_pause);
      }
      co_return false;
    });
    std::optional<bool> answered;
    want(which + ": " + to + " answers " + from, k_answer, [&] {
      if (!answered && answer.wait_for(seconds{0}) == std::future_status::ready) {
        answered = answer.get();
      }
      return answered.value_or(false);
    });
  }

  /// All processes end but those kept; then what is left is looked at.
  void end() {
    workload_.stopping = true;
    world().run_for(seconds{30});
    look();
    for (const std::string& name : world().names()) {
      Node& node = world()[name].node();
      testkit::NamesSeen names{node.id(), {}};
      for (const auto& [text, pid] : node.global_names()) names.names[text] = pid;
      world().note(std::move(names));

      std::vector<Pid> living = node.processes();
      std::vector<Pid> asked;
      for (const Pid& pid : workload_.kept) {
        if (std::erase(living, pid) > 0) asked.push_back(pid);
      }
      world().note(testkit::Census{node.id(), std::move(living), k_base_processes});
      node.inspect(asked, [this](const std::vector<ProcessInfo>& processes) {
        for (const ProcessInfo& process : processes) {
          world().note(testkit::LinksSeen{process.pid, process.links});
        }
      });
    }
    world().settle();
  }

  Outcome outcome() {
    Outcome outcome;
    outcome.violations = testkit::check_all(world().history());
    const std::size_t most = budget_ + k_beyond_budget;
    for (std::string& violation : testkit::check_memory(world().history(), most)) {
      outcome.violations.push_back("I10: " + std::move(violation));
    }
    outcome.trace_hash = world().trace_hash();
    outcome.simulated = world().clock().now() - Clock::TimePoint{};
    for (const Metric metric :
         {Metric::downs_normal, Metric::downs_noproc, Metric::downs_noconnection,
          Metric::frames_stale, Metric::sessions_down, Metric::name_conflicts,
          Metric::members_declared_dead, Metric::minorities}) {
      outcome.counts[std::string{to_string(metric)}] = world().total(metric);
    }
    for (const auto& [at, event] : world().history()) count(event, outcome.counts);
    outcome.counts["supervisors_gave_up"] = workload_.gave_up;
    if (scenario_.finish != nullptr) scenario_.finish(workload_, outcome);
    return outcome;
  }

  void count(const testkit::Event& event, std::map<std::string, std::uint64_t>& counts) const {
    const auto add = [&](const char* what) { ++counts[what]; };
    if (std::holds_alternative<testkit::NameLost>(event)) add("losers_told");
    if (std::holds_alternative<testkit::GotExit>(event)) add("exits_of_links");
    if (std::holds_alternative<testkit::Unlinked>(event)) add("unlinks");
    if (std::holds_alternative<testkit::Demonitored>(event)) add("demonitors");
    if (std::holds_alternative<testkit::Received>(event)) add("items_received");
    if (std::holds_alternative<testkit::Sent>(event)) add("items_sent");
    const auto* queued = std::get_if<testkit::Queued>(&event);
    if (queued != nullptr && queued->bytes > budget_) add("budgets_used_up");
    if (std::holds_alternative<testkit::CallEnded>(event)) add("calls");
    if (std::holds_alternative<testkit::ChildStarted>(event)) add("children_started");
    if (std::holds_alternative<testkit::NodePaused>(event)) add("pauses");
    const auto* ended = std::get_if<testkit::NodeEnded>(&event);
    if (ended != nullptr && ended->silently) add("silent_deaths");
  }

  const Scenario& scenario_;
  const RunOptions& options_;
  Workload workload_;
  Ordeal ordeal_;
  std::size_t budget_;  // what a node keeps for a peer
};

void populate_sick(Workload& workload, const std::string& node) { populate_names(workload, node); }

void configure_flood(ClusterConfig& config) { config.flow.budget_bytes = std::size_t{1} << 16U; }

}  // namespace

void want(testkit::SimWorld& world, const std::string& what, Clock::Duration within,
          const std::function<bool()>& done) {
  world.note(testkit::Wanted{what, world.clock().now() + within});
  if (world.run_until(done, within)) world.note(testkit::Done{what});
}

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all{
      {"monitors", "links and monitors of processes on all nodes", FaultPlan::everything(),
       populate_relations},
      {"names", "names of the cluster that are taken, lost and given up", FaultPlan::everything(),
       populate_names},
      // All clocks are right, so that a later claim is a newer one.
      {"names_newest",
       "the same where the newest claim stands, with watchers, and names by hundreds",
       FaultPlan::everything().without(testkit::FaultKind::set_clock), populate_names_newest,
       finish_watched_names, configure_names_newest},
      {"names_moved", "names that are moved about, on all sides of cuts", FaultPlan::everything(),
       populate_names_moved, finish_moved_names, nullptr, move_in_cuts},
      {"majority", "names that minorities are refused, of children too", FaultPlan::everything(),
       populate_majority, finish_watched_names, configure_majority, cut_once},
      {"groups", "process groups that are joined, left and watched", FaultPlan::everything(),
       populate_groups, finish_groups},
      {"traffic", "streams of messages, and calls", FaultPlan::everything(), populate_traffic},
      {"flood", "streams of large messages, more than sick nodes take", FaultPlan::everything(),
       populate_flood, nullptr, configure_flood},
      {"supervisors", "children that crash", FaultPlan::everything(), populate_supervisors},
      {"sick", "nodes that are paused, slow or wrong about the time", FaultPlan::sick_nodes(),
       populate_sick},
      {"deaths", "nodes that die and come back, and who hears of it when", FaultPlan::deaths(),
       populate_relations},
  };
  return all;
}

const Scenario* find_scenario(const std::string& name) {
  for (const Scenario& scenario : scenarios()) {
    if (name == scenario.name) return &scenario;
  }
  return nullptr;
}

Outcome run(const Scenario& scenario, const RunOptions& options) {
  return Run{scenario, options}.all();
}

std::vector<std::size_t> shrink(const Scenario& scenario, const RunOptions& options) {
  const testkit::Schedule schedule =
      testkit::make_schedule(options.seed, options.nodes, options.steps, scenario.plan);
  return testkit::shrink(schedule, [&](const std::vector<std::size_t>& kept) {
    RunOptions fewer = options;
    fewer.kept = kept;
    return !run(scenario, fewer).violations.empty();
  });
}

std::string replay_line(const Scenario& scenario, const RunOptions& options) {
  std::string line = std::string{"grove-sim --scenario "} + scenario.name + " --seed " +
                     std::to_string(options.seed) + " --nodes " + std::to_string(options.nodes) +
                     " --steps " + std::to_string(options.steps);
  if (!options.kept) return line;
  line += " --only ";
  for (const std::size_t at : *options.kept) line += std::to_string(at) + ',';
  if (options.kept->empty()) return line + "none";
  line.pop_back();
  return line;
}

}  // namespace grove::sim
