// SPDX-License-Identifier: Apache-2.0
#include "remote_spawn.hpp"

#include "grove/node/remote.hpp"

#include "actor.hpp"

#include <utility>

namespace grove::oracle {

/// A plain actor that another node has asked for.
Task<> run_remote_actor(Context& context, std::string name) {
  World* const world = World::of(context.node());
  world->recorder().name(context.self(), name);
  co_await context.call_for<WatchFor>(std::nullopt, world->watcher(), context.self());
  co_await run_actor(context, world);
}

}  // namespace grove::oracle

GROVE_REMOTE(grove::oracle::run_remote_actor, "oracle.actor")

namespace grove::oracle {

Task<std::optional<Spawned>> start_actor_on(Self* self, std::string node, std::string name,
                                            SpawnOptions options) {
  Context& context = self->context;
  if (context.node().router()->connected(node) == NodeId{}) co_return std::nullopt;
  const Spawned spawned = co_await spawn_opt_on<run_remote_actor>(context, node, options, name);
  self->world.recorder().name(spawned.pid, name);
  co_return spawned;
}

}  // namespace grove::oracle
