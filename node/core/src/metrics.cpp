// SPDX-License-Identifier: Apache-2.0
#include "grove/core/metrics.hpp"

namespace grove {

std::string_view to_string(Metric metric) noexcept {
  switch (metric) {
    case Metric::processes_crashed: return "processes_crashed_total";
    case Metric::dead_letters_no_process: return "dead_letters_total{reason=\"no_process\"}";
    case Metric::dead_letters_no_name: return "dead_letters_total{reason=\"no_name\"}";
    case Metric::dead_letters_no_connection: return "dead_letters_total{reason=\"no_connection\"}";
    case Metric::dead_letters_no_wire_form: return "dead_letters_total{reason=\"no_wire_form\"}";
    case Metric::dead_letters_unsendable: return "dead_letters_total{reason=\"unsendable\"}";
    case Metric::dead_letters_unknown_type: return "dead_letters_total{reason=\"unknown_type\"}";
    case Metric::dead_letters_unhandled: return "dead_letters_total{reason=\"unhandled\"}";
    case Metric::dead_letters_late_reply: return "dead_letters_total{reason=\"late_reply\"}";
    case Metric::dead_letters_alias: return "dead_letters_total{reason=\"alias\"}";
    case Metric::dead_letters_mailbox_full: return "dead_letters_total{reason=\"mailbox_full\"}";
    case Metric::dead_letters_peer_busy: return "dead_letters_total{reason=\"peer_busy\"}";
    case Metric::dead_letters_dead_sender: return "dead_letters_total{reason=\"dead_sender\"}";
    case Metric::frames_stale: return "stale_frames_total";
    case Metric::frames_malformed: return "malformed_frames_total";
    case Metric::handshakes_refused: return "handshakes_refused_total";
    case Metric::own_seeds: return "own_seeds_total";
    case Metric::seeds_unanswered: return "seeds_unanswered_total";
    case Metric::sessions_up: return "sessions_up_total";
    case Metric::sessions_down: return "sessions_down_total";
    case Metric::sessions_slow: return "sessions_slow_total";
    case Metric::downs_normal: return "downs_total{reason=\"normal\"}";
    case Metric::downs_noproc: return "downs_total{reason=\"noproc\"}";
    case Metric::downs_noconnection: return "downs_total{reason=\"noconnection\"}";
    case Metric::downs_other: return "downs_total{reason=\"other\"}";
    case Metric::name_conflicts: return "name_conflicts_total";
    case Metric::name_conflicts_unsettled: return "name_conflicts_unsettled_total";
    case Metric::names_refused: return "names_refused_total";
    case Metric::names_diverged: return "names_diverged_total";
    case Metric::names_rules_differ: return "names_rules_differ_total";
    case Metric::clocks_ahead: return "clocks_ahead_total";
    case Metric::members_suspected: return "members_suspected_total";
    case Metric::members_declared_dead: return "members_declared_dead_total";
    case Metric::suspicions_refuted: return "suspicions_refuted_total";
    case Metric::probes_unanswered: return "probes_unanswered_total";
    case Metric::metadata_refused: return "metadata_refused_total";
    case Metric::members_refused: return "members_refused_total";
    case Metric::minorities: return "minorities_total";
    case Metric::k_count: break;
  }
  return "";
}

std::vector<std::pair<std::string_view, std::uint64_t>> Metrics::all() const {
  std::vector<std::pair<std::string_view, std::uint64_t>> rows;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const auto metric = static_cast<Metric>(i);
    rows.emplace_back(to_string(metric), get(metric));
  }
  return rows;
}

}  // namespace grove
