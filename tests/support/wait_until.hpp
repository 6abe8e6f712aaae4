// SPDX-License-Identifier: Apache-2.0
//
// Waiting for something that happens on other threads, when no future or monitor tells of it.
#pragma once

#include "grove/core/clock.hpp"

#include <chrono>
#include <functional>
#include <future>
#include <stdexcept>

namespace grove::testkit {

inline constexpr std::chrono::seconds k_patience{60};

/// Asks until `done` says yes. Returns: false when it never did; `patience` is for a machine that
/// is busy or a sanitizer, and says nothing about how long it may take.
inline bool wait_until(const Clock& clock, const std::function<bool()>& done,
                       Clock::Duration patience = k_patience) {
  const Clock::TimePoint limit = clock.now() + patience;
  std::promise<void> never;
  const std::future<void> pause = never.get_future();
  while (!done()) {
    if (clock.now() > limit) return false;
    pause.wait_for(std::chrono::milliseconds{2});
  }
  return true;
}

/// The value of a future that another thread makes ready. Throws when it never is.
template <class T>
T value_of(std::future<T>& future) {
  if (future.wait_for(k_patience) != std::future_status::ready) {
    throw std::runtime_error{"nothing has made this future ready"};
  }
  return future.get();
}

}  // namespace grove::testkit
