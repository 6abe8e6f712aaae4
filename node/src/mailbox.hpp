// SPDX-License-Identifier: Apache-2.0
//
// Inbox and Mailbox: where signals arrive, and where messages wait.
//
// Inbox: one atomic word. k_idle: its process is not scheduled; otherwise a list of what arrived,
// newest first, perhaps empty. Push is one CAS and tells the sender whether to schedule the
// process, so no separate "scheduled" flag can disagree with it.
// Mailbox: the owner's list of messages, oldest first; confined to the process.
#pragma once

#include "grove/node/envelope.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace grove::detail {

class Inbox {
 public:
  /// Returns: true when the process was idle: the caller must schedule it.
  bool push(Envelope* envelope) noexcept {
    std::uintptr_t old = word_.load(std::memory_order_relaxed);
    do {
      envelope->next = old == k_idle ? nullptr : reinterpret_cast<Envelope*>(old);
    } while (!word_.compare_exchange_weak(old, reinterpret_cast<std::uintptr_t>(envelope),
                                          std::memory_order_acq_rel, std::memory_order_relaxed));
    return old == k_idle;
  }
  /// Owner only. Returns: all that arrived, oldest first.
  Envelope* take() noexcept {
    if (word_.load(std::memory_order_relaxed) <= k_idle) return nullptr;
    auto* newest = reinterpret_cast<Envelope*>(word_.exchange(0, std::memory_order_acquire));
    Envelope* oldest = nullptr;
    while (newest != nullptr) {
      Envelope* next = newest->next;
      newest->next = oldest;
      oldest = newest;
      newest = next;
    }
    return oldest;
  }
  /// Owner only. Returns: false when something arrived meanwhile; the process stays scheduled.
  bool park() noexcept {
    std::uintptr_t empty = 0;
    return word_.compare_exchange_strong(empty, k_idle, std::memory_order_acq_rel);
  }
  /// Takes an idle inbox for a new life. Returns: false when a late signal has scheduled it.
  bool claim() noexcept {
    std::uintptr_t idle = k_idle;
    return word_.compare_exchange_strong(idle, 0, std::memory_order_acq_rel);
  }

 private:
  static constexpr std::uintptr_t k_idle = 1;
  std::atomic<std::uintptr_t> word_{k_idle};
};

class Mailbox {
 public:
  Mailbox() = default;
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  ~Mailbox() { clear(); }

  void append(EnvelopePtr envelope) noexcept {
    envelope->next = nullptr;
    Envelope* raw = envelope.release();
    (tail_ == nullptr ? head_ : tail_->next) = raw;
    tail_ = raw;
    ++size_;
  }
  EnvelopePtr pop() noexcept { return head_ == nullptr ? nullptr : take_after(nullptr); }
  /// Removes and returns the first message for which `matches` is true, looking from where the
  /// last scan of the same waiter ended.
  template <class Matches>
  EnvelopePtr scan(Matches&& matches) {
    Envelope* before = scanned_;
    for (Envelope* at = before == nullptr ? head_ : before->next; at != nullptr; at = at->next) {
      if (matches(*at)) {
        EnvelopePtr found = take_after(before);
        scanned_ = nullptr;
        return found;
      }
      before = at;
    }
    scanned_ = before;
    return nullptr;
  }
  /// A new waiter looks at everything, or only at what comes from now on.
  void restart_scan() noexcept { scanned_ = nullptr; }
  void scan_from_tail() noexcept { scanned_ = tail_; }
  void clear() noexcept {
    while (pop() != nullptr) {
    }
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }

 private:
  EnvelopePtr take_after(Envelope* before) noexcept {
    Envelope*& link = before == nullptr ? head_ : before->next;
    Envelope* taken = link;
    link = taken->next;
    if (tail_ == taken) tail_ = before;
    if (scanned_ == taken) scanned_ = before;
    --size_;
    return EnvelopePtr{taken};
  }

  Envelope* head_ = nullptr;
  Envelope* tail_ = nullptr;
  Envelope* scanned_ = nullptr;  // the last one the current waiter has refused
  std::size_t size_ = 0;
};

}  // namespace grove::detail
