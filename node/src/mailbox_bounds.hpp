// SPDX-License-Identifier: Apache-2.0
//
// MailboxBound: how many messages a bounded mailbox holds, known to its senders.
//
// One per place of the process table that has ever been bounded, never freed before the table.
// Thread-safety: all members, unless they say otherwise.
#pragma once

#include "grove/node/context.hpp"

#include <atomic>
#include <cstdint>

namespace grove::detail {

class MailboxBound {
 public:
  /// A new life of the place. Owner only.
  void begin(std::uint32_t generation, const MailboxLimit& limit) noexcept {
    limit_.store(limit.messages, std::memory_order_relaxed);
    policy_.store(limit.policy, std::memory_order_relaxed);
    word_.store(std::uint64_t{generation} << k_shift, std::memory_order_release);
  }
  enum class Entry : std::uint8_t { stale, free, over };  // over: beyond the limit, but counted
  /// A message for the life `generation` wants in.
  Entry enter(std::uint32_t generation) noexcept {
    std::uint64_t word = word_.load(std::memory_order_acquire);
    do {
      if (word >> k_shift != generation) return Entry::stale;
    } while (!word_.compare_exchange_weak(word, word + 1, std::memory_order_acq_rel));
    return static_cast<std::uint32_t>(word) < limit() ? Entry::free : Entry::over;
  }
  /// A message that was counted has left, or was not let in. Only while its life lasts.
  /// Returns: how many are in.
  std::uint32_t leave() noexcept {
    return static_cast<std::uint32_t>(word_.fetch_sub(1, std::memory_order_acq_rel)) - 1;
  }
  /// The same by a sender: the life may have ended.
  void turn_back(std::uint32_t generation) noexcept {
    std::uint64_t word = word_.load(std::memory_order_acquire);
    while (word >> k_shift == generation &&
           !word_.compare_exchange_weak(word, word - 1, std::memory_order_acq_rel)) {
    }
  }
  [[nodiscard]] std::uint32_t pending() const noexcept {
    return static_cast<std::uint32_t>(word_.load(std::memory_order_acquire));
  }
  [[nodiscard]] std::uint32_t limit() const noexcept {
    return limit_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] MailboxPolicy policy() const noexcept {
    return policy_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr unsigned k_shift = 32;
  std::atomic<std::uint64_t> word_{0};  // generation, count
  std::atomic<std::uint32_t> limit_{0};
  std::atomic<MailboxPolicy> policy_{};
};

}  // namespace grove::detail
