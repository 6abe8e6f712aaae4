// SPDX-License-Identifier: Apache-2.0
//
// Groups: the process groups as this node knows them: its own processes' memberships, and those
// that the nodes it has a session with tell of theirs. Processes use pg.hpp.
//
// Thread-safety: all members.
#pragma once

#include "grove/core/ids.hpp"
#include "grove/core/result.hpp"
#include "grove/core/value.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace grove {

class Node;

namespace detail {
class GroupTable;
struct GroupsChange;
struct GroupsState;
}  // namespace detail

namespace pg {

/// The scope of who names none.
inline constexpr std::string_view k_scope = "pg";

struct Group {
  Value group;
  std::vector<Pid> members;  // who joined k times is there k times
  friend bool operator==(const Group&, const Group&) = default;
};

}  // namespace pg

class Groups {
 public:
  /// Of a scope's name, and of what a group is called (as on the wire, about).
  static constexpr std::size_t k_name_bytes_max = 255;
  /// Memberships of the processes of one node, in all groups; who joins k times has k.
  static constexpr std::size_t k_memberships_max = 1'000'000;

  /// The node outlives it.
  explicit Groups(Node& node);
  ~Groups();
  Groups(const Groups&) = delete;
  Groups& operator=(const Groups&) = delete;

  /// All of `pids` become members, once each time they are named, or none does.
  /// Errors: bad_argument (a process of another node; a name or key that none can have), too_large
  /// (name or key), noproc (one has ended), unavailable (k_memberships_max).
  Result<void> join(std::string_view scope, const Value& group, const std::vector<Pid>& pids);
  /// Ends one membership for each time that one of `pids` is named, of those who have one.
  /// Errors: bad_argument (a process of another node), not_found (none has one).
  Result<void> leave(std::string_view scope, const Value& group, const std::vector<Pid>& pids);

  // Look-ups. Cost: a lock that they share, and a copy of what is asked for; they wait for who just
  // joins, leaves or tells, never for another node.

  [[nodiscard]] std::vector<Pid> members(std::string_view scope, const Value& group) const;
  [[nodiscard]] std::vector<Pid> local_members(std::string_view scope, const Value& group) const;
  [[nodiscard]] std::vector<Value> which(std::string_view scope) const;
  [[nodiscard]] std::vector<Value> which_local(std::string_view scope) const;
  [[nodiscard]] std::vector<pg::Group> view(std::string_view scope) const;
  /// Those that have a group, by name.
  [[nodiscard]] std::vector<std::string> scopes() const;

  /// From the moment of the answer on, `watcher`, a process of this node, is told each change. Of a
  /// group that nobody could join there are none, and no watch.
  std::vector<Pid> watch(const Ref& ref, const Pid& watcher, std::string_view scope,
                         const Value& group);
  /// The same of all groups of a scope.
  std::vector<pg::Group> watch_scope(const Ref& ref, const Pid& watcher, std::string_view scope);
  /// Returns: whether it was a watch of that process.
  bool unwatch(const Ref& ref, const Pid& watcher);

  // -- for the router and the runtime --------------------------------------------------------

  /// Returns: whether that has left something to flush.
  bool ended(const Pid& pid);
  /// A session has begun: hands over all that its other end must be told. Whatever changes
  /// afterwards goes to Router::groups_changed() after that.
  void tell_all(const std::function<void(const detail::GroupsState&)>& tell) const;
  enum class Heard : std::uint8_t {
    ok,
    gap,        // a version is missing: ask for all of it
    malformed,  // no node that keeps the rules says this
  };
  /// What the node `from`, which there is a session with, tells of its processes.
  Heard hear(NodeId from, detail::GroupsState part);
  Heard hear(NodeId from, const detail::GroupsChange& change);
  /// The session with that node is over.
  void drop(NodeId node);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace grove
