// SPDX-License-Identifier: Apache-2.0
//
// Level 5: nodes, names and groups of the cluster. SPEC.md, section 9.
#include "grove/node/cluster_names.hpp"
#include "grove/node/pg.hpp"

#include "ops.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace grove::oracle {
namespace {

std::string global_register(Self& self, const Op& op) {
  return self.context.register_name(op.at(2), self.context.self(), Scope::cluster) ? "yes" : "no";
}

std::string global_unregister(Self& self, const Op& op) {
  global::unregister_name(self.context, op.at(1));
  return "ok";
}

std::string global_whereis(Self& self, const Op& op) {
  const auto holder = self.context.whereis(op.at(1), Scope::cluster);
  return holder ? self.world.recorder().text_of(*holder) : "undefined";
}

std::string monitor_nodes(Self& self, const Op& op) {
  self.context.monitor_nodes(op.at(2) == "on");
  return "ok";
}

std::string pg_join(Self& self, const Op& op) {
  const auto joined = pg::join(self.context, Value::symbol(op.at(2)), self.context.self());
  return joined ? "ok" : std::string{to_string(joined.error().code)};
}

std::string pg_leave(Self& self, const Op& op) {
  const auto left = pg::leave(self.context, Value::symbol(op.at(2)), self.context.self());
  if (left) return "ok";
  return left.error().code == Errc::not_found ? "not_joined"
                                              : std::string{to_string(left.error().code)};
}

std::string listed(const Recorder& recorder, const std::vector<Pid>& pids) {
  std::vector<std::string> names;
  for (const Pid& pid : pids) names.push_back(recorder.text_of(pid));
  std::ranges::sort(names);
  std::string list = "[";
  for (const std::string& name : names) list += (list.size() > 1 ? "," : "") + name;
  return list + ']';
}

std::string pg_members(Self& self, const Op& op) {
  return listed(self.world.recorder(), pg::members(self.context, Value::symbol(op.at(1))));
}

std::string pg_local(Self& self, const Op& op) {
  return listed(self.world.recorder(), pg::local_members(self.context, Value::symbol(op.at(1))));
}

}  // namespace

std::span<const OpEntry> cluster_ops() {
  static constexpr std::array k_ops{
      OpEntry{"global_register", By::actor, at_once<global_register>},
      OpEntry{"global_unregister", By::controller, at_once<global_unregister>},
      OpEntry{"global_whereis", By::controller, at_once<global_whereis>},
      OpEntry{"monitor_nodes", By::actor, at_once<monitor_nodes>},
      OpEntry{"pg_join", By::actor, at_once<pg_join>},
      OpEntry{"pg_leave", By::actor, at_once<pg_leave>},
      OpEntry{"pg_members", By::controller, at_once<pg_members>},
      OpEntry{"pg_local", By::controller, at_once<pg_local>},
  };
  return k_ops;
}

}  // namespace grove::oracle
