// SPDX-License-Identifier: Apache-2.0
#include "grove/node/groups.hpp"

#include "grove/node/node.hpp"
#include "grove/node/pg.hpp"

#include "group_table.hpp"
#include "process.hpp"
#include "process_table.hpp"

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <utility>

namespace grove {

using detail::GroupTable;
using Whose = detail::GroupTable::Whose;

struct Groups::Impl {
  explicit Impl(Node& owner) : node{owner}, table{owner.id()} {}

  /// Under the lock: so watchers see changes in their order, and other nodes versions in theirs.
  void perform(GroupTable::Actions& actions) {
    tell(actions.notes);
    if (node.router() == nullptr) return;
    for (const auto& change : actions.changes) node.router()->groups_changed(change);
  }
  void tell(GroupTable::Notes& notes) {
    for (auto& [watcher, ref, joined, group, pids] : notes) {
      auto envelope = std::make_unique<Envelope>(SignalKind::told, Pid{node.id(), 0, 0});
      envelope->message = joined ? Message::make<PgJoin>(ref, std::move(group), std::move(pids))
                                 : Message::make<PgLeave>(ref, std::move(group), std::move(pids));
      node.deliver(watcher, std::move(envelope));
    }
  }
  void flush() {
    if (node.router() != nullptr) node.router()->flush();
  }

  Node& node;
  mutable std::shared_mutex mutex;  // guards the next; taken before the router's
  GroupTable table;
};

Groups::Groups(Node& node) : impl_{std::make_unique<Impl>(node)} {}
Groups::~Groups() = default;

namespace {

Result<void> all_of_node(const std::vector<Pid>& pids, NodeId node) {
  for (const Pid& pid : pids) {
    if (pid.node == node) continue;
    return Error{Errc::bad_argument, "only a node's own processes join and leave there"};
  }
  return {};
}

}  // namespace

// Who joins or leaves from inside a process's code tells watchers under the lock, which the end of
// that process takes, too: so the watchdog may not end it meanwhile, as nowhere in the runtime.
Result<void> Groups::join(std::string_view scope, const Value& group,
                          const std::vector<Pid>& pids) {
  Node& node = impl_->node;
  if (auto good = all_of_node(pids, node.id()); !good) return good;
  const RuntimeSection runtime{detail::current_turn()};
  {
    const std::unique_lock lock{impl_->mutex};
    for (const Pid& pid : pids) {
      if (!node.mark_grouped(pid)) return Error{Errc::noproc, to_string(pid) + " has ended"};
    }
    auto actions = impl_->table.join(scope, group, pids);
    if (!actions) return actions.error();
    impl_->perform(*actions);
  }
  impl_->flush();
  return {};
}

Result<void> Groups::leave(std::string_view scope, const Value& group,
                           const std::vector<Pid>& pids) {
  if (auto good = all_of_node(pids, impl_->node.id()); !good) return good;
  const RuntimeSection runtime{detail::current_turn()};
  {
    const std::unique_lock lock{impl_->mutex};
    auto actions = impl_->table.leave(scope, group, pids);
    if (!actions) return actions.error();
    impl_->perform(*actions);
  }
  impl_->flush();
  return {};
}

bool Groups::ended(const Pid& pid) {
  const std::unique_lock lock{impl_->mutex};
  auto actions = impl_->table.ended(pid);
  impl_->perform(actions);
  return !actions.changes.empty();
}

// -- look-ups -------------------------------------------------------------------------------

std::vector<Pid> Groups::members(std::string_view scope, const Value& group) const {
  const std::shared_lock lock{impl_->mutex};
  return impl_->table.members(scope, group, Whose::all);
}
std::vector<Pid> Groups::local_members(std::string_view scope, const Value& group) const {
  const std::shared_lock lock{impl_->mutex};
  return impl_->table.members(scope, group, Whose::local);
}
std::vector<Value> Groups::which(std::string_view scope) const {
  const std::shared_lock lock{impl_->mutex};
  return impl_->table.groups(scope, Whose::all);
}
std::vector<Value> Groups::which_local(std::string_view scope) const {
  const std::shared_lock lock{impl_->mutex};
  return impl_->table.groups(scope, Whose::local);
}
std::vector<pg::Group> Groups::view(std::string_view scope) const {
  const std::shared_lock lock{impl_->mutex};
  return impl_->table.view(scope);
}
std::vector<std::string> Groups::scopes() const {
  const std::shared_lock lock{impl_->mutex};
  return impl_->table.scopes();
}

// -- watches --------------------------------------------------------------------------------

std::vector<Pid> Groups::watch(const Ref& ref, const Pid& watcher, std::string_view scope,
                               const Value& group) {
  const std::unique_lock lock{impl_->mutex};
  if (impl_->node.mark_grouped(watcher)) impl_->table.watch(ref, watcher, scope, group);
  return impl_->table.members(scope, group, Whose::all);
}

std::vector<pg::Group> Groups::watch_scope(const Ref& ref, const Pid& watcher,
                                           std::string_view scope) {
  const std::unique_lock lock{impl_->mutex};
  if (impl_->node.mark_grouped(watcher)) impl_->table.watch(ref, watcher, scope, std::nullopt);
  return impl_->table.view(scope);
}

bool Groups::unwatch(const Ref& ref, const Pid& watcher) {
  const std::unique_lock lock{impl_->mutex};
  return impl_->table.unwatch(ref, watcher);
}

// -- other nodes ----------------------------------------------------------------------------

void Groups::tell_all(const std::function<void(const detail::GroupsState&)>& tell) const {
  const std::shared_lock lock{impl_->mutex};  // no change may get between the parts
  for (const auto& part : impl_->table.state()) tell(part);
}

Groups::Heard Groups::hear(NodeId from, detail::GroupsState part) {
  const std::unique_lock lock{impl_->mutex};
  GroupTable::Notes notes;
  const Heard heard = impl_->table.hear(from, std::move(part), notes);
  impl_->tell(notes);
  return heard;
}

Groups::Heard Groups::hear(NodeId from, const detail::GroupsChange& change) {
  const std::unique_lock lock{impl_->mutex};
  GroupTable::Notes notes;
  const Heard heard = impl_->table.hear(from, change, notes);
  impl_->tell(notes);
  return heard;
}

void Groups::drop(NodeId node) {
  const std::unique_lock lock{impl_->mutex};
  auto notes = impl_->table.drop(node);
  impl_->tell(notes);
}

}  // namespace grove
