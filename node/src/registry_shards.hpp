// SPDX-License-Identifier: Apache-2.0
//
// RegistryShards: the entries of a registry, by key and by owner. It knows no processes.
//
// An entry is in two rings: that of its key, whose head is in a hash table, and that of its owner.
// The owner's ring owns it. A unique key of a dead owner is given away by replacing the head: the
// old entry stays in the dead owner's ring until remove_all().
//
// Thread-safety: all members. An owner's own entries are added and removed by one thread at a time,
//                save remove_all(). Locks: an owner's part before a key's part.
#pragma once

#include "grove/core/value.hpp"
#include "grove/node/table.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <shared_mutex>
#include <sys/mman.h>
#include <unordered_map>
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

using RegistryRing = RegistryNode::Ring RegistryNode::*;

/// Adds `node` behind the last one.
inline void append(RegistryRing ring, RegistryNode*& first, RegistryNode* node) noexcept {
  if (first == nullptr) first = (node->*ring).next = (node->*ring).previous = node;
  RegistryNode* const last = (first->*ring).previous;
  (node->*ring) = {first, last};
  (last->*ring).next = (first->*ring).previous = node;
}
inline void detach(RegistryRing ring, RegistryNode*& first, const RegistryNode* node) noexcept {
  const auto [next, previous] = node->*ring;
  (previous->*ring).next = next;
  (next->*ring).previous = previous;
  if (first == node) first = next == node ? nullptr : next;
}
template <class F>
void for_each(RegistryRing ring, RegistryNode* first, F&& visit) {
  for (RegistryNode* node = first; node != nullptr;) {
    RegistryNode* const next = (node->*ring).next;
    const bool last = next == first;
    visit(*node);
    node = last ? nullptr : next;
  }
}

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

/// Keys to the heads of their rings: open addressing, linear probing. A slot holds what most
/// look-ups are for, so that they touch one cache line.
class RegistryIndex {
 public:
  struct alignas(64) Slot {
    Value key;
    Pid pid;                        // the first's
    std::uint32_t hash : 31 = 0;    // its low bits
    std::uint32_t bare : 1 = 0;     // there is only the first, and its value is nil
    RegistryNode* first = nullptr;  // null: a free slot
    /// To be called after each change of the ring.
    void refresh() noexcept {
      if (first == nullptr) return;
      pid = first->pid;
      bare = first->of_key.next == first && first->value.kind() == Value::Kind::nil ? 1 : 0;
    }
  };
  static_assert(sizeof(Slot) == 64);

  [[nodiscard]] Slot* find(std::uint32_t hash, const Value& key) noexcept {
    return const_cast<Slot*>(std::as_const(*this).find(hash, key));
  }
  [[nodiscard]] const Slot* find(std::uint32_t hash, const Value& key) const noexcept {
    if (slots_.empty()) return nullptr;
    for (std::size_t at = hash & mask();; at = (at + 1) & mask()) {
      const Slot& slot = slots_[at];
      if (slot.first == nullptr) return nullptr;
      if (slot.hash == (hash & k_low) && slot.key == key) return &slot;
    }
  }
  /// Makes room for one more key; slots may move.
  void reserve_one() {
    if ((used_ + 1) * 3 <= slots_.size() * 2) return;
    Slots old(slots_.empty() ? 8 : slots_.size() * 2);
    old.swap(slots_);
    for (Slot& slot : old) {
      if (slot.first != nullptr) free_slot(slot.hash) = std::move(slot);
    }
  }
  /// Bounds: the key is not in it, and there is room. The slot's ring is empty.
  Slot& insert(std::uint32_t hash, Value&& key) noexcept {
    Slot& slot = free_slot(hash);
    slot.key = std::move(key);
    slot.hash = hash & k_low;
    ++used_;
    return slot;
  }
  void erase(const Slot* slot) noexcept {
    --used_;
    auto hole = static_cast<std::size_t>(slot - slots_.data());
    for (std::size_t at = (hole + 1) & mask(); slots_[at].first != nullptr;
         at = (at + 1) & mask()) {
      // It may move to the hole only when that is not before its own place.
      if (((at - slots_[at].hash) & mask()) < ((at - hole) & mask())) continue;
      slots_[hole] = std::move(slots_[at]);
      hole = at;
    }
    slots_[hole] = {};
  }
  [[nodiscard]] const auto& slots() const noexcept { return slots_; }

 private:
  using Slots = std::vector<Slot, HugeAllocator<Slot>>;
  static constexpr std::uint32_t k_low = 0x7FFF'FFFFU;

  [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }
  [[nodiscard]] Slot& free_slot(std::uint32_t hash) noexcept {
    std::size_t at = hash & mask();
    while (slots_[at].first != nullptr) at = (at + 1) & mask();
    return slots_[at];
  }

