// SPDX-License-Identifier: Apache-2.0
//
// The wire's fixed vocabulary: frames, handshakes, records. All integers little-endian.
// docs/wire.md is the whole of it, with examples.
//
// Parsing is by hand, with bounds, and allocates only what the frame's own length allows; nothing
// here knows MessagePack. A parse that fails returns nothing: the caller counts and refuses.
//
//   every frame     'G' 'V' version:u8 kind:u8
//   hello           min:u8 max:u8 0:u16 features:u64 life:u64 epoch:u64 nonce:16
//                   cluster:s8 name:s8 address:s8 local:s8  (more is skipped)
//   welcome         version:u8 0:u8 0:u16 features:u64 life:u64 nonce:16
//                   name:s8 address:s8 local:s8  (more is skipped)  proof:32
//   auth            proof:32
//   accept, bye     (nothing)
//   refuse          reason:u8 text:s8
//   heartbeat       0:u32 from_life:u64 to_life:u64 from_epoch:u64 to_epoch:u64 sequence:u64
//                   (the last batch that came from the receiver: acknowledges all up to it)
//   batch           as heartbeat (its own sequence, from 1), then records until the frame ends
//                   A second ZeroMQ part continues the body of the last record.
//   record          length:u32 kind:u8 flags:u8 name_length:u16 from:u64 to:u64 serial:u64 type:u64
//                   name body              (length counts everything after itself)
//   s8              length:u8 and that many bytes
//
// Handshakes (kinds below 16) have version 1 in their header for ever, so that nodes of different
// versions can agree on one; the frames of a session have the version agreed on.
#pragma once

#include "grove/core/bytes.hpp"
#include "grove/core/ids.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace grove::transport {

inline constexpr std::uint8_t k_protocol_version = 1;
/// What this node can do beyond that, a bit each: a session uses what both ends can. None yet.
inline constexpr std::uint64_t k_features = 0;
/// Of each part of a frame. A longer one ends the session of who sent it.
inline constexpr std::size_t k_frame_bytes_max = std::size_t{16} << 20U;
/// A stranger's frames are kept until he has proved himself, so they are short.
inline constexpr std::size_t k_handshake_bytes_max = 4096;

using Buffer = std::vector<std::byte>;
using Nonce = std::array<std::byte, 16>;
using Proof = std::array<std::byte, 32>;

/// A received frame: bytes that somebody keeps alive, and what its second part continues them with.
struct Frame {
  std::shared_ptr<const void> owner;
  std::span<const std::byte> bytes;
  Bytes tail = {};
  std::string source = {};  // of a HELLO: whose address it came from, without port; empty: unknown

  [[nodiscard]] static Frame own(Buffer bytes);
};

/// Pinned and append-only.
enum class FrameKind : std::uint8_t {
  hello = 1,
  welcome = 2,
  auth = 3,
  accept = 4,
  refuse = 5,
  bye = 6,  // the session that this link carries is over
  heartbeat = 16,
  batch = 17,
};

/// Pinned and append-only. Why a handshake was refused.
enum class Refusal : std::uint8_t {
  version = 1,
  cluster = 2,
  cookie = 3,
  older_life = 4,
  name_in_use = 5,
  malformed = 6,
};
[[nodiscard]] std::string_view to_string(Refusal reason) noexcept;

/// The versions of the protocol that a node speaks.
struct Versions {
  std::uint8_t min = k_protocol_version;
  std::uint8_t max = k_protocol_version;
};
/// The newest version that both speak; nothing when there is none.
[[nodiscard]] std::optional<std::uint8_t> common_version(Versions one, Versions other) noexcept;

struct Hello {
  Versions versions;
  std::uint64_t features = k_features;
  Life life;
  std::uint64_t epoch = 0;
  Nonce nonce{};
  std::string cluster;
  std::string name;
  std::string address;  // where to dial back
  std::string local;    // where nodes of the same host may; empty: nowhere else
};

struct Welcome {
  std::uint8_t version = k_protocol_version;
  std::uint64_t features = k_features;
  Life life;
  Nonce nonce{};
  std::string name;
  std::string address;
  std::string local;
};

struct RefuseFrame {
  Refusal reason{};
  std::string text;
};

