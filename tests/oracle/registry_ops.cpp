// SPDX-License-Identifier: Apache-2.0
//
// Level 4: Registry. SPEC.md, section 8.
#include "grove/node/registry.hpp"

#include "actor.hpp"
#include "ops.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace grove::oracle {
namespace {

struct Started {};

/// The parent of a registry: it lives as long as the script.
Task<> keep_registry(Context& context, std::string name, RegistryKind kind, Pid starter) {
  context.trap_exit(true);
  co_await start_registry(context, std::move(name), kind);
  context.send(starter, Started{});
  for (;;) co_await context.receive<Exit>();
}

Task<std::string> registry(Self* self, Op op) {
  const RegistryKind kind =
      op.at(2) == "duplicate" ? RegistryKind::duplicate : RegistryKind::unique;
  self->context.spawn(keep_registry, op.at(1), kind, self->context.self());
  co_await self->context.receive<Started>();
  co_return "ok";
}

Registry registry_of(Self& self, const Op& op, std::size_t at) { return {self.context, op.at(at)}; }

std::string listed(std::vector<std::string> texts) {
  std::ranges::sort(texts);
  std::string list = "[";
  for (const std::string& text : texts) list += (list.size() > 1 ? "," : "") + text;
  return list + ']';
}

std::string reg(Self& self, const Op& op) {
  const Registry registry = registry_of(self, op, 2);
  const Registration done = registry.register_key(parse_value(op.at(3)), parse_value(op.at(4)));
  if (done) return "ok";
  return "error already_registered(" + self.world.recorder().text_of(done.holder()) + ")";
}

std::string unreg(Self& self, const Op& op) {
  registry_of(self, op, 2).unregister(parse_value(op.at(3)));
  return "ok";
}

std::string update(Self& self, const Op& op) {
  const Value now = parse_value(op.at(4));
  const Registry registry = registry_of(self, op, 2);
  const auto updated =
      registry.update_value(parse_value(op.at(3)), [&](const auto&) { return now; });
  if (!updated) return "error";
  const Recorder& recorder = self.world.recorder();
  return "updated " + recorder.text_of(updated->now) + ' ' + recorder.text_of(updated->before);
}

std::string dispatch(Self& self, const Op& op) {
  const ScriptMessage message{self.context.self(), parse_value(op.at(4))};
  registry_of(self, op, 2).dispatch(parse_value(op.at(3)), [&](const auto& entries) {
    for (const RegistryEntry& entry : entries) self.context.send(entry.pid, message);
  });
  return "ok";
}

std::string lookup(Self& self, const Op& op) {
  const Recorder& recorder = self.world.recorder();
  std::vector<std::string> texts;
  for (const auto& [pid, value] : registry_of(self, op, 1).lookup(parse_value(op.at(2)))) {
    texts.push_back(recorder.text_of(pid) + '=' + recorder.text_of(value));
  }
  return listed(std::move(texts));
}

std::string keys(Self& self, const Op& op) {
  std::vector<std::string> texts;
  for (const Value& key : registry_of(self, op, 1).keys(pid_of(self, op.at(2)))) {
    texts.push_back(self.world.recorder().text_of(key));
  }
  return listed(std::move(texts));
}

std::string rcount(Self& self, const Op& op) {
  return std::to_string(registry_of(self, op, 1).count());
}

}  // namespace

std::span<const OpEntry> registry_ops() {
  static constexpr std::array k_ops{
      OpEntry{"registry", By::controller, registry},
      OpEntry{"reg", By::actor, at_once<reg>},
      OpEntry{"unreg", By::actor, at_once<unreg>},
      OpEntry{"update", By::actor, at_once<update>},
      OpEntry{"dispatch", By::actor, at_once<dispatch>},
      OpEntry{"lookup", By::controller, at_once<lookup>},
      OpEntry{"keys", By::controller, at_once<keys>},
      OpEntry{"rcount", By::controller, at_once<rcount>},
  };
  return k_ops;
}

}  // namespace grove::oracle
