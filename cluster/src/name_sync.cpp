// SPDX-License-Identifier: Apache-2.0
//
// Who knows what: sessions, digests, and asking for what is missing.
#include "grove/core/mark.hpp"

#include "name_log.hpp"
#include "stable_hash.hpp"

#include <algorithm>
#include <sstream>
#include <utility>

namespace grove::cluster {
namespace {

constexpr std::size_t k_peers_asked = 3;    // in an interval
constexpr std::size_t k_pulls_max = 8;      // under way at once; each brings about k_part_bytes
constexpr std::size_t k_gathered_max = 64;  // fewer than an origin remembers at least

}  // namespace

// -- members and sessions -------------------------------------------------------------------

void NameLog::on_member(NodeId node, bool present) {
  if (node == self_) return;
  const std::string& name = node_name(node);
  const auto known = members_.find(name);
  if (known != members_.end() && (known->second != node || !present)) {
    if (known->second != node && !present) return;  // a former life, gone long ago
    forget(known->second);
    members_.erase(known);
  }
  if (!present) return;
  if (!members_.emplace(name, node).second) return;
  Origin& origin = origins_[node];
  const auto peer = peers_.find(name);
  origin.session = peer != peers_.end() && peer->second.node == node;
  if (origin.session) tell(node, NamesDigest{0, true, {}, 0});  // it told us before we knew it
}

/// That life is over, and its names with it.
void NameLog::forget(NodeId node) {
  const auto place = origins_.find(node);
  if (place == origins_.end()) return;
  Origin origin = std::move(place->second);
  if (origin.asked != NodeId{}) --pulls_;
  const bool counted = counts(node, origin);
  for (const auto& [name, entry] : origin.log.names()) index(node, {name, true, nullptr});
  origins_.erase(place);
  origin.session = origin.reported = false;
  if (counted) settle_all(node, origin);
}

void NameLog::on_reached(NodeId node, const std::string& by) {
  const auto place = origins_.find(node);
  if (place == origins_.end() || node == self_) return;
  reach(node, place->second, place->second.session, !by.empty());
  const auto peer = peers_.find(by);
  if (peer != peers_.end()) tell(peer->second.node, NamesDigest{0, true, {}, 0});
}

/// Names that were out of reach, or are told from their beginning, may be old: they count when
/// somebody has said how far they are.
void NameLog::reach(NodeId node, Origin& origin, bool session, bool reported) {
  const bool counted = counts(node, origin);
  const bool was_reached = origin.session || origin.reported;
  if (session != origin.session) origin.heard = false;
  origin.session = session;
  origin.reported = reported;
  if (!was_reached) origin.current = false;
  if (counts(node, origin) != counted) settle_all(node, origin);
}

void NameLog::on_session_up(NodeId peer) {
  const std::string& name = node_name(peer);
  if (const auto old = peers_.find(name); old != peers_.end()) on_session_down(old->second.node);
  peers_[name] = {peer, 0};
  const auto place = origins_.find(peer);
  if (place != origins_.end()) reach(peer, place->second, true, false);
  tell(peer, all_rows());
}

void NameLog::on_session_down(NodeId peer) {
  const auto known = peers_.find(node_name(peer));
  if (known == peers_.end() || known->second.node != peer) return;
  peers_.erase(known);
  for (auto& [node, origin] : origins_) {
    if (origin.source == peer) origin.source = {};
    if (origin.asked != peer) continue;
    origin.asked = {};
    --pulls_;
  }
  const auto place = origins_.find(peer);
  if (place != origins_.end()) reach(peer, place->second, false, place->second.reported);
  ask_next();
}

// -- digests --------------------------------------------------------------------------------

NamesRow NameLog::row_of(NodeId node, const NameOrigin& log) const {
  return {node_name(node), node_life(node).value, log.version(), log.hash()};
}

/// Of all that could be told whole.
NamesDigest NameLog::all_rows() const {
  NamesDigest digest{summary(), false, {}, 0};
  digest.rows.push_back(row_of(self_, own().log));
  for (const auto& [name, node] : members_) {
    const NameOrigin& log = origins_.at(node).log;
    if (log.complete() && log.version() > 0) digest.rows.push_back(row_of(node, log));
  }
  return digest;
}

std::uint64_t NameLog::summary() const {
  std::uint64_t sum = 1;  // 0 is none
  const auto add = [&sum](NodeId node, const NameOrigin& log) {
    if (!log.complete() || log.version() == 0) return;
    const std::uint64_t life = stable_hash(node_name(node)) ^ node_life(node).value;
    sum += (life ^ log.version() ^ log.hash()) * 0x9E3779B97F4A7C15U;
  };
  add(self_, own().log);
  for (const auto& [name, node] : members_) add(node, origins_.at(node).log);
  return sum == 0 ? 1 : sum;
}

/// The origin of that life; null unless it is a member now: who is dead is not learnt anew.
NameLog::Origin* NameLog::present(const std::string& name, std::uint64_t life, NodeId& node) {
  const auto known = members_.find(name);
  if (known == members_.end() || node_life(known->second).value != life) return nullptr;
  node = known->second;
  return &origins_.at(node);
}

void NameLog::on_message(NodeId from, const NamesDigest& digest) {
  const auto peer = peers_.find(node_name(from));
  if (peer == peers_.end()) return;
  const bool same = digest.summary == summary();
  if (digest.rows.empty()) {
    if (same) {  // it has our names, too, and we have all that it has
      peer->second.has = own().log.version();
      for (const auto& [name, node] : members_) {
        Origin& origin = origins_.at(node);
        origin.heard = origin.heard || node == from;
        if (origin.log.complete()) caught_up(node, origin);
      }
    } else if (digest.answer) {
      NamesDigest all = all_rows();
      all.answer = digest.summary != 0;
      tell(from, std::move(all));
    }
    return;
  }
  std::map<std::string, std::uint64_t> theirs;  // version by node
  for (const NamesRow& row : digest.rows) {
    NodeId node;
    if (row.node == node_name(self_) && row.life == node_life(self_).value) {
      peer->second.has = std::max(peer->second.has, row.version);
      theirs[row.node] = row.version;
    } else if (Origin* origin = present(row.node, row.life, node)) {
      theirs[row.node] = row.version;
      take_row(node, *origin, row, from);
    }
  }
  if (!digest.answer) return;
  NamesDigest more = all_rows();
  std::erase_if(more.rows, [&](const NamesRow& row) {
    const auto known = theirs.find(row.node);
    return known != theirs.end() && known->second >= row.version;
  });
  if (!more.rows.empty()) tell(from, std::move(more));
}

void NameLog::take_row(NodeId node, Origin& origin, const NamesRow& row, NodeId from) {
  NameOrigin& log = origin.log;
  origin.heard = origin.heard || node == from;
  if (origin.refused || (log.complete() && log.version() > row.version)) return;
  if (log.complete() && log.version() == row.version) {
    if (log.hash() == row.hash) return caught_up(node, origin);
    if (from != node) return;  // who is right, its own node will say
    actions_.emplace_back(Diverged{node});
    log.distrust();
  }
  origin.wanted = std::max(origin.wanted, row.version);
  if (origin.source == NodeId{} || from == node) origin.source = from;
  ask(node, origin);
}

/// It is no older than what others have. Its own node knows best: where there is a session with it,
/// nobody loses a name to one that others still have and it has not.
void NameLog::caught_up(NodeId node, Origin& origin) {
  if (origin.log.version() < origin.wanted) return;
  settle_touched(origin);
  if (!origin.current && (origin.heard || !origin.session)) {
    const bool counted = counts(node, origin);
    origin.current = true;
    if (counts(node, origin) != counted) settle_all(node, origin);
  }
  if (std::exchange(origin.acknowledge, false) && origin.session) {
    tell(node, NamesDigest{summary(), false, {row_of(node, origin.log)}, 0});
  }
}

// -- asking ---------------------------------------------------------------------------------

void NameLog::ask(NodeId node, Origin& origin) {
  if (origin.asked != NodeId{} || origin.source == NodeId{} || pulls_ >= k_pulls_max) return;
  const NameOrigin& log = origin.log;
  origin.asked = origin.source;
  ++pulls_;
  tell(origin.asked, NamesPull{node_name(node), node_life(node).value, log.version(),
                               log.complete(), log.cursor()});
}

void NameLog::ask_next() {
  for (const auto& [name, node] : members_) {
    if (pulls_ >= k_pulls_max) return;
    ask(node, origins_.at(node));
  }
}

void NameLog::on_message(NodeId from, const NamesPull& pull) {
  NamesPart part;
  NodeId node = self_;
  const bool mine = pull.node == node_name(self_) && pull.life == node_life(self_).value;
  const Origin* origin = mine ? &own() : present(pull.node, pull.life, node);
  if (origin != nullptr) part = origin->log.part_for(pull);
  part.node = pull.node;
  part.life = pull.life;
  if (mine) part.acknowledge = !waiters_.empty();
  tell(from, std::move(part));
}

void NameLog::on_message(NodeId from, const NamesPart& part) {
  NodeId node = from;
  const bool answer = !part.node.empty();
  Origin* origin = answer ? present(part.node, part.life, node)
                          : present(node_name(from), node_life(from).value, node);
  if (origin == nullptr) return;
  if (answer && origin->asked == from) {
    origin->asked = {};
    --pulls_;
  }
  origin->heard = origin->heard || node == from;
  if (origin->refused) return;
  origin->acknowledge = origin->acknowledge || part.acknowledge;
  for (const NameRecord& record : part.changes) hybrid_time_ = std::max(hybrid_time_, record.at);
  for (const NameRecord& record : part.names) hybrid_time_ = std::max(hybrid_time_, record.at);
  const bool counted = counts(node, *origin);
  std::vector<std::string> names;
  const NameOrigin::Taken taken = origin->log.apply(part, [&](const NameOrigin::Touched& touched) {
    index(node, touched);
    if (counted) names.push_back(touched.name);
  });
  if (origin->log.names().size() > rules_.per_node_max) {
    origin->refused = true;
    actions_.emplace_back(Refused{node});
    if (counted) settle_all(node, *origin);
  }
  for (const std::string& name : names) settle_news(node, *origin, name);
  if (origin->refused) {
    ask_next();
    return;
  }
  if (taken == NameOrigin::Taken::gap) {
    GROVE_MARK("names.news_after_a_gap");
    origin->wanted = std::max(origin->wanted, part.version);
    origin->source = from;
  } else if (origin->log.complete() && origin->log.version() >= origin->wanted) {
    origin->source = {};
    caught_up(node, *origin);
  } else if (answer && taken == NameOrigin::Taken::old) {
    GROVE_MARK("names.answer_is_old");
    origin->source = {};  // it cannot help; the next digest says who can
  } else {
    origin->source = from;
  }
  ask(node, *origin);
  ask_next();
}

void NameLog::on_tick() {
  for (std::size_t left = std::min(k_peers_asked, peers_.size()); left > 0; --left) {
    auto next = peers_.upper_bound(last_asked_);
    if (next == peers_.end()) next = peers_.begin();
    last_asked_ = next->first;
    tell(next->second.node, NamesDigest{summary(), true, {}, 0});
  }
}

// -- telling --------------------------------------------------------------------------------

std::vector<NodeId> NameLog::all_peers() const {
  std::vector<NodeId> all;
  for (const auto& [name, peer] : peers_) all.push_back(peer.node);
  return all;
}

/// Every session hears of each change of ours, in order; one that is new of some of them twice.
void NameLog::tell_news() {
  const NameOrigin& log = own().log;
  const std::vector<NodeId> all = all_peers();
  for (; !all.empty() && has_news();) {
    auto news = log.changes_after(told_);
    if (!news) {  // too many: they shall ask for them
      GROVE_MARK("names.news_forgotten");
      actions_.emplace_back(Tell{all, NamesDigest{summary(), false, {row_of(self_, log)}, 0}});
      break;
    }
    told_ = news->version;
    news->acknowledge = !waiters_.empty();
    actions_.emplace_back(Tell{all, *std::move(news)});
  }
  told_ = log.version();
}

NameLog::Actions NameLog::take(News news) {
  const std::uint64_t untold = own().log.version() - told_;
  if (untold > (news == News::told ? 0 : k_gathered_max - 1)) tell_news();
  answer_waiters();
  return std::exchange(actions_, {});
}

// -- what is known --------------------------------------------------------------------------

const NameOrigin* NameLog::origin(NodeId node) const {
  const auto place = origins_.find(node);
  return place == origins_.end() ? nullptr : &place->second.log;
}

std::string NameLog::to_text() const {
  std::ostringstream out;
  const auto origin_text = [&](NodeId node) {
    const Origin& one = origins_.at(node);
    const NameOrigin& log = one.log;
    out << node_name(node) << ' ' << node_life(node).value << ' ' << log.version() << ' '
        << log.complete() << log.cursor() << ' ' << one.session << one.reported << one.current
        << one.heard << one.refused << one.acknowledge << ' ' << one.wanted << ' '
        << one.source.value << ' ' << one.asked.value << '\n';
    for (const auto& [name, entry] : log.names()) {
      out << name << ' ' << entry.index << '.' << entry.generation << ' ' << entry.at << ' '
          << static_cast<int>(entry.state) << ' ' << to_string(entry.metadata)
          << (entry.replaces ? to_string(*entry.replaces) : "") << ' ' << entry.since << '.'
          << entry.replaced_at << '\n';
    }
    for (const std::string& name : one.touched) out << name << ' ';
    out << log.remembered() << '\n';
  };
  origin_text(self_);
  for (const auto& [name, node] : members_) origin_text(node);
  for (const auto& [name, peer] : peers_) {
    out << name << ' ' << peer.node.value << ' ' << peer.has << '\n';
  }
  for (const auto& [wanted, waiters] : waiters_) {
    for (const Waiter& waiter : waiters) out << waiter.token << ' ' << waiter.version << '\n';
  }
  out << told_ << ' ' << hybrid_time_ << ' ' << last_asked_;
  return out.str();
}

}  // namespace grove::cluster
