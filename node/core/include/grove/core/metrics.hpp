// SPDX-License-Identifier: Apache-2.0
//
// Metrics: counts of what was dropped, refused or lost, by reason. Names follow Prometheus.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace grove {

enum class Metric : std::uint8_t {
  processes_crashed,
  dead_letters_no_process,     // sent to a pid that is no more, here or on a dead life
  dead_letters_no_name,        // sent to a name nobody has
  dead_letters_no_connection,  // sent to a node without a session
  dead_letters_no_wire_form,   // a type without GROVE_MESSAGE sent to another node
  dead_letters_unsendable,     // too large, too deep, or failed to be written
  dead_letters_unknown_type,   // came from a node that knows a type we do not
  dead_letters_unhandled,      // reached a server that does not handle its type
  dead_letters_late_reply,     // a reply after its call had ended
  dead_letters_alias,          // through an alias that is not active (any more)
  dead_letters_mailbox_full,   // for a mailbox that had no room for it
  dead_letters_peer_busy,      // for a node whose budget was used up
  dead_letters_dead_sender,    // from code of a process that is dead already
  frames_stale,                // of a session that is over, or of a dead life
  frames_malformed,
  handshakes_refused,
  own_seeds,         // addresses to join that turned out to be this node's
  seeds_unanswered,  // tries at an address to join that led to no node
  sessions_up,
  sessions_down,
  sessions_slow,  // of them: the peer took too little for too long
  downs_normal,   // DOWN messages delivered, by kind of reason
  downs_noproc,
  downs_noconnection,
  downs_other,
  name_conflicts,            // names that a process of this node has lost to another node's
  name_conflicts_unsettled,  // the program's order chose nobody, or threw: the name was freed
  names_refused,             // of a node that has more than it may
  names_diverged,            // copies of one version that differ; fetched anew
  names_rules_differ,        // digests of names from a node that settles conflicts otherwise
  clocks_ahead,              // digests of names from a node whose clock is more than 5 s ahead
  members_suspected,
  members_declared_dead,
  suspicions_refuted,  // of this node
  probes_unanswered,
  metadata_refused,  // of other nodes: more than a node may say of itself
  members_refused,   // news of more members than a node remembers
  minorities,        // times that this node was in the minority of a partition
  k_count
};

/// `dead_letters_total{reason="no_process"}` and so on.
[[nodiscard]] std::string_view to_string(Metric metric) noexcept;

/// Thread-safety: all members from any thread.
class Metrics {
 public:
  void add(Metric metric, std::uint64_t count = 1) noexcept {
    values_[static_cast<std::size_t>(metric)].fetch_add(count, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t get(Metric metric) const noexcept {
    return values_[static_cast<std::size_t>(metric)].load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::vector<std::pair<std::string_view, std::uint64_t>> all() const;

 private:
  std::array<std::atomic<std::uint64_t>, static_cast<std::size_t>(Metric::k_count)> values_{};
};

}  // namespace grove
