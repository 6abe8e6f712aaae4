// SPDX-License-Identifier: Apache-2.0
//
// Supervised: scripted supervisors and their children. SPEC.md, section 7.
#pragma once

#include "grove/node/supervisor.hpp"

#include "server.hpp"

#include <string>
#include <vector>

namespace grove::oracle {

/// What the `crash` op sends.
struct Crash {
  ExitReason reason;
};

/// A worker: the server of level 2, with lifecycle lines.
class Worker : public Server {
 public:
  using Handles = grove::Handles<Command, Op, Late, Value, ScriptMessage, BurstMessage, TimerFired,
                                 TaskReply<Value>, Crash>;
  Worker(World* world, std::string path, std::string behaviour);

  Task<Init> init();
  using Server::handle_info;
  void handle_info(Crash crash) { stop(crash.reason); }
  Task<> terminate(ExitReason reason);

 private:
  std::string path_;
  std::string behaviour_;
};

/// `id:RESTART:SHUTDOWN:BEHAVIOUR[:significant]` below `path`.
[[nodiscard]] ChildSpec child_of(World& world, const std::string& path, const std::string& word);
/// A supervisor called `path` from `words`: STRATEGY MAX_RESTARTS MAX_SECONDS [auto=AUTO] CHILD...
Task<StartResult> start_sup(Context& context, World* world, std::string path,
                            std::vector<std::string> words);

/// An op that the root is to carry out.
struct AsRoot {
  using Reply = std::string;
  Op op;
};
Pid start_root(World& world);

}  // namespace grove::oracle
