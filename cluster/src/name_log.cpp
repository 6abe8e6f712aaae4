// SPDX-License-Identifier: Apache-2.0
#include "name_log.hpp"

#include <algorithm>
#include <tuple>

namespace grove::cluster {

/// The older registration wins; node name and pid settle a tie. The same on every node.
bool NameLog::better(const Claim& a, const Claim& b) {
  return std::tuple{a.at, std::string_view{node_name(a.origin)}, a.pid.index, a.pid.generation} <
         std::tuple{b.at, std::string_view{node_name(b.origin)}, b.pid.index, b.pid.generation};
}

const NameLog::Claim* NameLog::holder(const std::string& name) const {
  const auto place = claims_.find(name);
  return place == claims_.end() ? nullptr : &place->second.front();
}

void NameLog::insert(NodeId origin, const NameEntry& entry) {
  hybrid_time_ = std::max(hybrid_time_, entry.at);
  erase(origin, entry.name);
  origins_[origin].names[entry.name] = entry.pid;
  const Claim claim{origin, entry.pid, entry.at};
  std::vector<Claim>& claims = claims_[entry.name];
  claims.insert(std::upper_bound(claims.begin(), claims.end(), claim, better), claim);
}

void NameLog::erase(NodeId origin, const std::string& name) {
  const auto place = claims_.find(name);
  if (place == claims_.end()) return;
  std::erase_if(place->second, [&](const Claim& claim) { return claim.origin == origin; });
  if (place->second.empty()) claims_.erase(place);
  origins_[origin].names.erase(name);
}

Result<NamesDelta> NameLog::add(const std::string& name, const Pid& pid,
                                std::uint64_t wall_micros) {
  if (const Claim* taken = holder(name)) {
    return Error{Errc::name_taken, to_string(taken->pid)};
  }
  hybrid_time_ = std::max(wall_micros, hybrid_time_ + 1);
  const NameEntry entry{name, pid, hybrid_time_};
  insert(self_, entry);
  return NamesDelta{++origins_[self_].version, {entry}, {}};
}

std::optional<NamesDelta> NameLog::remove(const std::string& name) {
  Origin& own = origins_[self_];
  if (!own.names.contains(name)) return std::nullopt;
  erase(self_, name);
  return NamesDelta{++own.version, {}, {name}};
}

std::optional<NamesDelta> NameLog::remove_all(const Pid& pid) {
  Origin& own = origins_[self_];
  NamesDelta delta;
  for (const auto& [name, holder_pid] : own.names) {
    if (holder_pid == pid) delta.removed.push_back(name);
  }
  if (delta.removed.empty()) return std::nullopt;
  for (const std::string& name : delta.removed) erase(self_, name);
  delta.version = ++own.version;
  return delta;
}

NamesSnapshot NameLog::snapshot() const {
  NamesSnapshot snapshot;
  const auto own = origins_.find(self_);
  if (own == origins_.end()) return snapshot;
  snapshot.version = own->second.version;
  for (const auto& [name, pid] : own->second.names) {
    for (const Claim& claim : claims_.at(name)) {
      if (claim.origin == self_) snapshot.names.push_back({name, pid, claim.at});
    }
  }
  return snapshot;
}

std::vector<NameLog::Lost> NameLog::lost(const std::vector<NameEntry>& added) const {
  std::vector<Lost> lost;
  for (const NameEntry& entry : added) {
    const std::vector<Claim>& claims = claims_.at(entry.name);
    for (const Claim& claim : claims) {
      if (claim.origin == self_ && &claim != &claims.front()) {
        lost.push_back({entry.name, claim.pid, claims.front().pid});
      }
    }
  }
  return lost;
}

NameLog::Applied NameLog::apply(NodeId origin, const NamesSnapshot& snapshot) {
  if (origin == self_ || snapshot.version < origins_[origin].version) return {};
  drop(origin);
  origins_[origin].version = snapshot.version;
  for (const NameEntry& entry : snapshot.names) insert(origin, entry);
  return {.gap = false, .lost = lost(snapshot.names)};
}

NameLog::Applied NameLog::apply(NodeId origin, const NamesDelta& delta) {
  if (origin == self_ || delta.version <= origins_[origin].version) return {};
  if (delta.version != origins_[origin].version + 1) return {.gap = true, .lost = {}};
  origins_[origin].version = delta.version;
  for (const std::string& name : delta.removed) erase(origin, name);
  for (const NameEntry& entry : delta.added) insert(origin, entry);
  return {.gap = false, .lost = lost(delta.added)};
}

void NameLog::drop(NodeId origin) {
  const auto place = origins_.find(origin);
  if (place == origins_.end()) return;
  const auto names = place->second.names;
  for (const auto& [name, pid] : names) erase(origin, name);
  origins_.erase(origin);
}

std::optional<Pid> NameLog::find(const std::string& name) const {
  const Claim* claim = holder(name);
  return claim == nullptr ? std::nullopt : std::optional{claim->pid};
}

std::vector<NameEntry> NameLog::all() const {
  std::vector<NameEntry> names;
  for (const auto& [name, claims] : claims_) {
    names.push_back({name, claims.front().pid, claims.front().at});
  }
  std::sort(names.begin(), names.end(),
            [](const NameEntry& a, const NameEntry& b) { return a.name < b.name; });
  return names;
}

}  // namespace grove::cluster
