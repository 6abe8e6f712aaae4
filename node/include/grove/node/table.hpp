// SPDX-License-Identifier: Apache-2.0
//
// Table: entries of a key and a value that one process owns and others read without asking it.
// It goes with its owner. A handle is cheap to copy and may outlive owner and node.
//
// The monitors of a pool manager, worker -> monitor of the client that has it:
//
//   Init init() {
//     auto table = context().new_table<Pid, Ref>("monitors_" + pool_);
//     if (!table) return Init::stop(ExitReason::symbol(to_string(table.error().code)));
//     monitors_ = *table;  // a Table<Pid, Ref>
//     return Init::ok();
//   }
//   void handle_cast(CheckIn back) {
//     if (auto ref = monitors_.take(back.worker)) release(back.worker, *ref);
//   }
//   void handle_info(Down down) {
//     auto lent = monitors_.find_first([&](const Pid&, const Ref& r) { return r == down.ref; });
//     if (lent && monitors_.erase(lent->key)) idle_.push_back(lent->key);
//   }
//
// A Result is true exactly when the operation did what its name says. Errors of all operations:
// noproc (the table has gone), noaccess (this process may not; who runs outside of all processes
// is nobody's owner), not_found and key_taken.
// What needs more than one look at a key is one operation: update() replaces ets:update_counter,
// and a bag is a Table<Key, std::vector<Value>> that is added to with update().
//
// Thread-safety: all members, from any thread. An operation on one key is atomic. One on many locks
//                a part of the table at a time: changes meanwhile may be seen, or not. Readers wait
//                for a writer of the same part (one of 16; an ordered_set has one), never for the
//                owner. Functions given to a table run under its lock: keep them short. Calling
//                into the same table from them throws std::logic_error; into another one is a
//                deadlock when that one's do the same the other way round.
// Source:        OTP ets. Not here: give_away, heirs, match specifications.
#pragma once

#include "grove/core/check.hpp"
#include "grove/core/message.hpp"
#include "grove/node/context.hpp"
#include "grove/node/node.hpp"
#include "grove/node/owned.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace grove {

/// What inspection shows of a table.
struct TableInfo {
  std::string name;      // empty: it has none
  std::uint64_t id = 0;  // unique on its node
  Pid owner;
  std::string key_type;
  std::string value_type;
  TableKind kind = TableKind::set;
  Access access = Access::protected_;
  std::size_t size = 0;
  std::size_t bytes = 0;  // about; without what keys and values point to
};

namespace detail {

/// std::shared_mutex, but a writer that waits goes before readers that come: with the standard's,
/// readers of one key that never pause hold a writer back for ever. And a writer tries for about a
/// microsecond before it sleeps: what is done under the lock is mostly shorter, a wake-up longer.
class TableLock {
 public:
  TableLock() = default;
  TableLock(const TableLock&) = delete;
  TableLock& operator=(const TableLock&) = delete;
  ~TableLock() { pthread_rwlock_destroy(&lock_); }
  void lock() noexcept {
    for (int tries = 0; tries < k_tries; ++tries) {
      if (pthread_rwlock_trywrlock(&lock_) == 0) return;
    }
    GROVE_CHECK(pthread_rwlock_wrlock(&lock_) == 0);
  }
  void unlock() noexcept { pthread_rwlock_unlock(&lock_); }
  void lock_shared() noexcept { GROVE_CHECK(pthread_rwlock_rdlock(&lock_) == 0); }
  void unlock_shared() noexcept { pthread_rwlock_unlock(&lock_); }

 private:
  static constexpr int k_tries = 200;
  pthread_rwlock_t lock_ = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
};

/// What is the same for the tables of all types.
class TableCore : public Owned {
 public:
  TableCore(std::string name, TableOptions options) : name_{std::move(name)}, options_{options} {}
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] bool gone() const noexcept { return gone_.load(std::memory_order_acquire); }
  [[nodiscard]] bool may_read() const noexcept {
    return options_.access != Access::private_ || is_owner();
  }
  [[nodiscard]] bool may_write() const noexcept {
    return options_.access == Access::public_ || is_owner();
  }
  /// Why an operation was refused.
  [[nodiscard]] Error refusal() const;
  [[nodiscard]] static Error gone_error() { return {Errc::noproc, "the table has gone"}; }
  /// While it lives, this thread runs a function of the program's under the table's lock.
  class Inside {
   public:
    explicit Inside(const TableCore& table) noexcept
        : table_{table}, outer_{std::exchange(innermost_, this)} {}
    ~Inside() { innermost_ = outer_; }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    friend class TableCore;
    const TableCore& table_;
    const Inside* outer_;
  };
  /// Throws std::logic_error where the table would wait for itself.
  void check_outside() const {
    if (innermost_ != nullptr) check_each_outside();
  }
  /// Ends the table. Returns: false when this is not its owner.
  bool drop();
  void owner_ended() noexcept final;
  void clear() noexcept final { drop_entries(); }
  [[nodiscard]] TableInfo info() const;

