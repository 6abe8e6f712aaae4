// SPDX-License-Identifier: Apache-2.0
//
// TimerWheel: timers in the order of their deadlines, at a constant cost each. No clock, no thread.
//
// Eleven levels of 64 slots. A slot of level 0 is one instant (a nanosecond, for the node's
// timers), one of level n covers 64^n of them. An entry lies at the level of the highest group of
// six bits in which its deadline differs from the cursor, so whatever lies at a lower level is due
// earlier, and two bitmaps find the first slot. When the first slot is due it is opened: the
// cursor moves into it and its entries to lower levels. Each slot knows the earliest deadline it
// was given, so the cursor jumps over empty levels and nothing is opened before it has to be.
//
// Order: by deadline, then as armed; first those whose deadline had come when they were armed.
// Thread-safety: none.
#pragma once

#include "grove/core/check.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace grove::detail {

template <class T>
class TimerWheel {
 public:
  using Time = std::uint64_t;
  using Index = std::uint32_t;
  static constexpr Time k_never = ~Time{0};
  static constexpr Index k_none = 0;
  static constexpr Index k_max_entries = Index{1} << 28U;

  /// One arming of one entry; an older one of the same entry is never mistaken for it.
  struct Id {
    Index index = k_none;
    std::uint32_t generation = 0;
  };

  TimerWheel() = default;
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  /// A new entry; its payload is as the last one of its place was left.
  /// Bounds: fewer than k_max_entries at a time (checked); deadline < k_never.
  Index arm(Time deadline) {
    const Index index = allocate();
    Entry& entry = at(index);
    entry.deadline = deadline;
    place(index, entry);
    ++armed_;
    return index;
  }
  /// Puts an entry that take_due() gave out back, under the id it had.
  void rearm(Index index, Time deadline) {
    Entry& entry = at(index);
    entry.deadline = deadline;
    place(index, entry);
  }
  /// Removes an entry, be it in its slot or given out by take_due().
  void erase(Index index) {
    Entry& entry = at(index);
    if (entry.slot != k_no_slot) unlink(entry);
    if (++entry.generation == 0) entry.generation = 1;
    entry.next = free_;
    free_ = index;
    --armed_;
  }
  /// Returns: the entry's index; none when it was erased since.
  [[nodiscard]] std::optional<Index> find(Id id) const {
    if (id.index == k_none || id.index >= used_ || at(id.index).generation != id.generation) {
      return std::nullopt;
    }
    return id.index;
  }
  [[nodiscard]] Id id_of(Index index) const { return {index, at(index).generation}; }
  [[nodiscard]] T& operator[](Index index) { return at(index).payload; }
  [[nodiscard]] Time deadline(Index index) const { return at(index).deadline; }

  enum class Due : std::uint8_t { none, one, more_work };
  struct Taken {
    Due due;
    Index index = k_none;
  };
  /// Takes the first entry that is due out of its slot; erase() or rearm() must follow.
  /// Returns: more_work when it has moved `k_work` entries and found none yet: call again.
  /// Bounds: `now` never decreases.
  Taken take_due(Time now) {
    for (unsigned work = 0;;) {
      while (slots_[opening_].head != k_none && opening_ != 0) {
        if (++work > k_work) return {Due::more_work};
        const Index index = slots_[opening_].head;
        Entry& entry = at(index);
        unlink(entry);
        place(index, entry);
      }
      opening_ = 0;
      const std::optional<unsigned> first = first_slot();
      if (!first || slots_[*first].earliest > now) return {Due::none};
      cursor_ = slots_[*first].earliest;
      if (*first < k_slots) {
        const Index index = slots_[*first].head;
        unlink(at(index));
        return {Due::one, index};
      }
      opening_ = *first;
    }
  }
  /// When take_due() has something to do next; that may be less than to find an entry.
  [[nodiscard]] Time next() const {
    if (opening_ != 0) return cursor_;
    const std::optional<unsigned> first = first_slot();
    return first ? slots_[*first].earliest : k_never;
  }

  /// How many are armed or given out.
  [[nodiscard]] std::size_t armed() const noexcept { return armed_; }
  /// How many there is memory for; it serves later timers.
  [[nodiscard]] std::size_t capacity() const noexcept { return chunks_.size() * k_chunk; }

 private:
  static constexpr unsigned k_bits = 6;
  static constexpr unsigned k_slots = 1U << k_bits;
  static constexpr unsigned k_levels = 11;  // of 6 bits: all 64
  static constexpr std::uint16_t k_no_slot = 0xFFFF;
  static constexpr Index k_chunk = 128;
  static constexpr unsigned k_work = 512;

  struct alignas(64) Entry {
    Time deadline = 0;
    Index next = k_none;  // of its slot, or of the free list
    Index before = k_none;
    std::uint32_t generation = 1;
    std::uint16_t slot = k_no_slot;
    T payload{};
  };
  struct Slot {
    Time earliest = 0;  // at most that of every entry
    Index head = k_none;
    Index tail = k_none;
  };

  [[nodiscard]] Entry& at(Index index) const { return chunks_[index / k_chunk][index % k_chunk]; }

  Index allocate() {
    if (free_ != k_none) return std::exchange(free_, at(free_).next);
    GROVE_CHECK(used_ < k_max_entries);
    if (used_ >= capacity()) chunks_.push_back(std::make_unique<Entry[]>(k_chunk));
    return used_++;
  }

  void place(Index index, Entry& entry) {
    const Time time = std::max(entry.deadline, cursor_);
    const auto level = static_cast<unsigned>(std::bit_width((time ^ cursor_) | 1U) - 1) / k_bits;
    const auto position = static_cast<unsigned>(time >> (level * k_bits)) % k_slots;
    entry.slot = static_cast<std::uint16_t>(level * k_slots + position);
    Slot& slot = slots_[entry.slot];
    entry.next = k_none;
    entry.before = slot.tail;
    if (slot.tail == k_none) {
      slot.head = index;
      slot.earliest = time;
      occupied_[level] |= Time{1} << position;
      levels_ |= 1U << level;
    } else {
      at(slot.tail).next = index;
      slot.earliest = std::min(slot.earliest, time);
    }
    slot.tail = index;
  }

  void unlink(Entry& entry) {
    Slot& slot = slots_[entry.slot];
    (entry.before == k_none ? slot.head : at(entry.before).next) = entry.next;
    (entry.next == k_none ? slot.tail : at(entry.next).before) = entry.before;
    if (slot.head == k_none) {
      const unsigned level = entry.slot / k_slots;
      occupied_[level] &= ~(Time{1} << (entry.slot % k_slots));
      if (occupied_[level] == 0) levels_ &= ~(1U << level);
    }
    entry.slot = k_no_slot;
  }

  [[nodiscard]] std::optional<unsigned> first_slot() const {
    if (levels_ == 0) return std::nullopt;
    const auto level = static_cast<unsigned>(std::countr_zero(levels_));
    return level * k_slots + static_cast<unsigned>(std::countr_zero(occupied_[level]));
  }

  Time cursor_ = 0;       // not after any entry's slot, except those of the one being opened
  unsigned opening_ = 0;  // the slot being opened; 0: none, for level 0 needs no opening
  unsigned levels_ = 0;   // bit n: level n has entries
  std::array<Time, k_levels> occupied_{};
  std::array<Slot, std::size_t{k_levels} * k_slots> slots_{};
  std::vector<std::unique_ptr<Entry[]>> chunks_;
  Index used_ = 1;  // entries ever used; number 0 is nobody's
  Index free_ = k_none;
  std::size_t armed_ = 0;
};

}  // namespace grove::detail
