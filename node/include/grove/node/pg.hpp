// SPDX-License-Identifier: Apache-2.0
//
// pg: process groups, as OTP's. A group is any value under which processes of any node can be
// found; it is there for as long as it has a member.
//
//   grove::pg::join(context, "cache", context.self());
//   for (const Pid& pid : grove::pg::members(context, "cache")) context.send(pid, Invalidate{key});
//
// A process may join a group several times and is then that often in it. Memberships go with their
// process, and with the session to its node: each node sees the members that it can reach. They
// come back when the nodes find each other again. Between two nodes a change takes as long as a
// message; nothing is agreed on. Groups of different scopes have nothing to do with each other.
//
// Source: OTP, pg; semantics PGR-*. docs/pg.md.
#pragma once

#include "grove/core/ids.hpp"
#include "grove/core/result.hpp"
#include "grove/core/value.hpp"
#include "grove/node/groups.hpp"

#include <string_view>
#include <vector>

namespace grove {

class Context;

/// A monitor of groups: these have joined, each as often as it did.
struct PgJoin {
  Ref ref;
  Value group;
  std::vector<Pid> pids;
};
/// A monitor of groups: these memberships are over. By leave(), by their process's end, or because
/// its node is out of reach.
struct PgLeave {
  Ref ref;
  Value group;
  std::vector<Pid> pids;
};

namespace pg {

/// Makes a process of this node a member, once more when it is one. Known here at once.
/// Errors: bad_argument (it is another node's), noproc, too_large (Groups::k_name_bytes_max),
/// unavailable (Groups::k_memberships_max).
Result<void> join(Context& context, const Value& group, const Pid& pid,
                  std::string_view scope = k_scope);
/// The same for several, or for none of them. Nobody is fine, too.
Result<void> join(Context& context, const Value& group, const std::vector<Pid>& pids,
                  std::string_view scope = k_scope);
/// Ends one membership. Errors: not_found (it has none), bad_argument (it is another node's).
Result<void> leave(Context& context, const Value& group, const Pid& pid,
                   std::string_view scope = k_scope);
/// The same for several. Errors: not_found, when none of them has one.
Result<void> leave(Context& context, const Value& group, const std::vector<Pid>& pids,
                   std::string_view scope = k_scope);

/// Those of each node together; who has joined k times is there k times.
/// Cost: a copy, under a lock that look-ups share. Asks nobody.
[[nodiscard]] std::vector<Pid> members(Context& context, const Value& group,
                                       std::string_view scope = k_scope);
/// Those of this node.
[[nodiscard]] std::vector<Pid> local_members(Context& context, const Value& group,
                                             std::string_view scope = k_scope);
/// Groups that have a member; in the order in which they were first heard of.
[[nodiscard]] std::vector<Value> which_groups(Context& context, std::string_view scope = k_scope);
/// Those that have a member of this node.
[[nodiscard]] std::vector<Value> which_local_groups(Context& context,
                                                    std::string_view scope = k_scope);

struct Monitored {
  Ref ref;
  std::vector<Pid> members;
};
/// Who is a member now; and from exactly then on this process gets a PgJoin or PgLeave with `ref`
/// for each change. The group may be empty.
[[nodiscard]] Monitored monitor(Context& context, const Value& group,
                                std::string_view scope = k_scope);
struct MonitoredScope {
  Ref ref;
  std::vector<Group> groups;
};
/// The same of all groups of a scope, those to come among them.
[[nodiscard]] MonitoredScope monitor_scope(Context& context, std::string_view scope = k_scope);
/// Ends a monitor of this process; what it has sent and is not handled yet goes, too.
/// Returns: false when there is none.
bool demonitor(Context& context, const Ref& ref);

}  // namespace pg
}  // namespace grove
