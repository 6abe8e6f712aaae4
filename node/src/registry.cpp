// SPDX-License-Identifier: Apache-2.0
#include "grove/node/registry.hpp"

#include "grove/node/gen_server.hpp"
#include "grove/node/node.hpp"

#include "process.hpp"
#include "registry_shards.hpp"
#include "reminders.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace grove {
namespace detail {

/// What the process of a registry and all who use it share. It outlives the process for as long as
/// somebody is in it.
class RegistryData final : public Directory {
 public:
  RegistryData(std::string name, RegistryKind kind, RegistryOptions options, Context& server)
      : name_{std::move(name)},
        kind_{kind},
        listeners_{std::move(options.listeners)},
        node_{server.node()},
        server_{server.self()},
        parent_{server.parent()},
        shards_{kind == RegistryKind::unique, options.partitions} {}

  // A process cannot end within a RuntimeSection, not even one that is stuck: it is linked when it
  // has an entry, so that its end is heard of.
  Registration add(Context& owner, Value&& key, Value&& value) {
    if (listeners_.empty()) return enter(owner, std::move(key), std::move(value));
    const Pid self = owner.self();
    RegistryEvent event{RegistryEvent::Kind::registered, name_, key, self, value};
    Registration registered = enter(owner, std::move(key), std::move(value));
    if (registered) tell(owner, event);
    return registered;
  }

  template <class Wanted>
  void remove(Context& owner, const Value& key, Wanted wanted) {
    const auto removed = [&] {
      const RuntimeSection runtime{current_turn()};
      auto taken = shards_.remove(key, owner.self(), std::move(wanted));
      if (taken.last && owner.self() != parent_) owner.unlink(server_);
      return taken;
    }();
    tell_unregistered(owner, removed);
  }

  /// For the registry's process.
  void remove_all(Context& server, const Pid& owner) {
    tell_unregistered(server, shards_.remove_all(owner));
  }

  Result<void> register_name(Context& owner, const Via& name) override {
    if (kind_ == RegistryKind::unique) return add(owner, Value{name.key}, Value{name.value});
    return Error{Errc::bad_argument, "the registry " + name_ + " is duplicate: no key is a name"};
  }
  void unregister_name(Context& owner, const Value& key) override {
    remove(owner, key, [](const RegistryNode&) { return true; });
  }
  std::optional<Pid> whereis(const Value& key) const override {
    return kind_ == RegistryKind::unique ? first(key) : std::nullopt;
  }

  [[nodiscard]] std::optional<Pid> first(const Value& key) const {
    if (kind_ == RegistryKind::unique) {
      const Pid holder = shards_.holder(key);
      return is_alive(holder) ? std::optional{holder} : std::nullopt;
    }
    std::optional<Pid> found;
    shards_.visit_key(key, [&](const RegistryNode*, const Pid& pid, const Value&) {
      if (!found && is_alive(pid)) found = pid;
    });
    return found;
  }
  [[nodiscard]] bool is_alive(const Pid& pid) const noexcept { return node_.is_alive(pid); }
  [[nodiscard]] RegistryShards& shards() noexcept { return shards_; }
  [[nodiscard]] RegistryKind kind() const noexcept { return kind_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] ProcessExit unknown() const { return unknown_registry(name_); }
  [[nodiscard]] static ProcessExit unknown_registry(const std::string& name) {
    return ProcessExit{ExitReason{Value::tuple({Value::symbol("unknown_registry"), name})}};
  }

  void end() noexcept { gone_.store(true, std::memory_order_release); }
  [[nodiscard]] bool gone() const noexcept { return gone_.load(std::memory_order_acquire); }

  template <class F>
  auto with_meta(F function) {
    const std::lock_guard lock{meta_mutex_};
    return function(meta_);
  }

 private:
  struct Alive {
    Node& node;
    bool operator()(const Pid& pid) const noexcept { return node.is_alive(pid); }
  };

  Registration enter(Context& owner, Value&& key, Value&& value) {
    const RuntimeSection runtime{current_turn()};
    const Pid self = owner.self();
    if (!is_alive(self)) return {Error{Errc::noproc, "this process has ended"}, self};
    if (!is_alive(server_)) throw unknown();
    const Pid holder = shards_.add(std::move(key), self, std::move(value), Alive{node_});
    if (holder) return {Error{Errc::name_taken, to_string(holder) + " has the key"}, holder};
    if (self != parent_) owner.link(server_);
    return Registration{self};
  }

