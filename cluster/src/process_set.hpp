// SPDX-License-Identifier: Apache-2.0
//
// ProcessSet: processes of this node, by their local ids; made for many that come and go.
//
// Open-addressed, without tombstones. Neighbours in the process table are neighbours here, eight to
// a cache line: they are often watched, and often end, one after another. Groups of eight are
// scattered, so that ranges which overlap do not pile up.
// Iteration order depends on the size: who needs an order sorts. Never smaller than it once was,
// 16 bytes for each that it held at most, until it is empty: so that erase() cannot fail.
#pragma once

#include "grove/core/close_gap.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace grove::cluster {

class ProcessSet {
 public:
  /// Returns: whether it is new. Bounds: `id` is not 0, here and below.
  bool insert(std::uint64_t id) {
    if (2 * (size_ + 1) > slots_.size()) resize(slots_.empty() ? k_size_min : 2 * slots_.size());
    std::size_t slot = slot_of(id);
    if (slots_[slot] == id) return false;
    slots_[slot] = id;
    ++size_;
    return true;
  }
  void erase(std::uint64_t id) {
    if (size_ == 0) return;
    const std::size_t slot = slot_of(id);
    if (slots_[slot] != id) return;
    close_gap(
        slots_, slot, [](std::uint64_t held) { return held == 0; },
        [this](std::uint64_t held) { return home(held); });
    --size_;
    if (size_ == 0 && slots_.size() > k_size_min) slots_ = {};
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  template <class F>
  void for_each(F&& visit) const {
    for (const std::uint64_t id : slots_) {
      if (id != 0) visit(id);
    }
  }

 private:
  static constexpr std::size_t k_size_min = 16;  // a power of two
  static constexpr std::uint64_t k_group = 8;

  [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }
  [[nodiscard]] std::size_t home(std::uint64_t id) const noexcept {
    const std::uint64_t index = id >> 32U;
    const std::uint64_t group = (index / k_group) * 0x9E3779B97F4A7C15U >> 32U;
    return static_cast<std::size_t>(group * k_group + index % k_group) & mask();
  }
  /// Where it is, or is to be.
  [[nodiscard]] std::size_t slot_of(std::uint64_t id) const noexcept {
    std::size_t slot = home(id);
    while (slots_[slot] != 0 && slots_[slot] != id) slot = (slot + 1) & mask();
    return slot;
  }
  void resize(std::size_t size) {
    std::vector<std::uint64_t> wider(size);
    slots_.swap(wider);
    for (const std::uint64_t id : wider) {
      if (id != 0) slots_[slot_of(id)] = id;
    }
  }

  std::vector<std::uint64_t> slots_;  // 0: free; at least half of them are
  std::size_t size_ = 0;
};

}  // namespace grove::cluster
