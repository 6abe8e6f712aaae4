// SPDX-License-Identifier: Apache-2.0
//
// Cookie: the cluster's one secret, and how to prove that one knows it without sending it.
#pragma once

#include "grove/transport/frame.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace grove::transport {

/// 32 bytes that are wiped when they go.
struct Secret {
  Secret() = default;
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret();
  std::array<unsigned char, 32> bytes{};
};

class Cookie {
 public:
  /// No secret: anybody can prove it. For loopback only.
  Cookie() : Cookie{std::string_view{}} {}
  explicit Cookie(std::string_view secret);

  [[nodiscard]] bool empty() const noexcept { return empty_; }
  /// HMAC-SHA256 over a role and the handshake so far, so that no proof serves twice.
  [[nodiscard]] Proof prove(std::string_view role, std::span<const std::byte> hello,
                            std::span<const std::byte> welcome) const;
  /// Compares in constant time.
  [[nodiscard]] bool verify(const Proof& proof, std::string_view role,
                            std::span<const std::byte> hello,
                            std::span<const std::byte> welcome) const;
  /// A key for one use. Who has it learns neither the cookie nor the key for another use.
  [[nodiscard]] Secret subkey(std::uint64_t use) const;

 private:
  Secret key_;
  bool empty_;
};

/// A cookie that nobody can guess: 256 bits from the system, in hexadecimal.
[[nodiscard]] std::string random_cookie();
/// Bytes nobody can guess.
[[nodiscard]] Nonce random_nonce();
/// Overwrites and empties a text that was a secret.
void wipe(std::string& text) noexcept;

}  // namespace grove::transport
