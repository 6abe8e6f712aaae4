// SPDX-License-Identifier: Apache-2.0
#include "grove/core/alarm_queue.hpp"
#include "grove/core/clock.hpp"

#include <condition_variable>
#include <ctime>
#include <mutex>
#include <sys/prctl.h>
#include <thread>

namespace grove {
namespace {

/// A thread that sleeps until the earliest alarm. Not on an Asio timer, which costs seven system
/// calls an alarm where this takes two: on one core the woken worker waits for them.
class SystemClock final : public Clock {
 public:
  SystemClock() : thread_{[this] { run(); }} {}
  ~SystemClock() override {
    {
      const std::lock_guard lock{mutex_};
      stopped_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  TimePoint now() const override {
    return TimePoint{std::chrono::steady_clock::now().time_since_epoch()};
  }
  TimePoint deadline_after(Duration delay) const override {
    return add(delay < k_coarse_from ? now() : coarse_now(), delay);
  }
  Duration until(TimePoint when) const override {
    const Duration left = when - coarse_now();
    return left >= k_coarse_from ? left : std::max(when - now(), Duration::zero());
  }
  std::uint64_t wall_micros() const override {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(since).count());
  }
  AlarmId call_at(TimePoint when, std::function<void()> action) override {
    std::unique_lock lock{mutex_};
    const auto before = alarms_.next();
    const AlarmId id = alarms_.add(when, std::move(action));
    lock.unlock();
    const bool earliest = !before || when < *before;
    if (earliest && std::this_thread::get_id() != thread_.get_id()) wake_.notify_one();
    return id;
  }
  bool cancel(AlarmId alarm) override {
    const std::lock_guard lock{mutex_};
    return alarms_.cancel(alarm);
  }

 private:
  static constexpr Duration k_coarse_from = std::chrono::seconds{2};  // 500 kernel ticks of 4 ms

  /// The end of the kernel's tick that is now: at most one tick ahead of now().
  TimePoint coarse_now() const {
    timespec tick{};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &tick);
    const auto since = std::chrono::seconds{tick.tv_sec} + std::chrono::nanoseconds{tick.tv_nsec};
    return TimePoint{since} + coarse_step_;
  }
  static Duration coarse_step() {
    timespec step{};
    clock_getres(CLOCK_MONOTONIC_COARSE, &step);
    return std::chrono::seconds{step.tv_sec} + std::chrono::nanoseconds{step.tv_nsec};
  }
  void run() {
    prctl(PR_SET_TIMERSLACK, 1);  // nanoseconds; or the kernel may be 50 us late
    std::unique_lock lock{mutex_};
    while (!stopped_) {
      const auto when = alarms_.next();
      if (!when) {
        wake_.wait(lock);
        continue;
      }
      if (*when > now()) {
        wake_.wait_until(lock, std::chrono::steady_clock::time_point{when->time_since_epoch()});
        continue;
      }
      const AlarmQueue::Action action = alarms_.take();
      lock.unlock();
      action();
      lock.lock();
    }
  }

  const Duration coarse_step_ = coarse_step();
  std::condition_variable wake_;
  std::mutex mutex_;  // guards the two below
  bool stopped_ = false;
  AlarmQueue alarms_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace

std::unique_ptr<Clock> make_system_clock() { return std::make_unique<SystemClock>(); }

}  // namespace grove
