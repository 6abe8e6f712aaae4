// SPDX-License-Identifier: Apache-2.0
//
// What a table may be asked for; table.hpp has the table itself.
#pragma once

#include <cstdint>

namespace grove {

/// How a table orders its entries: by hash, or by key.
enum class TableKind : std::uint8_t { set, ordered_set };

/// Who may use a table: everybody; everybody, but only its owner writes; its owner.
// NOLINTNEXTLINE(readability-identifier-naming): two of them are keywords without the underscore
enum class Access : std::uint8_t { public_, protected_, private_ };

/// What a new table may be asked for.
struct TableOptions {
  Access access = Access::protected_;
};

template <class Key, class Value, TableKind kind = TableKind::set>
class Table;  // table.hpp

}  // namespace grove
