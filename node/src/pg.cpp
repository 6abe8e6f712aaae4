// SPDX-License-Identifier: Apache-2.0
#include "grove/node/pg.hpp"

#include "grove/node/node.hpp"

#include "process.hpp"

namespace grove::pg {
namespace {

/// A process cannot end within a RuntimeSection, so nobody is left in a group that is dead.
template <class F>
auto in_groups(Context& context, F use) {
  const RuntimeSection runtime{detail::current_turn()};
  return use(context.node().groups());
}

}  // namespace

Result<void> join(Context& context, const Value& group, const Pid& pid, std::string_view scope) {
  return join(context, group, std::vector<Pid>{pid}, scope);
}
Result<void> join(Context& context, const Value& group, const std::vector<Pid>& pids,
                  std::string_view scope) {
  return in_groups(context, [&](Groups& groups) { return groups.join(scope, group, pids); });
}
Result<void> leave(Context& context, const Value& group, const Pid& pid, std::string_view scope) {
  return leave(context, group, std::vector<Pid>{pid}, scope);
}
Result<void> leave(Context& context, const Value& group, const std::vector<Pid>& pids,
                   std::string_view scope) {
  return in_groups(context, [&](Groups& groups) { return groups.leave(scope, group, pids); });
}

std::vector<Pid> members(Context& context, const Value& group, std::string_view scope) {
  return in_groups(context, [&](Groups& groups) { return groups.members(scope, group); });
}
std::vector<Pid> local_members(Context& context, const Value& group, std::string_view scope) {
  return in_groups(context, [&](Groups& groups) { return groups.local_members(scope, group); });
}
std::vector<Value> which_groups(Context& context, std::string_view scope) {
  return in_groups(context, [&](Groups& groups) { return groups.which(scope); });
}
std::vector<Value> which_local_groups(Context& context, std::string_view scope) {
  return in_groups(context, [&](Groups& groups) { return groups.which_local(scope); });
}

Monitored monitor(Context& context, const Value& group, std::string_view scope) {
  const Ref ref = context.make_ref();
  return in_groups(context, [&](Groups& groups) {
    return Monitored{ref, groups.watch(ref, context.self(), scope, group)};
  });
}

MonitoredScope monitor_scope(Context& context, std::string_view scope) {
  const Ref ref = context.make_ref();
  return in_groups(context, [&](Groups& groups) {
    return MonitoredScope{ref, groups.watch_scope(ref, context.self(), scope)};
  });
}

bool demonitor(Context& context, const Ref& ref) {
  const RuntimeSection runtime{detail::current_turn()};
  if (!context.node().groups().unwatch(ref, context.self())) return false;
  auto& process = static_cast<detail::Process&>(context);
  process.take_inbox();
  const auto is_of = [&ref](const Envelope& envelope) {
    const auto* join = envelope.message.get<PgJoin>();
    const auto* leave = envelope.message.get<PgLeave>();
    return (join != nullptr && join->ref == ref) || (leave != nullptr && leave->ref == ref);
  };
  process.remove_messages(is_of);
  return true;
}

}  // namespace grove::pg
