// SPDX-License-Identifier: Apache-2.0
//
// What the processes of a scenario share, and what they do. All of them note what they see, and end
// when they are told to stop.
#pragma once

#include "grove/testkit/checkers.hpp"
#include "grove/testkit/sim_world.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace grove::sim {

struct Outcome;

/// What a watcher of a node's process groups was told, added up: how often each is a member.
using GroupsSeen = std::map<std::string, std::map<Pid, int>>;
/// What a watcher of the cluster's names was told, added up.
using NamesTold = std::map<std::string, Pid>;

/// The simulation has one thread.
struct Workload {
  explicit Workload(std::uint64_t seed) : world{seed} {}
  [[nodiscard]] Random& random() { return world.random(); }

  testkit::SimWorld world;
  std::vector<Pid> seen;      // every worker that ever was, dead ones and dead lives too
  std::vector<Pid> sinks;     // the same of those that streams go to
  std::vector<Pid> servers;   // and of those that are called
  std::vector<Pid> kept;      // who stays after that, to be asked
  std::uint64_t gave_up = 0;  // supervisors
  std::map<std::string, GroupsSeen> groups;  // by node
  std::uint64_t group_changes = 0;           // that watchers were told
  std::map<std::string, NamesTold> names;    // by node
  std::set<Pid> moved;                       // whose name went to another process
  std::map<Pid, std::uint64_t> claims;       // of processes that take names: the higher one stands
  std::map<std::string, std::uint64_t> counts;  // of what processes did
  testkit::Violations wrong;                    // what they saw that must not be
  bool hurry = false;    // names are moved all the time, and none is taken that is free
  bool resting = false;  // names are moved no more
  bool stopping = false;
};
/// Lets time pass until it is done; I13 says so when it is not.
void want(testkit::SimWorld& world, const std::string& what, Clock::Duration within,
          const std::function<bool()>& done);

/// Notes that a process started, and, when its frame goes, that it ended.
class Life {
 public:
  Life(Workload& workload, Context& context, Pid tied_to = {})
      : workload_{workload}, pid_{context.self()} {
    workload_.world.note(testkit::Started{pid_, tied_to});
  }
  ~Life() { workload_.world.note(testkit::Ended{pid_}); }
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

 private:
  Workload& workload_;
  Pid pid_;
};

struct Holding {
  bool given_up = false;
  std::optional<Exit> lost;
};
/// Keeps a name that the process has, for a while, then gives it up, or is to die with it. Who has
/// one in the end stays: it must still have it then, or be told. `lost`: it has been told already.
Task<Holding> hold_name(Context& context, Workload* workload, std::string name,
                        std::optional<Exit> lost = {});

struct Echo {
  using Reply = int;
  int number = 0;
};
/// Answers to the local name `echo`, at once. Every scenario has one on each node.
class EchoServer : public GenServer {
 public:
  using Handles = grove::Handles<Echo>;
  int handle_call(Echo echo) { return echo.number; }
};

/// Workers that come and go, and watchers that monitor and link to those of all nodes.
void populate_relations(Workload& workload, const std::string& name);
/// Streams of numbered messages, and calls of servers that are slow at times.
void populate_traffic(Workload& workload, const std::string& name);
/// Streams of large messages, more than sick nodes and networks take.
void populate_flood(Workload& workload, const std::string& name);
/// Processes that take, keep and give up names of the cluster.
void populate_names(Workload& workload, const std::string& name);
/// Supervisors whose children crash, with children on other nodes and on their own.
void populate_supervisors(Workload& workload, const std::string& name);

/// The newest claim stands. Registrations that wait for others, watchers of all names, and hundreds
/// of names that are taken, and lost, together.
void populate_names_newest(Workload& workload, const std::string& node);
void configure_names_newest(ClusterConfig& config);
/// A minority takes no names, and a function of the program's own says which claim stands. The
/// same registrations and watchers, and children with names that crash.
void populate_majority(Workload& workload, const std::string& node);
void configure_majority(ClusterConfig& config);
/// One cut of a whole cluster, for as long as it takes to tell who is in the majority.
void cut_once(Workload& workload);
/// Watchers must have been told of the names that there are.
void finish_watched_names(Workload& workload, Outcome& outcome);

/// Processes that take names from each other, and give none up.
void populate_names_moved(Workload& workload, const std::string& node);
/// Cuts in which names are moved on all sides: after each somebody must have every one of them.
void move_in_cuts(Workload& workload);
void finish_moved_names(Workload& workload, Outcome& outcome);

/// Processes that join and leave groups, and one that watches them all.
void populate_groups(Workload& workload, const std::string& node);
/// All nodes, and all watchers, must have the members that there are.
void finish_groups(Workload& workload, Outcome& outcome);

}  // namespace grove::sim

GROVE_MESSAGE(grove::sim::Echo, "sim.echo", number)
