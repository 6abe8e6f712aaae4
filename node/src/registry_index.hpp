// SPDX-License-Identifier: Apache-2.0
//
// RegistryIndex: the keys of a part of a registry, each with its first entry: open addressing with
// linear probing. What most look-ups ask for is in the slot itself: they touch one cache line.
//
// Readers take no lock. A new key is there or not yet: its entry is the last that goes into the
// slot. Who changes slots in use makes the sequence odd before and even after: readers who find
// another number then look again. Entries and tables that a reader may have met on its way are
// freed when that has ended (Readers).
//
// Thread-safety: peek() and fetch_ahead() from any thread at any time, within a Readers::Section;
//                everything else under the part's lock.
#pragma once

#include "grove/core/close_gap.hpp"
#include "grove/core/readers.hpp"
#include "grove/core/value.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <sys/mman.h>
#include <utility>
#include <vector>

namespace grove::detail {

struct RegistryNode {
  struct Ring {
    RegistryNode* next = nullptr;
    RegistryNode* previous = nullptr;
  };
  Value key;  // key, pid and hash never change
  Pid pid;
  std::uint32_t hash = 0;
  Value value;  // guarded by its key's part
  Ring of_key;
  Ring of_owner;
};
static_assert(sizeof(RegistryNode) == 128);

/// Memory of large hash tables, in huge pages where there are any: with small ones, a look-up among
/// millions waits for the page table, too.
template <class T>
struct HugeAllocator {
  using value_type = T;
  HugeAllocator() = default;
  template <class U>
  HugeAllocator(const HugeAllocator<U>&) noexcept {}
  T* allocate(std::size_t count) {
    void* memory = ::operator new(count * sizeof(T), alignment(count));
    if (count * sizeof(T) >= k_page) ::madvise(memory, count * sizeof(T), MADV_HUGEPAGE);
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    ::operator delete(memory, alignment(count));
  }
  friend bool operator==(const HugeAllocator&, const HugeAllocator&) = default;

 private:
  static constexpr std::size_t k_page = std::size_t{2} << 20U;
  static std::align_val_t alignment(std::size_t count) noexcept {
    return std::align_val_t{count * sizeof(T) >= k_page ? k_page : alignof(T)};
  }
};

class RegistryIndex {
 public:
  /// A key's first entry; none when nobody has the key.
  struct Head {
    const RegistryNode* first = nullptr;
    Pid pid;
    bool bare = false;  // it is the only one, and its value is nil
  };

  class Slot {
   public:
    Slot() = default;
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot& other) noexcept {
      store({load(other.hash_and_generation_), load(other.node_and_index_), load(other.integer_),
             load(other.first_)});
      return *this;
    }
    /// Null: a free slot.
    [[nodiscard]] RegistryNode* first() const noexcept { return node_of(load(first_)); }

   private:
    friend class RegistryIndex;
    using Word = std::atomic<std::uint64_t>;
    static constexpr std::uint64_t k_integer = 1;  // marks in first_: the key is one
    static constexpr std::uint64_t k_bare = 2;     // there is only the first, and its value is nil
    static constexpr std::uint64_t k_marks = 3;
    static_assert(alignof(RegistryNode) > k_marks);

    static std::uint64_t load(const Word& word) noexcept {
      return word.load(std::memory_order_seq_cst);  // as Readers wants it
    }
    static RegistryNode* node_of(std::uint64_t first) noexcept {
      return reinterpret_cast<RegistryNode*>(first & ~k_marks);
    }
    [[nodiscard]] std::uint32_t hash() const noexcept {
      return static_cast<std::uint32_t>(load(hash_and_generation_) >> 32U);
    }
    [[nodiscard]] Pid pid() const noexcept {
      const std::uint64_t place = load(node_and_index_);
      return {NodeId{static_cast<std::uint32_t>(place >> 32U)}, static_cast<std::uint32_t>(place),
              static_cast<std::uint32_t>(load(hash_and_generation_))};
    }
    [[nodiscard]] Head head() const noexcept {
      const std::uint64_t first = load(first_);
      return {node_of(first), pid(), (first & k_bare) != 0};
    }
    /// Bounds: `first` is what was read from this slot's.
    [[nodiscard]] bool has(std::uint64_t first, const Value& key) const noexcept {
      if ((first & k_integer) == 0) return node_of(first)->key == key;
      const std::int64_t* const number = key.as_integer();
      return number != nullptr && load(integer_) == static_cast<std::uint64_t>(*number);
    }
    void set(RegistryNode* node) noexcept {
      const std::int64_t* const number = node->key.as_integer();
      const bool bare = node->of_key.next == node && node->value.kind() == Value::Kind::nil;
      store({std::uint64_t{node->hash} << 32U | node->pid.generation,
             std::uint64_t{node->pid.node.value} << 32U | node->pid.index,
             number == nullptr ? 0 : static_cast<std::uint64_t>(*number),
             reinterpret_cast<std::uint64_t>(node) | (number == nullptr ? 0 : k_integer) |
                 (bare ? k_bare : 0)});
    }

    struct Words {
      std::uint64_t hash_and_generation = 0;
      std::uint64_t node_and_index = 0;
      std::uint64_t integer = 0;
      std::uint64_t first = 0;
    };
    void store(const Words& words) noexcept {
      hash_and_generation_.store(words.hash_and_generation, std::memory_order_release);
      node_and_index_.store(words.node_and_index, std::memory_order_release);
      integer_.store(words.integer, std::memory_order_release);
      first_.store(words.first, std::memory_order_seq_cst);
    }

