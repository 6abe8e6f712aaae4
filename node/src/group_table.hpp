// SPDX-License-Identifier: Apache-2.0
//
// GroupTable: who is a member of which process group, and who watches. Decides only; Groups locks,
// delivers and tells.
//
// Each node is the only writer of the memberships of its own processes. What another node tells of
// them is all of it, at a version, or the change from one version to the next; of a node that has
// not told all of it nothing is believed. What one node tells touches nobody else's memberships.
//
// Invariants: a group has a member, a part of it too; versions of one node have no gaps.
// Source: OTP, pg; semantics PGR-*, docs/adr/0021.
#pragma once

#include "grove/core/ids.hpp"
#include "grove/core/result.hpp"
#include "grove/core/value.hpp"
#include "grove/node/group_news.hpp"
#include "grove/node/groups.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace grove::detail {

class GroupTable {
 public:
  struct Limits {
    std::size_t memberships = Groups::k_memberships_max;  // of one node
    std::size_t news_bytes = std::size_t{256} << 10U;     // of one piece of news, about
  };
  explicit GroupTable(NodeId self) : GroupTable{self, Limits{}} {}
  GroupTable(NodeId self, Limits limits) : self_{self}, limits_{limits} {}

  /// What a watcher is to hear.
  struct Note {
    Pid watcher;
    Ref ref;
    bool joined = false;
    Value group;
    std::vector<Pid> pids;  // as often as they joined or left
  };
  using Notes = std::vector<Note>;
  struct Actions {
    Notes notes;
    std::vector<GroupsChange> changes;  // for all other nodes, in this order
  };

  // -- of this node's processes --------------------------------------------------------------

  /// `pids` are living processes of this node. Errors: as Groups::join().
  Result<Actions> join(std::string_view scope, const Value& group, const std::vector<Pid>& pids);
  /// Errors: not_found (none of them was a member).
  Result<Actions> leave(std::string_view scope, const Value& group, const std::vector<Pid>& pids);
  /// The process has ended: so do its memberships, and its watches.
  Actions ended(const Pid& pid);

  void watch(const Ref& ref, const Pid& watcher, std::string_view scope,
             const std::optional<Value>& group);
  /// Returns: whether it was a watch of that process.
  bool unwatch(const Ref& ref, const Pid& watcher);

  /// All memberships of this node's processes, in pieces.
  [[nodiscard]] std::vector<GroupsState> state() const;

  // -- of other nodes ------------------------------------------------------------------------

  using Heard = Groups::Heard;
  Heard hear(NodeId from, GroupsState part, Notes& notes);
  Heard hear(NodeId from, const GroupsChange& change, Notes& notes);
  /// The node is out of reach.
  Notes drop(NodeId node);

  // -- look-ups ------------------------------------------------------------------------------

  enum class Whose : std::uint8_t { all, local };
  [[nodiscard]] std::vector<Pid> members(std::string_view scope, const Value& group,
                                         Whose whose) const;
  /// In the order in which they came to be known here.
  [[nodiscard]] std::vector<Value> groups(std::string_view scope, Whose whose) const;
  [[nodiscard]] std::vector<pg::Group> view(std::string_view scope) const;
  [[nodiscard]] std::vector<std::string> scopes() const;

 private:
  struct Key {
    std::string scope;
    Value group;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept {
      return std::hash<std::string>{}(key.scope) * 31 + std::hash<Value>{}(key.group);
    }
  };
  using Place = std::pair<std::uint32_t, std::uint32_t>;  // index, generation
  using Times = std::map<Place, std::uint32_t>;
  /// The members of one node.
  struct Part {
    NodeId node;
    Times members;
  };
  struct Group {
    std::uint64_t number = 0;  // grows: orders groups the same in each run
    const Key* key = nullptr;
    std::vector<Part> parts;
  };
  using Numbered = std::map<std::uint64_t, Group*>;
  /// All that a node tells, until the last part is here.
  struct Coming {
    std::uint64_t version = 0;
    std::size_t memberships = 0;
    std::vector<GroupRow> rows;
  };
  /// One node, as far as it has told.
  struct Origin {
    bool known = false;   // it has told all of it
    bool behind = false;  // a version is missing since
    std::uint64_t version = 0;
    std::size_t memberships = 0;
    Numbered groups;
    std::optional<Coming> coming;
  };
  using Refs = std::set<Ref>;
  /// One process of this node.
  struct Local {
    Numbered groups;
    Refs watches;
  };
  struct Watch {
    Pid watcher;
    std::string scope;
    std::optional<Value> group;  // none: all of the scope
  };

  [[nodiscard]] const Group* find(std::string_view scope, const Value& group) const;
  Group& group_of(const std::string& scope, const Value& group);
  void add(NodeId node, Origin& origin, Group& group, const GroupMember& member);
  /// Returns: how many memberships there were to end, at most `member.times`.
  std::uint32_t remove(NodeId node, Origin& origin, Group& group, const GroupMember& member);
  /// After remove(): takes away what has become empty.
  void tidy(NodeId node, Origin& origin, Group& group);
  /// Applies rows of `node`, and notes them. Returns: false when more leave than are there.
  void add_rows(NodeId node, Origin& origin, const std::vector<GroupRow>& rows, Notes& notes);
  bool remove_rows(NodeId node, Origin& origin, const std::vector<GroupRow>& rows, Notes& notes);
  void replace(NodeId node, Origin& origin, const std::vector<GroupRow>& rows, Notes& notes);
  [[nodiscard]] std::vector<GroupRow> rows_of(NodeId node, const Origin& origin) const;
  void note(const Key& key, bool joined, const std::vector<Pid>& pids, Notes& notes) const;
  void forget_idle(const Pid& pid);
  Actions removed(const std::vector<GroupRow>& rows);
  [[nodiscard]] std::vector<Pid> members_of(const Group& group, Whose whose) const;

  const NodeId self_;
  const Limits limits_;
  std::uint64_t last_number_ = 0;
  std::unordered_map<Key, Group, KeyHash> groups_;
  std::map<std::string, Numbered, std::less<>> scopes_;
  std::map<NodeId, Origin> origins_;
  std::unordered_map<Pid, Local> locals_;
  std::unordered_map<Ref, Watch> watches_;
  std::unordered_map<Key, Refs, KeyHash> group_watches_;
  std::map<std::string, Refs, std::less<>> scope_watches_;
};

}  // namespace grove::detail
