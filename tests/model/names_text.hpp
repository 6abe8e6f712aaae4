// SPDX-License-Identifier: Apache-2.0
//
// What nodes tell each other of names, as a text that is the same where they say the same.
#pragma once

#include "name_messages.hpp"

#include <ostream>

namespace grove::cluster {

inline void write(std::ostream& out, const NameRecord& record) {
  out << record.name << static_cast<int>(record.state) << '.' << record.index << '.' << record.at
      << ' ' << (record.replaces ? to_string(*record.replaces) : "") << ' ' << record.since << '.'
      << record.replaced_at << ' ';
}
inline void write(std::ostream& out, const NamesDigest& digest) {
  out << 'D' << digest.summary << digest.answer;
  for (const auto& row : digest.rows) out << row.node << row.life << '.' << row.version << ' ';
}
inline void write(std::ostream& out, const NamesPull& pull) {
  out << 'L' << pull.node << pull.life << '.' << pull.version << pull.complete << pull.after;
}
inline void write(std::ostream& out, const NamesPart& part) {
  out << 'P' << part.node << part.life << '.' << part.from << '.' << part.version << part.ranged
      << part.after << part.until << part.acknowledge;
  for (const auto& record : part.changes) write(out, record);
  out << '|';
  for (const auto& record : part.names) write(out, record);
}
inline void write(std::ostream& out, const NamesDrop& drop) {
  out << 'X' << drop.name << drop.index << drop.node << drop.life;
}

}  // namespace grove::cluster
