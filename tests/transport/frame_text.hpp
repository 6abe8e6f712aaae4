// SPDX-License-Identifier: Apache-2.0
//
// Frames as people read them: what docs/wire.md and the transcripts say that their bytes mean. One
// line for the frame and one for each record. Its forms are as pinned as the bytes are, so nothing
// here is printed by the code that logs use.
#pragma once

#include "grove/transport/frame.hpp"

#include <span>
#include <string>

namespace grove::testkit {

/// What the parsers make of a frame; "malformed" in place of what they refuse.
[[nodiscard]] std::string meaning_of(std::span<const std::byte> frame);
/// The same of a body that is a term.
[[nodiscard]] std::string meaning_of_term(std::span<const std::byte> body);
/// Parsed and encoded again, bodies too; nothing when it cannot be parsed.
[[nodiscard]] transport::Bytes encoded_again(std::span<const std::byte> frame);
[[nodiscard]] transport::Bytes term_encoded_again(std::span<const std::byte> body);

}  // namespace grove::testkit
