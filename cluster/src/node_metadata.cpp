// SPDX-License-Identifier: Apache-2.0
#include "node_metadata.hpp"

#include "grove/core/utf8.hpp"
#include "grove/core/wire.hpp"
#include "grove/transport/codec.hpp"

#include <algorithm>

namespace grove {

bool NodeMetadata::has_role(const std::string& role) const {
  return std::find(roles.begin(), roles.end(), role) != roles.end();
}

namespace cluster {

namespace {

/// Whether all texts in it are UTF-8.
bool is_readable(const Value& value) {
  const auto all = [](const auto* items, auto&& each) {
    return items == nullptr || std::all_of(items->begin(), items->end(), each);
  };
  const std::string* text = value.as_string() != nullptr ? value.as_string() : value.as_symbol();
  return (text == nullptr || is_utf8(*text)) && all(value.as_list(), is_readable) &&
         all(value.as_tuple(), is_readable) && all(value.as_map(), [](const auto& entry) {
           return is_readable(entry.first) && is_readable(entry.second);
         });
}

}  // namespace

Result<void> check(const NodeMetadata& metadata) {
  for (const std::string& role : metadata.roles) {
    if (!is_node_name(role) || role.find('@') != std::string::npos) {
      return Error{Errc::bad_argument,
                   '"' + role + "\" is no role: 1 to 63 of a-z 0-9 _ -, without a host"};
    }
  }
  const Value::Entries* entries = metadata.values.as_map();
  if (entries == nullptr && metadata.values != Value{}) {
    return Error{Errc::bad_argument, "a node's metadata are a map"};
  }
  for (const auto& [key, value] : entries == nullptr ? Value::Entries{} : *entries) {
    if (key.as_string() == nullptr && key.as_symbol() == nullptr) {
      return Error{Errc::bad_argument, "a key of a node's metadata is a string or a symbol"};
    }
  }
  transport::Buffer packed;
  const bool packs = transport::pack(packed, [&](Writer& out) {
    wire::write(out, metadata.roles);
    wire::write(out, metadata.values);
  });
  if (!packs) return Error{Errc::bad_argument, "a node's metadata are nested too deep"};
  if (!is_readable(metadata.values)) {
    return Error{Errc::bad_argument, "a text in a node's metadata is not UTF-8"};
  }
  if (packed.size() <= k_metadata_bytes_max) return {};
  return Error{Errc::too_large, "a node's roles and metadata take " +
                                    std::to_string(packed.size()) + " bytes packed, " +
                                    std::to_string(k_metadata_bytes_max) + " are allowed"};
}

}  // namespace cluster
}  // namespace grove
