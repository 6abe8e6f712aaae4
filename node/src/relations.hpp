// SPDX-License-Identifier: Apache-2.0
//
// Relations: the links and monitors of one process, and the rules of OTP's link protocol.
//
// Decides only: each member takes an event and says what it means; Process acts on the answer.
// Source: OTP "erl_dist_protocol", Link Protocol; Reference Manual, "Processes".
#pragma once

#include "grove/node/context.hpp"
#include "grove/node/envelope.hpp"

#include "small_map.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace grove::detail {

/// The other end of a monitor that others have on us.
struct Watcher {
  Pid pid;
  std::uint64_t serial;
  friend bool operator==(const Watcher&, const Watcher&) = default;
};
struct WatcherHash {
  std::size_t operator()(const Watcher& watcher) const noexcept {
    return std::hash<Pid>{}(watcher.pid) ^ (watcher.serial * 0x9E3779B97F4A7C15U);
  }
};

/// A monitor, a call or an alias that we made. Filters all that may come late: DOWNs, replies, and
/// messages through the alias.
struct Watch {
  enum class Kind : std::uint8_t {
    monitor,
    call,
    alias,  // that alone, no monitor
    spawn,  // on another node, not answered yet
  };
  // What becomes of a spawn when it is answered:
  static constexpr std::uint8_t k_link = 1;
  static constexpr std::uint8_t k_monitor = 2;
  static constexpr std::uint8_t k_call = 4;      // a call's watch, which keeps this, for its answer
  static constexpr std::uint8_t k_awaited = 8;   // an answer with the pid
  static constexpr std::uint8_t k_message = 16;  // a SpawnReply
  Pid target = {};
  Kind kind = Kind::monitor;
  AliasMode alias = AliasMode::none;
  std::uint8_t spawn = 0;
  SessionId session = 0;
  std::unique_ptr<const std::string> name = {};  // what was monitored, when that was a name
};

class Relations {
 public:
  struct Link {
    SessionId session = 0;
    std::uint64_t unlink_id = 0;  // not 0: unlinked here and not confirmed yet; inactive
  };
  struct Lost {
    std::vector<Pid> links;
    std::vector<std::pair<std::uint64_t, Pid>> watches;  // with their targets; they are still there
  };

  /// Returns: true when the other side must be told of this link.
  bool link(const Pid& pid) {
    if (Link* entry = links_.find(pid)) return std::exchange(entry->unlink_id, 0) != 0;
    links_.insert(pid, {});
    return true;
  }
  /// Returns: the session that the link is of, when the other side must be told, with `id`.
  std::optional<SessionId> unlink(const Pid& pid, std::uint64_t id) {
    Link* entry = links_.find(pid);
    if (entry == nullptr || entry->unlink_id != 0) return std::nullopt;
    entry->unlink_id = id;
    return entry->session;
  }
  [[nodiscard]] bool is_linked(const Pid& pid) {
    const Link* entry = links_.find(pid);
    return entry != nullptr && entry->unlink_id == 0;
  }
  void set_session(const Pid& pid, SessionId session) {
    if (Link* entry = links_.find(pid)) entry->session = session;
  }
  void drop_link(const Pid& pid) { links_.erase(pid); }
  void drop_watch(std::uint64_t serial) { watches_.erase(serial); }

  // While an unlink of ours is unconfirmed, the other side's LINK and EXIT are of the old link.
  void on_link(const Pid& from, SessionId session) { links_.insert(from, {.session = session}); }
  // An UNLINK is of one session, and so is what it ends.
  void on_unlink(const Pid& from, SessionId session) {
    const Link* entry = links_.find(from);
    if (entry == nullptr || entry->unlink_id != 0 || entry->session != session) return;
    links_.erase(from);
  }
  void on_unlink_ack(const Pid& from, std::uint64_t id) {
    const Link* entry = links_.find(from);
    if (entry != nullptr && entry->unlink_id == id) links_.erase(from);
  }
  /// A linked process ended. Returns: whether the link was active, so that its exit counts.
  bool on_linked_exit(const Pid& from) {
    const Link* entry = links_.find(from);
    if (entry == nullptr || entry->unlink_id != 0) return false;
    return links_.erase(from);
  }

