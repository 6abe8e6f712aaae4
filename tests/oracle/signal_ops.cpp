// SPDX-License-Identifier: Apache-2.0
//
// Level 1: signals, timers, names. SPEC.md, section 5.
#include "actor.hpp"
#include "ops.hpp"
#include "remote_spawn.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>
#include <utility>

namespace grove::oracle {
namespace {

[[noreturn]] void raise_badarg() { throw ProcessExit{ExitReason::symbol("badarg")}; }
std::string yes_no(bool value) { return value ? "true" : "false"; }

// -- the actor's ------------------------------------------------------------------------------

void label(Self& self, const Ref& ref, const std::string& label) {
  self.labels.insert_or_assign(ref, label);
  self.monitors.insert_or_assign(label, ref);
}

Task<std::string> spawn(Self* self, Op op) {
  const SpawnOptions options{.trap_exit = op.has("trap", 2)};
  co_await start_actor(self, op.at(1), options);
  co_return "ok";
}

/// `... on NODE`, for another one.
std::optional<std::string> node_option(Self& self, const Op& op) {
  if (op.size() < 2 || op.at(op.size() - 2) != "on") return std::nullopt;
  const std::string& node = op.at(op.size() - 1);
  return node == self.context.node().name() ? std::nullopt : std::optional{node};
}

/// Here, or where the op says. Returns: nothing when that cannot be reached.
Task<std::optional<Spawned>> start_somewhere(Self* self, Op op, SpawnOptions options) {
  const auto node = node_option(*self, op);
  const std::string name = op.at(2);
  if (node) co_return co_await start_actor_on(self, *node, name, options);
  co_return co_await start_actor(self, name, options);
}

Task<std::string> spawn_link(Self* self, Op op) {
  const SpawnOptions options{.link = true, .trap_exit = op.has("trap", 3)};
  const auto spawned = co_await start_somewhere(self, std::move(op), options);
  co_return spawned ? "ok" : "unreachable";
}

Task<std::string> spawn_monitor(Self* self, Op op) {
  const std::string name = op.at(3);
  const SpawnOptions options{.monitor = true, .trap_exit = op.has("trap", 4)};
  const auto spawned = co_await start_somewhere(self, std::move(op), options);
  if (!spawned) co_return "unreachable";
  label(*self, spawned->ref, name);
  co_return "ok";
}

std::string link(Self& self, const Op& op) {
  self.context.link(pid_of(self, op.at(2)));
  return "true";
}

std::string unlink(Self& self, const Op& op) {
  self.context.unlink(pid_of(self, op.at(2)));
  return "true";
}

Ref monitor_named(Self& self, const std::string& target) {
  const ServerRef ref = named_ref(target);
  const auto* remote = ref.get<RemoteName>();
  const Ref monitor = remote != nullptr
                          ? self.context.monitor(*remote)
                          : self.context.monitor(std::string_view{*ref.get<std::string>()});
  self.named.emplace(monitor, target);
  return monitor;
}

std::string monitor(Self& self, const Op& op) {
  const std::string& target = op.at(2);
  const std::string& name = op.at(3);
  label(self,
        target.starts_with('@') ? monitor_named(self, target)
                                : self.context.monitor(pid_of(self, target)),
        name);
  return "ok";
}

std::string demonitor(Self& self, const Op& op) {
  const auto place = self.monitors.find(op.at(2));
  if (place == self.monitors.end()) return "unknown";
  const Flush flush = op.has("flush", 3) ? Flush::yes : Flush::no;
  const bool was_active = self.context.demonitor(place->second, flush);
  return op.has("info", 3) ? yes_no(was_active) : "true";
}

std::string exit(Self& self, const Op& op) {
  self.context.exit(pid_of(self, op.at(2)), ExitReason{parse_value(op.at(3))});
  return "true";
}

std::string quit(Self& self, const Op& op) { self.context.exit(ExitReason{parse_value(op.at(2))}); }

std::string raise(Self& self, const Op& op) {
  throw std::runtime_error{self.world.recorder().text_of(parse_value(op.at(2)))};
}

std::string return_normally(Self&, const Op&) { return {}; }

std::string trap(Self& self, const Op& op) {
  return yes_no(self.context.trap_exit(op.at(2) == "on"));
}

std::string send(Self& self, const Op& op) {
  send_to(self, op.at(2), ScriptMessage{self.context.self(), parse_value(op.at(3))});
  return "ok";
}

std::string burst(Self& self, const Op& op) {
  const int count = parse_integer(op.at(3));
  for (int i = 1; i <= count; ++i) {
    send_to(self, op.at(2), BurstMessage{self.context.self(), i, count});
  }
  return "ok";
}

std::string send_after(Self& self, const Op& op) {
  const std::string_view target = op.at(2);
  const TimerTarget to =
      target.starts_with('@') ? TimerTarget{target.substr(1)} : TimerTarget{pid_of(self, op.at(2))};
  const std::chrono::milliseconds delay{parse_integer(op.at(3))};
  TimerFired message{.label = op.at(5), .value = parse_value(op.at(4))};
  self.world.timers().start(self.context, to, delay, std::move(message));
  return "ok";
}

std::string cancel(Self& self, const Op& op) {
  const auto was_active = self.world.timers().cancel(op.at(2));
  return was_active ? yes_no(*was_active) : "unknown";
}

// -- the controller's -------------------------------------------------------------------------

std::string register_name(Self& self, const Op& op) {
  if (!self.context.register_name(op.at(1), pid_of(self, op.at(2)))) raise_badarg();
  return "true";
}

std::string unregister(Self& self, const Op& op) {
  if (!self.context.unregister_name(op.at(1))) raise_badarg();
  return "true";
}

std::string whereis(Self& self, const Op& op) {
  const auto pid = self.context.whereis(op.at(1));
  return pid ? self.world.recorder().text_of(*pid) : "undefined";
}

std::string alive(Self& self, const Op& op) {
  return yes_no(self.context.node().is_alive(pid_of(self, op.at(1))));
}

Task<std::string> sleep(Self* self, Op op) {
  const std::chrono::milliseconds duration{parse_integer(op.at(1))};
  const Awaited awaited{self->world, duration};
  co_await self->context.sleep_for(duration);
  co_return "ok";
}

/// Those that scripts know, sorted.
std::string list_of(std::vector<std::string> names) {
  std::erase(names, std::string{});
  std::sort(names.begin(), names.end());
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return "[" + text + "]";
}

struct Inspected {
  std::vector<ProcessInfo> rows;
};

using Column = std::vector<std::string> (*)(const World& world, const ProcessInfo& info);

std::vector<std::string> names_of(const Recorder& recorder, const std::vector<Pid>& pids) {
  std::vector<std::string> names;
  for (const Pid& pid : pids) names.push_back(recorder.name_of(pid));
  return names;
}

std::vector<std::string> links(const World& world, const ProcessInfo& info) {
  return names_of(world.recorder(), info.links);
}

/// With its node, where there are several.
std::string name_text(const World& world, const std::string& name, const Pid& monitored) {
  const Node& node = world.node();
  if (node.router() == nullptr) return '@' + name;
  return '@' + name + '/' + node_name(monitored.node == NodeId{} ? node.id() : monitored.node);
}

std::vector<std::string> monitors(const World& world, const ProcessInfo& info) {
  std::vector<std::string> names = names_of(world.recorder(), info.monitors);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string& name = info.monitor_names[i];
    if (!name.empty()) names[i] = name_text(world, name, info.monitors[i]);
  }
  return names;
}

std::vector<std::string> monitored_by(const World& world, const ProcessInfo& info) {
  return names_of(world.recorder(), info.monitored_by);
}

template <Column k_column>
Task<std::string> inspect(Self* self, Op op) {
  Context& context = self->context;
  context.node().inspect({pid_of(*self, op.at(1))},
                         [&node = context.node(), asker = context.self()](auto rows) {
                           node.send(asker, Inspected{std::move(rows)});
                         });
  const Inspected inspected = co_await context.receive<Inspected>();
  if (inspected.rows.empty()) co_return "undefined";
  co_return list_of(k_column(self->world, inspected.rows.front()));
}

}  // namespace

