// SPDX-License-Identifier: Apache-2.0
#include "worker_thread.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace grove {

void Turn::attend() noexcept { static_cast<detail::WorkerThread&>(*this).acknowledge(); }

void Turn::owe_first(Flushable& sink, const Clock& clock) {
  flush();
  owed_ = &sink;
  owing_turns_ = 0;
  owing_from_ = clock.now();
  sink.owing_.fetch_add(1, std::memory_order_relaxed);
}

void Turn::begin_owing(const Clock& clock) {
  if (++owing_turns_ >= k_owing_turns_max || clock.now() - owing_from_ >= k_owing_time_max) {
    flush_owed();
  }
}

void Turn::flush_owed() {
  Flushable& sink = *std::exchange(owed_, nullptr);
  sink.flush();
  sink.owing_.fetch_sub(1, std::memory_order_release);  // it may be gone after this
}

namespace detail {

bool register_membarrier() noexcept {
  static const bool k_registered =
      syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
  return k_registered;
}

void membarrier() noexcept { syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0); }

void WorkerThread::acknowledge() noexcept {
  if (!has_membarrier_) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if ((attention_.load(std::memory_order_relaxed) & k_claimed) == 0) return;
  }
  const std::lock_guard lock{mutex_};
  attention_.fetch_and(static_cast<std::uint8_t>(~k_claimed), std::memory_order_relaxed);
}

bool WorkerThread::claim() noexcept {
  const auto before = attention_.fetch_or(k_claimed, std::memory_order_relaxed);
  if (has_membarrier_) {
    membarrier();
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  return (before & k_claimed) != 0;
}

unsigned WorkerThread::look() noexcept {
  const std::uint64_t word = word_.load(std::memory_order_relaxed) | k_inside;
  looks_ = word == seen_ ? looks_ + 1 : 0;
  seen_ = word;
  return in_user_code() ? looks_ : 0;
}

}  // namespace detail
}  // namespace grove
