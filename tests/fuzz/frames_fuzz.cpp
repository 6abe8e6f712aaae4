// SPDX-License-Identifier: Apache-2.0
#include "grove/core/check.hpp"
#include "grove/transport/frame.hpp"

#include "targets.hpp"

#include <algorithm>

namespace grove::fuzz {
namespace {

using namespace transport;

/// Whether `frame` begins as `parsed` does, but for the bytes that nobody reads.
bool begins_with(Input frame, Buffer parsed, std::size_t unread_from, std::size_t unread_to) {
  if (frame.size() < parsed.size()) return false;
  for (std::size_t i = unread_from; i < unread_to; ++i) parsed[i] = frame[i];
  return std::equal(parsed.begin(), parsed.end(), frame.begin());
}

}  // namespace

void header(Input bytes) {
  const auto kind = kind_of(bytes);
  if (!kind) return;
  if (const auto header = parse_session_header(bytes)) {
    Buffer again(k_session_header_bytes);
    encode(*kind, *header, again);
    GROVE_CHECK(begins_with(bytes, again, 4, 8));
  }
  if (!is_handshake(bytes)) return;
  if (const auto proof = parse_auth(bytes); proof && kind == FrameKind::auth) {
    GROVE_CHECK(std::ranges::equal(encode_auth(*proof), bytes));
  }
  if (const auto refuse = parse_refuse(bytes); refuse && kind == FrameKind::refuse) {
    GROVE_CHECK(!to_string(refuse->reason).empty());
    GROVE_CHECK(begins_with(bytes, encode(*refuse), 0, 0));
  }
}

void handshake(Input bytes) {
  const auto kind = kind_of(bytes);
  if (!kind || !is_handshake(bytes)) return;
  if (const auto hello = parse_hello(bytes); hello && kind == FrameKind::hello) {
    GROVE_CHECK(begins_with(bytes, encode(*hello), 6, 8));
    GROVE_CHECK(bytes.size() <= k_handshake_bytes_max);
  }
  if (const auto parsed = parse_welcome(bytes); parsed && kind == FrameKind::welcome) {
    GROVE_CHECK(begins_with(parsed->signed_part, encode(parsed->welcome), 5, 8));
    GROVE_CHECK(parsed->signed_part.size() + parsed->proof.size() == bytes.size());
  }
}

}  // namespace grove::fuzz
