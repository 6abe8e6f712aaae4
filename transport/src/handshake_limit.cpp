// SPDX-License-Identifier: Apache-2.0
#include "grove/transport/handshake_limit.hpp"

#include <algorithm>

namespace grove::transport {

bool TokenBucket::take(const Rate& rate, Clock::TimePoint now) {
  const Clock::TimePoint next = std::max(full_at_, now) + rate.interval;
  if (next - now > rate.interval * rate.burst) return false;
  full_at_ = next;
  return true;
}

TokenBucket& HandshakeLimit::bucket_of(const std::string& source, Clock::TimePoint now) {
  const auto known = sources_.find(source);
  if (known != sources_.end()) return known->second;
  if (sources_.size() >= k_sources_max) {
    // A full bucket remembers nothing. When none is full, this walk costs what the flood is worth.
    std::erase_if(sources_, [now](const auto& entry) { return entry.second.is_full(now); });
  }
  return sources_.size() < k_sources_max ? sources_[source] : others_;
}

bool HandshakeLimit::allow(const std::string& source, Clock::TimePoint now) {
  // The source first: one that is over its limit takes nothing from the others.
  if (!source.empty() && !bucket_of(source, now).take(k_per_source, now)) return false;
  return overall_.take(k_overall, now);
}

}  // namespace grove::transport
