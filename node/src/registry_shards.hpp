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

#include "grove/core/readers.hpp"
#include "grove/core/value.hpp"
#include "grove/node/table.hpp"

#include "registry_index.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace grove::detail {

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

/// Rings of entries that are out of the registry, until nobody reads them any more.
/// Thread-safety: all members.
class RetiredNodes {
 public:
  RetiredNodes() = default;
  RetiredNodes(const RetiredNodes&) = delete;
  RetiredNodes& operator=(const RetiredNodes&) = delete;
  ~RetiredNodes() {
    destroy(waiting_);
    destroy(fresh_);
  }
  /// While there is one, nothing is destroyed: no entry gets the address of an earlier one.
  class Hold {
   public:
    explicit Hold(RetiredNodes& retired) : retired_{retired} { count(1); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() { count(-1); }

   private:
    void count(int change) {
      const std::lock_guard lock{retired_.mutex_};
      retired_.holds_ += change;
    }
    RetiredNodes& retired_;
  };
  /// Takes a ring of `of_owner` over. Destroys earlier ones once in a while.
  void add(RegistryNode* ring, std::size_t count) noexcept {
    RegistryNode* gone = nullptr;
    {
      const std::lock_guard lock{mutex_};
      splice(fresh_, ring);
      fresh_count_ += count;
      if (fresh_count_ < enough_ || holds_ != 0) return;
      enough_ = 2 * fresh_count_;
      if (Readers::oldest() >= since_) {
        gone = std::exchange(waiting_, std::exchange(fresh_, nullptr));
        since_ = Readers::now();
        fresh_count_ = 0;
        enough_ = k_batch;
      }
    }
    destroy(gone);
  }

 private:
  static constexpr std::size_t k_batch = 64;
  static void splice(RegistryNode*& to, RegistryNode* ring) noexcept {
    if (to != nullptr) {
      RegistryNode* const last = to->of_owner.previous;
      last->of_owner.next = ring;
      to->of_owner.previous = ring->of_owner.previous;
      ring->of_owner.previous->of_owner.next = to;
      ring->of_owner.previous = last;
    } else {
      to = ring;
    }
  }
  static void destroy(RegistryNode* ring) noexcept {
    for_each(&RegistryNode::of_owner, ring, [](RegistryNode& node) { delete &node; });
  }

