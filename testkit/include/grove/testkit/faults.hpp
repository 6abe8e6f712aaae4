// SPDX-License-Identifier: Apache-2.0
//
// Faults: what goes wrong in a run, as a list of values made from a seed; and what makes it happen
// in a SimWorld. First anything may go wrong (safety: nothing wrong may be said or done), then a
// part of the cluster is healed and must work (liveness), then all of it.
#pragma once

#include "grove/testkit/sim_world.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace grove::testkit {

enum class FaultKind : std::uint8_t {
  calm,       // nothing
  split,      // into two parts
  cut,        // one direction between two nodes
  cut_both,   // between two nodes; others see both
  mend,       // between two nodes, both directions: parts meet in one place
  heal,       // all of it
  clog,       // one direction, for a while
  slow_net,   // longer delays for all, and at times little bandwidth
  bad_net,    // frames are lost, repeated, overtaken
  kill,       // as SIGKILL
  power_off,  // the same in silence
  restart,    // of those that are down, at the same address
  move,       // of those that are down, at another address
  pause,      // as SIGSTOP, for a while
  slow_node,  // paused most of the time
  set_clock,  // a wall clock jumps, ahead or back; see SimWorld::clock_past_start()
  k_count
};
[[nodiscard]] std::string_view to_string(FaultKind kind) noexcept;

/// How often each kind comes up, relative to the others.
class FaultPlan {
 public:
  /// Everything, a fifth of it calm.
  [[nodiscard]] static FaultPlan everything();
  /// Nodes that are paused, slow or wrong about the time, and a network that never fails.
  [[nodiscard]] static FaultPlan sick_nodes();
  /// Nodes that die and come back, one at a time.
  [[nodiscard]] static FaultPlan deaths();

  FaultPlan& with(FaultKind kind, unsigned weight) {
    weights_[static_cast<std::size_t>(kind)] = weight;
    return *this;
  }
  FaultPlan& without(FaultKind kind) { return with(kind, 0); }
  [[nodiscard]] FaultKind choose(Random& random) const;

 private:
  std::array<unsigned, static_cast<std::size_t>(FaultKind::k_count)> weights_{};
};

struct Fault {
  FaultKind kind = FaultKind::calm;
  unsigned node = 0;  // by its number
  unsigned other = 0;
  std::uint64_t chance = 0;  // what else is left to chance, in one number
  Clock::Duration lasts{};   // for those that end by themselves
  Clock::Duration then{};    // the time until the next one
};
using Schedule = std::vector<Fault>;
[[nodiscard]] std::string to_string(const Fault& fault);

/// The same from the same seed, whatever the run does with its own chances. Bounds: nodes > 0.
[[nodiscard]] Schedule make_schedule(std::uint64_t seed, unsigned nodes, unsigned steps,
                                     const FaultPlan& plan);
/// Drops what is not needed: tries shorter lists for as long as `fails` says that the run still
/// does. Returns: the places in `schedule` of those that are left.
[[nodiscard]] std::vector<std::size_t> shrink(
    const Schedule& schedule, const std::function<bool(const std::vector<std::size_t>&)>& fails);

/// Nodes n1, n2 ... of a world, to which faults happen.
class Ordeal {
 public:
  /// The world outlives it.
  Ordeal(SimWorld& world, unsigned nodes);

  std::function<void(const std::string& name)> on_start = [](const std::string&) {};
  std::function<void(const std::string& name)> before_end = [](const std::string&) {};

  [[nodiscard]] const std::vector<std::string>& all() const noexcept { return all_; }
  void start_all();
  /// One fault, and the time until the next.
  void suffer(const Fault& fault);
  /// Heals all, and cuts two or more nodes, all running, off from the rest: the first, which is the
  /// seed by which nodes find each other after a new start, and others chosen by `chance`.
  /// Returns: those.
  std::vector<std::string> heal_core(std::uint64_t chance);
  /// Everything is well again; all nodes run.
  void heal_all();

 private:
  void happen(const Fault& fault);
  [[nodiscard]] std::chrono::microseconds jump(const Fault& fault) const;
  void start(const std::string& name, bool elsewhere = false);
  void end(const std::string& name, bool silently);

  SimWorld& world_;
  std::vector<std::string> all_;
};

}  // namespace grove::testkit
