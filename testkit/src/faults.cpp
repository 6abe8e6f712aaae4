// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/faults.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace grove::testkit {
namespace {

using std::chrono::milliseconds;

constexpr std::array<std::string_view, static_cast<std::size_t>(FaultKind::k_count)> k_kinds{
    "calm",    "split", "cut",       "cut_both", "mend", "heal",  "clog",      "slow_net",
    "bad_net", "kill",  "power_off", "restart",  "move", "pause", "slow_node", "set_clock"};

/// Of a slow network: none, or so little that what queues up outlives the healing by seconds only.
std::uint64_t bandwidth(const Fault& fault) {
  return fault.chance % 2 == 0 ? 0 : 20'000 + (fault.chance >> 1U) % 100'000;
}

}  // namespace

std::string_view to_string(FaultKind kind) noexcept {
  return k_kinds[static_cast<std::size_t>(kind)];
}

std::string to_string(const Fault& fault) {
  const auto in_ms = [](Clock::Duration time) {
    return std::to_string(std::chrono::duration_cast<milliseconds>(time).count()) + " ms";
  };
  return std::string{to_string(fault.kind)} + " n" + std::to_string(fault.node + 1) + " n" +
         std::to_string(fault.other + 1) + " for " + in_ms(fault.lasts) + ", then " +
         in_ms(fault.then);
}

FaultPlan FaultPlan::everything() {
  FaultPlan plan;
  plan.weights_.fill(2);
  return plan.with(FaultKind::calm, 6).with(FaultKind::heal, 6).with(FaultKind::restart, 4);
}

FaultPlan FaultPlan::sick_nodes() {
  return FaultPlan{}
      .with(FaultKind::calm, 2)
      .with(FaultKind::pause, 4)
      .with(FaultKind::slow_node, 2)
      .with(FaultKind::set_clock, 1)
      .with(FaultKind::heal, 3);
}

FaultPlan FaultPlan::deaths() {
  return FaultPlan{}
      .with(FaultKind::calm, 1)
      .with(FaultKind::kill, 3)
      .with(FaultKind::power_off, 1)
      .with(FaultKind::restart, 3)
      .with(FaultKind::move, 1)
      .with(FaultKind::heal, 2);
}

FaultKind FaultPlan::choose(Random& random) const {
  std::uint64_t left = random.below(std::accumulate(weights_.begin(), weights_.end(), 0U));
  std::size_t kind = 0;
  for (; left >= weights_[kind]; ++kind) left -= weights_[kind];
  return static_cast<FaultKind>(kind);
}

Schedule make_schedule(std::uint64_t seed, unsigned nodes, unsigned steps, const FaultPlan& plan) {
  Random random{seed ^ 0x5C4ED01EU};
  Schedule schedule(steps);
  for (Fault& fault : schedule) {
    fault.kind = plan.choose(random);
    fault.node = static_cast<unsigned>(random.below(nodes));
    const unsigned others = std::max(nodes - 1, 1U);  // of one alone it is the other one, too
    fault.other = (fault.node + 1 + static_cast<unsigned>(random.below(others))) % nodes;
    fault.chance = random.next();
    fault.lasts = milliseconds{100 + random.below(random.percent(30) ? 15000 : 3000)};
    fault.then = milliseconds{50 + random.below(4000)};
  }
  return schedule;
}

std::vector<std::size_t> shrink(const Schedule& schedule,
                                const std::function<bool(const std::vector<std::size_t>&)>& fails) {
  std::vector<std::size_t> kept(schedule.size());
  std::iota(kept.begin(), kept.end(), std::size_t{0});
  for (std::size_t piece = kept.size(); piece > 0; piece /= 2) {
    for (std::size_t at = 0; at < kept.size();) {
      std::vector<std::size_t> fewer = kept;
      const auto from = fewer.begin() + static_cast<std::ptrdiff_t>(at);
      fewer.erase(from, from + static_cast<std::ptrdiff_t>(std::min(piece, kept.size() - at)));
      if (fails(fewer)) {
        kept = std::move(fewer);
      } else {
        at += piece;
      }
    }
  }
  return kept;
}

Ordeal::Ordeal(SimWorld& world, unsigned nodes) : world_{world} {
  for (unsigned i = 0; i < nodes; ++i) all_.push_back("n" + std::to_string(i + 1));
}