/// What a frame takes beside its bytes, about: for accounts of memory.
inline constexpr std::size_t k_frame_cost = 128;
[[nodiscard]] inline std::size_t cost_of(const Frame& frame) noexcept {
  return frame.bytes.size() + frame.tail.size() + k_frame_cost;
}
/// A batch is acknowledged at the latest when batches of that many bytes have come.
inline constexpr std::size_t k_acknowledge_bytes = std::size_t{1} << 20U;

/// Which session a batch or heartbeat belongs to, and its place in it; of a heartbeat, the last
/// batch that has come.
struct SessionHeader {
  Life from_life;
  Life to_life;
  std::uint64_t from_epoch = 0;
  std::uint64_t to_epoch = 0;
  std::uint64_t sequence = 0;
  std::uint8_t version = k_protocol_version;  // the one agreed on
};
inline constexpr std::size_t k_session_header_bytes = 48;

/// One signal inside a batch. Views point into the frame.
struct Record {
  std::uint8_t kind = 0;
  std::uint8_t flags = 0;
  std::uint64_t from = 0;  // index and generation of a process; 0: the node itself
  std::uint64_t to = 0;    // 0: see `name`, or the node itself
  std::uint64_t serial = 0;
  std::uint64_t type = 0;  // wire id of the message in `body`; 0: none, or a term
  std::string_view name;
  std::span<const std::byte> body;
};

[[nodiscard]] inline std::uint64_t local_id(const Pid& pid) noexcept {
  return (std::uint64_t{pid.index} << 32U) | pid.generation;
}
[[nodiscard]] inline Pid pid_of(NodeId node, std::uint64_t local) noexcept {
  return {node, static_cast<std::uint32_t>(local >> 32U), static_cast<std::uint32_t>(local)};
}

/// The kind of a frame of our protocol; nothing for anything else. A session's frames may be of any
/// version: their header says of which.
[[nodiscard]] std::optional<FrameKind> kind_of(std::span<const std::byte> frame) noexcept;
/// Whether a handshake is laid out as this page says; else it is of nodes that are yet to come.
[[nodiscard]] bool is_handshake(std::span<const std::byte> frame) noexcept;

[[nodiscard]] Buffer encode(const Hello& hello);
[[nodiscard]] Buffer encode(const Welcome& welcome);  // without its proof
[[nodiscard]] Buffer encode_auth(const Proof& proof);
[[nodiscard]] Buffer encode(const RefuseFrame& refuse);
[[nodiscard]] Buffer encode_empty(FrameKind kind);
void encode(FrameKind kind, const SessionHeader& header, std::span<std::byte> into);
/// Type and body of a record that next_record() has found good, from its first byte on; without the
/// `tail_bytes` that are in a second part.
struct Content {
  std::uint64_t type = 0;
  std::span<const std::byte> body;
};
[[nodiscard]] Content content_of(const std::byte* record, std::size_t tail_bytes = 0) noexcept;
/// Appends a record but for its body. Returns: where it starts, for finish_record.
std::size_t begin_record(Buffer& batch, const Record& record);
/// Sets the length of the record that starts at `at`, once its body is appended; of the last one,
/// all but `tail_bytes` that follow in the second part.
void finish_record(Buffer& batch, std::size_t at, std::size_t tail_bytes = 0) noexcept;

[[nodiscard]] std::optional<Hello> parse_hello(std::span<const std::byte> frame);
struct WelcomeAndProof {
  Welcome welcome;
  Proof proof{};
  std::span<const std::byte> signed_part;
};
[[nodiscard]] std::optional<WelcomeAndProof> parse_welcome(std::span<const std::byte> frame);
[[nodiscard]] std::optional<Proof> parse_auth(std::span<const std::byte> frame);
[[nodiscard]] std::optional<RefuseFrame> parse_refuse(std::span<const std::byte> frame);
[[nodiscard]] std::optional<SessionHeader> parse_session_header(std::span<const std::byte> frame);

/// Reads the next record at `offset` of a batch and moves it on. The body of the last one lacks the
/// `tail_bytes` of the second part.
/// Returns: nothing at the end, or when the record is malformed; then `malformed` is set.
[[nodiscard]] std::optional<Record> next_record(std::span<const std::byte> frame,
                                                std::size_t& offset, bool& malformed,
                                                std::size_t tail_bytes = 0);

}  // namespace grove::transport
