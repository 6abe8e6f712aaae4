// SPDX-License-Identifier: Apache-2.0
#include "grove/core/clock.hpp"

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <ctime>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace grove {
namespace {

/// One Asio timer, always set to the earliest alarm.
class AsioClock final : public Clock {
 public:
  AsioClock() : thread_{[this] { io_.run(); }} {}
  ~AsioClock() override {
    work_.reset();
    io_.stop();
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
    const std::lock_guard lock{mutex_};
    const AlarmId id = ++last_id_;
    const auto place = alarms_.emplace(std::pair{when, id}, std::move(action)).first;
    deadlines_.emplace(id, when);
    if (place == alarms_.begin()) wake();
    return id;
  }
  bool cancel(AlarmId alarm) override {
    const std::lock_guard lock{mutex_};
    const auto place = deadlines_.find(alarm);
    if (place == deadlines_.end()) return false;
    alarms_.erase({place->second, alarm});
    deadlines_.erase(place);
    return true;
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
  void wake() {
    asio::post(io_, [this] { arm(); });
  }
  void arm() {
    std::unique_lock lock{mutex_};
    while (!alarms_.empty() && alarms_.begin()->first.first <= now()) {
      auto alarm = alarms_.extract(alarms_.begin());
      deadlines_.erase(alarm.key().second);
      lock.unlock();
      alarm.mapped()();
      lock.lock();
    }
    if (alarms_.empty()) return;
    timer_.expires_at(
        std::chrono::steady_clock::time_point{alarms_.begin()->first.first.time_since_epoch()});
    timer_.async_wait([this](const std::error_code& error) {
      if (!error) arm();
    });
  }

  const Duration coarse_step_ = coarse_step();
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  asio::steady_timer timer_{io_};  // the clock's thread only
  std::mutex mutex_;               // guards the three below
  AlarmId last_id_ = 0;
  std::map<std::pair<TimePoint, AlarmId>, std::function<void()>> alarms_;
  std::unordered_map<AlarmId, TimePoint> deadlines_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace

std::unique_ptr<Clock> make_asio_clock() { return std::make_unique<AsioClock>(); }

}  // namespace grove