  void watch(std::uint64_t serial, Watch watch) { watches_.insert(serial, std::move(watch)); }
  [[nodiscard]] Watch* find_watch(std::uint64_t serial) { return watches_.find(serial); }
  /// Returns: the monitor or call that `serial` ends; nothing when it is over already. An alias
  /// that was to outlive its monitor stays.
  std::optional<Watch> end_watch(std::uint64_t serial) {
    Watch* found = watches_.find(serial);
    if (found == nullptr || found->kind == Watch::Kind::alias) return std::nullopt;
    if (found->kind == Watch::Kind::spawn) return std::nullopt;  // it has no monitor yet
    std::optional<Watch> ended{std::move(*found)};
    if (ended->alias == AliasMode::explicit_unalias || ended->alias == AliasMode::reply) {
      *found = Watch{.kind = Watch::Kind::alias, .alias = ended->alias};
    } else {
      watches_.erase_found(found);
    }
    return ended;
  }
  /// The call `serial`; null when it is over.
  [[nodiscard]] const Watch* find_call(std::uint64_t serial) {
    const Watch* found = watches_.find(serial);
    return found == nullptr || found->kind != Watch::Kind::call ? nullptr : found;
  }
  /// It is answered. Bounds: as find_call() has found it.
  void end_call(const Watch* call) { watches_.erase_found(call); }
  /// Returns: the spawn that `serial` asked for; nothing when it is answered, or was given up.
  std::optional<Watch> end_spawn(std::uint64_t serial) {
    Watch* found = watches_.find(serial);
    if (found == nullptr || found->kind != Watch::Kind::spawn) return std::nullopt;
    std::optional<Watch> ended{std::move(*found)};
    watches_.erase(serial);
    return ended;
  }
  /// A message came through the alias `serial`. Returns: whether it is still active; `ended` is
  /// the monitor that this message ends.
  bool on_alias(std::uint64_t serial, std::optional<Watch>& ended) {
    const Watch* found = watches_.find(serial);
    if (found == nullptr || found->alias == AliasMode::none) return false;
    if (found->alias == AliasMode::reply) {
      unalias(serial);
    } else if (found->alias == AliasMode::reply_demonitor) {
      ended = end_watch(serial);
    }
    return true;
  }
  /// Returns: whether `serial` was an active alias; a monitor of that reference stays.
  bool unalias(std::uint64_t serial) {
    Watch* found = watches_.find(serial);
    if (found == nullptr || found->alias == AliasMode::none) return false;
    found->alias = AliasMode::none;
    if (found->kind == Watch::Kind::alias) watches_.erase(serial);
    return true;
  }
  void on_monitor(const Watcher& watcher, SessionId session) { watchers_.insert(watcher, session); }
  void on_demonitor(const Watcher& watcher) { watchers_.erase(watcher); }

  /// The session to `node` is over. Later sessions are not touched. Returns: what of ours it
  /// carried and ends now, by on_linked_exit() and end_watch().
  Lost on_node_lost(NodeId node, SessionId session) {
    Lost lost;
    for (const auto& [pid, link] : links_.entries()) {
      if (pid.node == node && link.session <= session) lost.links.push_back(pid);
    }
    for (const auto& [serial, watch] : watches_.entries()) {
      if (watch.target.node == node && watch.session <= session) {
        lost.watches.emplace_back(serial, watch.target);
      }
    }
    std::vector<Watcher> gone;
    for (const auto& [watcher, its_session] : watchers_.entries()) {
      if (watcher.pid.node == node && its_session <= session) gone.push_back(watcher);
    }
    for (const Watcher& watcher : gone) watchers_.erase(watcher);
    std::erase_if(lost.links, [this](const Pid& pid) {
      const bool was_active = links_.find(pid)->unlink_id == 0;
      if (!was_active) links_.erase(pid);
      return !was_active;
    });
    return lost;
  }

  void shrink() {
    links_.shrink();
    watches_.shrink();
    watchers_.shrink();
  }

  /// Bytes that they have of the heap.
  [[nodiscard]] std::size_t memory() const noexcept {
    return links_.memory() + watches_.memory() + watchers_.memory();
  }

  [[nodiscard]] auto links() const noexcept { return links_.entries(); }
  [[nodiscard]] auto watches() const noexcept { return watches_.entries(); }
  [[nodiscard]] auto watchers() const noexcept { return watchers_.entries(); }

 private:
  SmallMap<Pid, Link> links_;
  SmallMap<std::uint64_t, Watch> watches_;
  SmallMap<Watcher, SessionId, WatcherHash> watchers_;
};

}  // namespace grove::detail
