// SPDX-License-Identifier: Apache-2.0
//
// SmallMap: a handful of entries as a plain array; an index joins in when there are many.
//
// 8 bytes until its first entry. A small array stays when it gets empty, for the next entry; a
// large one is given back. The index is open-addressed: slots hold positions in the array, a
// removal closes the gap behind it, so there are no tombstones.
// Iteration goes over the array, so its order depends on the history of calls alone.
#pragma once

#include "grove/core/close_gap.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace grove::detail {

template <class Key, class T, class Hash = std::hash<Key>>
class SmallMap {
 public:
  using Entry = std::pair<Key, T>;

  [[nodiscard]] T* find(const Key& key) {
    const std::size_t at = position(key);
    return at == k_none ? nullptr : &table_->entries[at].second;
  }
  /// The entry of `key`, made from `value` when there is none.
  T& insert(const Key& key, T value) {
    if (T* found = find(key)) return *found;
    if (table_ == nullptr) table_ = std::make_unique<Table>();
    std::vector<Entry>& entries = table_->entries;
    const std::size_t size = entries.size() + 1;
    // The index first: when memory is too short, the entry is not half in.
    if (size > k_linear && 2 * size > table_->slots.size()) build_index(size);
    entries.emplace_back(key, std::move(value));
    if (!table_->slots.empty()) occupy(static_cast<std::uint32_t>(size - 1));
    return entries.back().second;
  }
  bool erase(const Key& key) {
    const std::size_t at = position(key);
    if (at == k_none) return false;
    erase_at(at);
    return true;
  }
  /// The entry whose value find() has found.
  void erase_found(const T* found) {
    const auto* const value = reinterpret_cast<const std::byte*>(found);
    const auto* const first = reinterpret_cast<const std::byte*>(table_->entries.data());
    erase_at(static_cast<std::size_t>(value - first) / sizeof(Entry));
  }
  /// Gives back the room that is left from fuller times. Cost: O(size).
  void shrink() {
    if (table_ == nullptr) return;
    if (empty()) return table_.reset();
    table_->entries.shrink_to_fit();
    std::vector<std::uint32_t>{}.swap(table_->slots);
    if (size() > k_linear) build_index(size());
  }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] std::size_t size() const noexcept {
    return table_ == nullptr ? 0 : table_->entries.size();
  }
  /// Bytes that it has of the heap.
  [[nodiscard]] std::size_t memory() const noexcept {
    if (table_ == nullptr) return 0;
    return sizeof(Table) + table_->entries.capacity() * sizeof(Entry) +
           table_->slots.capacity() * sizeof(std::uint32_t);
  }
  [[nodiscard]] std::span<const Entry> entries() const noexcept {
    return table_ == nullptr ? std::span<const Entry>{} : std::span<const Entry>{table_->entries};
  }

 private:
  static constexpr std::size_t k_linear = 16;
  static constexpr std::size_t k_none = ~std::size_t{0};

  struct Table {
    std::vector<Entry> entries;
    std::vector<std::uint32_t> slots;  // empty while small; else position + 1, 0: free
  };

  void erase_at(std::size_t at) {
    std::vector<Entry>& entries = table_->entries;
    if (!table_->slots.empty()) vacate(slot_of(static_cast<std::uint32_t>(at)));
    const std::size_t last = entries.size() - 1;
    if (at != last) {
      if (!table_->slots.empty()) {
        table_->slots[slot_of(static_cast<std::uint32_t>(last))] =
            static_cast<std::uint32_t>(at) + 1;
      }
      entries[at] = std::move(entries[last]);
    }
    entries.pop_back();
    if (entries.empty() && !table_->slots.empty()) table_.reset();
  }

  [[nodiscard]] std::size_t mask() const noexcept { return table_->slots.size() - 1; }
  [[nodiscard]] std::size_t home(const Key& key) const noexcept {
    const std::uint64_t mixed = Hash{}(key)*0x9E3779B97F4A7C15U;
    return static_cast<std::size_t>(mixed >> 32U) & mask();
  }
  std::size_t position(const Key& key) const {
    if (table_ == nullptr) return k_none;
    const std::vector<Entry>& entries = table_->entries;
    if (table_->slots.empty()) {
      for (std::size_t at = 0; at < entries.size(); ++at) {
        if (entries[at].first == key) return at;
      }
      return k_none;
    }
    for (std::size_t slot = home(key);; slot = (slot + 1) & mask()) {
      const std::uint32_t held = table_->slots[slot];
      if (held == 0) return k_none;
      if (entries[held - 1].first == key) return held - 1;
    }
  }
  /// The slot that holds the position `at`.
  std::size_t slot_of(std::uint32_t at) const {
    std::size_t slot = home(table_->entries[at].first);
    while (table_->slots[slot] != at + 1) slot = (slot + 1) & mask();
    return slot;
  }
  void occupy(std::uint32_t at) {
    std::size_t slot = home(table_->entries[at].first);
    while (table_->slots[slot] != 0) slot = (slot + 1) & mask();
    table_->slots[slot] = at + 1;
  }
  void vacate(std::size_t slot) {
    close_gap(
        table_->slots, slot, [](std::uint32_t held) { return held == 0; },
        [this](std::uint32_t held) { return home(table_->entries[held - 1].first); });
  }
  /// With room for so many entries.
  void build_index(std::size_t count) {
    std::size_t size = 4 * k_linear;
    while (size < 4 * count) size *= 2;
    table_->slots.assign(size, 0);
    for (std::uint32_t at = 0; at < table_->entries.size(); ++at) occupy(at);
  }

  std::unique_ptr<Table> table_;
};

}  // namespace grove::detail
