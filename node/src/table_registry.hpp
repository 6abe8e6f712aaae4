// SPDX-License-Identifier: Apache-2.0
//
// TableRegistry: the tables of one node, and their names. A table is in it until its owner ends.
//
// Thread-safety: all members.
#pragma once

#include "grove/core/result.hpp"
#include "grove/node/table.hpp"

#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

namespace grove::detail {

class TableRegistry {
 public:
  Result<void> add(std::shared_ptr<TableCore> table, const Pid& owner);
  void remove(const TableCore& table) noexcept;
  [[nodiscard]] std::shared_ptr<TableCore> find(std::string_view name) const;
  [[nodiscard]] std::vector<std::shared_ptr<TableCore>> all() const;

 private:
  mutable std::shared_mutex mutex_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::shared_ptr<TableCore>> tables_;
  std::map<std::string, std::uint64_t, std::less<>> names_;
};

}  // namespace grove::detail
