// SPDX-License-Identifier: Apache-2.0
#include "cluster_stage.hpp"

#include "ops.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace grove::oracle {

// -- actors ---------------------------------------------------------------------------------

template <class Answer>
Answer ClusterStage::ask_for(const std::string& node, Message request) {
  Message message = ask(node, std::move(request));
  Answer* answer = message.get<Answer>();
  if (answer == nullptr) throw std::runtime_error{node + " answers with " + to_string(message)};
  return std::move(*answer);
}

bool ClusterStage::is_alive(const Pid& actor) {
  return !gone_.contains(actor) &&
         ask_for<bool>(node_name(actor.node), Message::make<IsAlive>(actor));
}

void ClusterStage::run(const Pid& actor, const Op& op) {
  ask_for<Done>(node_name(actor.node), Message::make<RunOp>(actor, op));
}

void ClusterStage::pause(const Pid& actor) {
  ask_for<Done>(node_name(actor.node), Message::make<PauseActor>(actor));
}

void ClusterStage::resume(const Pid& actor, const std::vector<Op>& queued) {
  ask_for<Done>(node_name(actor.node), Message::make<ResumeActor>(actor, queued));
}

/// All nodes' together; then every node knows everybody's name.
std::vector<Event> ClusterStage::take() {
  std::vector<Event> events = std::exchange(events_, {});
  Learn learn;
  for (const std::string& node : living()) {
    auto happened = ask_for<Happened>(node, Message::make<TakeEvents>());
    std::move(happened.events.begin(), happened.events.end(), std::back_inserter(events));
    for (const Name& one : happened.names) {
      if (recorder_.name_of(one.pid).empty()) learn.names.push_back(one);
    }
  }
  for (const Name& one : learn.names) recorder_.name(one.pid, one.name);
  for (const std::string& node : living()) ask_for<Done>(node, Message::make<Learn>(learn));
  return events;
}

// -- the controller's ops -------------------------------------------------------------------

namespace {

bool is_about_process(const std::string& name) {
  return name == "alive" || name == "links" || name == "monitors" || name == "monitored_by";
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return "[" + text + "]";
}

}  // namespace

std::optional<std::string> ClusterStage::control(const Op& op) {
  const std::string& name = op.name();
  if (name == "node" || name == "restart_node") {
    up(op.at(1));
    return "ok";
  }
  if (name == "kill_node") return down(op.at(1), &ClusterStage::kill_node) ? "ok" : "dead";
  if (name == "stop_node") return down(op.at(1), &ClusterStage::stop_node) ? "ok" : "dead";
  if (name == "reconnect") return connect(op.at(1), op.at(2)) ? "true" : "false";
  if (name == "nodes") return list_of(nodes_of(op.at(1)));
  if (name == "disconnect") {
    ask_for<bool>(op.at(1), Message::make<DisconnectFrom>(op.at(2)));
    wait_for([&] { return !sees(op.at(1), op.at(2)) && !sees(op.at(2), op.at(1)); });
    return "ok";
  }
  if (find_op(name) == nullptr) throw op.unknown();
  std::string now;
  const auto node = node_for(op, now);
  if (!node) return now;
  ask_for<Done>(*node, Message::make<HelpOp>(op));
  return std::nullopt;
}

/// Which node runs an op; nothing: the result is known, `now`.
std::optional<std::string> ClusterStage::node_for(const Op& op, std::string& now) const {
  const bool registers = op.name() == "register";
  if (op.name() == "sleep") return nodes_.begin()->first;
  if (!registers && !is_about_process(op.name())) return op.at(op.size() - 1);
  const auto pid = recorder_.find(op.at(registers ? 2 : 1));
  if (pid && !gone_.contains(*pid)) return node_name(pid->node);
  now = op.name() == "alive" ? "false" : "undefined";
  if (!pid || registers) now = "unknown";
  return std::nullopt;
}

// -- nodes ----------------------------------------------------------------------------------

std::vector<std::string> ClusterStage::living() const {
  std::vector<std::string> names;
  for (const auto& [name, address] : nodes_) names.push_back(name);
  return names;
}

void ClusterStage::up(const std::string& name) {
  const std::vector<std::string> others = living();
  nodes_[name] = start_node(name);
  Learn learn;
  for (auto& [pid, known_as] : recorder_.names()) learn.names.push_back({pid, known_as});
  ask_for<Done>(name, Message::make<Learn>(std::move(learn)));
  for (const std::string& other : others) connect(name, other);
}

bool ClusterStage::down(const std::string& name, void (ClusterStage::*end)(const std::string&)) {
  if (!nodes_.contains(name)) return false;
  std::vector<std::string> connected = living();
  std::erase_if(connected, [&](const auto& other) { return other == name || !sees(other, name); });
  for (const auto& [pid, known_as] : recorder_.names()) {
    if (node_name(pid.node) != name || !gone_.insert(pid).second) continue;
    events_.push_back({.kind = Event::Kind::gone, .pid = pid});
  }
  (this->*end)(name);
  nodes_.erase(name);
  wait_for([&] {
    return std::none_of(connected.begin(), connected.end(),
                        [&](const auto& other) { return sees(other, name); });
  });
  return true;
}

bool ClusterStage::connect(const std::string& name, const std::string& other) {
  if (!ask_for<bool>(name, Message::make<ConnectTo>(nodes_.at(other)))) return false;
  wait_for([&] { return sees(name, other) && sees(other, name); });
  return true;
}

std::vector<std::string> ClusterStage::nodes_of(const std::string& name) {
  return ask_for<Nodes>(name, Message::make<ListNodes>()).names;
}

bool ClusterStage::sees(const std::string& name, const std::string& other) {
  const std::vector<std::string> nodes = nodes_of(name);
  return std::find(nodes.begin(), nodes.end(), other) != nodes.end();
}

void ClusterStage::wait_for(const std::function<bool()>& done) {
  if (!wait_until(done)) throw std::runtime_error{"the nodes never notice"};
}

}  // namespace grove::oracle