  void tell(Context& from, const RegistryEvent& event) const {
    for (const std::string& listener : listeners_) {
      if (const auto pid = from.whereis(listener)) {
        detail::tell(from, *pid, Message::make<RegistryEvent>(event));
      } else {
        from.send(std::string_view{listener}, event);  // a dead letter
      }
    }
  }
  void tell_unregistered(Context& from, const RegistryShards::Removed& removed) const {
    if (listeners_.empty()) return;
    removed.for_each([&](const RegistryNode& node) {
      tell(from, {RegistryEvent::Kind::unregistered, name_, node.key, node.pid, node.value});
    });
  }

  const std::string name_;
  const RegistryKind kind_;
  const std::vector<std::string> listeners_;
  Node& node_;
  const Pid server_;
  const Pid parent_;  // is linked to it anyway
  RegistryShards shards_;
  std::atomic<bool> gone_{false};
  std::mutex meta_mutex_;  // guards the next
  std::unordered_map<Value, Value> meta_;
};

}  // namespace detail

namespace {

using detail::RegistryData;
using detail::RegistryNode;

class RegistryServer final : public GenServer {
 public:
  RegistryServer(std::string name, RegistryKind kind, RegistryOptions options)
      : data_{
            std::make_shared<RegistryData>(std::move(name), kind, std::move(options), context())} {}
  ~RegistryServer() override {  // however it ends; who registers its name next finds it free
    data_->end();
    node().remove_directory(data_->name(), data_.get());
  }

  Init init() {
    if (!node().add_directory(data_->name(), data_)) {
      return Init::stop(ExitReason::symbol("name_taken"));
    }
    context().monitor(context().parent());  // it may unlink itself, and go on as a stranger
    return Init::ok();
  }
  void handle_info(const Down& down) { data_->remove_all(context(), down.pid); }
  void handle_info(const Exit& exit) {
    // A living process can send one too.
    if (!node().is_alive(exit.from)) data_->remove_all(context(), exit.from);
  }

 private:
  std::shared_ptr<RegistryData> data_;
};

Context& running_process() {
  Context* const running = Context::running();
  if (running == nullptr) throw ProcessExit{ExitReason::symbol("badarg")};
  return *running;
}

constexpr auto k_any = [](const auto&...) { return true; };

}  // namespace

Registry::Registry(Context& context, std::string name)
    : Registry{context.node(), std::move(name)} {}

RegistryData& Registry::data() const {
  if (data_ == nullptr || data_->gone()) {
    data_ = std::dynamic_pointer_cast<RegistryData>(node_->directory(name_));
    if (data_ == nullptr) throw RegistryData::unknown_registry(name_);
  }
  return *data_;
}

/// For who calls the program: that may use this handle, which may then mean a later life.
std::shared_ptr<RegistryData> Registry::held() const {
  (void)data();
  return data_;
}

// -- a process's own entries ----------------------------------------------------------------

Registration Registry::register_key(Value key, Value value) const {
  return data().add(running_process(), std::move(key), std::move(value));
}

void Registry::unregister(const Value& key) const { data().remove(running_process(), key, k_any); }

void Registry::unregister_match(const Value& key,
                                const std::function<bool(const Value&)>& wanted) const {
  const std::shared_ptr<RegistryData> registry = held();
  const Pid self = running_process().self();
  const auto hold = registry->shards().hold();  // `wanted` may take entries away, and add others
  std::vector<std::pair<const RegistryNode*, Value>> own;
  registry->shards().visit_key(key,
                               [&](const RegistryNode* node, const Pid& pid, const Value& value) {
                                 if (pid == self) own.emplace_back(node, value);
                               });
  std::unordered_set<const RegistryNode*> leaving;
  for (const auto& [node, value] : own) {
    if (wanted(value)) leaving.insert(node);
  }
  registry->remove(running_process(), key,
                   [&](const RegistryNode& node) { return leaving.contains(&node); });
}

