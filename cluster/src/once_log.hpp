// SPDX-License-Identifier: Apache-2.0
//
// OnceLog: says a thing once, however often it happens; the counters tell how often.
//
// Thread-safety: all members.
#pragma once

#include "grove/core/log.hpp"

#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_set>

namespace grove::cluster {

class OnceLog {
 public:
  explicit OnceLog(Log& log) : log_{log} {}

  void warning(const std::string& text) {
    {
      const std::lock_guard lock{mutex_};
      if (said_.size() >= k_texts_max || !said_.insert(text).second) return;
    }
    log_.warning(text);
  }

 private:
  static constexpr std::size_t k_texts_max = 1000;

  Log& log_;
  std::mutex mutex_;  // guards the next
  std::unordered_set<std::string> said_;
};

}  // namespace grove::cluster
