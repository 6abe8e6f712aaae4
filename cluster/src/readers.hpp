// SPDX-License-Identifier: Apache-2.0
//
// Readers: who may be reading what is shared without a lock. What was taken out of it is kept until
// all who began before that have ended.
//
//   { const Readers::Section reading; ... }               // a reader
//   unlink(thing); const auto since = Readers::now();     // the writer
//   if (Readers::none_before(since)) delete thing;        // now or later
//
// Thread-safety: all members. Source: Fraser 2004, epoch-based reclamation.
#pragma once

#include <atomic>
#include <cstdint>

namespace grove::cluster {

class Readers {
 public:
  /// Short, and never inside another one.
  class Section {
   public:
    Section() noexcept : since_{place().since} {
      // Sequentially consistent, as what the reader loads then: either the writer sees this, or the
      // reader what the writer has done before it looked.
      since_.store(epoch_.load(std::memory_order_seq_cst), std::memory_order_seq_cst);
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
  [[nodiscard]] static bool none_before(std::uint64_t moment) noexcept {
    for (const Place* place = places_.load(std::memory_order_seq_cst); place != nullptr;
         place = place->next) {
      const std::uint64_t since = place->since.load(std::memory_order_seq_cst);
      if (since != 0 && since < moment) return false;
    }
    return true;
  }

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
  static Place* take() {
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

  static inline std::atomic<std::uint64_t> epoch_{1};
  static inline std::atomic<Place*> places_{nullptr};
};

}  // namespace grove::cluster
