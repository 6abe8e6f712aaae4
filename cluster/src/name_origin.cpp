// SPDX-License-Identifier: Apache-2.0
#include "name_origin.hpp"

#include "grove/core/utf8.hpp"

#include "stable_hash.hpp"

#include <algorithm>
#include <utility>

namespace grove::cluster {
namespace {

constexpr std::size_t k_record_bytes = 40;  // about, beside name and metadata
constexpr std::uint64_t k_time_max = std::uint64_t{1} << 62U;

std::uint64_t hash_of(const std::string& name, const NameEntry& entry) {
  std::uint64_t hash = stable_hash(name);
  hash = mix(hash, (std::uint64_t{entry.index} << 32U) | entry.generation);
  hash = mix(hash, entry.at);
  hash = mix(hash, (static_cast<std::uint64_t>(entry.state) << 8U) | entry.mode);
  if (entry.replaces) hash = mix(hash, to_string(*entry.replaces));
  if (entry.since != 0) hash = mix(mix(hash, entry.since), entry.replaced_at);
  return entry.metadata == Value{} ? hash : mix(hash, to_string(entry.metadata));
}

std::size_t bytes_of(const NameRecord& record) {
  const bool bare = record.metadata == Value{};
  return k_record_bytes + record.name.size() + (bare ? 0 : k_metadata_bytes_max);
}

bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= k_global_name_bytes_max && is_utf8(name);
}
bool is_well_formed(const NameRecord& record) {
  if (!is_name(record.name) || record.state > NameState::freed) return false;
  if (record.state == NameState::gone) return true;
  return record.generation != 0 && record.at < k_time_max && record.since <= record.at &&
         (record.replaced_at == 0 || record.replaced_at < record.at);
}

}  // namespace

bool is_well_formed(const NamesPart& part) {
  const auto good = [](const NameRecord& record) { return is_well_formed(record); };
  if (!std::all_of(part.changes.begin(), part.changes.end(), good)) return false;
  if (part.version == 0) return part.changes.empty() && !part.ranged;
  if (part.version - part.from != part.changes.size()) return false;
  if (!part.ranged) return part.names.empty();
  std::string_view last = part.after;
  for (const NameRecord& record : part.names) {
    if (!good(record) || record.state == NameState::gone || record.name <= last) return false;
    last = record.name;
  }
  return part.until.empty() || part.until >= last;
}

NameRecord record_of(const std::string& name, const NameEntry& entry) {
  return {name,     entry.state,    entry.mode,     entry.index, entry.generation,
          entry.at, entry.metadata, entry.replaces, entry.since, entry.replaced_at};
}

// -- changes --------------------------------------------------------------------------------

NameOrigin::Touched NameOrigin::set(const NameRecord& record) {
  auto place = names_.lower_bound(record.name);
  const bool was_there = place != names_.end() && place->first == record.name;
  if (was_there) hash_ ^= hash_of(place->first, place->second);
  if (record.state == NameState::gone) {
    if (was_there) names_.erase(place);
    return {record.name, was_there, nullptr};
  }
  NameEntry entry{record.index,    record.generation, record.at,    record.state,      record.mode,
                  record.metadata, record.replaces,   record.since, record.replaced_at};
  hash_ ^= hash_of(record.name, entry);
  if (was_there) {
    place->second = std::move(entry);
  } else {
    place = names_.emplace_hint(place, record.name, std::move(entry));
  }
  return {record.name, was_there, &place->second};
}

/// So many that who was away for a moment need not be told everything, and few beside the names.
void NameOrigin::remember(NameRecord record) {
  history_.push_back(std::move(record));
  while (history_.size() > 256 + names_.size() / 8) history_.pop_front();
}

NameOrigin::Touched NameOrigin::change(const NameRecord& record) {
  ++version_;
  remember(record);
  return set(record);
}

// -- copies ---------------------------------------------------------------------------------

NameOrigin::Taken NameOrigin::apply(const NamesPart& part, const OnTouched& touched) {
  const bool from_the_start = part.ranged && part.after.empty();
  // Never back: this is what keeps a removed name removed.
  if (part.version < version_ || part.version == 0) return Taken::old;
  if (from_the_start) {
    if (complete() && part.version == version_) return Taken::old;
    // The changes in between are not known: what it has been told is not enough for others.
    if (part.version != version_) history_.clear();
    cursor_ = "";
    version_ = part.version;
    replace_range(part, touched);
    return Taken::applied;
  }
  if (part.from > version_) return Taken::gap;
  if (part.ranged) {
    // News may have come since it was asked for: of its changes only the later ones are missing.
    if (complete() || part.after != cursor_) return Taken::old;
  } else if (part.version == version_) {
    return Taken::old;
  }
  for (std::size_t i = version_ - part.from; i < part.changes.size(); ++i) {
    const NameRecord& record = part.changes[i];
    if (!cursor_ || record.name <= *cursor_) touched(set(record));
    remember(record);
  }
  version_ = part.version;
  if (part.ranged) replace_range(part, touched);
  return Taken::applied;
}

/// What the part has between the cursor and its end is all there is.
void NameOrigin::replace_range(const NamesPart& part, const OnTouched& touched) {
  auto named = part.names.begin();
  std::vector<std::string> gone;
  for (auto place = names_.upper_bound(part.after);
       place != names_.end() && (part.until.empty() || place->first <= part.until); ++place) {
    while (named != part.names.end() && named->name < place->first) ++named;
    if (named == part.names.end() || named->name != place->first) gone.push_back(place->first);
  }
  for (std::string& name : gone) {
    NameRecord record;
    record.name = std::move(name);
    touched(set(record));
  }
  for (const NameRecord& record : part.names) touched(set(record));
  if (part.until.empty()) {
    cursor_.reset();
  } else {
    cursor_ = part.until;
  }
}

// -- for copies elsewhere -------------------------------------------------------------------

std::optional<NamesPart> NameOrigin::changes_after(std::uint64_t from) const {
  if (from > version_ || version_ - from > history_.size()) return std::nullopt;
  NamesPart part;
  part.from = part.version = from;
  std::size_t bytes = 0;
  for (std::size_t i = history_.size() - (version_ - from); i < history_.size(); ++i) {
    if (bytes >= k_part_bytes) break;
    bytes += bytes_of(history_[i]);
    part.changes.push_back(history_[i]);
    ++part.version;
  }
  return part;
}

NamesPart NameOrigin::range_after(const std::string& after) const {
  NamesPart part;
  part.from = part.version = version_;
  part.ranged = true;
  part.after = after;
  std::size_t bytes = 0;
  for (auto place = names_.upper_bound(after); place != names_.end(); ++place) {
    if (bytes >= k_part_bytes) {
      part.until = part.names.back().name;
      break;
    }
    part.names.push_back(record_of(place->first, place->second));
    bytes += bytes_of(part.names.back());
  }
  return part;
}

NamesPart NameOrigin::part_for(const NamesPull& pull) const {
  if (!complete() || version_ < pull.version || version_ == 0) return {};
  if (!pull.complete && pull.after.empty()) return range_after({});
  auto changes = changes_after(pull.version);
  if (!changes) return range_after({});
  // Not all of them: names as they are now would not fit.
  if (pull.complete || changes->version < version_) return *std::move(changes);
  NamesPart part = range_after(pull.after);
  part.from = pull.version;
  part.changes = std::move(changes->changes);
  return part;
}

}  // namespace grove::cluster
