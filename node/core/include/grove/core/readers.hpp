// SPDX-License-Identifier: Apache-2.0
//
// Readers: who may be reading what is shared without a lock. What was taken out of it is kept until
// all who began before that have ended.
//
//   { const Readers::Section reading; ... }               // a reader
//   unlink(thing); const auto since = Readers::now();     // the writer
//   if (Readers::oldest() >= since) delete thing;         // now or later
//
// A reader waits for nothing: it notes in a place of its own thread that it reads, and the writer
// has the kernel see to it that all such notes can be seen (membarrier).
//
// Thread-safety: all members. Source: Fraser 2004, epoch-based reclamation; membarrier(2).
#pragma once

#include <atomic>
#include <cstdint>

namespace grove {

class Readers {
 public:
  /// Short, and never inside another one. What leads to the shared things is to be loaded
  /// sequentially consistent.
  class Section {
   public:
    Section() noexcept : since_{place().since} {
      const std::uint64_t now = epoch_.load(std::memory_order_seq_cst);
      // Either the writer sees this, or the reader what the writer has done before it looked.
      if (has_membarrier_) {
        since_.store(now, std::memory_order_release);
        std::atomic_signal_fence(std::memory_order_seq_cst);
      } else {
        since_.store(now, std::memory_order_seq_cst);
      }
    }
    Section(const Section&) = delete;
    Section& operator=(const Section&) = delete;
    ~Section() { since_.store(0, std::memory_order_release); }

   private:
    std::atomic<std::uint64_t>& since_;
  };

  /// A moment: readers that begin later cannot find what was unlinked before.
  [[nodiscard]] static std::uint64_t now() noexcept {
    return epoch_.fetch_add(1, std::memory_order_seq_cst) + 1;
  }
  /// When the first of those began who are reading; later than any moment so far if nobody is.
  /// Cost: a system call, some microseconds.
  [[nodiscard]] static std::uint64_t oldest() noexcept;

 private:
  /// One thread's; when that ends another one gets it. As many as there ever were threads at once.
  struct alignas(64) Place {
    std::atomic<std::uint64_t> since{0};
    std::atomic<bool> taken{true};
    Place* next = nullptr;
  };
  struct Holder {
    Place* place = take();
    ~Holder() { place->taken.store(false, std::memory_order_release); }
  };

  static Place& place() noexcept {
    static thread_local Holder holder;
    return *holder.place;
  }
  static Place* take();

  static inline std::atomic<std::uint64_t> epoch_{1};
  static inline std::atomic<Place*> places_{nullptr};
  static const bool has_membarrier_;  // false until it has been asked for
};

}  // namespace grove
