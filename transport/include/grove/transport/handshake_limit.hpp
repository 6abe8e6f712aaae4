// SPDX-License-Identifier: Apache-2.0
//
// HandshakeLimit: how many handshakes are answered, so that a flood of them costs a bounded part of
// the machine. A pure state machine: the time goes in.
#pragma once

#include "grove/core/clock.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <unordered_map>

namespace grove::transport {

/// A token bucket that is one point in time: when it will be full again.
class TokenBucket {
 public:
  struct Rate {
    Clock::Duration interval;  // between two tokens
    int burst;                 // tokens of a full bucket
  };
  /// Takes a token, if there is one.
  bool take(const Rate& rate, Clock::TimePoint now);
  [[nodiscard]] bool is_full(Clock::TimePoint now) const noexcept { return full_at_ <= now; }

 private:
  Clock::TimePoint full_at_{};
};

class HandshakeLimit {
 public:
  // A cluster of a hundred nodes may start at once, on one machine.
  static constexpr TokenBucket::Rate k_per_source{std::chrono::milliseconds{10}, 250};
  static constexpr TokenBucket::Rate k_overall{std::chrono::milliseconds{2}, 1000};
  static constexpr std::size_t k_sources_max = 1024;  // the rest share one bucket

  /// May a handshake from `source` (an address without its port; empty: unknown) be answered?
  bool allow(const std::string& source, Clock::TimePoint now);
  [[nodiscard]] std::size_t sources() const noexcept { return sources_.size(); }

 private:
  TokenBucket& bucket_of(const std::string& source, Clock::TimePoint now);

  TokenBucket overall_;
  TokenBucket others_;  // of sources for which there is no room
  std::unordered_map<std::string, TokenBucket> sources_;
};

}  // namespace grove::transport