void Ordeal::start_all() {
  for (const std::string& name : all_) start(name);
}

void Ordeal::start(const std::string& name, bool elsewhere) {
  if (elsewhere) {
    world_.add_node_elsewhere(name);
  } else {
    world_.add_node(name);
  }
  on_start(name);
}

void Ordeal::end(const std::string& name, bool silently) {
  before_end(name);
  if (silently) {
    world_.power_off(name);
  } else {
    world_.kill(name);
  }
}

/// Of a wall clock: up to two hours ahead, or back, but not to before its node's newest life.
std::chrono::microseconds Ordeal::jump(const Fault& fault) const {
  const std::uint64_t chance = fault.chance >> 1U;
  if (fault.chance % 2 == 0) return std::chrono::minutes{chance % 120};
  const auto most = static_cast<std::uint64_t>(world_.clock_past_start(all_[fault.node]).count());
  return -std::chrono::microseconds{chance % (most + 1)};
}

void Ordeal::suffer(const Fault& fault) {
  world_.trace(to_string(fault));
  happen(fault);
  world_.run_for(fault.then);
}

void Ordeal::happen(const Fault& fault) {
  const std::string& one = all_[fault.node];
  const std::string& other = all_[fault.other];
  const bool up = world_.is_up(one);
  switch (fault.kind) {
    case FaultKind::split: {
      std::vector<std::vector<std::string>> parts(2);
      for (std::size_t i = 0; i < all_.size(); ++i) {
        parts[(fault.chance >> i) & 1U].push_back(all_[i]);
      }
      world_.partition(parts);
      break;
    }
    case FaultKind::cut: world_.cut(one, other); break;
    case FaultKind::cut_both: world_.cut_both(one, other); break;
    case FaultKind::mend: world_.mend(one, other); break;
    case FaultKind::heal: world_.heal(); break;
    case FaultKind::clog: world_.clog(one, other, fault.lasts); break;
    case FaultKind::slow_net:
      world_.set_network({.delay_min = milliseconds{1},
                          .delay_mean = fault.lasts / 30,
                          .bytes_per_second = bandwidth(fault)});
      break;
    case FaultKind::bad_net:
      world_.set_network({.lost = static_cast<unsigned>(fault.chance % 8),
                          .repeated = static_cast<unsigned>((fault.chance >> 8U) % 8),
                          .overtaken = static_cast<unsigned>((fault.chance >> 16U) % 8)});
      break;
    case FaultKind::kill:
    case FaultKind::power_off:
      if (up) end(one, fault.kind == FaultKind::power_off);
      break;
    case FaultKind::restart:
    case FaultKind::move:
      for (const std::string& name : all_) {
        if (!world_.is_up(name)) start(name, fault.kind == FaultKind::move);
      }
      break;
    case FaultKind::pause:
      if (!up) break;
      world_.pause(one);
      world_.clock().call_at(world_.clock().now() + fault.lasts, [&world = world_, one] {
        if (world.is_up(one)) world.resume(one);  // the ordeal may be over by then
      });
      break;
    case FaultKind::slow_node:
      if (up) world_.slow(one, milliseconds{5}, milliseconds{20 + fault.chance % 400});
      break;
    case FaultKind::set_clock:
      world_.set_clock(one, world_.clock_wrong_by(one) + jump(fault));
      break;
    case FaultKind::calm:
    case FaultKind::k_count: break;
  }
}

std::vector<std::string> Ordeal::heal_core(std::uint64_t chance) {
  std::vector<std::vector<std::string>> parts(2);
  for (std::size_t i = 0; i < all_.size(); ++i) {
    const bool left_out = i > 0 && ((chance >> i) & 1U) != 0 && all_.size() - parts[1].size() > 2;
    parts[left_out ? 1 : 0].push_back(all_[i]);
  }
  world_.heal();
  world_.partition(parts);
  for (const std::string& name : parts[0]) {
    if (!world_.is_up(name)) start(name);
  }
  return parts[0];
}

void Ordeal::heal_all() {
  world_.heal();
  for (const std::string& name : all_) {
    if (!world_.is_up(name)) start(name);
  }
}

}  // namespace grove::testkit
