// SPDX-License-Identifier: Apache-2.0
#include "group_table.hpp"

#include "group_rows.hpp"

#include <algorithm>
#include <iterator>

namespace grove::detail {

// -- groups and their parts -----------------------------------------------------------------

const GroupTable::Group* GroupTable::find(std::string_view scope, const Value& group) const {
  const auto place = groups_.find(Key{std::string{scope}, group});
  return place == groups_.end() ? nullptr : &place->second;
}

GroupTable::Group& GroupTable::group_of(const std::string& scope, const Value& group) {
  const auto [place, is_new] = groups_.try_emplace(Key{scope, group});
  Group& found = place->second;
  if (is_new) {
    found.number = ++last_number_;
    found.key = &place->first;
    scopes_[scope].emplace(found.number, &found);
  }
  return found;
}

void GroupTable::add(NodeId node, Origin& origin, Group& group, const GroupMember& member) {
  auto part = std::ranges::find(group.parts, node, &Part::node);
  if (part == group.parts.end()) {
    part = group.parts.insert(part, Part{node, {}});
    origin.groups.emplace(group.number, &group);
  }
  part->members[{member.index, member.generation}] += member.times;
  origin.memberships += member.times;
  if (node == self_) {
    locals_[{self_, member.index, member.generation}].groups.emplace(group.number, &group);
  }
}

std::uint32_t GroupTable::remove(NodeId node, Origin& origin, Group& group,
                                 const GroupMember& member) {
  const auto part = std::ranges::find(group.parts, node, &Part::node);
  if (part == group.parts.end()) return 0;
  const auto place = part->members.find({member.index, member.generation});
  if (place == part->members.end()) return 0;
  const std::uint32_t times = std::min(member.times, place->second);
  origin.memberships -= times;
  place->second -= times;
  if (place->second > 0) return times;
  part->members.erase(place);
  if (node == self_) {
    const Pid pid{self_, member.index, member.generation};
    locals_[pid].groups.erase(group.number);
    forget_idle(pid);
  }
  return times;
}

void GroupTable::tidy(NodeId node, Origin& origin, Group& group) {
  const auto part = std::ranges::find(group.parts, node, &Part::node);
  if (part == group.parts.end() || !part->members.empty()) return;
  group.parts.erase(part);
  origin.groups.erase(group.number);
  if (!group.parts.empty()) return;
  const auto scope = scopes_.find(group.key->scope);
  scope->second.erase(group.number);
  if (scope->second.empty()) scopes_.erase(scope);
  groups_.erase(groups_.find(*group.key));
}

void GroupTable::forget_idle(const Pid& pid) {
  const auto place = locals_.find(pid);
  if (place->second.groups.empty() && place->second.watches.empty()) locals_.erase(place);
}

// -- rows of one node -----------------------------------------------------------------------

void GroupTable::add_rows(NodeId node, Origin& origin, const std::vector<GroupRow>& rows,
                          Notes& notes) {
  for (const GroupRow& row : rows) {
    Group& group = group_of(row.scope, row.group);
    for (const GroupMember& member : row.members) add(node, origin, group, member);
    note(*group.key, true, pids_of(node, row.members), notes);
  }
}

bool GroupTable::remove_rows(NodeId node, Origin& origin, const std::vector<GroupRow>& rows,
                             Notes& notes) {
  bool all = true;
  for (const GroupRow& row : rows) {
    const auto place = groups_.find(Key{row.scope, row.group});
    if (place == groups_.end()) return false;
    std::vector<GroupMember> left;
    for (GroupMember member : row.members) {
      const std::uint32_t times = remove(node, origin, place->second, member);
      all = all && times == member.times;
      member.times = times;
      left.push_back(member);
    }
    note(place->first, false, pids_of(node, left), notes);
    tidy(node, origin, place->second);
  }
  return all;
}

std::vector<GroupRow> GroupTable::rows_of(NodeId node, const Origin& origin) const {
  std::vector<GroupRow> rows;
  for (const auto& [number, group] : origin.groups) {
    GroupRow row{group->key->scope, group->key->group, {}};
    for (const auto& [place, times] : std::ranges::find(group->parts, node, &Part::node)->members) {
      row.members.push_back({place.first, place.second, times});
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// -- this node's processes ------------------------------------------------------------------

Result<GroupTable::Actions> GroupTable::join(std::string_view scope, const Value& group,
                                             const std::vector<Pid>& pids) {
  if (const auto good = check_group(scope, group); !good) return good.error();
  Origin& own = origins_[self_];
  if (pids.size() > limits_.memberships - own.memberships) {
    return Error{Errc::unavailable, "the processes of a node have at most " +
                                        std::to_string(limits_.memberships) + " memberships"};
  }
  Actions actions;
  if (pids.empty()) return actions;
  const std::vector<GroupRow> rows{{std::string{scope}, group, counted(pids)}};
  add_rows(self_, own, rows, actions.notes);
  for (auto& piece : pieces(rows, limits_.news_bytes)) {
    actions.changes.push_back({++own.version, std::move(piece), {}});
  }
  return actions;
}

Result<GroupTable::Actions> GroupTable::leave(std::string_view scope, const Value& group,
                                              const std::vector<Pid>& pids) {
  const Error not_joined{Errc::not_found, "not a member"};
  const Group* from = find(scope, group);
  if (from == nullptr) return not_joined;
  const auto part = std::ranges::find(from->parts, self_, &Part::node);
  if (part == from->parts.end()) return not_joined;
  std::vector<GroupMember> members = counted(pids);
  for (GroupMember& member : members) {
    const auto place = part->members.find({member.index, member.generation});
    member.times = place == part->members.end() ? 0 : std::min(member.times, place->second);
  }
  std::erase_if(members, [](const GroupMember& member) { return member.times == 0; });
  if (members.empty()) return not_joined;
  return removed({{std::string{scope}, group, std::move(members)}});
}

GroupTable::Actions GroupTable::removed(const std::vector<GroupRow>& rows) {
  Actions actions;
  Origin& own = origins_[self_];
  remove_rows(self_, own, rows, actions.notes);
  for (auto& piece : pieces(rows, limits_.news_bytes)) {
    actions.changes.push_back({++own.version, {}, std::move(piece)});
  }
  return actions;
}

GroupTable::Actions GroupTable::ended(const Pid& pid) {
  const auto place = locals_.find(pid);
  if (place == locals_.end()) return {};
  for (const Ref& ref : Refs{place->second.watches}) unwatch(ref, pid);
  const auto still = locals_.find(pid);
  if (still == locals_.end()) return {};
  std::vector<GroupRow> rows;
  for (const auto& [number, group] : still->second.groups) {
    const Times& members = std::ranges::find(group->parts, self_, &Part::node)->members;
    const std::uint32_t times = members.at({pid.index, pid.generation});
    rows.push_back({group->key->scope, group->key->group, {{pid.index, pid.generation, times}}});
  }
  return removed(rows);
}

std::vector<GroupsState> GroupTable::state() const {
  const auto own = origins_.find(self_);
  std::vector<GroupsState> parts;
  const std::uint64_t version = own == origins_.end() ? 0 : own->second.version;
  if (own != origins_.end()) {
    for (auto& rows : pieces(rows_of(self_, own->second), limits_.news_bytes)) {
      parts.push_back({version, false, false, std::move(rows)});
    }
  }
  if (parts.empty()) parts.push_back({version, false, false, {}});
  parts.front().first = true;
  parts.back().last = true;
  return parts;
}

// -- other nodes ----------------------------------------------------------------------------

GroupTable::Heard GroupTable::hear(NodeId from, GroupsState part, Notes& notes) {
  if (from == self_) return Heard::malformed;
  Origin& origin = origins_[from];
  if (part.first) origin.coming = Coming{part.version, 0, {}};
  const auto memberships = count(part.rows, limits_.memberships);
  if (!origin.coming || origin.coming->version != part.version || !memberships ||
      *memberships > limits_.memberships - origin.coming->memberships) {
    return Heard::malformed;
  }
  origin.coming->memberships += *memberships;
  std::ranges::move(part.rows, std::back_inserter(origin.coming->rows));
  if (!part.last) return Heard::ok;
  const Coming all = *std::exchange(origin.coming, std::nullopt);
  replace(from, origin, all.rows, notes);
  origin.version = all.version;
  origin.known = true;
  origin.behind = false;
  return Heard::ok;
}

/// Those who are not in `rows` leave, those who are new join; of all others nobody hears anything.
void GroupTable::replace(NodeId node, Origin& origin, const std::vector<GroupRow>& rows,
                         Notes& notes) {
  std::unordered_map<Key, Times, KeyHash> wanted;
  for (const GroupRow& row : rows) {
    Times& members = wanted[{row.scope, row.group}];
    for (const GroupMember& member : row.members) {
      members[{member.index, member.generation}] += member.times;
    }
  }
  std::vector<GroupRow> gone = rows_of(node, origin);
  for (GroupRow& row : gone) {
    Times& members = wanted[{row.scope, row.group}];
    for (GroupMember& member : row.members) {
      std::uint32_t& times = members[{member.index, member.generation}];
      const std::uint32_t stay = std::min(times, member.times);
      times -= stay;
      member.times -= stay;
    }
    std::erase_if(row.members, [](const GroupMember& member) { return member.times == 0; });
  }
  std::vector<GroupRow> come;
  for (const GroupRow& row : rows) {
    const auto place = wanted.find({row.scope, row.group});
    if (place == wanted.end()) continue;  // an earlier row of the same group had it
    GroupRow& one = come.emplace_back(GroupRow{row.scope, row.group, {}});
    for (const auto& [member, times] : place->second) {
      if (times > 0) one.members.push_back({member.first, member.second, times});
    }
    wanted.erase(place);
  }
  const auto is_empty = [](const GroupRow& row) { return row.members.empty(); };
  std::erase_if(gone, is_empty);
  std::erase_if(come, is_empty);
  remove_rows(node, origin, gone, notes);
  add_rows(node, origin, come, notes);
}

GroupTable::Heard GroupTable::hear(NodeId from, const GroupsChange& change, Notes& notes) {
  const auto place = origins_.find(from);
  if (from == self_) return Heard::malformed;
  if (place == origins_.end() || !place->second.known) return Heard::ok;
  Origin& origin = place->second;
  if (change.version <= origin.version) return Heard::ok;
  if (change.version != origin.version + 1) {
    return std::exchange(origin.behind, true) ? Heard::ok : Heard::gap;
  }
  const auto joined = count(change.joined, limits_.memberships);
  if (!joined || !count(change.left, limits_.memberships) ||
      *joined > limits_.memberships - origin.memberships) {
    return Heard::malformed;
  }
  origin.version = change.version;
  add_rows(from, origin, change.joined, notes);
  return remove_rows(from, origin, change.left, notes) ? Heard::ok : Heard::malformed;
}

GroupTable::Notes GroupTable::drop(NodeId node) {
  Notes notes;
  const auto place = origins_.find(node);
  if (place == origins_.end()) return notes;
  remove_rows(node, place->second, rows_of(node, place->second), notes);
  origins_.erase(place);
  return notes;
}

// -- watches --------------------------------------------------------------------------------

void GroupTable::watch(const Ref& ref, const Pid& watcher, std::string_view scope,
                       const std::optional<Value>& group) {
  if (group && !check_group(scope, *group)) return;  // nobody will ever be in it
  watches_.emplace(ref, Watch{watcher, std::string{scope}, group});
  (group ? group_watches_[{std::string{scope}, *group}] : scope_watches_[std::string{scope}])
      .insert(ref);
  locals_[watcher].watches.insert(ref);
}

bool GroupTable::unwatch(const Ref& ref, const Pid& watcher) {
  const auto place = watches_.find(ref);
  if (place == watches_.end() || place->second.watcher != watcher) return false;
  const auto [who, scope, group] = std::move(place->second);
  watches_.erase(place);
  const auto drop_from = [&ref](auto& index, const auto& entry) {
    entry->second.erase(ref);
    if (entry->second.empty()) index.erase(entry);
  };
  if (group) {
    drop_from(group_watches_, group_watches_.find({scope, *group}));
  } else {
    drop_from(scope_watches_, scope_watches_.find(scope));
  }
  locals_.at(watcher).watches.erase(ref);
  forget_idle(watcher);
  return true;
}

void GroupTable::note(const Key& key, bool joined, const std::vector<Pid>& pids,
                      Notes& notes) const {
  const auto tell = [&](const Refs& refs) {
    for (const Ref& ref : refs) {
      notes.push_back({watches_.at(ref).watcher, ref, joined, key.group, pids});
    }
  };
  if (const auto of = group_watches_.find(key); of != group_watches_.end()) tell(of->second);
  if (const auto of = scope_watches_.find(key.scope); of != scope_watches_.end()) tell(of->second);
}

// -- look-ups -------------------------------------------------------------------------------

std::vector<Pid> GroupTable::members_of(const Group& group, Whose whose) const {
  std::vector<Pid> pids;
  for (const Part& part : group.parts) {
    if (whose == Whose::local && part.node != self_) continue;
    for (const auto& [place, times] : part.members) {
      pids.insert(pids.end(), times, {part.node, place.first, place.second});
    }
  }
  return pids;
}

std::vector<Pid> GroupTable::members(std::string_view scope, const Value& group,
                                     Whose whose) const {
  const Group* found = find(scope, group);
  return found == nullptr ? std::vector<Pid>{} : members_of(*found, whose);
}

std::vector<Value> GroupTable::groups(std::string_view scope, Whose whose) const {
  std::vector<Value> groups;
  const auto place = scopes_.find(scope);
  if (place == scopes_.end()) return groups;
  for (const auto& [number, group] : place->second) {
    const bool has_local =
        std::ranges::find(group->parts, self_, &Part::node) != group->parts.end();
    if (whose == Whose::all || has_local) groups.push_back(group->key->group);
  }
  return groups;
}

std::vector<pg::Group> GroupTable::view(std::string_view scope) const {
  std::vector<pg::Group> groups;
  const auto place = scopes_.find(scope);
  if (place == scopes_.end()) return groups;
  for (const auto& [number, group] : place->second) {
    groups.push_back({group->key->group, members_of(*group, Whose::all)});
  }
  return groups;
}

std::vector<std::string> GroupTable::scopes() const {
  std::vector<std::string> names;
  for (const auto& [name, groups] : scopes_) names.push_back(name);
  return names;
}

}  // namespace grove::detail
