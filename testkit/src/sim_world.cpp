// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/sim_world.hpp"

#include "grove/core/check.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace grove::testkit {
namespace {

constexpr std::string_view k_domain = ".sim:";

/// `n.sim:1`, and `n.host.sim:1` of `n@host`: in an address @ means something else.
std::string address_at(std::string name, unsigned place) {
  std::replace(name.begin(), name.end(), '@', '.');
  return name.append(k_domain) + std::to_string(place);
}
/// Whose address it is.
std::string name_at(const std::string& address) {
  std::string name = address.substr(0, address.rfind(k_domain));
  if (const auto host = name.find('.'); host != std::string::npos) name[host] = '@';
  return name;
}

}  // namespace

SimWorld::SimWorld(std::uint64_t seed, transport::AutoConnect connect)
    : seed_{seed},
      auto_connect_{connect},
      random_{seed},
      network_{clock_, random_},
      past_(static_cast<std::size_t>(Metric::k_count)) {
  network_.observe([this](const std::string& from, const std::string& to,
                          const transport::Frame& frame) { observe(from, to, frame); });
}

SimWorld::~SimWorld() { nodes_.clear(); }

void SimWorld::trace(std::string_view text) {
  const auto add = [this](std::uint64_t word) {
    hash_ = (hash_ ^ word) * 0x100000001b3U;
    hash_ ^= hash_ >> 32U;
  };
  add(static_cast<std::uint64_t>(clock_.now().time_since_epoch().count()));
  add(text.size());
  std::uint64_t word = 0;
  for (; text.size() >= sizeof word; text.remove_prefix(sizeof word)) {
    std::memcpy(&word, text.data(), sizeof word);
    add(word);
  }
  if (text.empty()) return;
  word = 0;
  std::memcpy(&word, text.data(), text.size());
  add(word);
}

void SimWorld::observe(const std::string& from, const std::string& to,
                       const transport::Frame& frame) {
  machines_[name_at(from)].bytes_sent += frame.bytes.size() + frame.tail.size();
  trace(from);
  trace(to);
  trace({reinterpret_cast<const char*>(frame.bytes.data()), frame.bytes.size()});
  trace(std::to_string(frame.tail.size()));
}

std::uint64_t SimWorld::bytes_sent(const std::string& name) const {
  return machines_.at(name).bytes_sent;
}

/// After a move `n.sim:2`, to which the former ones lead then.
std::string SimWorld::address_of(const std::string& name) const {
  return address_at(name, 1 + machines_.at(name).moves);
}

SimNode& SimWorld::add_node(const std::string& name) {
  GROVE_CHECK(!nodes_.contains(name));
  if (first_.empty()) first_ = name;
  const Clock::TimePoint later = clock_.now() + std::chrono::microseconds{1};
  while (clock_.advance_to_next(later)) {  // so that lives differ
  }
  Machine& machine = machines_[name];
  SimNode::Setup setup{name, address_of(name), {}, machine.clock_wrong_by};
  if (auto_connect_ == transport::AutoConnect::always) setup.seeds = {address_at(first_, 1)};
  nodes_[name] = std::make_unique<SimNode>(setup, clock_, random_, network_, configure_);
  machine.life = nodes_[name]->node().life();
  note(NodeStarted{nodes_[name]->node().id()});
  return *nodes_[name];
}

SimNode& SimWorld::add_node_elsewhere(const std::string& name) {
  Machine& machine = machines_.at(name);
  ++machine.moves;
  for (unsigned former = 1; former <= machine.moves; ++former) {
    network_.lead(address_at(name, former), address_of(name));
  }
  for (const std::string& to : machine.cut_to) network_.cut(address_of(name), address_of(to));
  for (const auto& [from, other] : machines_) {
    if (other.cut_to.contains(name)) network_.cut(address_of(from), address_of(name));
  }
  return add_node(name);
}

void SimWorld::start(const std::string& name, SupervisorSpec app) {
  if (!is_up(name)) add_node(name);
  const auto started = std::make_shared<std::optional<StartResult>>();
  nodes_.at(name)->node().spawn(
      [started](Context& context, SupervisorSpec spec) -> Task<> {
        context.trap_exit(true);
        *started = co_await start_supervisor(context, std::move(spec));
        (void)co_await context.receive<Exit>();  // it has given up
      },
      std::move(app));
  run_until([&] { return started->has_value(); }, std::chrono::minutes{1});
  if (!started->has_value() || !(*started)->ok()) {
    throw std::runtime_error{"the program does not start on " + name +
                             (started->has_value() ? ": " + to_string(**started) : "")};
  }
}

void SimWorld::kill(const std::string& name) { end(name, false); }

void SimWorld::end(const std::string& name, bool silently) {
  trace("kill " + name);
  note(NodeEnded{nodes_.at(name)->node().id(), silently});
  for (std::size_t i = 0; i < past_.size(); ++i) {
    past_[i] += nodes_.at(name)->node().metrics().get(static_cast<Metric>(i));
  }
  nodes_.erase(name);
}

void SimWorld::power_off(const std::string& name) {
  for (const auto& [other, machine] : machines_) {
    if (other != name) cut_both(name, other);
  }
  end(name, true);
}

std::vector<std::string> SimWorld::names() const {
  std::vector<std::string> all;
  for (const auto& [name, node] : nodes_) all.push_back(name);
  return all;
}

bool SimWorld::connect(const std::string& name, const std::string& other) {
  std::optional<bool> connected;
  nodes_.at(name)->cluster().connect(
      other, [&](const Result<std::string>& node) { connected = node.has_value(); });
  GROVE_CHECK(run_until([&] { return connected.has_value(); }, std::chrono::minutes{1}));
  return *connected;
}