  Slots slots_;  // a power of two of them, or none
  std::size_t used_ = 0;
};

class RegistryShards {
 public:
  using Node = RegistryNode;
  using Nodes = std::vector<std::unique_ptr<Node>>;
  /// What was taken out. `last`: its owner has none any more.
  struct Removed {
    Nodes nodes;
    bool last = false;
  };

  /// Bounds: `parts` is made a power of two, from 2 to 65536.
  RegistryShards(bool unique, unsigned parts)
      : unique_{unique},
        bits_{static_cast<unsigned>(std::bit_width(std::clamp(parts, 2U, 65536U) - 1))},
        keys_(std::size_t{1} << bits_),
        owners_(keys_.size()) {}
  RegistryShards(const RegistryShards&) = delete;
  RegistryShards& operator=(const RegistryShards&) = delete;
  ~RegistryShards() {
    for (const OwnerPart& part : owners_) {
      for (const auto& [pid, first] : part.first) {
        for_each(&Node::of_owner, first, [](Node& node) { delete &node; });
      }
    }
  }

  /// Adds an entry, unless the registry is unique and whoever has the key is_alive(pid).
  /// Returns: nobody, or who that is.
  template <class IsAlive>
  Pid add(Value key, const Pid& owner, Value value, IsAlive is_alive) {
    const std::uint32_t hash = hash_of(key);
    KeyPart& keys = key_part(hash);
    auto node = std::make_unique<Node>(Node{std::move(key), owner, hash, std::move(value), {}, {}});
    OwnerPart& owners = owner_part(owner);
    const std::unique_lock owners_lock{owners.lock};
    const std::unique_lock keys_lock{keys.lock};
    keys.index.reserve_one();
    RegistryIndex::Slot* slot = keys.index.find(hash, node->key);
    if (unique_ && slot != nullptr && is_alive(slot->pid)) return slot->pid;
    Value copy = slot == nullptr ? node->key : Value{};
    append(&Node::of_owner, owners.first[owner], node.get());  // from here on nothing throws
    if (slot == nullptr) {
      slot = &keys.index.insert(hash, std::move(copy));
    } else if (unique_) {
      take_from(keys, *slot, *slot->first);
    }
    append(&Node::of_key, slot->first, node.release());
    slot->refresh();
    ++keys.count;
    return {};
  }

  /// Takes out the owner's entries of `key` that are wanted(node).
  /// Cost: O(the owner's entries, or the key's: the fewer).
  template <class Wanted>
  Removed remove(const Value& key, const Pid& owner, Wanted wanted) {
    const std::uint32_t hash = hash_of(key);
    Removed removed;  // destroyed after the locks
    OwnerPart& owners = owner_part(owner);
    KeyPart& keys = key_part(hash);
    const std::unique_lock owners_lock{owners.lock};
    const auto own = owners.first.find(owner);
    if (own == owners.first.end()) return removed;
    const std::unique_lock keys_lock{keys.lock};
    RegistryIndex::Slot* const slot = keys.index.find(hash, key);
    if (slot == nullptr) return removed;
    std::vector<Node*> found;
    const auto look = [&](Node& node) {
      if (node.hash == hash && node.pid == owner && node.key == key && wanted(node)) {
        found.push_back(&node);
      }
    };
    if (is_shorter(own->second, slot->first)) {
      for_each(&Node::of_owner, own->second, look);
    } else {
      for_each(&Node::of_key, slot->first, look);
    }
    removed.nodes.reserve(found.size());
    for (Node* node : found) {
      take_from(keys, *slot, *node);
      detach(&Node::of_owner, own->second, node);
      removed.nodes.emplace_back(node);
    }
    if (slot->first == nullptr) keys.index.erase(slot);
    removed.last = own->second == nullptr;
    if (removed.last) owners.first.erase(own);
    return removed;
  }

  /// Takes out all of an owner's entries, in the order added.
  Nodes remove_all(const Pid& owner) {
    Nodes removed;
    {
      OwnerPart& owners = owner_part(owner);
      const std::unique_lock lock{owners.lock};
      const auto own = owners.first.find(owner);
      if (own == owners.first.end()) return removed;
      std::size_t count = 0;
      for_each(&Node::of_owner, own->second, [&](const Node&) { ++count; });
      removed.reserve(count);
      for_each(&Node::of_owner, own->second, [&](Node& node) { removed.emplace_back(&node); });
      owners.first.erase(own);
    }
    for (const auto& node : removed) {
      KeyPart& keys = key_part(node->hash);
      const std::unique_lock lock{keys.lock};
      RegistryIndex::Slot* const slot = keys.index.find(node->hash, node->key);
      if (slot == nullptr) continue;
      take_from(keys, *slot, *node);
      if (slot->first == nullptr) keys.index.erase(slot);
    }
    return removed;
  }

