// SPDX-License-Identifier: Apache-2.0
#include "curve.hpp"

#include <sodium.h>

#include <tuple>

namespace grove::transport {
namespace {

constexpr std::uint64_t k_listener_key = 1;
constexpr std::uint64_t k_dialler_key = 2;
constexpr const char* k_domain = "grove";
constexpr int k_zap_enforce_domain = 93;  // libzmq has it since 4.3.0, its header for drafts only

CurveKeys::Pair pair_of(const Cookie& cookie, std::uint64_t use) {
  static_assert(crypto_box_PUBLICKEYBYTES == sizeof(PublicKey));
  static_assert(crypto_box_SEEDBYTES == sizeof(Secret) && crypto_box_SECRETKEYBYTES == 32);
  const Secret seed = cookie.subkey(use);
  CurveKeys::Pair pair;
  crypto_box_seed_keypair(pair.public_key.data(), pair.secret_key.bytes.data(), seed.bytes.data());
  return pair;
}

void use(zmq::socket_t& socket, const CurveKeys::Pair& own) {
  socket.set(zmq::sockopt::curve_publickey, zmq::buffer(own.public_key));
  socket.set(zmq::sockopt::curve_secretkey, zmq::buffer(own.secret_key.bytes));
}

}  // namespace

CurveKeys curve_keys(const Cookie& cookie) {
  return {pair_of(cookie, k_listener_key), pair_of(cookie, k_dialler_key)};
}

void secure_listener(zmq::socket_t& socket, const CurveKeys& keys) {
  socket.set(zmq::sockopt::curve_server, true);
  use(socket, keys.listener);
  socket.set(zmq::sockopt::zap_domain, k_domain);
  const int enforce = 1;  // or without a handler it would only encrypt
  if (zmq_setsockopt(socket.handle(), k_zap_enforce_domain, &enforce, sizeof enforce) != 0) {
    throw zmq::error_t{};
  }
}

void secure_dialler(zmq::socket_t& socket, const CurveKeys& keys) {
  use(socket, keys.dialler);
  socket.set(zmq::sockopt::curve_serverkey, zmq::buffer(keys.listener.public_key));
}

LibraryVersion zmq_library() {
  LibraryVersion library;
  std::tie(library.major, library.minor, library.patch) = zmq::version();
  library.curve = zmq_has("curve") != 0;
  return library;
}

Result<void> check_library(const LibraryVersion& library, bool encrypt) {
  // Before 4.3.3 a stranger could block a CURVE listener (CVE-2020-15166), or write past the end
  // of a buffer (CVE-2019-13132, and by ZMTP 1).
  constexpr LibraryVersion oldest{4, 3, 3};
  const std::string version = std::to_string(library.major) + '.' + std::to_string(library.minor) +
                              '.' + std::to_string(library.patch);
  if (library < oldest) {
    return Error{Errc::unavailable,
                 "libzmq " + version + " has known security holes; install libzmq 4.3.3 or newer"};
  }
  if (encrypt && !library.curve) {
    return Error{Errc::unavailable, "libzmq " + version +
                                        " was built without CURVE and cannot encrypt; install one "
                                        "with libsodium, or unset the cookie (loopback only)"};
  }
  return {};
}

}  // namespace grove::transport
