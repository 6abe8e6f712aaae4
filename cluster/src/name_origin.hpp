// SPDX-License-Identifier: Apache-2.0
//
// NameOrigin: the names of one node's life, at a version, on any node. A value.
//
// Its owner makes the versions; copies of it follow, by changes or by ranges of names, from whoever
// has more. Each name only ever goes forward: what is older than what a copy has of a range is
// ignored, so a name that was removed never comes back.
//
// Invariant: the names up to cursor() are those of version(); behind it they are of an earlier one,
//            if any. A complete copy has no cursor.
#pragma once

#include "grove/core/ids.hpp"

#include "name_messages.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grove::cluster {

/// What is kept of a name; see NameRecord.
struct NameEntry {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  std::uint64_t at = 0;
  NameState state = NameState::held;
  std::uint8_t mode = 0;
  Value metadata;
  std::optional<Pid> replaces;
  std::uint64_t since = 0;
  std::uint64_t replaced_at = 0;
  friend bool operator==(const NameEntry&, const NameEntry&) = default;
};
[[nodiscard]] NameRecord record_of(const std::string& name, const NameEntry& entry);

class NameOrigin {
 public:
  using Names = std::map<std::string, NameEntry, std::less<>>;

  /// One name that a change or a part has touched. Valid until the next one is.
  struct Touched {
    const std::string& name;
    bool was_there = false;
    const NameEntry* entry = nullptr;  // null: it is not there now
  };
  using OnTouched = std::function<void(const Touched&)>;

  /// The owner changes a name: a new version. `state` gone: it has it no more.
  /// Returns: with the record's name.
  Touched change(const NameRecord& record);

  enum class Taken : std::uint8_t {
    old,      // it has that, or is filled from elsewhere: nothing was changed
    applied,  // it is at the part's version now
    gap,      // the part begins after its version: more must be asked for first
  };
  /// `touched` hears of each change, in order, as soon as it is made.
  Taken apply(const NamesPart& part, const OnTouched& touched);

  /// What a copy that is where `pull` says needs next: at most about k_part_bytes.
  [[nodiscard]] NamesPart part_for(const NamesPull& pull) const;
  /// The changes after `from`, up to about k_part_bytes. Nothing: they are not remembered.
  [[nodiscard]] std::optional<NamesPart> changes_after(std::uint64_t from) const;
  /// To be filled anew, from the first name on.
  void distrust() { cursor_ = ""; }

  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }
  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }
  [[nodiscard]] bool complete() const noexcept { return !cursor_; }
  [[nodiscard]] std::string cursor() const { return cursor_.value_or(""); }
  [[nodiscard]] const Names& names() const noexcept { return names_; }
  /// How many of the last changes it can tell.
  [[nodiscard]] std::size_t remembered() const noexcept { return history_.size(); }
  [[nodiscard]] const NameEntry* find(std::string_view name) const {
    const auto place = names_.find(name);
    return place == names_.end() ? nullptr : &place->second;
  }
  friend bool operator==(const NameOrigin&, const NameOrigin&) = default;

 private:
  Touched set(const NameRecord& record);
  void replace_range(const NamesPart& part, const OnTouched& touched);
  void remember(NameRecord record);
  [[nodiscard]] NamesPart range_after(const std::string& after) const;

  std::uint64_t version_ = 0;
  std::uint64_t hash_ = 0;             // of all names, in any order
  std::optional<std::string> cursor_;  // nothing: complete
  Names names_;
  std::deque<NameRecord> history_;  // the last changes, up to version_
};

}  // namespace grove::cluster
