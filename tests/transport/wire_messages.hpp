// SPDX-License-Identifier: Apache-2.0
//
// The messages that the transcripts of docs/wire.md's format are made of. They stay as they are:
// what was recorded is read by them for ever.
#pragma once

#include "grove/core/bytes.hpp"
#include "grove/core/message.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace wire_test {

struct Leaf {
  std::int32_t number = 7;
  std::string text = "leaf";
};
/// A field of every type that there is.
struct Rich {
  bool yes = false;
  std::int8_t small = 0;
  std::uint64_t large = 0;
  double real = 0;
  std::chrono::milliseconds time{0};
  std::string text;
  grove::Symbol symbol;
  grove::Pid pid;
  grove::Ref ref;
  std::vector<std::byte> bytes;
  grove::Value value;
  grove::ExitReason reason;
  std::optional<Leaf> maybe;
  std::vector<Leaf> leaves;
  std::map<std::string, std::vector<std::optional<Leaf>>> by_name;
};
struct Empty {};
/// What ends with a bin, which may be the second part of its frame.
struct Picture {
  std::string title;
  grove::Bytes pixels;
};

// What nodes said of names before they asked third ones; they are skipped now.
struct NameEntry {
  std::string name;
  grove::Pid pid;
  std::uint64_t at = 0;
};
struct NamesDelta {
  std::uint64_t version = 0;
  std::vector<NameEntry> added;
  std::vector<std::string> removed;
};
struct NamesSnapshot {
  std::uint64_t version = 0;
  std::vector<NameEntry> names;
};
struct NamesRequest {};

}  // namespace wire_test

GROVE_MESSAGE(wire_test::Leaf, "wire_test.leaf", number, text)
GROVE_MESSAGE(wire_test::Rich, "wire_test.rich", yes, small, large, real, time, text, symbol, pid,
              ref, bytes, value, reason, maybe, leaves, by_name)
GROVE_MESSAGE(wire_test::Empty, "wire_test.empty")
GROVE_MESSAGE(wire_test::Picture, "wire_test.picture", title, pixels)
GROVE_MESSAGE(wire_test::NameEntry, "grove.name_entry", name, pid, at)
GROVE_MESSAGE(wire_test::NamesDelta, "grove.names_delta", version, added, removed)
GROVE_MESSAGE(wire_test::NamesSnapshot, "grove.names_snapshot", version, names)
GROVE_MESSAGE(wire_test::NamesRequest, "grove.names_request")
