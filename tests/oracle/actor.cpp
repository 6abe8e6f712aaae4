// SPDX-License-Identifier: Apache-2.0
#include "actor.hpp"

#include "grove/node/node_events.hpp"

#include <utility>

namespace grove::oracle {
namespace {

void log(Self& self, Event::Kind kind, std::string source, std::string text) {
  self.world.recorder().add({.kind = kind,
                             .pid = self.context.self(),
                             .source = std::move(source),
                             .text = std::move(text)});
}

void on_burst(Self& self, const BurstMessage& message) {
  int& next = self.bursts.try_emplace(message.from, 1).first->second;
  const bool good = message.index == next++;
  if (good && message.index != message.count) return;
  self.bursts.erase(message.from);
  const std::string from = self.world.recorder().text_of(message.from);
  log(self, Event::Kind::received, from,
      "burst " + from + " " + std::to_string(message.count) + (good ? " ok" : " bad"));
}

void on_reply(Self& self, const TaskReply<Value>& reply) {
  const std::string task = self.task_names.at(reply.ref);
  self.tasks[task].reset();
  log(self, Event::Kind::received, task,
      "task " + task + " " + self.world.recorder().text_of(reply.value));
}

void on_down(Self& self, const Down& down) {
  const Recorder& recorder = self.world.recorder();
  if (const auto task = self.task_names.find(down.ref); task != self.task_names.end()) {
    self.tasks[task->second].reset();
    log(self, Event::Kind::death, task->second,
        "task_down " + task->second + " " + recorder.text_of(down.reason));
    return;
  }
  const auto label = self.labels.find(down.ref);
  const auto named = self.named.find(down.ref);
  const std::string who = named == self.named.end() ? recorder.text_of(down.pid) : named->second;
  log(self, Event::Kind::death, who,
      "down " + (label == self.labels.end() ? "?" : label->second) + " " + who + " " +
          recorder.text_of(down.reason));
}

}  // namespace

void received(Self& self, const Message& message) {
  const Recorder& recorder = self.world.recorder();
  if (const auto* plain = message.get<ScriptMessage>()) {
    const std::string from = recorder.text_of(plain->from);
    log(self, Event::Kind::received, from,
        "msg " + recorder.text_of(plain->value) + " from " + from);
  } else if (const auto* burst = message.get<BurstMessage>()) {
    on_burst(self, *burst);
  } else if (const auto* timer = message.get<TimerFired>()) {
    log(self, Event::Kind::received, timer->label,
        "timer " + timer->label + " " + recorder.text_of(timer->value));
  } else if (const auto* reply = message.get<TaskReply<Value>>()) {
    on_reply(self, *reply);
  } else if (const auto* exit = message.get<Exit>()) {
    const std::string from = recorder.text_of(exit->from);
    log(self, Event::Kind::death, from, "exit " + from + " " + recorder.text_of(exit->reason));
  } else if (const auto* down = message.get<Down>()) {
    on_down(self, *down);
  } else if (const auto* up = message.get<NodeUp>()) {
    log(self, Event::Kind::received, up->node, "nodeup " + up->node);
  } else if (const auto* gone = message.get<NodeDown>()) {
    log(self, Event::Kind::received, gone->node, "nodedown " + gone->node);
  } else {
    log(self, Event::Kind::own, {}, "unexpected");
  }
}

Task<> run_actor(Context& context, World* world) {
  Self self{context, *world};
  for (;;) {
    const EnvelopePtr envelope = co_await context.receive_any();
    if (Op* op = envelope->message.get<Op>()) {
      const bool stays = co_await execute(&self, std::move(*op));
      if (!stays) co_return;
    } else if (envelope->message.is<Pause>()) {
      Resume resume = co_await context.receive<Resume>();
      for (Op& queued : resume.ops) {
        const bool stays = co_await execute(&self, std::move(queued));
        if (!stays) co_return;
      }
    } else {
      received(self, envelope->message);
    }
  }
}

Task<Spawned> start_actor(Self* self, std::string name, SpawnOptions options) {
  const Spawned spawned = self->context.spawn_opt(std::move(options), run_actor, &self->world);
  self->world.recorder().name(spawned.pid, name);
  // Nothing can have reached the new process yet, so its death cannot be missed.
  co_await self->context.call_for<WatchFor>(std::nullopt, self->world.watcher(), spawned.pid);
  co_return spawned;
}

Task<> run_helper(Context& context, World* world, Op op) {
  Self self{context, *world};
  co_await execute(&self, std::move(op));
}

}  // namespace grove::oracle
