// SPDX-License-Identifier: Apache-2.0
//
// NameView: who has which cluster-wide name, for look-ups, which take no lock: open addressing over
// entries that never change once they are in.
//
// Thread-safety: find() from any thread at any time; set() by one at a time.
#pragma once

#include "grove/core/ids.hpp"
#include "grove/core/readers.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grove::cluster {

class NameView {
 public:
  NameView() : slots_{new Slots{8}} {}
  NameView(const NameView&) = delete;
  NameView& operator=(const NameView&) = delete;
  ~NameView() {  // nobody reads any more
    const std::unique_ptr<Slots> slots{slots_.load(std::memory_order_relaxed)};
    for (auto& slot : slots->at) {
      const Entry* entry = slot.load(std::memory_order_relaxed);
      if (entry != &k_grave) delete entry;
    }
    for (const Retired& retired : retired_) delete retired.entry;
  }

  [[nodiscard]] std::optional<Pid> find(std::string_view name) const noexcept {
    const std::size_t hash = std::hash<std::string_view>{}(name);
    const Readers::Section reading;
    const Slots& slots = *slots_.load(std::memory_order_seq_cst);
    for (std::size_t at = hash & slots.mask();; at = (at + 1) & slots.mask()) {
      const Entry* entry = slots.at[at].load(std::memory_order_seq_cst);
      if (entry == nullptr) return std::nullopt;
      if (entry->hash == hash && entry->name == name) return entry->pid;
    }
  }

  /// Gives the name to `pid`; nobody: takes it away. Returns: who had it.
  Pid set(std::string_view name, const Pid& pid) {
    clear_away();
    const std::size_t hash = std::hash<std::string_view>{}(name);
    Slots* slots = slots_.load(std::memory_order_relaxed);
    std::atomic<const Entry*>* slot = place(*slots, hash, name);
    const Entry* const old = slot->load(std::memory_order_relaxed);
    const Pid before = old == nullptr ? Pid{} : old->pid;
    if (before == pid) return before;
    if (old == nullptr) {
      if ((slots->used + 1) * 2 > slots->at.size()) {
        slots = grow(*slots);
        slot = place(*slots, hash, name);
      }
      ++slots->used;
    }
    const Entry* const now = pid ? new Entry{hash, pid, std::string{name}} : &k_grave;
    if (pid && !before) ++size_;
    if (!pid) --size_;
    slot->store(now, std::memory_order_seq_cst);
    if (old != nullptr) retired_.push_back({Readers::now(), old, nullptr});
    return before;
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }  // the writer's

 private:
  struct Entry {
    std::size_t hash = 0;
    Pid pid;
    std::string name;  // empty: nobody's, a grave
  };
  struct Slots {
    explicit Slots(std::size_t count) : at(count) {}
    [[nodiscard]] std::size_t mask() const noexcept { return at.size() - 1; }
    std::vector<std::atomic<const Entry*>> at;  // a power of two; at most half of them used
    std::size_t used = 0;                       // graves, too
  };
  struct Retired {
    std::uint64_t since = 0;
    const Entry* entry = nullptr;
    std::unique_ptr<const Slots> slots;
  };
  static const Entry k_grave;
  static constexpr std::size_t k_batch = 64;

  /// That of the name, or a free one.
  static std::atomic<const Entry*>* place(Slots& slots, std::size_t hash, std::string_view name) {
    for (std::size_t at = hash & slots.mask();; at = (at + 1) & slots.mask()) {
      const Entry* entry = slots.at[at].load(std::memory_order_relaxed);
      if (entry == nullptr || (entry->hash == hash && entry->name == name)) return &slots.at[at];
    }
  }
  /// Room for as many again, without the graves.
  Slots* grow(const Slots& full) {
    std::size_t count = 8;
    while (count < (size_ + 1) * 4) count *= 2;
    auto next = std::make_unique<Slots>(count);
    for (const auto& slot : full.at) {
      const Entry* entry = slot.load(std::memory_order_relaxed);
      if (entry == nullptr || entry == &k_grave) continue;
      place(*next, entry->hash, entry->name)->store(entry, std::memory_order_relaxed);
      ++next->used;
    }
    Slots* const now = next.release();
    std::unique_ptr<const Slots> old{slots_.exchange(now, std::memory_order_seq_cst)};
    retired_.push_back({Readers::now(), nullptr, std::move(old)});
    return now;
  }
  /// What nobody can be reading any more. Not one by one: to ask about readers is dear.
  void clear_away() {
    if (retired_.size() < k_batch) return;
    const std::uint64_t oldest = Readers::oldest();
    while (!retired_.empty() && retired_.front().since <= oldest) {
      delete retired_.front().entry;
      retired_.pop_front();
    }
  }

  std::atomic<Slots*> slots_;
  std::size_t size_ = 0;
  std::deque<Retired> retired_;
};

inline const NameView::Entry NameView::k_grave{};

}  // namespace grove::cluster