 protected:
  virtual void drop_entries() noexcept = 0;
  virtual void describe(TableInfo& info) const = 0;

 private:
  friend class TableRegistry;
  [[nodiscard]] bool is_owner() const noexcept;
  void check_each_outside() const;

  constinit static inline thread_local const Inside* innermost_ = nullptr;
  const std::string name_;
  const TableOptions options_;
  std::uint64_t id_ = 0;               // these are set once, before others can see the table
  Pid owner_;                          //
  TableRegistry* registry_ = nullptr;  // outlives the owner, so it stands while it is needed
  std::atomic<bool> gone_{false};
};

/// Makes this process the owner of a new table.
Result<void> open_table(Context& context, std::shared_ptr<TableCore> table);
/// Null: there is none.
[[nodiscard]] std::shared_ptr<TableCore> find_table(const Node& node, std::string_view name);
[[nodiscard]] Error other_types(const TableInfo& found);

template <class Key, class Value, TableKind kind>
class TableData final : public TableCore {
 public:
  static constexpr bool k_ordered = kind == TableKind::ordered_set;
  using Map = std::conditional_t<k_ordered, std::map<Key, Value>, std::unordered_map<Key, Value>>;
  struct alignas(64) Shard {
    mutable TableLock mutex;
    Map entries;
  };

  using TableCore::TableCore;
  [[nodiscard]] Shard& shard(const Key& key) {
    if constexpr (k_ordered) {
      return shards_[0];
    } else {  // the high bits: the shard's own buckets use the low ones
      const std::uint64_t hash = std::hash<Key>{}(key);
      return shards_[(hash * 0x9E3779B97F4A7C15U) >> 60U];
    }
  }
  [[nodiscard]] auto& shards() noexcept { return shards_; }
  [[nodiscard]] std::size_t size() const {
    check_outside();
    std::size_t sum = 0;
    for (const Shard& shard : shards_) {
      const std::shared_lock lock{shard.mutex};
      sum += shard.entries.size();
    }
    return sum;
  }

 private:
  void drop_entries() noexcept override {
    for (Shard& shard : shards_) {
      Map entries;  // destroyed after the lock is given back: that is the program's code
      const std::unique_lock lock{shard.mutex};
      entries.swap(shard.entries);
    }
  }
  void describe(TableInfo& info) const override {
    info.key_type = type_name<Key>();
    info.value_type = type_name<Value>();
    info.kind = kind;
    info.size = size();
    constexpr std::size_t k_node = (k_ordered ? 4 : 2) * sizeof(void*);
    info.bytes = sizeof(*this) + info.size * (sizeof(typename Map::value_type) + k_node);
    if constexpr (!k_ordered) info.bytes += info.size * sizeof(void*);  // buckets
  }

  std::array<Shard, k_ordered ? 1 : 16> shards_;
};

}  // namespace detail

/// Handle of a table. Bounds: Key and Value are copyable; Key has std::hash and ==, or < when
/// ordered.
template <class Key, class Value, TableKind kind>
class Table {
  using Data = detail::TableData<Key, Value, kind>;
  using Map = typename Data::Map;
  using Shared = std::shared_lock<detail::TableLock>;
  using Exclusive = std::unique_lock<detail::TableLock>;

 public:
  /// One entry, copied.
  struct Entry {
    Key key;
    Value value;
  };

  /// A handle of no table: every operation gives noproc.
  Table() = default;

  // -- one key ------------------------------------------------------------------------------

