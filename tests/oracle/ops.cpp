// SPDX-License-Identifier: Apache-2.0
#include "ops.hpp"

#include <utility>

namespace grove::oracle {
namespace {

void report(Self& self, int step, std::string text) {
  self.world.recorder().add({.kind = Event::Kind::result, .step = step, .text = std::move(text)});
}

/// The op's result, or how it failed.
Task<std::string> outcome(Self* self, const OpEntry* entry, Op op) {
  try {
    co_return co_await entry->body(self, std::move(op));
  } catch (const ScriptError& error) {
    co_return error.what();
  } catch (const ProcessExit& raised) {
    co_return "raise " + self->world.recorder().text_of(raised.reason());
  }
}

}  // namespace

const OpEntry* find_op(std::string_view name) {
  for (const std::span<const OpEntry> family :
       {signal_ops(), server_ops(), supervisor_ops(), dynsup_ops(), registry_ops(), task_ops(),
        cluster_ops(), erpc_ops()}) {
    for (const OpEntry& entry : family) {
      if (entry.name == name) return &entry;
    }
  }
  return nullptr;
}

Task<bool> execute(Self* self, Op op) {
  const int step = op.step();
  const OpEntry* entry = find_op(op.name());
  if (entry == nullptr) {
    report(*self, step, op.unknown().what());
    co_return true;
  }
  if (entry->last) {
    report(*self, step, "ok");
    co_await entry->body(self, std::move(op));
    co_return false;
  }
  std::string text = co_await outcome(self, entry, std::move(op));
  report(*self, step, std::move(text));
  // A deadly exit signal to oneself acts at the next await: nothing may run before it does.
  co_await self->context.sleep_for(Clock::Duration::zero());
  co_return true;
}

Timeout time_limit(const Op& op, std::size_t at) {
  if (op.size() <= at || op.at(at) == "infinity") return std::nullopt;
  return std::chrono::milliseconds{parse_integer(op.at(at))};
}

Pid pid_of(Self& self, const std::string& name) {
  const auto pid = self.world.recorder().find(name);
  if (!pid) throw ScriptError{"unknown"};
  return *pid;
}

namespace {

Via via(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) throw ScriptError{"unknown"};
  return {text.substr(0, colon), parse_value(text.substr(colon + 1))};
}

}  // namespace

ServerName server_name(const std::string& text) {
  if (text.starts_with('%')) return Global{text.substr(1)};
  if (text.starts_with('~')) return via(text.substr(1));
  return text;
}

ServerRef named_ref(const std::string& target) {
  const std::size_t slash = target.find('/');
  if (slash == std::string::npos) return target.substr(1);
  return RemoteName{target.substr(1, slash - 1), target.substr(slash + 1)};
}

ServerRef server_ref(Self& self, const std::string& target) {
  if (target.starts_with('@')) return named_ref(target);
  if (target.starts_with('%')) return Global{target.substr(1)};
  if (target.starts_with('~')) return via(target.substr(1));
  return pid_of(self, target);
}

std::string start_text(const Recorder& recorder, const StartResult& result) {
  switch (result.status) {
    case StartResult::Status::ok: return "ok";
    case StartResult::Status::ignored: return "ignore";
    case StartResult::Status::already_started:
      return "error already_started(" + recorder.text_of(result.pid) + ")";
    case StartResult::Status::failed: break;
  }
  return "error " + recorder.text_of(result.reason);
}

}  // namespace grove::oracle
