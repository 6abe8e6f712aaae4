// SPDX-License-Identifier: Apache-2.0
//
// Who is who: nodes, processes and references.
//
// A node is a name plus one *life*: the time of its start in microseconds, so that it grows over
// restarts without a disk. A pid names one life of one process on one life of one node; it is never
// reused for anybody else. In memory a node is a 32-bit handle into a table shared by the whole OS
// process (as an atom is in BEAM); names and lives travel on the wire, handles never do.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace grove {

/// An integer that compares and hashes only with others of the same Tag.
template <class Tag, class Rep = std::uint64_t>
struct StrongId {
  Rep value{};
  friend constexpr auto operator<=>(StrongId, StrongId) = default;
};

/// One start of a node. Units: microseconds since 1970 at the start, or larger.
using Life = StrongId<struct LifeTag>;

/// Handle of (node name, life); 0 is "no node". Valid inside this OS process only.
using NodeId = StrongId<struct NodeIdTag, std::uint32_t>;

/// Returns the handle of `name` in its life `life`, the same one each time.
/// Threads: any. Cost: a lock and a hash look-up. Entries live as long as the OS process.
[[nodiscard]] NodeId intern_node(std::string_view name, Life life);
[[nodiscard]] const std::string& node_name(NodeId node);
[[nodiscard]] Life node_life(NodeId node);

/// A node's name is [a-z0-9_-]{1,63}, optionally followed by @host with [A-Za-z0-9._-]{1,190}.
[[nodiscard]] bool is_node_name(std::string_view name) noexcept;

/// Identity of one process for ever.
struct Pid {
  NodeId node;
  std::uint32_t index = 0;       // its place in the node's process table
  std::uint32_t generation = 0;  // which life of that place; 0 is "nobody"

  [[nodiscard]] explicit operator bool() const noexcept { return generation != 0; }
  friend constexpr auto operator<=>(const Pid&, const Pid&) = default;
};

/// Text form `name@host:LIFE:INDEX.GENERATION`, LIFE in base 36; safe in a shell.
[[nodiscard]] std::string to_string(const Pid& pid);
/// Reads the text form back; nothing when it is not one.
[[nodiscard]] std::optional<Pid> parse_pid(std::string_view text);
[[nodiscard]] std::string to_base36(std::uint64_t value);

/// A value unique on its node: names a monitor, a call, a timer.
struct Ref {
  NodeId node;
  std::uint32_t owner = 0;   // index of the process that made it
  std::uint64_t serial = 0;  // 48 bits; 0 is "no reference"

  [[nodiscard]] explicit operator bool() const noexcept { return serial != 0; }
  friend constexpr auto operator<=>(const Ref&, const Ref&) = default;
};
[[nodiscard]] std::string to_string(const Ref& ref);

}  // namespace grove

template <class Tag, class Rep>
struct std::hash<grove::StrongId<Tag, Rep>> {
  std::size_t operator()(grove::StrongId<Tag, Rep> id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};

template <>
struct std::hash<grove::Pid> {
  std::size_t operator()(const grove::Pid& pid) const noexcept {
    std::uint64_t mixed = (std::uint64_t{pid.index} << 32U) | pid.generation;
    mixed ^= std::uint64_t{pid.node.value} << 17U;
    mixed *= 0x9E3779B97F4A7C15U;  // spreads neighbouring indexes over the buckets
    return static_cast<std::size_t>(mixed ^ (mixed >> 29U));
  }
};

template <>
struct std::hash<grove::Ref> {
  std::size_t operator()(const grove::Ref& ref) const noexcept {
    std::uint64_t mixed = ref.serial ^ (std::uint64_t{ref.owner} << 32U);
    mixed ^= std::uint64_t{ref.node.value} << 17U;
    mixed *= 0x9E3779B97F4A7C15U;
    return static_cast<std::size_t>(mixed ^ (mixed >> 29U));
  }
};
