// SPDX-License-Identifier: Apache-2.0
//
// Inbox and Mailbox: where signals arrive, and where messages wait.
//
// Inbox: one atomic word, the newest of what arrived, or k_idle while its process is not scheduled.
// Push is one CAS and tells the sender whether to schedule the process, so no separate "scheduled"
// flag can disagree with it. The owner takes by reading alone: it remembers the newest that it has
// taken, and what lies above that in the list is new. Only to park does it write.
// Invariant: the newest one taken is not freed while the word may still name it; else another that
// is allocated there and pushed would look like it. So the owner frees through free().
//
// Mailbox: the owner's list of messages, oldest first; confined to the process.
#pragma once

#include "grove/node/envelope.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace grove::detail {

class Inbox {
 public:
  /// Threads: any. Returns: true when the process was idle: the caller must schedule it.
  bool push(Envelope* envelope) noexcept {
    std::uintptr_t old = word_.load(std::memory_order_relaxed);
    do {
      envelope->next = old == k_idle ? nullptr : reinterpret_cast<Envelope*>(old);
    } while (!word_.compare_exchange_weak(old, reinterpret_cast<std::uintptr_t>(envelope),
                                          std::memory_order_acq_rel, std::memory_order_relaxed));
    return old == k_idle;
  }
  /// Owner only. Returns: what arrived since the last time, oldest first.
  Envelope* take() noexcept {
    const std::uintptr_t word = word_.load(std::memory_order_acquire);
    if (word == (taken_ & ~k_freed)) return nullptr;
    auto* const known = reinterpret_cast<Envelope*>(taken_ & ~k_freed);
    Envelope* oldest = nullptr;
    for (auto* at = reinterpret_cast<Envelope*>(word); at != known;) {
      Envelope* next = at->next;
      at->next = oldest;
      oldest = at;
      at = next;
    }
    if ((taken_ & k_freed) != 0) delete known;
    taken_ = word;
    return oldest;
  }
  /// Owner only. Ends an envelope that was taken; its memory may have to stay until the next
  /// take() or park().
  void free(Envelope* envelope) noexcept {
    if (reinterpret_cast<std::uintptr_t>(envelope) == taken_) {
      envelope->message.reset();
      taken_ |= k_freed;
    } else {
      delete envelope;
    }
  }
  /// Owner only. An envelope that was taken, as a value of the program's.
  EnvelopePtr release(Envelope* envelope) {
    if (reinterpret_cast<std::uintptr_t>(envelope) != taken_) return EnvelopePtr{envelope};
    auto copy = std::make_unique<Envelope>(envelope->kind(), envelope->from,
                                           std::uint64_t{envelope->serial});
    copy->message = std::move(envelope->message);
    free(envelope);
    return copy;
  }
  /// Owner only. Returns: true when nothing arrived meanwhile: the process is idle, or perhaps
  /// already another worker's. False: it stays scheduled.
  bool park() noexcept {
    const std::uintptr_t taken = std::exchange(taken_, 0);
    std::uintptr_t expected = taken & ~k_freed;
    if (!word_.compare_exchange_strong(expected, k_idle, std::memory_order_acq_rel,
                                       std::memory_order_relaxed)) {
      taken_ = taken;
      return false;
    }
    if ((taken & k_freed) != 0) delete reinterpret_cast<Envelope*>(taken & ~k_freed);
    return true;
  }
  /// Takes an idle inbox for a new life. Returns: false when a late signal has scheduled it.
  bool claim() noexcept {
    std::uintptr_t idle = k_idle;
    return word_.compare_exchange_strong(idle, 0, std::memory_order_acq_rel,
                                         std::memory_order_relaxed);
  }
  [[nodiscard]] bool idle() const noexcept {
    return word_.load(std::memory_order_relaxed) == k_idle;
  }

 private:
  static constexpr std::uintptr_t k_idle = 1;
  static constexpr std::uintptr_t k_freed = 1;  // in taken_: its memory waits to be freed

  std::atomic<std::uintptr_t> word_{k_idle};
  std::uintptr_t taken_ = 0;
};

class Mailbox {
 public:
  void append(Envelope* envelope) noexcept {
    envelope->next = nullptr;
    (tail_ == nullptr ? head_ : tail_->next) = envelope;
    tail_ = envelope;
    ++size_;
  }
  Envelope* pop() noexcept { return head_ == nullptr ? nullptr : take_after(nullptr); }
  /// Removes and returns the first message for which `matches` is true, looking behind `refused`
  /// (null: from the oldest), which then is the last one refused.
  template <class Matches>
  Envelope* scan(Envelope*& refused, Matches&& matches) {
    Envelope* before = refused;
    for (Envelope* at = before == nullptr ? head_ : before->next; at != nullptr; at = at->next) {
      if (matches(*at)) return take_after(before);
      before = at;
      refused = at;
    }
    return nullptr;
  }
  /// The same over all messages.
  template <class Matches>
  Envelope* take_first(Matches&& matches) {
    Envelope* refused = nullptr;
    return scan(refused, matches);
  }
  [[nodiscard]] Envelope* head() const noexcept { return head_; }
  [[nodiscard]] Envelope* tail() const noexcept { return tail_; }
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }

 private:
  Envelope* take_after(Envelope* before) noexcept {
    Envelope*& link = before == nullptr ? head_ : before->next;
    Envelope* taken = link;
    link = taken->next;
    if (tail_ == taken) tail_ = before;
    --size_;
    return taken;
  }

  Envelope* head_ = nullptr;
  Envelope* tail_ = nullptr;
  std::uint32_t size_ = 0;
};

}  // namespace grove::detail
