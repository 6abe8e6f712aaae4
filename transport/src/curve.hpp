// SPDX-License-Identifier: Apache-2.0
//
// CURVE: from the cookie to ZeroMQ's encryption. All nodes of a cluster share two pairs of keys,
// one for whoever listens and one for whoever dials: to know them is to know the cookie.
#pragma once

#include "grove/core/result.hpp"
#include "grove/transport/cookie.hpp"

#include <zmq.hpp>

#include <array>
#include <cstdint>

namespace grove::transport {

using PublicKey = std::array<unsigned char, 32>;

struct CurveKeys {
  struct Pair {
    PublicKey public_key{};
    Secret secret_key;
  };
  Pair listener;
  Pair dialler;
};

/// The same on every node with this cookie. Pinned: another derivation is another cluster.
[[nodiscard]] CurveKeys curve_keys(const Cookie& cookie);

/// Before bind: encrypt, and let in whom the ZAP handler of the context lets in.
void secure_listener(zmq::socket_t& socket, const CurveKeys& keys);
/// Before connect: encrypt, and talk to nobody who does not know the cookie.
void secure_dialler(zmq::socket_t& socket, const CurveKeys& keys);

struct LibraryVersion {
  int major = 0;
  int minor = 0;
  int patch = 0;
  bool curve = false;  // was built with CURVE
  auto operator<=>(const LibraryVersion&) const = default;
};
[[nodiscard]] LibraryVersion zmq_library();
/// Is this libzmq without known holes, and able to encrypt if it has to? Errors: unavailable.
[[nodiscard]] Result<void> check_library(const LibraryVersion& library, bool encrypt);

}  // namespace grove::transport