  /// Sets the value of `key`, whether it has one or not.
  Result<void> insert(Key key, Value value) const {
    return with<Exclusive>(key, [&](Map& entries) -> Result<void> {
      const auto [place, is_new] = entries.try_emplace(std::move(key), std::move(value));
      if (!is_new) std::swap(place->second, value);  // the old one is destroyed after the lock
      return {};
    });
  }
  /// Errors: key_taken; the entry stays as it was.
  Result<void> insert_new(Key key, Value value) const {
    return with<Exclusive>(key, [&](Map& entries) -> Result<void> {
      if (entries.try_emplace(std::move(key), std::move(value)).second) return {};
      return Error{Errc::key_taken, {}};
    });
  }
  /// Returns: a copy of the value. Errors: not_found.
  Result<Value> lookup(const Key& key) const {
    return with<Shared>(key, [&](const Map& entries) -> Result<Value> {
      const auto place = entries.find(key);
      if (place == entries.end()) return Error{Errc::not_found, {}};
      return place->second;
    });
  }
  /// Returns: false also when the table cannot be read; lookup() says why.
  [[nodiscard]] bool contains(const Key& key) const {
    const auto look = [&](const Map& entries) -> Result<bool> { return entries.contains(key); };
    const Result<bool> found = with<Shared>(key, look);
    return found && *found;
  }
  /// Errors: not_found.
  Result<void> erase(const Key& key) const {
    typename Map::node_type entry;
    return extract(key, entry);
  }
  /// Removes an entry. Returns: its value. Errors: not_found.
  Result<Value> take(const Key& key) const {
    typename Map::node_type entry;
    if (auto done = extract(key, entry); !done) return done.error();
    return std::move(entry.mapped());
  }
  /// Calls function(value), which may change it. Returns: what that returns. Errors: not_found.
  template <std::invocable<Value&> F>
  auto update(const Key& key, F function) const {
    using R = std::decay_t<std::invoke_result_t<F&, Value&>>;
    return with<Exclusive>(key, [&](Map& entries) -> Result<R> {
      const auto place = entries.find(key);
      if (place == entries.end()) return Error{Errc::not_found, {}};
      return apply<R>(function, place->second);
    });
  }
  /// The same; a key without a value gets `initial` first, and is without one again when `function`
  /// throws.
  template <std::invocable<Value&> F>
  auto update(Key key, F function, Value initial) const {
    using R = std::decay_t<std::invoke_result_t<F&, Value&>>;
    typename Map::node_type undone;  // destroyed after the locks
    return with<Exclusive>(key, [&](Map& entries) -> Result<R> {
      const auto [place, fresh] = entries.try_emplace(std::move(key), std::move(initial));
      try {
        return apply<R>(function, place->second);
      } catch (...) {
        if (fresh) undone = entries.extract(place);
        throw;
      }
    });
  }

  // -- all entries: predicates are called as predicate(key, value) ---------------------------

  /// Some entry that fulfils `predicate`; of an ordered_set the first. Errors: not_found.
  template <std::predicate<const Key&, const Value&> P>
  Result<Entry> find_first(P predicate) const {
    return entry_at([&](const Map& entries) {
      return std::find_if(entries.begin(), entries.end(),
                          [&](const auto& entry) { return predicate(entry.first, entry.second); });
    });
  }
  /// All entries that fulfil `predicate`; those of an ordered_set by key.
  template <std::predicate<const Key&, const Value&> P>
  Result<std::vector<Entry>> select(P predicate) const {
    std::vector<Entry> found;
    auto done = for_each([&](const Key& key, const Value& value) {
      if (predicate(key, value)) found.push_back({key, value});
    });
    if (!done) return done.error();
    return found;
  }
  /// Returns: how many went.
  template <std::predicate<const Key&, const Value&> P>
  Result<std::size_t> erase_if(P predicate) const {
    std::vector<typename Map::node_type> erased;  // destroyed after the locks
    auto done = visit<Exclusive>([&](Map& entries) {
      for (auto next = entries.begin(); next != entries.end();) {
        const auto place = next++;
        if (predicate(place->first, place->second)) erased.push_back(entries.extract(place));
      }
      return true;
    });
    if (!done) return done.error();
    return erased.size();
  }
  template <std::invocable<const Key&, const Value&> F>
  Result<void> for_each(F function) const {
    return visit<Shared>([&](const Map& entries) {
      for (const auto& [key, value] : entries) function(key, value);
      return true;
    });
  }
  Result<void> clear() const {
    std::vector<Map> old;  // destroyed after the locks
    return visit<Exclusive>([&](Map& entries) {
      entries.swap(old.emplace_back());
      return true;
    });
  }
  /// Returns: 0 for a table that has gone. Needs no right.
  [[nodiscard]] std::size_t size() const { return data_ == nullptr ? 0 : data_->size(); }

  // -- by order -----------------------------------------------------------------------------