    Word hash_and_generation_{0};
    Word node_and_index_{0};  // the first's pid
    Word integer_{0};         // the key, when it is one
    Word first_{0};
  };
  static_assert(sizeof(Slot) == 32);

  RegistryIndex() = default;
  RegistryIndex(const RegistryIndex&) = delete;
  RegistryIndex& operator=(const RegistryIndex&) = delete;
  ~RegistryIndex() { delete slots_.load(std::memory_order_relaxed); }

  /// What find() would find. Returns: nothing when writers were in the way: take the lock.
  [[nodiscard]] std::optional<Head> peek(std::uint32_t hash, const Value& key) const noexcept {
    for (int tries = 0; tries < k_tries; ++tries) {
      const std::uint32_t before = sequence_.load(std::memory_order_acquire);
      if (before % 2 != 0) continue;
      const Slot* const slot = find(hash, key);
      const Head head = slot == nullptr ? Head{} : slot->head();
      if (sequence_.load(std::memory_order_acquire) == before) return head;
    }
    return std::nullopt;
  }
  /// Has the memory of a key's slot on its way before it is asked for.
  void fetch_ahead(std::uint32_t hash) const noexcept {
    const Slots* const slots = slots_.load(std::memory_order_seq_cst);
    if (slots != nullptr) __builtin_prefetch(&slots->at[hash & slots->mask()], 1);
  }

  [[nodiscard]] Slot* find(std::uint32_t hash, const Value& key) noexcept {
    return const_cast<Slot*>(std::as_const(*this).find(hash, key));
  }
  /// Null: nobody has the key. Ends, and says nothing, while slots are half changed: see peek().
  [[nodiscard]] const Slot* find(std::uint32_t hash, const Value& key) const noexcept {
    const Slots* const slots = slots_.load(std::memory_order_seq_cst);
    if (slots == nullptr) return nullptr;
    const std::size_t mask = slots->mask();
    for (std::size_t step = 0; step <= mask; ++step) {
      const Slot& slot = slots->at[(hash + step) & mask];
      const std::uint64_t first = Slot::load(slot.first_);
      if (first == 0) return nullptr;
      if (slot.hash() == hash && slot.has(first, key)) return &slot;
    }
    return nullptr;
  }
  /// Makes room for one more key; slots may move.
  void reserve_one() {
    Slots* const full = slots_.load(std::memory_order_relaxed);
    const std::size_t room = full == nullptr ? 0 : full->at.size();
    if ((used_ + 1) * 3 <= room * 2) return;
    auto next = std::make_unique<Slots>(room == 0 ? 8 : room * 2);
    if (full != nullptr) {
      for (const Slot& slot : full->at) {
        if (slot.first() != nullptr) free_slot(*next, slot.hash()) = slot;
      }
      if (full->outgrown != nullptr && Readers::oldest() >= full->since) full->outgrown.reset();
    }
    next->outgrown.reset(full);
    slots_.store(next.get(), std::memory_order_seq_cst);
    next.release()->since = Readers::now();
  }
  /// Bounds: `first`'s key is not in it, and there is room.
  void insert(RegistryNode* first) noexcept {
    free_slot(*slots_.load(std::memory_order_relaxed), first->hash).set(first);
    ++used_;
  }
  /// To be called after each change of the ring. `first` is null: nobody has the key any more.
  void update(Slot& slot, RegistryNode* first) noexcept {
    const Change change{sequence_};
    if (first != nullptr) {
      slot.set(first);
    } else {
      erase(slot);
    }
  }
  /// Calls visit(first) for each key.
  template <class F>
  void for_each_key(F&& visit) const {
    const Slots* const slots = slots_.load(std::memory_order_relaxed);
    if (slots == nullptr) return;
    for (const Slot& slot : slots->at) {
      if (RegistryNode* const first = slot.first()) visit(first);
    }
  }

 private:
  struct Slots {
    explicit Slots(std::size_t count) : at(count) {}
    [[nodiscard]] std::size_t mask() const noexcept { return at.size() - 1; }
    std::vector<Slot, HugeAllocator<Slot>> at;  // a power of two of them, at most two thirds used
    std::unique_ptr<Slots> outgrown;            // whose place it took, for those who read them
    std::uint64_t since = 0;                    // when that was
  };
  class Change {
   public:
    explicit Change(std::atomic<std::uint32_t>& sequence) noexcept : sequence_{sequence} {
      sequence_.store(sequence_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change() {
      sequence_.store(sequence_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

   private:
    std::atomic<std::uint32_t>& sequence_;
  };
  static constexpr int k_tries = 4;

  static Slot& free_slot(Slots& slots, std::uint32_t hash) noexcept {
    std::size_t at = hash & slots.mask();
    while (slots.at[at].first() != nullptr) at = (at + 1) & slots.mask();
    return slots.at[at];
  }
  void erase(Slot& slot) noexcept {
    Slots& slots = *slots_.load(std::memory_order_relaxed);
    --used_;
    close_gap(
        slots.at, static_cast<std::size_t>(&slot - slots.at.data()),
        [](const Slot& other) { return other.first() == nullptr; },
        [](const Slot& other) { return other.hash(); });
  }

  std::atomic<std::uint32_t> sequence_{0};
  std::atomic<Slots*> slots_{nullptr};
  std::size_t used_ = 0;
};

}  // namespace grove::detail
