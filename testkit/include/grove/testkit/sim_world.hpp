// SPDX-License-Identifier: Apache-2.0
//
// SimWorld: a whole cluster in one thread, on virtual time, from one seed. The nodes are real; the
// clock, the scheduler, the network and chance are simulated. The same seed gives the same run.
//
//   SimWorld world{42};
//   world.add_node("a");
//   world.add_node("b");
//   world.run_until([&] { return world.all_connected(); }, 10s);
//   world.partition({{"a"}, {"b"}});
//
// docs/testing.md is the tour: faults, steps, checkers.
//
// Thread-safety: confined to one thread.
#pragma once

#include "grove/node/supervisor.hpp"
#include "grove/testkit/history.hpp"
#include "grove/testkit/sim_node.hpp"
#include "grove/testkit/virtual_clock.hpp"
#include "grove/transport/memory_network.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace grove::testkit {

class SimWorld {
 public:
  explicit SimWorld(std::uint64_t seed,
                    transport::AutoConnect connect = transport::AutoConnect::always);
  ~SimWorld();

  /// Has a say in the configuration of each node that is started from now on.
  void configure(std::function<void(ClusterConfig&)> configure) {
    configure_ = std::move(configure);
  }
  /// Starts a node (a new life, when one of that name was killed). All know the first node added,
  /// or, with AutoConnect::never, nobody.
  SimNode& add_node(const std::string& name);
  /// The same at another address than before. Who asks the DNS for the old one finds the new one.
  SimNode& add_node_elsewhere(const std::string& name);
  /// Starts a program's supervisor on a node, as grove::run() does; the node too, if it does not
  /// run. Throws: std::runtime_error when it does not start.
  void start(const std::string& name, SupervisorSpec app);
  /// Ends a node as SIGKILL does: it says nothing, but its connections break.
  void kill(const std::string& name);
  /// The same in silence: a machine that has lost its power. It is cut off from all until heal().
  void power_off(const std::string& name);
  [[nodiscard]] SimNode& operator[](const std::string& name) { return *nodes_.at(name); }
  [[nodiscard]] bool is_up(const std::string& name) const { return nodes_.contains(name); }
  [[nodiscard]] std::vector<std::string> names() const;

  /// By hand, by name or address. Returns: whether there is a session.
  bool connect(const std::string& name, const std::string& other);
  /// Returns: whether there was one.
  bool disconnect(const std::string& name, const std::string& other);

  // -- faults; all but kill() end with heal() -------------------------------------------------

  /// Cuts both directions between nodes that are in groups, but in none together.
  void partition(const std::vector<std::vector<std::string>>& groups);
  void cut(const std::string& from, const std::string& to);  // one direction
  void cut_both(const std::string& one, const std::string& other) {
    cut(one, other);
    cut(other, one);
  }
  /// Both directions pass again.
  void mend(const std::string& one, const std::string& other);
  /// What is sent in that direction arrives when `duration` has passed.
  void clog(const std::string& from, const std::string& to, Clock::Duration duration);
  /// Delay, bandwidth, loss, repetition and reordering, for all.
  void set_network(const transport::MemoryFaults& faults);
  /// As SIGSTOP, and SIGCONT.
  void pause(const std::string& name);
  void resume(const std::string& name);
  /// It runs for `on`, stands still for `off`, and so on.
  void slow(const std::string& name, Clock::Duration on, Clock::Duration off);
  /// The wall clock of its machine is wrong by so much from now on, also in the node's next life.
  /// Nothing heals that.
  void set_clock(const std::string& name, std::chrono::microseconds wrong_by);
  [[nodiscard]] std::chrono::microseconds clock_wrong_by(const std::string& name) const {
    return machines_.at(name).clock_wrong_by;
  }
  /// How far that wall clock, which may be of a node that is down, can be set back: it is where it
  /// was when the newest life of its node began. Others refuse a next life from before that.
  [[nodiscard]] std::chrono::microseconds clock_past_start(const std::string& name) const;
  void heal();
  [[nodiscard]] transport::MemoryNetwork& network() noexcept { return network_; }

