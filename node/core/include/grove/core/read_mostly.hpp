// SPDX-License-Identifier: Apache-2.0
//
// ReadMostly: a value that many threads read and few change.
//
// Each change makes a new one, and each thread keeps the one that it read last for as long as there
// is no newer one. So who reads takes no lock, and writes nothing that other readers read.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace grove {

/// Thread-safety: all members. A value that has been replaced lives on for as long as a thread has
/// not looked at a ReadMostly of the same T since.
template <class T>
class ReadMostly {
 public:
  using Ptr = std::shared_ptr<const T>;

  /// As of now, or of a moment ago; at least as new as any change that happened before.
  /// Returns: what holds until this thread calls it again, for this one or another.
  [[nodiscard]] const Ptr& now() const {
    struct Known {
      std::uint64_t version = 0;
      Ptr value;
    };
    static thread_local Known known;
    if (known.version != version_.load(std::memory_order_acquire)) {
      const std::lock_guard lock{mutex_};
      known = {version_.load(std::memory_order_relaxed), newest_};
    }
    return known.value;
  }

  /// `edit` is given a copy to change.
  template <class F>
  void change(F&& edit) {
    const std::lock_guard lock{mutex_};
    auto next = std::make_shared<T>(*newest_);
    std::forward<F>(edit)(*next);
    newest_ = std::move(next);
    version_.store(next_version(), std::memory_order_release);
  }

 private:
  /// Unlike that of any other one in this program.
  static std::uint64_t next_version() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
  }

  mutable std::mutex mutex_;  // guards newest_
  Ptr newest_ = std::make_shared<T>();
  std::atomic<std::uint64_t> version_{next_version()};
};

}  // namespace grove