  std::mutex mutex_;  // guards the next
  RegistryNode* fresh_ = nullptr;
  std::size_t fresh_count_ = 0;
  std::size_t enough_ = k_batch;
  RegistryNode* waiting_ = nullptr;  // for readers from before
  std::uint64_t since_ = 0;
  int holds_ = 0;
};

class RegistryShards {
 public:
  using Node = RegistryNode;
  /// What was taken out, in the order added. Bounds: the registry outlives it.
  class Removed {
   public:
    explicit Removed(RetiredNodes& retired) : retired_{&retired} {}
    Removed(Removed&& other) noexcept
        : last{other.last},
          retired_{other.retired_},
          first_{std::exchange(other.first_, nullptr)},
          size_{std::exchange(other.size_, 0)} {}
    Removed& operator=(Removed&&) = delete;
    ~Removed() {
      if (first_ != nullptr) retired_->add(first_, size_);
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    template <class F>
    void for_each(F visit) const {
      detail::for_each(&Node::of_owner, first_, [&](const Node& node) { visit(node); });
    }

    bool last = false;  // their owner has none any more

   private:
    friend class RegistryShards;
    RetiredNodes* retired_;
    Node* first_ = nullptr;  // of a ring of_owner
    std::size_t size_ = 0;
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
  Pid add(Value&& key, const Pid& owner, Value&& value, IsAlive is_alive) {
    const std::uint32_t hash = hash_of(key);
    KeyPart& keys = key_part(hash);
    {
      const Readers::Section reading;
      keys.index.fetch_ahead(hash);
    }
    std::unique_ptr<Node> node{new Node{std::move(key), owner, hash, std::move(value), {}, {}}};
    OwnerPart& owners = owner_part(owner);
    const std::unique_lock owners_lock{owners.lock};
    const std::unique_lock keys_lock{keys.lock};
    RegistryIndex::Slot* slot = keys.index.find(hash, node->key);
    Node* first = slot == nullptr ? nullptr : slot->first();
    if (unique_ && first != nullptr && is_alive(first->pid)) return first->pid;
    if (slot == nullptr) keys.index.reserve_one();
    append(&Node::of_owner, owners.first[owner], node.get());  // from here on nothing throws
    if (unique_ && first != nullptr) take_from(keys, first, *first);
    append(&Node::of_key, first, node.release());
    if (slot == nullptr) {
      keys.index.insert(first);
    } else {
      keys.index.update(*slot, first);
    }
    ++keys.count;
    return {};
  }

  /// Takes out the owner's entries of `key` that are wanted(node).
  /// Cost: O(the owner's entries, or the key's: the fewer).
  template <class Wanted>
  Removed remove(const Value& key, const Pid& owner, Wanted wanted) {
    const std::uint32_t hash = hash_of(key);
    Removed removed{retired_};
    OwnerPart& owners = owner_part(owner);
    KeyPart& keys = key_part(hash);
    const std::unique_lock owners_lock{owners.lock};
    const auto own = owners.first.find(owner);
    if (own == owners.first.end()) return removed;
    const std::unique_lock keys_lock{keys.lock};
    RegistryIndex::Slot* const slot = keys.index.find(hash, key);
    if (slot == nullptr) return removed;
    Node* first = slot->first();
    std::vector<Node*> found;
    const auto look = [&](Node& node) {
      if (node.hash == hash && node.pid == owner && node.key == key && wanted(node)) {
        found.push_back(&node);
      }
    };
    if (is_shorter(own->second, first)) {
      for_each(&Node::of_owner, own->second, look);
    } else {
      for_each(&Node::of_key, first, look);
    }
    if (found.empty()) return removed;
    for (Node* node : found) {
      take_from(keys, first, *node);
      detach(&Node::of_owner, own->second, node);
      append(&Node::of_owner, removed.first_, node);
    }
    removed.size_ = found.size();
    keys.index.update(*slot, first);
    removed.last = own->second == nullptr;
    if (removed.last) owners.first.erase(own);
    return removed;
  }

  /// Takes out all of an owner's entries.
  Removed remove_all(const Pid& owner) {
    Removed removed{retired_};
    {
      OwnerPart& owners = owner_part(owner);
      const std::unique_lock lock{owners.lock};
      const auto own = owners.first.find(owner);
      if (own == owners.first.end()) return removed;
      removed.first_ = own->second;
      removed.last = true;
      owners.first.erase(own);
    }
    for_each(&Node::of_owner, removed.first_, [&](Node& node) {
      ++removed.size_;
      KeyPart& keys = key_part(node.hash);
      const std::unique_lock lock{keys.lock};
      RegistryIndex::Slot* const slot = keys.index.find(node.hash, node.key);
      if (slot == nullptr) return;
      Node* first = slot->first();
      if (take_from(keys, first, node)) keys.index.update(*slot, first);
    });
    return removed;
  }

  /// Of a unique registry: who has the key, dead or alive; nobody.
  [[nodiscard]] Pid holder(const Value& key) const {
    const std::uint32_t hash = hash_of(key);
    const KeyPart& keys = key_part(hash);
    if (const auto head = peek(keys, hash, key)) return head->pid;
    const std::shared_lock lock{keys.lock};
    const RegistryIndex::Slot* const slot = keys.index.find(hash, key);
    return slot == nullptr ? Pid{} : slot->first()->pid;
  }
  /// Calls visit(node, pid, value) for each entry of the key, in the order added, under its part's
  /// lock, or, when it is one without a value, under none. The node is for comparisons.
  template <class F>
  void visit_key(const Value& key, F visit) const {
    const std::uint32_t hash = hash_of(key);
    const KeyPart& keys = key_part(hash);
    if (const auto head = peek(keys, hash, key)) {
      if (head->first == nullptr) return;
      if (head->bare) return visit(head->first, head->pid, Value{});
    }
    const std::shared_lock lock{keys.lock};
    const RegistryIndex::Slot* const slot = keys.index.find(hash, key);
    if (slot == nullptr) return;
    for_each(&Node::of_key, slot->first(),
             [&](const Node& node) { visit(&node, node.pid, node.value); });
  }
  /// Calls visit(node) for each of an owner's entries; their values may not be looked at.
  template <class F>
  void visit_owner(const Pid& owner, F visit) const {
    const OwnerPart& owners = owner_part(owner);
    const std::shared_lock lock{owners.lock};
    const auto own = owners.first.find(owner);
    if (own != owners.first.end()) for_each(&Node::of_owner, own->second, visit);
  }
  [[nodiscard]] RetiredNodes::Hold hold() { return RetiredNodes::Hold{retired_}; }
  [[nodiscard]] std::size_t parts() const noexcept { return keys_.size(); }
  /// Calls visit(node) for all entries of one part, under its lock.
  template <class F>
  void visit_part(std::size_t part, F visit) const {
    const std::shared_lock lock{keys_[part].lock};
    keys_[part].index.for_each_key([&](Node* first) { for_each(&Node::of_key, first, visit); });
  }
  /// Of a unique registry. Returns: whether the owner has the key, so that it was set.
  bool set(const Value& key, const Pid& owner, Value value) {
    const std::uint32_t hash = hash_of(key);
    KeyPart& keys = key_part(hash);
    const std::unique_lock lock{keys.lock};
    RegistryIndex::Slot* const slot = keys.index.find(hash, key);
    if (slot == nullptr || slot->first()->pid != owner) return false;
    std::swap(slot->first()->value, value);  // the old one is destroyed after the lock
    keys.index.update(*slot, slot->first());
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
  static std::optional<RegistryIndex::Head> peek(const KeyPart& keys, std::uint32_t hash,
                                                 const Value& key) noexcept {
    const Readers::Section reading;
    return keys.index.peek(hash, key);
  }
  /// Returns: false when the key, a unique one, is another's by now.
  bool take_from(KeyPart& keys, Node*& first, const Node& node) const noexcept {
    if (unique_ && first != &node) return false;
    detach(&Node::of_key, first, &node);
    --keys.count;
    return true;
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
  RetiredNodes retired_;
};

}  // namespace grove::detail
