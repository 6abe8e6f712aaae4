// SPDX-License-Identifier: Apache-2.0
#include "remote_spawn.hpp"

#include "grove/core/check.hpp"

#include "actor.hpp"

#include <utility>

namespace grove::oracle {

struct SpawnActor {
  using Reply = Pid;
  std::string name;
  bool trap = false;
};

}  // namespace grove::oracle

GROVE_MESSAGE(grove::oracle::SpawnActor, "oracle.spawn_actor", name, trap)

namespace grove::oracle {
namespace {

constexpr const char* k_spawner = "oracle_spawner";

Task<> run_spawner(Context& context, World* world) {
  Self self{context, *world};
  for (;;) {
    const EnvelopePtr envelope = co_await context.receive_any();
    const SpawnActor* request = envelope->message.get<SpawnActor>();
    if (request == nullptr) continue;
    const SpawnOptions options{.trap_exit = request->trap};
    const Spawned spawned = co_await start_actor(&self, request->name, options);
    context.reply(From{envelope->from, envelope->serial}, spawned.pid);
  }
}

}  // namespace

void serve_remote_spawns(World& world) {
  const Pid spawner = world.node().spawn(run_spawner, &world);
  GROVE_CHECK(world.node().register_name(k_spawner, spawner).has_value());
}

Task<std::optional<Spawned>> start_actor_on(Self* self, std::string node, std::string name,
                                            SpawnOptions options) {
  Context& context = self->context;
  Spawned spawned;
  try {
    const ServerRef spawner{RemoteName{k_spawner, node}};
    const bool trap = options.trap_exit;
    spawned.pid = co_await context.call_for<SpawnActor>(std::nullopt, spawner, name, trap);
  } catch (const ProcessExit&) {
    co_return std::nullopt;
  }
  self->world.recorder().name(spawned.pid, name);
  if (options.link) context.link(spawned.pid);
  if (options.monitor) spawned.ref = context.monitor(spawned.pid);
  co_return spawned;
}

}  // namespace grove::oracle
