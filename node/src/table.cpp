// SPDX-License-Identifier: Apache-2.0
#include "grove/node/table.hpp"

#include "process.hpp"
#include "table_registry.hpp"

#include <algorithm>
#include <stdexcept>
#include <tuple>

namespace grove {
namespace detail {

bool TableCore::is_owner() const noexcept {
  const Context* running = Context::running();
  return running != nullptr && running->self() == owner_;
}

Error TableCore::refusal() const {
  if (gone()) return gone_error();
  const bool secret = options_.access == Access::private_;
  return {Errc::noaccess, std::string{"only "} + to_string(owner_) + " may " +
                              (secret ? "use" : "change") + " the table \"" + name_ + "\""};
}

void TableCore::check_each_outside() const {
  for (const Inside* inside = innermost_; inside != nullptr; inside = inside->outer_) {
    if (&inside->table_ == this) {
      throw std::logic_error("a function given to the table \"" + name_ + "\" calls into it");
    }
  }
}

bool TableCore::drop() {
  if (gone() || !is_owner()) return false;
  check_outside();
  {
    const RuntimeSection runtime{current_turn()};
    disown(Context::current(), *this);
    owner_ended();
  }
  drop_entries();
  return true;
}

// First nobody finds it, then nobody gets in, then it is emptied: who is in a shard still sees it
// whole, and who comes after the emptying sees the mark.
void TableCore::owner_ended() noexcept {
  registry_->remove(*this);
  gone_.store(true, std::memory_order_release);
}

TableInfo TableCore::info() const {
  TableInfo info;
  info.name = name_;
  info.id = id_;
  info.owner = owner_;
  info.access = options_.access;
  describe(info);
  return info;
}

Result<void> open_table(Context& context, std::shared_ptr<TableCore> table) {
  if (table->name().size() > 255) {
    return Error{Errc::bad_argument, "a table's name has at most 255 bytes"};
  }
  const RuntimeSection runtime{current_turn()};
  if (!own(context, table)) return Error{Errc::noproc, "the process ends"};
  auto added = context.node().table_registry().add(table, context.self());
  if (!added) disown(context, *table);
  return added;
}

std::shared_ptr<TableCore> find_table(const Node& node, std::string_view name) {
  return node.table_registry().find(name);
}

Error other_types(const TableInfo& found) {
  return {Errc::bad_argument, "the table \"" + found.name + "\" is " +
                                  (found.kind == TableKind::set ? "a set" : "an ordered_set") +
                                  " of " + found.key_type + " and " + found.value_type};
}

Result<void> TableRegistry::add(std::shared_ptr<TableCore> table, const Pid& owner) {
  const std::unique_lock lock{mutex_};
  const std::uint64_t id = last_id_ + 1;
  if (!table->name_.empty() && !names_.try_emplace(table->name_, id).second) {
    return Error{Errc::name_taken, "there is a table \"" + table->name_ + "\""};
  }
  last_id_ = table->id_ = id;
  table->owner_ = owner;
  table->registry_ = this;
  tables_.emplace(id, std::move(table));
  return {};
}

void TableRegistry::remove(const TableCore& table) noexcept {
  const std::unique_lock lock{mutex_};
  if (!table.name_.empty()) names_.erase(table.name_);
  tables_.erase(table.id_);
}

std::shared_ptr<TableCore> TableRegistry::find(std::string_view name) const {
  const std::shared_lock lock{mutex_};
  const auto place = names_.find(name);
  return place == names_.end() ? nullptr : tables_.at(place->second);
}

std::vector<std::shared_ptr<TableCore>> TableRegistry::all() const {
  const std::shared_lock lock{mutex_};
  std::vector<std::shared_ptr<TableCore>> tables;
  tables.reserve(tables_.size());
  for (const auto& [id, table] : tables_) tables.push_back(table);
  return tables;
}

}  // namespace detail

std::vector<TableInfo> Node::tables() const {
  std::vector<TableInfo> rows;
  for (const auto& table : tables_->all()) rows.push_back(table->info());
  std::ranges::sort(rows, {}, [](const TableInfo& row) { return std::tie(row.name, row.id); });
  return rows;
}

}  // namespace grove
