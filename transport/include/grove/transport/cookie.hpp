// SPDX-License-Identifier: Apache-2.0
//
// Cookie: the cluster's one secret, and how to prove that one knows it without sending it.
#pragma once

#include "grove/transport/frame.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace grove::transport {

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

 private:
  std::array<unsigned char, 32> key_{};
  bool empty_;
};

/// Bytes nobody can guess.
[[nodiscard]] Nonce random_nonce();

}  // namespace grove::transport
