// SPDX-License-Identifier: Apache-2.0
//
// SpinLock: for sections of a few instructions that several workers enter all the time.
#pragma once

#include <atomic>
#include <thread>

namespace grove {

/// A std::mutex without the kernel. Lockable, so std::lock_guard works.
class SpinLock {
 public:
  void lock() noexcept {
    while (flag_.exchange(true, std::memory_order_acquire)) {
      for (int spins = 0; flag_.load(std::memory_order_relaxed); ++spins) {
        if (spins > 1000) std::this_thread::yield();  // its holder may have been descheduled
      }
    }
  }
  void unlock() noexcept { flag_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> flag_{false};
};

}  // namespace grove
