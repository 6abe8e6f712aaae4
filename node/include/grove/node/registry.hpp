// SPDX-License-Identifier: Apache-2.0
//
// Registry: processes of this node by key, as Elixir's: `unique` gives a key to one process, so
// that it is a name (Via); `duplicate` gives it to many, so that it is a topic.
//
//   grove::SupervisorSpec app;
//   app.children.push_back(grove::registry("trackers", grove::RegistryKind::unique));
//
//   context.call<Read>(Via{"trackers", 17});                 // a server by its key
//   Registry trackers{context, "trackers"};                  // or by hand:
//   trackers.register_key(17, "a value");
//
// Entries go with their process: after its end no look-up shows them, and a unique key of the dead
// can be registered at once; they are cleared away, and count() forgets them, a little later.
// A process that has keys is linked to the registry: when that crashes, so do they, or they trap
// exits and register again. The link goes with the last key.
// Look-ups ask tables, not the registry's process. Functions given to a registry run in the caller,
// on copies, under no lock: they may use the registry.
//
// Source: Elixir Registry; semantics.md REG-*.
#pragma once

#include "grove/core/result.hpp"
#include "grove/core/value.hpp"
#include "grove/node/supervisor.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace grove {

enum class RegistryKind : std::uint8_t { unique, duplicate };

struct RegistryOptions {
  RegistryOptions() {}
  /// Local names of processes that get a RegistryEvent for each entry that comes or goes.
  std::vector<std::string> listeners;
  unsigned partitions = 16;  // how many parts have a lock of their own; a power of two, at least it
};

/// Who has a key, and the value kept beside it.
struct RegistryEntry {
  Pid pid;
  Value value;
  friend bool operator==(const RegistryEntry&, const RegistryEntry&) = default;
};
/// The same with its key.
struct RegistryRow {
  Value key;
  Pid pid;
  Value value;
  friend bool operator==(const RegistryRow&, const RegistryRow&) = default;
};

/// What a listener gets. Those of one process come in order.
struct RegistryEvent {
  enum class Kind : std::uint8_t { registered, unregistered };
  Kind kind = Kind::registered;
  std::string registry;
  Value key;
  Pid pid;
  Value value;  // the last one
};

/// How a registration went. Errors: name_taken; noproc (this process has ended).
class [[nodiscard]] Registration : public Result<void> {
 public:
  explicit Registration(Pid holder) : holder_{holder} {}
  Registration(Error error, Pid holder) : Result{std::move(error)}, holder_{holder} {}
  /// Who has the key now.
  [[nodiscard]] const Pid& holder() const noexcept { return holder_; }

 private:
  Pid holder_;
};

namespace detail {
class RegistryData;
}

/// Starts a registry, linked to the caller. Its name is also its process's local name.
[[nodiscard]] Task<StartResult> start_registry(Context& context, std::string name,
                                               RegistryKind kind, RegistryOptions options = {});
/// A registry as somebody's child; its id is its name.
[[nodiscard]] ChildSpec registry(std::string name, RegistryKind kind, RegistryOptions options = {});

/// Handle of a registry, by its name: after a restart it means the new one. Cheap to copy.
/// Errors of all operations: ProcessExit({unknown_registry, Name}) when there is none.
/// Threads: a handle, one at a time; the registry, any. Those marked (process) only in a process:
/// they are about its own entries.
class Registry {
 public:
  using EntryFilter = std::function<bool(const Pid&, const Value& value)>;
  using RowFilter = std::function<bool(const Value& key, const Pid&, const Value& value)>;

  struct Updated {
    Value now;
    Value before;
  };

  /// Bounds: the node outlives it.
  Registry(Node& node, std::string name) : node_{&node}, name_{std::move(name)} {}
  Registry(Context& context, std::string name);

  /// (process) Gives this process the key. Elixir: register/3.
  /// Errors: name_taken, of a unique key that a living process has, this one too.
  Registration register_key(Value key, Value value = {}) const;
  /// (process) Takes all of its entries of the key away; none is fine, too.
  void unregister(const Value& key) const;
  /// (process) The same for those whose value fulfils `wanted`.
  void unregister_match(const Value& key, const std::function<bool(const Value&)>& wanted) const;
  /// (process) Replaces the value of its key by function(value). Unique registries only.
  /// Errors: not_found (it is not this process's); ProcessExit(badarg) for a duplicate registry.
  [[nodiscard]] Result<Updated> update_value(
      const Value& key, const std::function<Value(const Value&)>& function) const;

  /// Entries of a key, in the order registered; of a unique one, at most one.
  [[nodiscard]] std::vector<RegistryEntry> lookup(const Value& key) const;
  /// Who is the first of them; cheaper.
  [[nodiscard]] std::optional<Pid> whereis(const Value& key) const;
  /// Calls function(entries) in this process, unless the key has none.
  void dispatch(const Value& key,
                const std::function<void(const std::vector<RegistryEntry>&)>& function) const;
  /// The keys of a process in the order registered, as often as it has them.
  [[nodiscard]] std::vector<Value> keys(const Pid& pid) const;
  [[nodiscard]] std::vector<Value> values(const Value& key, const Pid& pid) const;
  [[nodiscard]] std::vector<RegistryEntry> match(const Value& key, const EntryFilter& wanted) const;
  [[nodiscard]] std::size_t count_match(const Value& key, const EntryFilter& wanted) const;
  /// In no order. Not a snapshot: entries that come or go meanwhile may be in it, or not.
  [[nodiscard]] std::vector<RegistryRow> select(const RowFilter& wanted) const;
  [[nodiscard]] std::size_t count_select(const RowFilter& wanted) const;
  /// All entries, those of the dead that are not cleared away yet among them.
  [[nodiscard]] std::size_t count() const;

  // What the program keeps beside the registry, for as long as that lives.

  void put_meta(const Value& key, Value value) const;
  [[nodiscard]] std::optional<Value> meta(const Value& key) const;
  void delete_meta(const Value& key) const;

 private:
  [[nodiscard]] detail::RegistryData& data() const;
  [[nodiscard]] std::shared_ptr<detail::RegistryData> held() const;

  Node* node_;
  std::string name_;
  mutable std::shared_ptr<detail::RegistryData> data_;
};

}  // namespace grove
