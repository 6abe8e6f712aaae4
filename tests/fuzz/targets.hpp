// SPDX-License-Identifier: Apache-2.0
//
// Fuzz targets: bytes of a peer in, no harm done, and what each promises of them.
//
// clang's libFuzzer drives them (`./dev fuzz`); every other build replays the corpus in corpus/.
// A promise that does not hold ends the program.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace grove::fuzz {

using Input = std::span<const std::byte>;

/// Headers, AUTH and REFUSE: what is parsed is encoded as it was.
void header(Input bytes);
/// HELLO and WELCOME: encoded again they are what was parsed, but for what follows unread.
void handshake(Input bytes);
/// The records of a batch, as signals, with their messages unpacked. The first two bytes, little
/// endian, say how much of the end is the second part of its frame.
void batch(Input bytes);
/// A body, read as a term and as a message of every type of field.
void body(Input bytes);
/// A node's sessions under events that the bytes choose.
void sessions(Input bytes);

struct Target {
  std::string_view name;
  void (*run)(Input bytes);
};
inline constexpr Target k_targets[] = {{"header", header},
                                       {"handshake", handshake},
                                       {"batch", batch},
                                       {"body", body},
                                       {"sessions", sessions}};

}  // namespace grove::fuzz