std::span<const OpEntry> signal_ops() {
  static constexpr std::array k_ops{
      OpEntry{"spawn_link", By::actor, spawn_link},
      OpEntry{"spawn_monitor", By::actor, spawn_monitor},
      OpEntry{"link", By::actor, at_once<link>},
      OpEntry{"unlink", By::actor, at_once<unlink>},
      OpEntry{"monitor", By::actor, at_once<monitor>},
      OpEntry{"demonitor", By::actor, at_once<demonitor>},
      OpEntry{"exit", By::actor, at_once<exit>},
      OpEntry{"quit", By::actor, at_once<quit>, true},
      OpEntry{"raise", By::actor, at_once<raise>, true},
      OpEntry{"return", By::actor, at_once<return_normally>, true},
      OpEntry{"trap", By::actor, at_once<trap>},
      OpEntry{"send", By::actor, at_once<send>},
      OpEntry{"burst", By::actor, at_once<burst>},
      OpEntry{"send_after", By::actor, at_once<send_after>},
      OpEntry{"cancel", By::actor, at_once<cancel>},
      OpEntry{"spawn", By::controller, spawn},
      OpEntry{"register", By::controller, at_once<register_name>},
      OpEntry{"unregister", By::controller, at_once<unregister>},
      OpEntry{"whereis", By::controller, at_once<whereis>},
      OpEntry{"alive", By::controller, at_once<alive>},
      OpEntry{"links", By::controller, inspect<links>},
      OpEntry{"monitors", By::controller, inspect<monitors>},
      OpEntry{"monitored_by", By::controller, inspect<monitored_by>},
      OpEntry{"sleep", By::controller, sleep},
  };
  return k_ops;
}

}  // namespace grove::oracle
