// SPDX-License-Identifier: Apache-2.0
//
// BlockingPool: threads for jobs that block. They are started when they are needed, up to a limit,
// and stay; an idle one sleeps.
//
// Thread-safety: all members.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace grove::detail {

class BlockingPool {
 public:
  explicit BlockingPool(unsigned threads_max) : threads_max_{threads_max} {}
  ~BlockingPool() { stop(); }
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  /// Runs `job` as soon as a thread is free for it; never after stop().
  void run(std::function<void()> job) {
    const std::lock_guard lock{mutex_};
    if (stopping_) return;
    jobs_.push_back(std::move(job));
    if (jobs_.size() > idle_ && threads_.size() < threads_max_) {
      try {
        threads_.emplace_back([this] { work(); });
      } catch (...) {  // no more threads to be had: one that there is will come to it
        if (!threads_.empty()) return;
        jobs_.pop_back();
        throw;
      }
    }
    wake_.notify_one();
  }

  /// Waits for the jobs that have begun, and drops the others. Idempotent.
  void stop() {
    {
      std::deque<std::function<void()>> dropped;  // outside the lock, before anybody is joined
      const std::lock_guard lock{mutex_};
      stopping_ = true;
      dropped.swap(jobs_);
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

 private:
  void work() {
    std::unique_lock lock{mutex_};
    while (!stopping_) {
      if (jobs_.empty()) {
        ++idle_;
        wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        --idle_;
        continue;
      }
      std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      job = nullptr;  // its captures may take locks of their own
      lock.lock();
    }
  }

  const unsigned threads_max_;
  std::mutex mutex_;  // guards what follows; threads_ only grows, and not after stop()
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  std::size_t idle_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace grove::detail
