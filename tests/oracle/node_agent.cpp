// SPDX-License-Identifier: Apache-2.0
#include "node_agent.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

namespace grove::oracle {
namespace {

/// What `begin` hands to its argument, on whatever thread, some time later.
template <class T, class Begin>
T await(const NodeAgent::WaitUntil& wait_until, Begin begin) {
  struct Answer {
    std::atomic<bool> there{false};
    T value{};
  };
  const auto answer = std::make_shared<Answer>();
  begin([answer](T value) {
    answer->value = std::move(value);
    answer->there = true;
  });
  if (!wait_until([&] { return answer->there.load(); })) {
    throw std::runtime_error{"the cluster does not answer"};
  }
  return std::move(answer->value);
}

}  // namespace

Message NodeAgent::answer(const Message& request) {
  if (const auto* run = request.get<RunOp>()) {
    world_.run(run->actor, run->op);
  } else if (const auto* pause = request.get<PauseActor>()) {
    world_.pause(pause->actor);
  } else if (const auto* resume = request.get<ResumeActor>()) {
    world_.resume(resume->actor, resume->queued);
  } else if (const auto* help = request.get<HelpOp>()) {
    world_.help(help->op);
  } else if (const auto* learn = request.get<Learn>()) {
    for (const Name& one : learn->names) world_.recorder().name(one.pid, one.name);
  } else if (const auto* alive = request.get<IsAlive>()) {
    return Message::make<bool>(world_.node().is_alive(alive->pid));
  } else if (const auto* to = request.get<ConnectTo>()) {
    return Message::make<bool>(connect(to->address));
  } else if (const auto* from = request.get<DisconnectFrom>()) {
    return Message::make<bool>(disconnect(from->node));
  } else if (request.is<ListNodes>()) {
    return Message::make<Nodes>(nodes());
  } else if (request.is<TakeEvents>()) {
    return Message::make<Happened>(take());
  } else {
    throw std::logic_error{"no such request: " + to_string(request)};
  }
  return Message::make<Done>();
}

bool NodeAgent::connect(const std::string& address) {
  return await<bool>(wait_until_, [&](auto done) {
    cluster_.connect(address, [done](const auto& node) { done(node.has_value()); });
  });
}

bool NodeAgent::disconnect(const std::string& node) {
  return await<bool>(wait_until_, [&](auto done) { cluster_.disconnect(node, done); });
}

Nodes NodeAgent::nodes() {
  return {
      await<std::vector<std::string>>(wait_until_, [this](auto done) { cluster_.nodes(done); })};
}

Happened NodeAgent::take() {
  Happened happened{world_.recorder().take(), {}};
  for (auto& [pid, name] : world_.recorder().names()) happened.names.push_back({pid, name});
  return happened;
}

}  // namespace grove::oracle
