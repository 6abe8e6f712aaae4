// SPDX-License-Identifier: Apache-2.0
//
// What nodes tell each other of cluster-wide names. An origin is one life of a node: it alone
// writes the names of its processes, and numbers the changes: its version.
#pragma once

#include "grove/core/ids.hpp"
#include "grove/core/message.hpp"
#include "grove/core/value.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace grove::cluster {

inline constexpr std::size_t k_global_name_bytes_max = 255;
inline constexpr std::size_t k_metadata_bytes_max = 1024;  // as it is sent
inline constexpr std::size_t k_part_bytes = std::size_t{64} << 10U;

/// Pinned and append-only. `mode` leaves room: see docs/adr/0019-names-through-third-nodes.md.
enum class NameState : std::uint8_t {
  gone = 0,
  held = 1,
  freed = 2,  // claimed, but so is another's, and the program's order chose neither
};

/// What an origin says of one of its names.
struct NameRecord {
  std::string name;
  NameState state = NameState::gone;
  std::uint8_t mode = 0;    // global::NameMode
  std::uint32_t index = 0;  // of the process on the origin
  std::uint32_t generation = 0;
  std::uint64_t at = 0;  // hybrid time of the registration, microseconds
  Value metadata;
  std::optional<Pid> replaces;    // whom it was taken from by re-registration, of another node
  std::uint64_t since = 0;        // `at` of the first claim in a row of such; 0: this one is it
  std::uint64_t replaced_at = 0;  // `at` of the claim of `replaces`
  friend bool operator==(const NameRecord&, const NameRecord&) = default;
};

/// How far the sender's copy of an origin is. Equal versions have equal hashes.
struct NamesRow {
  std::string node;
  std::uint64_t life = 0;
  std::uint64_t version = 0;
  std::uint64_t hash = 0;
};

/// What the sender has. `summary` is the same where all rows are; without rows, only that is asked.
struct NamesDigest {
  std::uint64_t summary = 0;
  bool answer = false;  // wanted: rows of what the receiver has more of; without rows: all, if the
                        // summaries differ
  std::vector<NamesRow> rows;
  std::uint64_t wall_micros = 0;  // the sender's clock; 0: not told
  std::uint8_t rules = 0;  // how the sender settles conflicts: 1 keep_oldest, 2 keep_newest, 3 a
                           // function; 0: not told
};

/// Wanted: what follows `version` of an origin, to the receiver's knowledge.
struct NamesPull {
  std::string node;
  std::uint64_t life = 0;
  std::uint64_t version = 0;
  bool complete = true;  // false: of the names only those up to `after` are known
  std::string after;
};

/// Changes of an origin after the version `from`, in order, one a version; then, if `ranged`, all
/// names between `after` and `until` (empty: the end) as they are at `version`.
struct NamesPart {
  std::string node;  // empty: the sender, of its own accord
  std::uint64_t life = 0;
  std::uint64_t from = 0;
  std::uint64_t version = 0;  // 0: the sender cannot serve
  std::vector<NameRecord> changes;
  bool ranged = false;
  std::string after;
  std::string until;
  std::vector<NameRecord> names;
  bool acknowledge = false;  // a row of the origin is wanted when all is there
};

/// That process shall lose its name, because somebody has unregistered it.
struct NamesDrop {
  std::string name;
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  std::string node;  // empty: the receiver; else the receiver passes it on, if there is a session
  std::uint64_t life = 0;
};

/// Whether what came from a peer can be what it says.
[[nodiscard]] bool is_well_formed(const NamesPart& part);

}  // namespace grove::cluster

GROVE_MESSAGE(grove::cluster::NameRecord, "grove.name_record", name, state, mode, index, generation,
              at, metadata, replaces, since, replaced_at)
GROVE_MESSAGE(grove::cluster::NamesRow, "grove.names_row", node, life, version, hash)
GROVE_MESSAGE(grove::cluster::NamesDigest, "grove.names_digest", summary, answer, rows, wall_micros,
              rules)
GROVE_MESSAGE(grove::cluster::NamesPull, "grove.names_pull", node, life, version, complete, after)
GROVE_MESSAGE(grove::cluster::NamesPart, "grove.names_part", node, life, from, version, changes,
              ranged, after, until, names, acknowledge)
GROVE_MESSAGE(grove::cluster::NamesDrop, "grove.names_drop", name, index, generation, node, life)
