// SPDX-License-Identifier: Apache-2.0
//
// Frames as people read them: what docs/wire.md and the transcripts say that their bytes mean. One
// line for the frame and one for each record. Its forms are as pinned as the bytes are, so nothing
// here is printed by the code that logs use.
#pragma once

#include "grove/core/message.hpp"
#include "grove/transport/frame.hpp"

#include <span>
#include <string>

namespace grove::testkit {

/// What the parsers make of a frame, of which `tail` is the second part; "malformed" in place of
/// what they refuse.
[[nodiscard]] std::string meaning_of(std::span<const std::byte> frame,
                                     std::span<const std::byte> tail = {});
/// Parsed and encoded again, bodies too; nothing when it cannot be parsed.
[[nodiscard]] transport::Buffer encoded_again(std::span<const std::byte> frame);

/// A body read as a message of `type`, or as a term without one.
struct ReadBody {
  std::string meaning = "malformed";
  transport::Buffer again;  // written anew
};
[[nodiscard]] ReadBody read_body(std::span<const std::byte> body, const MessageType* type);

}  // namespace grove::testkit