bool SimWorld::disconnect(const std::string& name, const std::string& other) {
  std::optional<bool> connected;
  nodes_.at(name)->cluster().disconnect(other, [&](bool was) { connected = was; });
  GROVE_CHECK(run_until([&] { return connected.has_value(); }, std::chrono::minutes{1}));
  return *connected;
}

void SimWorld::cut(const std::string& from, const std::string& to) {
  machines_[from].cut_to.insert(to);
  machines_.try_emplace(to);
  network_.cut(address_of(from), address_of(to));
  note(LinkCut{from, to});
}

void SimWorld::mend(const std::string& one, const std::string& other) {
  for (const auto& [from, to] : {std::pair{one, other}, {other, one}}) {
    machines_[from].cut_to.erase(to);
    machines_.try_emplace(to);
    network_.heal(address_of(from), address_of(to));
  }
}

void SimWorld::clog(const std::string& from, const std::string& to, Clock::Duration duration) {
  network_.clog(address_of(from), address_of(to), duration);
  note(LinkCut{from, to});
}

void SimWorld::set_network(const transport::MemoryFaults& faults) {
  network_.set_faults(faults);
  bad_network_ = true;
  note(NetworkBad{});
}

void SimWorld::pause(const std::string& name) {
  nodes_.at(name)->stop();
  note(NodePaused{name});
}

void SimWorld::resume(const std::string& name) {
  nodes_.at(name)->go_on();
  if (!nodes_.at(name)->disturbed()) note(NodeResumed{name});  // else it is slow still
}

void SimWorld::slow(const std::string& name, Clock::Duration on, Clock::Duration off) {
  nodes_.at(name)->alternate(on, off);
  note(NodePaused{name});
}

void SimWorld::set_clock(const std::string& name, std::chrono::microseconds wrong_by) {
  machines_[name].clock_wrong_by = wrong_by;
  if (is_up(name)) nodes_[name]->clock().set_wrong_by(wrong_by);
}

std::chrono::microseconds SimWorld::clock_past_start(const std::string& name) const {
  const Machine& machine = machines_.at(name);
  const std::chrono::microseconds right{clock_.wall_micros()};
  return right + machine.clock_wrong_by - std::chrono::microseconds{machine.life.value};
}

void SimWorld::heal() {
  for (auto& [name, machine] : machines_) machine.cut_to.clear();
  if (std::exchange(bad_network_, false)) network_.set_faults({});
  network_.heal_all();
  for (const auto& [name, node] : nodes_) {
    if (!node->disturbed()) continue;
    node->alternate({}, {});
    node->go_on();
    note(NodeResumed{name});
  }
  note(Healed{});
}

void SimWorld::partition(const std::vector<std::vector<std::string>>& groups) {
  const auto share_one = [&groups](const std::string& one, const std::string& other) {
    return std::any_of(groups.begin(), groups.end(), [&](const auto& group) {
      return std::find(group.begin(), group.end(), one) != group.end() &&
             std::find(group.begin(), group.end(), other) != group.end();
    });
  };
  for (const auto& group : groups) {
    for (const auto& other : groups) {
      if (&group == &other) continue;
      for (const std::string& from : group) {
        for (const std::string& to : other) {
          if (!share_one(from, to)) cut(from, to);
        }
      }
    }
  }
}

bool SimWorld::step() {
  std::vector<SimNode*> busy;
  for (const auto& [name, node] : nodes_) {
    if (node->ready()) busy.push_back(node.get());
  }
  if (busy.empty()) return false;
  return busy[random_.below(busy.size())]->scheduler().step();
}

void SimWorld::settle() {
  do {
    while (step()) {
    }
  } while (clock_.advance_to_next(clock_.now()));
}

std::vector<transport::Frame> SimWorld::held(const std::string& from, const std::string& to) {
  return network_.held(address_of(from), address_of(to));
}

bool SimWorld::deliver_one(const std::string& from, const std::string& to) {
  const bool any = network_.release_one(address_of(from), address_of(to));
  settle();
  return any;
}

void SimWorld::run_for(Clock::Duration duration) {
  const Clock::TimePoint limit = clock_.now() + duration;
  do {
    while (step()) {
    }
  } while (clock_.advance_to_next(limit));
}

bool SimWorld::run_until(const std::function<bool()>& done, Clock::Duration limit) {
  const Clock::TimePoint end = clock_.now() + limit;
  do {
    while (step()) {
    }
    if (done()) return true;
  } while (clock_.advance_to_next(end));
  return done();
}

bool SimWorld::all_connected() {
  for (const auto& [name, node] : nodes_) {
    if (node->cluster().sessions() + 1 != nodes_.size()) return false;
  }
  return true;
}

bool SimWorld::connected(const std::vector<std::string>& names) {
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    if (!is_up(name) || nodes_[name]->cluster().sessions() + 1 < names.size()) return false;
    const auto peers = std::make_shared<std::vector<std::string>>();  // a paused node answers later
    nodes_[name]->cluster().nodes(
        [peers](std::vector<std::string> all) { *peers = std::move(all); });
    settle();
    return std::all_of(names.begin(), names.end(), [&](const std::string& other) {
      return other == name || std::find(peers->begin(), peers->end(), other) != peers->end();
    });
  });
}

std::vector<Member> SimWorld::members(const std::string& name) {
  const auto seen = std::make_shared<std::vector<Member>>();
  nodes_.at(name)->cluster().members([seen](std::vector<Member> all) { *seen = std::move(all); });
  settle();
  return *seen;
}

std::uint64_t SimWorld::total(Metric metric) const {
  std::uint64_t sum = past_[static_cast<std::size_t>(metric)];
  for (const auto& [name, node] : nodes_) sum += node->node().metrics().get(metric);
  return sum;
}

}  // namespace grove::testkit
