// SPDX-License-Identifier: Apache-2.0
//
// Assembly: the large records of one session that have come in part. The other end of SendQueue.
// Decides only; it trusts no number that a peer says.
#pragma once

#include "grove/core/bytes.hpp"
#include "grove/transport/frame.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

namespace grove::cluster {

class Assembly {
 public:
  /// `bytes_max`: of all its records together, as they say that they will be.
  explicit Assembly(std::size_t bytes_max) : bytes_max_{bytes_max} {}

  /// A piece (k_fragment), of which `tail` is the end.
  /// Returns: the whole record when that was its last piece, else empty bytes; nothing when the
  /// piece is malformed: then the session must end.
  [[nodiscard]] std::optional<Bytes> add(const transport::Record& piece, const Bytes& tail);
  void clear() noexcept;

  [[nodiscard]] std::size_t streams() const noexcept { return streams_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct Stream {
    std::shared_ptr<std::byte[]> memory;
    std::size_t size = 0;
    std::size_t filled = 0;
  };
  [[nodiscard]] bool begin(const transport::Record& piece);

  const std::size_t bytes_max_;
  std::map<std::uint64_t, Stream> streams_;
  std::size_t bytes_ = 0;
};

}  // namespace grove::cluster
