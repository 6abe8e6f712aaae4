// SPDX-License-Identifier: Apache-2.0
//
// Codec: Writer and Reader over MessagePack. The only place that knows the format.
//
// Limits come from the bytes at hand: no array, map or string may claim more elements than the body
// has bytes, and nothing nests deeper than k_depth_max; a body that asks for more is refused before
// it allocates.
#pragma once

#include "grove/core/wire.hpp"
#include "grove/transport/frame.hpp"

#include <cstddef>
#include <functional>
#include <span>

namespace grove::transport {

inline constexpr std::size_t k_depth_max = 32;
/// A blob is copied when it is shorter.
inline constexpr std::size_t k_shared_bytes_min = std::size_t{64} << 10U;

/// Appends what `write` writes to `out`. Returns: false when that nests deeper than k_depth_max,
/// which nobody would read.
bool pack(Buffer& out, const std::function<void(Writer&)>& write);
/// The same; a blob that comes last becomes `tail`, which the body goes on with, instead.
bool pack(Buffer& out, Bytes& tail, const std::function<void(Writer&)>& write);

/// Reads one whole body. Returns: false when it is no MessagePack within the limits, when `read`
/// met something other than it expected, or when bytes are left over.
[[nodiscard]] bool unpack(std::span<const std::byte> body,
                          const std::function<void(Reader&)>& read);
/// The same of `body` and `tail`, the content of the blob (bin 32) with which it ends, if not
/// empty; blobs share the memory of both.
[[nodiscard]] bool unpack(const Bytes& body, const Bytes& tail,
                          const std::function<void(Reader&)>& read);

}  // namespace grove::transport
