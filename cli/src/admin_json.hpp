// SPDX-License-Identifier: Apache-2.0
//
// What the admin server's answers are made of.
#pragma once

#include "grove/cluster/cluster.hpp"
#include "grove/node/node.hpp"
#include "grove/node/table.hpp"

#include <nlohmann/json.hpp>

#include <optional>

namespace grove::cli {

/// In milliseconds; null: none.
[[nodiscard]] nlohmann::json to_json(const std::optional<Clock::Duration>& duration);
[[nodiscard]] nlohmann::json to_json(const TableInfo& table);
[[nodiscard]] nlohmann::json to_json(const ProcessInfo& info);
[[nodiscard]] nlohmann::json to_json(const Member& member);
/// Terms that JSON does not know become their text.
[[nodiscard]] nlohmann::json to_json(const Value& value);
[[nodiscard]] nlohmann::json to_json(const transport::Sessions::SeedView& seed);
[[nodiscard]] nlohmann::json to_json(const transport::Sessions::RefusedView& refused,
                                     Clock::TimePoint now);

}  // namespace grove::cli
