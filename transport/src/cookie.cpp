// SPDX-License-Identifier: Apache-2.0
#include "grove/transport/cookie.hpp"

#include "grove/core/check.hpp"

#include <sodium.h>

namespace grove::transport {

Secret::~Secret() { sodium_memzero(bytes.data(), bytes.size()); }

Cookie::Cookie(std::string_view secret) : empty_{secret.empty()} {
  GROVE_CHECK(sodium_init() >= 0);
  crypto_hash_sha256(key_.bytes.data(), reinterpret_cast<const unsigned char*>(secret.data()),
                     secret.size());
}

Proof Cookie::prove(std::string_view role, std::span<const std::byte> hello,
                    std::span<const std::byte> welcome) const {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, key_.bytes.data(), key_.bytes.size());
  const auto add = [&state](const void* data, std::size_t size) {
    crypto_auth_hmacsha256_update(&state, static_cast<const unsigned char*>(data), size);
  };
  add(role.data(), role.size());
  const std::uint64_t hello_size = hello.size();  // so that the two cannot be shifted
  add(&hello_size, sizeof hello_size);
  add(hello.data(), hello.size());
  add(welcome.data(), welcome.size());
  Proof proof{};
  crypto_auth_hmacsha256_final(&state, reinterpret_cast<unsigned char*>(proof.data()));
  sodium_memzero(&state, sizeof state);  // it holds the key
  return proof;
}

bool Cookie::verify(const Proof& proof, std::string_view role, std::span<const std::byte> hello,
                    std::span<const std::byte> welcome) const {
  const Proof expected = prove(role, hello, welcome);
  return sodium_memcmp(expected.data(), proof.data(), expected.size()) == 0;
}

Secret Cookie::subkey(std::uint64_t use) const {
  Secret key;
  crypto_kdf_derive_from_key(key.bytes.data(), key.bytes.size(), use, "GroveKey",
                             key_.bytes.data());
  return key;
}

std::string random_cookie() {
  GROVE_CHECK(sodium_init() >= 0);
  Secret secret;
  randombytes_buf(secret.bytes.data(), secret.bytes.size());
  std::string text(2 * secret.bytes.size() + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), secret.bytes.data(), secret.bytes.size());
  text.pop_back();  // the zero that ends it
  return text;
}

void wipe(std::string& text) noexcept {
  sodium_memzero(text.data(), text.size());
  text.clear();
}

Nonce random_nonce() {
  Nonce nonce;
  randombytes_buf(nonce.data(), nonce.size());
  return nonce;
}

}  // namespace grove::transport
