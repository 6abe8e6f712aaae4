// SPDX-License-Identifier: Apache-2.0
//
// Level 2: gen_server. SPEC.md, section 6.
#include "grove/node/sys.hpp"

#include "ops.hpp"
#include "server.hpp"

#include <array>
#include <utility>

namespace grove::oracle {
namespace {

/// `NAME`, `%NAME` or `~REG:KEY` behind `name=`; or nothing.
ServerName name_option(const Op& op, std::size_t first) {
  for (std::size_t at = first; at < op.size(); ++at) {
    if (op.at(at).starts_with("name=")) return server_name(op.at(at).substr(5));
  }
  return {};
}

Task<std::string> start(Self* self, std::string name, std::string init, ServerOptions options) {
  const StartResult result = co_await start_server<Server, World*, std::string, std::string>(
      self->context, std::move(options), &self->world, std::move(name), std::move(init));
  co_return start_text(self->world.recorder(), result);
}

Task<std::string> gs_start(Self* self, Op op) {
  ServerOptions options{name_option(op, 3)};
  options.link = false;
  options.trap_exit = op.has("trap", 3);
  co_return co_await start(self, op.at(1), op.at(2), std::move(options));
}

Task<std::string> gs_start_link(Self* self, Op op) {
  ServerOptions options{name_option(op, 4)};
  options.trap_exit = op.has("trap", 4);
  co_return co_await start(self, op.at(2), op.at(3), std::move(options));
}

Task<std::string> call(Self* self, Op op) {
  const ServerRef to = server_ref(*self, op.at(2));
  const Timeout time = time_limit(op, 4);
  const auto awaited = awaiting(self->world, time);
  const Pid from = self->context.self();
  const std::string command = op.at(3);
  const Value reply = co_await self->context.call_for<Command>(time, to, from, command);
  co_return "reply " + self->world.recorder().text_of(reply);
}

std::string cast(Self& self, const Op& op) {
  self.context.cast(server_ref(self, op.at(2)), Command{self.context.self(), op.at(3)});
  return "ok";
}

std::string info(Self& self, const Op& op) {
  send_to(self, op.at(2), Command{self.context.self(), op.at(3)});
  return "ok";
}

Task<std::string> gs_stop(Self* self, Op op) {
  const ServerRef server = server_ref(*self, op.at(2));
  const Timeout time = time_limit(op, 4);
  const auto awaited = awaiting(self->world, time);
  const ExitReason reason{parse_value(op.at(3))};
  co_await stop_server(self->context, server, reason, time);
  co_return "ok";
}

Task<std::string> get_state(Self* self, Op op) {
  const Pid server = pid_of(*self, op.at(1));
  const Value value = co_await sys::get_state<Value>(self->context, server, std::nullopt);
  co_return self->world.recorder().text_of(value);
}

Task<std::string> replace_state(Self* self, Op op) {
  const Pid server = pid_of(*self, op.at(1));
  const Value value = parse_value(op.at(2));
  co_await sys::replace_state<Value>(self->context, server, value, std::nullopt);
  co_return self->world.recorder().text_of(value);
}

Task<std::string> suspend(Self* self, Op op) {
  co_await sys::suspend(self->context, pid_of(*self, op.at(1)), std::nullopt);
  co_return "ok";
}

Task<std::string> unsuspend(Self* self, Op op) {
  co_await sys::resume(self->context, pid_of(*self, op.at(1)), std::nullopt);
  co_return "ok";
}

}  // namespace

std::span<const OpEntry> server_ops() {
  static constexpr std::array k_ops{
      OpEntry{"gs_start", By::controller, gs_start},
      OpEntry{"gs_start_link", By::actor, gs_start_link},
      OpEntry{"call", By::actor, or_call_exit<call>},
      OpEntry{"cast", By::actor, at_once<cast>},
      OpEntry{"info", By::actor, at_once<info>},
      OpEntry{"gs_stop", By::actor, or_call_exit<gs_stop>},
      OpEntry{"get_state", By::controller, or_call_exit<get_state>},
      OpEntry{"replace_state", By::controller, or_call_exit<replace_state>},
      OpEntry{"suspend", By::controller, or_call_exit<suspend>},
      OpEntry{"unsuspend", By::controller, or_call_exit<unsuspend>},
  };
  return k_ops;
}

}  // namespace grove::oracle
