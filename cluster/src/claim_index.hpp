// SPDX-License-Identifier: Apache-2.0
//
// ClaimIndex: which nodes claim a name, by half of the name's hash: a table of open addressing, of
// which a look-up mostly reads one line of memory. A value.
#pragma once

#include "grove/core/close_gap.hpp"
#include "grove/core/ids.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace grove::cluster {

class ClaimIndex {
 public:
  void add(std::size_t hash, NodeId node) {
    if ((size_ + 1) * 2 > slots_.size()) grow();
    place({tag_of(hash), node});
    ++size_;
  }
  /// One that was added.
  void remove(std::size_t hash, NodeId node) {
    std::size_t hole = home(tag_of(hash));
    while (slots_[hole] != Slot{tag_of(hash), node}) hole = after(hole);
    close_gap(
        slots_, hole, [](const Slot& slot) { return slot.node == NodeId{}; },
        [](const Slot& slot) { return slot.tag; });
    --size_;
  }
  /// Calls `use(node)` for each that may claim a name of that hash, perhaps more than once.
  template <class F>
  void for_each(std::size_t hash, F&& use) const {
    const std::uint32_t tag = tag_of(hash);
    for (std::size_t at = home(tag); slots_[at].node != NodeId{}; at = after(at)) {
      if (slots_[at].tag == tag) use(slots_[at].node);
    }
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    NodeId node;  // 0: free
    friend bool operator==(const Slot&, const Slot&) = default;
  };
  static std::uint32_t tag_of(std::size_t hash) noexcept {
    return static_cast<std::uint32_t>(hash);
  }
  [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }
  [[nodiscard]] std::size_t home(std::uint32_t tag) const noexcept { return tag & mask(); }
  [[nodiscard]] std::size_t after(std::size_t at) const noexcept { return (at + 1) & mask(); }
  void place(const Slot& slot) {
    std::size_t at = home(slot.tag);
    while (slots_[at].node != NodeId{}) at = after(at);
    slots_[at] = slot;
  }
  void grow() {
    const std::vector<Slot> full = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
    for (const Slot& slot : full) {
      if (slot.node != NodeId{}) place(slot);
    }
  }

  std::vector<Slot> slots_ = std::vector<Slot>(8);  // a power of two; at most half of them used
  std::size_t size_ = 0;
};

}  // namespace grove::cluster