  /// Calls visit(node, pid, value) for each entry of the key, in the order added, under its part's
  /// lock. The node is for comparisons; to look into it may cost as much as all the rest.
  template <class F>
  void visit_key(const Value& key, F visit) const {
    const std::uint32_t hash = hash_of(key);
    const KeyPart& keys = key_part(hash);
    const std::shared_lock lock{keys.lock};
    const RegistryIndex::Slot* const slot = keys.index.find(hash, key);
    if (slot == nullptr) return;
    if (slot->bare != 0) {
      visit(slot->first, slot->pid, Value{});
    } else {
      for_each(&Node::of_key, slot->first,
               [&](const Node& node) { visit(&node, node.pid, node.value); });
    }
  }
  /// Calls visit(node) for each of an owner's entries; their values may not be looked at.
  template <class F>
  void visit_owner(const Pid& owner, F visit) const {
    const OwnerPart& owners = owner_part(owner);
    const std::shared_lock lock{owners.lock};
    const auto own = owners.first.find(owner);
    if (own != owners.first.end()) for_each(&Node::of_owner, own->second, visit);
  }
  [[nodiscard]] std::size_t parts() const noexcept { return keys_.size(); }
  /// Calls visit(node) for all entries of one part, under its lock.
  template <class F>
  void visit_part(std::size_t part, F visit) const {
    const std::shared_lock lock{keys_[part].lock};
    for (const RegistryIndex::Slot& slot : keys_[part].index.slots()) {
      for_each(&Node::of_key, slot.first, visit);
    }
  }
  /// Of a unique registry. Returns: whether the owner has the key, so that it was set.
  bool set(const Value& key, const Pid& owner, Value value) {
    const std::uint32_t hash = hash_of(key);
    KeyPart& keys = key_part(hash);
    const std::unique_lock lock{keys.lock};
    RegistryIndex::Slot* const slot = keys.index.find(hash, key);
    if (slot == nullptr || slot->first->pid != owner) return false;
    std::swap(slot->first->value, value);  // the old one is destroyed after the lock
    slot->refresh();
    return true;
  }
  [[nodiscard]] std::size_t count() const {
    std::size_t sum = 0;
    for (const KeyPart& part : keys_) {
      const std::shared_lock lock{part.lock};
      sum += part.count;
    }
    return sum;
  }

 private:
  struct alignas(64) KeyPart {
    mutable TableLock lock;
    RegistryIndex index;
    std::size_t count = 0;
  };
  struct alignas(64) OwnerPart {
    mutable TableLock lock;
    std::unordered_map<Pid, Node*> first;  // of each owner's ring
  };

  static std::uint32_t hash_of(const Value& key) noexcept {
    return static_cast<std::uint32_t>(std::hash<Value>{}(key) >> 32U);
  }
  // The high bits: the index uses the low ones.
  [[nodiscard]] KeyPart& key_part(std::uint32_t hash) { return keys_[hash >> (32U - bits_)]; }
  [[nodiscard]] const KeyPart& key_part(std::uint32_t hash) const {
    return keys_[hash >> (32U - bits_)];
  }
  [[nodiscard]] std::size_t owner_index(const Pid& owner) const {
    return (std::hash<Pid>{}(owner)*0x9E3779B97F4A7C15U) >> (64U - bits_);
  }
  [[nodiscard]] OwnerPart& owner_part(const Pid& owner) { return owners_[owner_index(owner)]; }
  [[nodiscard]] const OwnerPart& owner_part(const Pid& owner) const {
    return owners_[owner_index(owner)];
  }
  /// A unique key may be another's by now.
  void take_from(KeyPart& keys, RegistryIndex::Slot& slot, const Node& node) const noexcept {
    if (unique_ && slot.first != &node) return;
    detach(&Node::of_key, slot.first, &node);
    slot.refresh();
    --keys.count;
  }
  /// Whether the owner's ring has fewer entries than the key's. Cost: O(the shorter).
  static bool is_shorter(const Node* owner, const Node* key) noexcept {
    const Node* of_owner = owner;
    const Node* of_key = key;
    do {
      of_owner = of_owner->of_owner.next;
      of_key = of_key->of_key.next;
    } while (of_owner != owner && of_key != key);
    return of_owner == owner;
  }

  const bool unique_;
  const unsigned bits_;
  std::vector<KeyPart> keys_;
  std::vector<OwnerPart> owners_;
};

}  // namespace grove::detail
