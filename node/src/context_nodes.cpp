// SPDX-License-Identifier: Apache-2.0
#include "grove/node/context.hpp"
#include "grove/node/node.hpp"
#include "grove/node/node_events.hpp"

#include "process.hpp"
#include "reminders.hpp"

namespace grove {

void Context::monitor_nodes(bool on) {
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& process = static_cast<detail::Process&>(*this);
  Router* router = node().router();
  if (router == nullptr || !process.alive()) return;  // a node alone has nobody to tell of
  process.goes_abroad();
  router->monitor_nodes(self(), on);
}

void Context::monitor_node(const std::string& node_name, bool on) {
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& process = static_cast<detail::Process&>(*this);
  if (node_name == node().name() || !process.alive()) return;
  if (Router* router = node().router()) {
    process.goes_abroad();
    router->monitor_node(self(), node_name, on);
  } else if (on) {
    detail::remind(*this, Message::make<NodeDown>(node_name, Life{}, ExitReason::noconnection()));
  }
}

}  // namespace grove