  // -- time -----------------------------------------------------------------------------------

  /// Runs what can run, then lets time pass to the next event, and so on.
  void run_for(Clock::Duration duration);
  /// Returns: false when `done` was not true within `limit` of virtual time.
  bool run_until(const std::function<bool()>& done, Clock::Duration limit);
  /// The value of a future that virtual time has made ready. Throws when it is not.
  template <class T>
  static T ready(std::future<T>& future) {
    if (future.wait_for(std::chrono::seconds{0}) != std::future_status::ready) {
      throw std::runtime_error{"nothing has made this future ready"};
    }
    return future.get();
  }
  /// Runs `function` as a process on `name`; as LocalWorld::run.
  template <class F>
  auto run(const std::string& name, F function) {
    auto future = nodes_.at(name)->node().async(std::move(function));
    run_until([&] { return future.wait_for(std::chrono::seconds{0}) == std::future_status::ready; },
              std::chrono::hours{1});
    return ready(future);
  }
  /// One turn of one process, of a node chosen by the seed. Returns: false when none is ready.
  bool step();
  /// Runs what can run without time passing.
  void settle();

  // A step-by-step test cuts a direction, looks at what is held back there, and lets it through
  // piece by piece.

  /// What waits between two nodes, oldest first; of what is no frame, an empty one.
  [[nodiscard]] std::vector<transport::Frame> held(const std::string& from, const std::string& to);
  /// Lets the oldest of it through, and settles. Returns: false when there is none.
  bool deliver_one(const std::string& from, const std::string& to);

  [[nodiscard]] bool all_connected();
  /// Whether each of `names` has a session with each other of them.
  [[nodiscard]] bool connected(const std::vector<std::string>& names);
  /// The cluster as that node sees it. None, when it is paused.
  [[nodiscard]] std::vector<Member> members(const std::string& name);
  /// A counter, summed over all nodes that ever were.
  [[nodiscard]] std::uint64_t total(Metric metric) const;

  [[nodiscard]] VirtualClock& clock() noexcept { return clock_; }
  [[nodiscard]] Random& random() noexcept { return random_; }
  /// What has happened so far, for the checkers: faults and lives by the world, the rest by whoever
  /// notes it.
  [[nodiscard]] const History& history() const noexcept { return history_; }
  void note(Event event) { history_.push_back({clock_.now(), std::move(event)}); }
  /// Bytes of frames that nodes of this name have sent.
  [[nodiscard]] std::uint64_t bytes_sent(const std::string& name) const;
  /// Adds to the trace; frames are in it already.
  void trace(std::string_view text);
  [[nodiscard]] std::uint64_t trace_hash() const noexcept { return hash_; }
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }

 private:
  /// What outlives the lives of a node.
  struct Machine {
    unsigned moves = 0;
    std::chrono::microseconds clock_wrong_by{0};
    Life life;  // the newest
    std::set<std::string> cut_to;
    std::uint64_t bytes_sent = 0;
  };
  void end(const std::string& name, bool silently);
  [[nodiscard]] std::string address_of(const std::string& name) const;
  void observe(const std::string& from, const std::string& to, const transport::Frame& frame);

  std::uint64_t seed_;
  transport::AutoConnect auto_connect_;
  VirtualClock clock_;
  Random random_;
  transport::MemoryNetwork network_;
  bool bad_network_ = false;
  std::map<std::string, Machine> machines_;
  std::map<std::string, std::unique_ptr<SimNode>> nodes_;
  std::function<void(ClusterConfig&)> configure_ = [](ClusterConfig&) {};
  std::string first_;
  std::vector<std::uint64_t> past_;  // counters of the dead
  History history_;
  std::uint64_t hash_ = 0xcbf29ce484222325U;
};

}  // namespace grove::testkit
