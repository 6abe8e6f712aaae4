// SPDX-License-Identifier: Apache-2.0
//
// Level 4: Task. SPEC.md, section 8.
#include "grove/node/task_supervisor.hpp"

#include "actor.hpp"
#include "ops.hpp"
#include "supervised.hpp"

#include <array>
#include <stdexcept>
#include <utility>

namespace grove::oracle {
namespace {

struct Release {
  std::string text;
};

/// `raise:X`, `exit:R`, or anything else with `word` before it: X.
Value act(Context& context, World& world, const std::string& text, std::string_view word) {
  const Recorder& recorder = world.recorder();
  if (text.starts_with("raise:")) {
    throw std::runtime_error{recorder.text_of(parse_value(text.substr(6)))};
  }
  if (text.starts_with("exit:")) context.exit(ExitReason{parse_value(text.substr(5))});
  return parse_value(text.starts_with(word) ? text.substr(word.size()) : text);
}

/// A BODY of the language.
Task<Value> run_body(Context& context, World* world, std::string name, std::string body) {
  world->recorder().name(context.self(), name);
  co_await context.call_for<WatchFor>(std::nullopt, world->watcher(), context.self());
  if (body.starts_with("sleep:")) {
    const std::size_t colon = body.find(':', 6);
    const std::chrono::milliseconds time{parse_integer(body.substr(6, colon - 6))};
    std::optional<Awaited> awaited;
    if (time < k_awaited_below) awaited.emplace(*world, time);
    co_await context.sleep_for(time);
    co_return parse_value(body.substr(colon + 1));
  }
  if (!body.ends_with("block")) co_return act(context, *world, body, "ret:");
  if (body == "trap_block") context.trap_exit(true);
  const Release release = co_await context.receive<Release>();
  co_return act(context, *world, release.text, "");
}

std::string own(Self& self, const std::string& name, const AsyncTask<Value>& task) {
  self.world.recorder().name(task.pid(), name);
  self.tasks[name] = task;
  self.task_names[task.ref()] = name;
  return "ok";
}

std::string start(Self& self, const Op& op) {
  return own(self, op.at(2),
             async(self.context, run_body, &self.world, std::string{op.at(2)}, op.at(3)));
}

Task<std::string> start_nolink(Self* self, Op op) {
  const Pid supervisor = pid_of(*self, op.at(2));
  World* const world = &self->world;
  const AsyncTask<Value> task =
      co_await async_nolink(self->context, supervisor, run_body, world, op.at(3), op.at(4));
  co_return own(*self, op.at(3), task);
}

Task<std::string> start_supervisor(Self* self, Op op) {
  co_return co_await self->context.call_for<AsRoot>(std::nullopt, self->world.root(), op);
}

Task<std::string> start_child_task(Self* self, Op op) {
  const Pid supervisor = pid_of(*self, op.at(1));
  World* const world = &self->world;
  const StartResult result =
      co_await start_task(self->context, supervisor, run_body, world, op.at(2), op.at(3));
  co_return result.ok() ? "ok" : start_text(self->world.recorder(), result);
}

std::string release(Self& self, const Op& op) {
  self.context.send(pid_of(self, op.at(1)), Release{op.at(2)});
  return "ok";
}

/// The task of that name. Throws ScriptError: unknown, or gone: all has been heard of it.
AsyncTask<Value> open_task(Self& self, const std::string& name) {
  const auto place = self.tasks.find(name);
  if (place == self.tasks.end()) throw ScriptError{"unknown"};
  if (!place->second) throw ScriptError{"gone"};
  return *place->second;
}

std::string outcome(Self& self, const std::string& name,
                    const std::optional<TaskOutcome<Value>>& outcome) {
  if (!outcome) return "nil";
  self.tasks[name].reset();
  const Recorder& recorder = self.world.recorder();
  return outcome->ok() ? "ok " + recorder.text_of(outcome->value())
                       : "exit " + recorder.text_of(outcome->reason());
}

Task<std::string> await_task(Self* self, Op op) {
  const AsyncTask<Value> task = open_task(*self, op.at(2));
  const Timeout time = time_limit(op, 3);
  const auto awaited = awaiting(self->world, time);
  Value value = co_await task.await(time);
  co_return outcome(*self, op.at(2), TaskOutcome<Value>{std::move(value)});
}

Task<std::string> yield_task(Self* self, Op op) {
  const AsyncTask<Value> task = open_task(*self, op.at(2));
  const Timeout time = time_limit(op, 3);
  const auto awaited = awaiting(self->world, time);
  const auto come = co_await task.yield(time);
  co_return outcome(*self, op.at(2), come);
}

Task<std::string> shut_down_task(Self* self, Op op) {
  const AsyncTask<Value> task = open_task(*self, op.at(2));
  if (op.at(3) == "brutal_kill") {
    const auto killed = co_await task.brutal_kill();
    co_return outcome(*self, op.at(2), killed);
  }
  const Timeout time = time_limit(op, 3);
  const auto awaited = awaiting(self->world, time);
  const auto ended = co_await task.shutdown(time);
  co_return outcome(*self, op.at(2), ended);
}

}  // namespace

std::span<const OpEntry> task_ops() {
  static constexpr std::array k_ops{
      OpEntry{"tsup", By::controller, start_supervisor},
      OpEntry{"task", By::actor, at_once<start>},
      OpEntry{"task_nolink", By::actor, or_call_exit<start_nolink>},
      OpEntry{"task_child", By::controller, or_call_exit<start_child_task>},
      OpEntry{"await", By::actor, or_call_exit<await_task>},
      OpEntry{"yield", By::actor, yield_task},
      OpEntry{"tshutdown", By::actor, shut_down_task},
      OpEntry{"release", By::controller, at_once<release>},
  };
  return k_ops;
}

}  // namespace grove::oracle