  /// The entry with the smallest key, or the largest. Errors: not_found.
  Result<Entry> first() const requires(Data::k_ordered) {
    return entry_at([](const Map& entries) { return entries.begin(); });
  }
  Result<Entry> last() const requires(Data::k_ordered) {
    return entry_at([](const Map& entries) { return before(entries, entries.end()); });
  }
  /// The entry with the next larger key, or smaller; `key` itself need not be there.
  Result<Entry> next(const Key& key) const requires(Data::k_ordered) {
    return entry_at([&](const Map& entries) { return entries.upper_bound(key); });
  }
  Result<Entry> previous(const Key& key) const requires(Data::k_ordered) {
    return entry_at([&](const Map& entries) { return before(entries, entries.lower_bound(key)); });
  }
  /// The entries with from <= key < to, by key. Cost: O(log size + their number).
  Result<std::vector<Entry>> range(const Key& from, const Key& to) const requires(Data::k_ordered) {
    std::vector<Entry> found;
    auto done = visit<Shared>([&](const Map& entries) {
      auto place = entries.lower_bound(from);
      for (; place != entries.end() && place->first < to; ++place) {
        found.push_back({place->first, place->second});
      }
      return true;
    });
    if (!done) return done.error();
    return found;
  }

  // -- the table ----------------------------------------------------------------------------

  /// Ends the table before its owner does. Errors: noaccess (only the owner may).
  Result<void> drop() const {
    if (data_ != nullptr && data_->drop()) return {};
    return refusal();
  }
  [[nodiscard]] explicit operator bool() const noexcept {
    return data_ != nullptr && !data_->gone();
  }
  friend bool operator==(const Table&, const Table&) = default;

 private:
  friend class Context;
  friend class Node;
  explicit Table(std::shared_ptr<Data> data) : data_{std::move(data)} {}

  [[nodiscard]] Error refusal() const {
    return data_ == nullptr ? detail::TableCore::gone_error() : data_->refusal();
  }
  template <class Lock>
  [[nodiscard]] bool allowed() const noexcept {
    if (data_ == nullptr) return false;
    return std::is_same_v<Lock, Shared> ? data_->may_read() : data_->may_write();
  }
  /// Runs `function` on the entries of the key's shard, under its lock.
  template <class Lock, class F>
  auto with(const Key& key, F function) const -> std::invoke_result_t<F&, Map&> {
    if (!allowed<Lock>()) return refusal();
    data_->check_outside();
    auto& shard = data_->shard(key);
    const Lock lock{shard.mutex};
    if (data_->gone()) return detail::TableCore::gone_error();
    return function(shard.entries);
  }
  /// The same for one shard after the other, until `function` returns false.
  template <class Lock, class F>
  Result<void> visit(F function) const {
    if (!allowed<Lock>()) return refusal();
    data_->check_outside();
    const detail::TableCore::Inside inside{*data_};
    for (auto& shard : data_->shards()) {
      const Lock lock{shard.mutex};
      if (data_->gone()) return detail::TableCore::gone_error();
      if (!function(shard.entries)) break;
    }
    return {};
  }
  /// Into `entry`, so that the caller destroys it: after the lock.
  Result<void> extract(const Key& key, typename Map::node_type& entry) const {
    return with<Exclusive>(key, [&](Map& entries) -> Result<void> {
      entry = entries.extract(key);
      if (entry.empty()) return Error{Errc::not_found, {}};
      return {};
    });
  }
  template <class R, class F>
  Result<R> apply(F& function, Value& value) const {
    const detail::TableCore::Inside inside{*data_};
    if constexpr (std::is_void_v<R>) {
      function(value);
      return {};
    } else {
      return function(value);
    }
  }
  /// The entry that `find` finds in the first shard where it does not give the end.
  template <class F>
  Result<Entry> entry_at(F find) const {
    Result<Entry> found = Error{Errc::not_found, {}};
    auto done = visit<Shared>([&](const Map& entries) {
      const auto place = find(entries);
      if (place == entries.end()) return true;
      found = Entry{place->first, place->second};
      return false;
    });
    return done ? std::move(found) : done.error();
  }
  static auto before(const Map& entries, typename Map::const_iterator place) {
    return place == entries.begin() ? entries.end() : std::prev(place);
  }

  std::shared_ptr<Data> data_;
};

template <class Key, class Value, TableKind kind>
Result<Table<Key, Value, kind>> Context::new_table(std::string name, TableOptions options) {
  auto data = std::make_shared<detail::TableData<Key, Value, kind>>(std::move(name), options);
  if (auto opened = detail::open_table(*this, data); !opened) return opened.error();
  return Table<Key, Value, kind>{std::move(data)};
}

template <class Key, class Value, TableKind kind>
Result<Table<Key, Value, kind>> Node::find_table(std::string_view table_name) const {
  auto found = detail::find_table(*this, table_name);
  if (found == nullptr) {
    return Error{Errc::not_found, "there is no table " + std::string{table_name}};
  }
  auto data = std::dynamic_pointer_cast<detail::TableData<Key, Value, kind>>(found);
  if (data == nullptr) return detail::other_types(found->info());
  return Table<Key, Value, kind>{std::move(data)};
}

}  // namespace grove
