// SPDX-License-Identifier: Apache-2.0
#include "grove/core/readers.hpp"

#include <algorithm>
#include <limits>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace grove {
namespace {

bool membarrier(int command) noexcept { return ::syscall(SYS_membarrier, command, 0, 0) == 0; }

}  // namespace

const bool Readers::has_membarrier_ = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);

std::uint64_t Readers::oldest() noexcept {
  if (has_membarrier_) membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  std::uint64_t first = std::numeric_limits<std::uint64_t>::max();
  for (const Place* place = places_.load(std::memory_order_seq_cst); place != nullptr;
       place = place->next) {
    const std::uint64_t since = place->since.load(std::memory_order_seq_cst);
    if (since != 0) first = std::min(first, since);
  }
  return first;
}

Readers::Place* Readers::take() {
  for (Place* place = places_.load(std::memory_order_acquire); place != nullptr;
       place = place->next) {
    if (!place->taken.exchange(true, std::memory_order_acq_rel)) return place;
  }
  auto* const place = new Place;
  place->next = places_.load(std::memory_order_relaxed);
  while (!places_.compare_exchange_weak(place->next, place, std::memory_order_seq_cst)) {
  }
  return place;
}

}  // namespace grove
