// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace grove {

/// Frees the slot `hole` of an open-addressed table with linear probing: entries behind it that
/// probed past it move back, so that no look-up needs a tombstone. `slots` are a power of two, not
/// all of them used; `is_free(slot)`; `home(slot)`: where the search for what is in it begins, any
/// bits above the table's size left in.
/// Cost: O(the run behind the hole). Source: Knuth, TAOCP 6.4, algorithm R.
template <class Slots, class IsFree, class Home>
void close_gap(Slots& slots, std::size_t hole, IsFree is_free, Home home) {
  const std::size_t mask = slots.size() - 1;
  for (std::size_t at = (hole + 1) & mask; !is_free(slots[at]); at = (at + 1) & mask) {
    // It may move to the hole only when that is not before its own place.
    if (((at - home(slots[at])) & mask) < ((at - hole) & mask)) continue;
    slots[hole] = slots[at];
    hole = at;
  }
  slots[hole] = {};
}

}  // namespace grove
