// SPDX-License-Identifier: Apache-2.0
//
// Whose a name is. How names get here: name_sync.cpp.
#include "name_log.hpp"

#include <algorithm>
#include <functional>
#include <tuple>
#include <utility>

namespace grove::cluster {

NameLog::NameLog(NodeId self, NamesConfig rules) : self_{self}, rules_{std::move(rules)} {
  origins_[self_];
}

// -- claims ---------------------------------------------------------------------------------

bool NameLog::counts(NodeId node, const Origin& origin) const {
  if (node == self_) return true;
  return (origin.session || origin.reported) && origin.current && !origin.refused;
}

/// All that count, the older first: the same order on every node.
std::vector<NameLog::Claim> NameLog::claims_of(const std::string& name) const {
  std::vector<Claim> claims;
  claims_.for_each(std::hash<std::string>{}(name), [&](NodeId node) {
    const Origin& origin = origins_.at(node);
    const bool may_be_over = !origin.touched.empty() && origin.touched.contains(name);
    const NameEntry* entry = counts(node, origin) && !may_be_over ? origin.log.find(name) : nullptr;
    const auto same = [entry](const Claim& claim) { return claim.entry == entry; };
    if (entry == nullptr || std::any_of(claims.begin(), claims.end(), same)) return;
    claims.push_back({node, entry});
  });
  if (claims.size() < 2) return claims;
  std::sort(claims.begin(), claims.end(), [](const Claim& a, const Claim& b) {
    const auto key = [](const Claim& claim) {
      return std::tuple{claim.entry->at, std::string_view{node_name(claim.origin)},
                        claim.entry->index, claim.entry->generation};
    };
    return key(a) < key(b);
  });
  return claims;
}

/// One that took the name from this claim. A claim without one has a part in conflicts. The same
/// process may have claimed the name again since: that is another claim.
const NameLog::Claim* NameLog::replacement(const Claim& claim, const std::vector<Claim>& claims) {
  const auto found = std::find_if(claims.begin(), claims.end(), [&](const Claim& other) {
    return other.held() && other.entry->replaces == claim.pid() &&
           other.entry->replaced_at == claim.entry->at;
  });
  return found == claims.end() ? nullptr : &*found;
}

/// Of two claims, `a` made first. A move must be no less than what it moved, or it might lose to
/// who loses to that, and nobody would be left: for keep_oldest it is as old, and of two that go
/// back to one claim the later stands, whoever chooses.
NameLog::Verdict NameLog::judge(const std::string& name, const Claim& a, const Claim& b) const {
  if (a.since() == b.since() && a.entry->at != b.entry->at) return Verdict::second;
  if (!rules_.choose) {
    if (rules_.order == NameOrder::keep_newest) return Verdict::second;
    return a.since() <= b.since() ? Verdict::first : Verdict::second;
  }
  try {
    const Pid chosen = rules_.choose(name, {a.pid(), a.entry->at, a.entry->metadata, a.since()},
                                     {b.pid(), b.entry->at, b.entry->metadata, b.since()});
    if (chosen == a.pid()) return Verdict::first;
    if (chosen == b.pid()) return Verdict::second;
  } catch (...) {
    // As if it had chosen neither: its node says so, once, when it gives the name up.
  }
  return Verdict::neither;
}

/// Whom all nodes that know these claims see as the holder.
std::optional<NameLog::Claim> NameLog::holder(const std::string& name,
                                              const std::vector<Claim>& claims) const {
  std::optional<Claim> best;
  for (const Claim& claim : claims) {
    if (!claim.held() || replacement(claim, claims) != nullptr) continue;
    const Verdict verdict = best ? judge(name, *best, claim) : Verdict::second;
    if (verdict == Verdict::second) best = claim;
    if (verdict == Verdict::neither) best.reset();
  }
  return best;
}

std::optional<global::NameRow> NameLog::find(const std::string& name) const {
  const auto claim = holder(name, claims_of(name));
  if (!claim) return std::nullopt;
  return global::NameRow{name, claim->pid(), claim->entry->metadata};
}

std::vector<global::NameRow> NameLog::all(std::string_view prefix) const {
  std::vector<global::NameRow> rows;
  for (const auto& [node, origin] : origins_) {
    if (!counts(node, origin)) continue;
    const NameOrigin::Names& names = origin.log.names();
    for (auto place = names.lower_bound(prefix);
         place != names.end() && place->first.starts_with(prefix); ++place) {
      const auto claim = holder(place->first, claims_of(place->first));
      if (claim && claim->origin == node) {
        rows.push_back({place->first, claim->pid(), claim->entry->metadata});
      }
    }
  }
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return rows;
}

void NameLog::index(NodeId node, const NameOrigin::Touched& touched) {
  const bool is_there = touched.entry != nullptr;
  if (touched.was_there == is_there) return;
  const std::size_t hash = std::hash<std::string>{}(touched.name);
  if (is_there) {
    claims_.add(hash, node);
  } else {
    claims_.remove(hash, node);
  }
}

// -- conflicts ------------------------------------------------------------------------------

/// All that the origin has has come to count, or counts no more.
void NameLog::settle_all(NodeId node, Origin& origin) {
  const bool counts_now = counts(node, origin);
  for (const auto& [name, entry] : origin.log.names()) {
    if (counts_now) {
      settle(node, {name, true, &entry});
    } else {
      settle(name);
    }
  }
  settle_touched(origin);
}

/// What is told of a node that is behind may be over: where a name is ours, it does not count until
/// the rest is known.
void NameLog::settle_news(NodeId node, Origin& origin, const std::string& name) {
  if (!counts(node, origin)) return settle(name);
  const bool behind = !origin.log.complete() || origin.log.version() < origin.wanted;
  if (!behind || own().log.find(name) == nullptr) {
    return settle(node, {name, true, origin.log.find(name)});
  }
  origin.touched.insert(name);
  see(name, claims_of(name));
}

void NameLog::settle_touched(Origin& origin) {
  for (const std::string& name : std::exchange(origin.touched, {})) settle(name);
}

/// Something has changed about who claims the name.
void NameLog::settle(const std::string& name) {
  std::vector<Claim> claims = claims_of(name);
  const auto mine = std::find_if(claims.begin(), claims.end(),
                                 [this](const Claim& claim) { return claim.origin == self_; });
  if (mine != claims.end() && claims.size() + (mine->held() ? 0 : 1) > 1) {
    defend(name, *mine, claims);
    claims = claims_of(name);
  }
  see(name, claims);
}

void NameLog::see(const std::string& name, const std::vector<Claim>& claims) {
  const auto best = holder(name, claims);
  actions_.emplace_back(
      Held{name, best ? best->pid() : Pid{}, best ? best->entry->metadata : Value{}});
}

/// The same, when the claim of `node`, which counts, is what has changed. Most names are claimed by
/// one node: then there is nothing to judge.
void NameLog::settle(NodeId node, const NameOrigin::Touched& touched) {
  bool disputed = touched.entry != nullptr && touched.entry->state != NameState::held;
  claims_.for_each(std::hash<std::string>{}(touched.name),
                   [&](NodeId other) { disputed = disputed || other != node; });
  if (disputed) return settle(touched.name);
  if (const NameEntry* entry = touched.entry) {
    actions_.emplace_back(Held{touched.name, Claim{node, entry}.pid(), entry->metadata});
  } else {
    actions_.emplace_back(Held{touched.name, {}, {}});
  }
}

/// Each node does this for its own claim alone. Freed, not gone, until the other node is seen to
/// have freed its own: so that both do, whoever hears first.
void NameLog::defend(const std::string& name, const Claim& mine, const std::vector<Claim>& claims) {
  const Claim* winner = replacement(mine, claims);
  const bool silent = winner != nullptr;  // it was moved, by somebody who wanted that
  bool disputed = false;                  // with a claim that stands, or stood a moment ago
  bool still_claimed = false;             // by one that stands
  bool mine_is_older = false;             // than the claim that is looked at
  for (const Claim& other : claims) {
    if (other.origin == self_) {
      mine_is_older = true;
      continue;
    }
    if (silent || replacement(other, claims) != nullptr) continue;
    const Verdict verdict = mine_is_older ? judge(name, mine, other) : judge(name, other, mine);
    if (verdict == Verdict::neither) {
      disputed = true;
      still_claimed = still_claimed || other.held();
    } else if (other.held() && (verdict == Verdict::second) == mine_is_older) {
      if (winner == nullptr || judge(name, *winner, other) == Verdict::second) winner = &other;
    }
  }
  const Pid pid = mine.pid();
  NameRecord record = record_of(name, *mine.entry);
  if (!mine.held()) {
    if (still_claimed) return;
    record.state = NameState::gone;
    change_own(record);
  } else if (winner != nullptr || disputed) {
    const Pid kept = winner != nullptr ? winner->pid() : Pid{};
    disown(pid, name);
    record.state = winner != nullptr ? NameState::gone : NameState::freed;
    change_own(record);
    fail_waiters(name, kept);
    if (!silent) actions_.emplace_back(Lost{name, pid, kept});
  }
}

/// Who has freed the name may have another one by now.
void NameLog::disown(const Pid& pid, const std::string& name) {
  const auto place = own_.find(pid);
  if (place != own_.end() && place->second == name) own_.erase(place);
}

/// A new version of this node's names. Does not settle().
NameOrigin::Touched NameLog::change_own(const NameRecord& record) {
  const NameOrigin::Touched touched = own().log.change(record);
  index(self_, touched);
  return touched;
}

// -- this node's processes ------------------------------------------------------------------

Result<void> NameLog::add(const NewName& request, std::uint64_t wall_micros) {
  const std::vector<Claim> claims = claims_of(request.name);  // in no tree, when there are none
  const auto own_claim = std::find_if(claims.begin(), claims.end(),
                                      [this](const Claim& claim) { return claim.origin == self_; });
  const NameEntry* const mine = own_claim == claims.end() ? nullptr : own_claim->entry;
  const auto holds = holder(request.name, claims);
  if (!request.replaces && (holds || mine != nullptr)) {
    return Error{Errc::name_taken, holds ? to_string(holds->pid()) : "two claim it"};
  }
  const auto other = own_.find(request.pid);
  if (other != own_.end() && other->second != request.name) {
    return Error{Errc::already_started, "the process has the name " + other->second};
  }
  if (mine == nullptr && own().log.names().size() >= rules_.per_node_max) {
    return Error{Errc::unavailable, "this node has " + std::to_string(rules_.per_node_max) +
                                        " cluster-wide names, and may have no more"};
  }
  NameRecord record;
  record.name = request.name;
  record.state = NameState::held;
  record.index = request.pid.index;
  record.generation = request.pid.generation;
  record.metadata = request.metadata;
  if (mine != nullptr && other != own_.end()) {  // only its metadata is new
    record.at = mine->at;
    record.replaces = mine->replaces;
    record.since = mine->since;
    record.replaced_at = mine->replaced_at;
  } else {
    record.at = hybrid_time_ = std::max(wall_micros, hybrid_time_ + 1);
    if (mine != nullptr) {
      disown(own_claim->pid(), request.name);
      fail_waiters(request.name, request.pid);
    }
    if (holds) {
      const bool within = holds->origin == self_;  // who lost it to the first one still has to hear
      record.since = holds->since();
      record.replaces = within ? holds->entry->replaces : holds->pid();
      record.replaced_at = within ? holds->entry->replaced_at : holds->entry->at;
    }
  }
  own_[request.pid] = request.name;
  const NameOrigin::Touched touched = change_own(record);
  if (request.ack.kind != global::NameAck::Kind::none) {
    waiters_[{request.ack.kind, request.ack.count}].push_back(
        {request.token, own().log.version(), request.name});
  }
  settle(self_, touched);
  return {};
}

bool NameLog::remove(const std::string& name, bool anywhere) {
  if (const NameEntry* mine = own().log.find(name)) {
    NameRecord record = record_of(name, *mine);
    record.state = NameState::gone;
    disown({self_, mine->index, mine->generation}, name);
    const NameOrigin::Touched touched = change_own(record);
    fail_waiters(name, {});
    settle(self_, touched);
    return true;
  }
  const auto holds = anywhere ? find(name) : std::nullopt;
  if (!holds) return false;
  NamesDrop drop{name, holds->pid.index, holds->pid.generation, {}, 0};
  const NodeId node = holds->pid.node;
  if (origins_.at(node).session) {
    tell(node, std::move(drop));
  } else {  // whoever reaches it
    drop.node = node_name(node);
    drop.life = node_life(node).value;
    actions_.emplace_back(Tell{all_peers(), std::move(drop)});
  }
  return true;
}

bool NameLog::remove_all(const Pid& pid) {
  const auto place = own_.find(pid);
  return place != own_.end() && remove(std::string{place->second});
}

void NameLog::on_message(NodeId /*from*/, const NamesDrop& drop) {
  if (!drop.node.empty()) {
    NodeId node;
    const Origin* origin = present(drop.node, drop.life, node);
    if (origin == nullptr || !origin->session) return;
    return tell(node, NamesDrop{drop.name, drop.index, drop.generation, {}, 0});
  }
  const auto place = own_.find(Pid{self_, drop.index, drop.generation});
  if (place != own_.end() && place->second == drop.name) remove(drop.name);
}

// -- acknowledgements -----------------------------------------------------------------------

void NameLog::forget_waiter(std::uint64_t token) {
  erase_waiters([token](const Waiter& waiter) { return waiter.token == token; });
}

void NameLog::fail_waiters(const std::string& name, const Pid& winner) {
  erase_waiters([&](const Waiter& waiter) {
    if (waiter.name != name) return false;
    actions_.emplace_back(Answered{waiter.token, false, winner});
    return true;
  });
}

std::size_t NameLog::nodes_wanted(const Wanted& wanted) const {
  switch (wanted.first) {
    case global::NameAck::Kind::majority: return (members_.size() + 1) / 2;
    case global::NameAck::Kind::all: return members_.size();
    default: return wanted.second;
  }
}

std::size_t NameLog::nodes_that_know(std::uint64_t version) const {
  return static_cast<std::size_t>(
      std::count_if(peers_.begin(), peers_.end(), [&](const auto& peer) {
        return peer.second.has >= version && members_.contains(peer.first);
      }));
}

/// Who waits for as many as another one, and longer, is answered first.
void NameLog::answer_waiters() {
  for (auto entry = waiters_.begin(); entry != waiters_.end();) {
    auto& [wanted, waiters] = *entry;
    while (!waiters.empty() && nodes_that_know(waiters.front().version) >= nodes_wanted(wanted)) {
      actions_.emplace_back(Answered{waiters.front().token, true, {}});
      waiters.pop_front();
    }
    entry = waiters.empty() ? waiters_.erase(entry) : std::next(entry);
  }
}

}  // namespace grove::cluster