Result<Registry::Updated> Registry::update_value(
    const Value& key, const std::function<Value(const Value&)>& function) const {
  const std::shared_ptr<RegistryData> registry = held();
  const Pid self = running_process().self();
  if (registry->kind() != RegistryKind::unique) throw ProcessExit{ExitReason::symbol("badarg")};
  std::optional<Value> before;
  registry->shards().visit_key(key, [&](const RegistryNode*, const Pid& pid, const Value& value) {
    if (pid == self) before = value;
  });
  if (before) {
    Value now = function(*before);
    if (registry->shards().set(key, self, now)) return Updated{std::move(now), std::move(*before)};
  }
  return Error{Errc::not_found, "this process does not have the key"};
}

// -- look-ups -------------------------------------------------------------------------------

std::vector<RegistryEntry> Registry::lookup(const Value& key) const {
  RegistryData& registry = data();
  std::vector<RegistryEntry> found;
  registry.shards().visit_key(key, [&](const RegistryNode*, const Pid& pid, const Value& value) {
    if (registry.is_alive(pid)) found.push_back({pid, value});
  });
  return found;
}

std::optional<Pid> Registry::whereis(const Value& key) const { return data().first(key); }

void Registry::dispatch(
    const Value& key,
    const std::function<void(const std::vector<RegistryEntry>&)>& function) const {
  const std::vector<RegistryEntry> found = lookup(key);
  if (!found.empty()) function(found);
}

std::vector<Value> Registry::keys(const Pid& pid) const {
  RegistryData& registry = data();
  std::vector<Value> found;
  if (!registry.is_alive(pid)) return found;
  registry.shards().visit_owner(pid, [&](const RegistryNode& node) { found.push_back(node.key); });
  return found;
}

std::vector<Value> Registry::values(const Value& key, const Pid& pid) const {
  std::vector<Value> found;
  for (RegistryEntry& entry : lookup(key)) {
    if (entry.pid == pid) found.push_back(std::move(entry.value));
  }
  return found;
}

std::vector<RegistryEntry> Registry::match(const Value& key, const EntryFilter& wanted) const {
  std::vector<RegistryEntry> found = lookup(key);
  std::erase_if(found, [&](const auto& entry) { return !wanted(entry.pid, entry.value); });
  return found;
}

std::size_t Registry::count_match(const Value& key, const EntryFilter& wanted) const {
  return match(key, wanted).size();
}

std::vector<RegistryRow> Registry::select(const RowFilter& wanted) const {
  const std::shared_ptr<RegistryData> registry = held();
  std::vector<RegistryRow> found;
  for (std::size_t part = 0; part < registry->shards().parts(); ++part) {
    std::vector<RegistryRow> rows;
    registry->shards().visit_part(part, [&](const RegistryNode& node) {
      if (registry->is_alive(node.pid)) rows.push_back({node.key, node.pid, node.value});
    });
    for (RegistryRow& row : rows) {
      if (wanted(row.key, row.pid, row.value)) found.push_back(std::move(row));
    }
  }
  return found;
}

std::size_t Registry::count_select(const RowFilter& wanted) const { return select(wanted).size(); }
std::size_t Registry::count() const { return data().shards().count(); }

// -- what else it keeps ---------------------------------------------------------------------

void Registry::put_meta(const Value& key, Value value) const {
  data().with_meta([&](auto& meta) { std::swap(meta[key], value); });
}
std::optional<Value> Registry::meta(const Value& key) const {
  return data().with_meta([&](const auto& meta) -> std::optional<Value> {
    const auto place = meta.find(key);
    return place == meta.end() ? std::nullopt : std::optional{place->second};
  });
}
void Registry::delete_meta(const Value& key) const {
  data().with_meta([&](auto& meta) { meta.erase(key); });
}

// -- start ----------------------------------------------------------------------------------

namespace {

Task<StartResult> start_with(Context& context, std::string name, RegistryKind kind,
                             RegistryOptions registry_options, ServerOptions options) {
  options.trap_exit = true;
  return start_server<RegistryServer>(context, std::move(options), std::move(name), kind,
                                      std::move(registry_options));
}

}  // namespace

Task<StartResult> start_registry(Context& context, std::string name, RegistryKind kind,
                                 RegistryOptions options) {
  ServerOptions server{name};
  server.label = name;
  return start_with(context, std::move(name), kind, std::move(options), std::move(server));
}

ChildSpec registry(std::string name, RegistryKind kind, RegistryOptions options) {
  ChildSpec child{name, [name, kind, options](Context& context, ServerOptions server) {
                    return start_with(context, name, kind, options, std::move(server));
                  }};
  return std::move(child).as(std::move(name));
}

}  // namespace grove
