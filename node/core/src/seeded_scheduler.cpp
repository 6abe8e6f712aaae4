// SPDX-License-Identifier: Apache-2.0
#include "grove/core/scheduler.hpp"

#include <system_error>
#include <utility>

namespace grove {
namespace {

constexpr unsigned k_low_turn = 8;  // of so many turns of normal and low work, low has one

}  // namespace

void SeededScheduler::submit(Runnable& work) noexcept {
  ready_[static_cast<unsigned>(work.run_priority())].items.push_back(&work);
}

void SeededScheduler::stop() {
  ready_ = {};
  jobs_.clear();
  turn_.forget_owed();
}

bool SeededScheduler::idle() const noexcept {
  for (const Ready& ready : ready_) {
    if (!ready.empty()) return false;
  }
  return true;
}

bool SeededScheduler::step() {
  Ready* ready = next_class();
  if (ready == nullptr) return false;
  Runnable& work = ready->take(random_ != nullptr ? random_->below(ready->size()) : 0);
  if (work.run(turn_)) submit(work);
  if (idle()) turn_.flush();
  return true;
}

std::uint64_t SeededScheduler::run_until_idle() {
  std::uint64_t turns = 0;
  while (step()) ++turns;
  return turns;
}

/// Who goes next, of all that are ready: the highest; between normal and low it is a matter of
/// turns, or of chance.
SeededScheduler::Ready* SeededScheduler::next_class() {
  auto& [low, normal, high, max] = ready_;
  if (!max.empty()) return &max;
  if (!high.empty()) return &high;
  if (low.empty()) return normal.empty() ? nullptr : &normal;
  if (normal.empty()) return &low;
  if (random_ != nullptr) {
    return random_->below(normal.size() + low.size()) < normal.size() ? &normal : &low;
  }
  normal_turns_ = (normal_turns_ + 1) % k_low_turn;
  return normal_turns_ == 0 ? &low : &normal;
}

Runnable& SeededScheduler::Ready::take(std::size_t offset) {
  std::swap(items[head], items[head + offset]);
  Runnable& work = *items[head++];
  if (2 * head >= items.size()) {
    items.erase(items.begin(), items.begin() + static_cast<long>(head));
    head = 0;
  }
  return work;
}

// -- blocking jobs --------------------------------------------------------------------------

void SeededScheduler::run_blocking(std::function<void()> job) {
  jobs_.emplace_front(jobs_, std::move(job));
  jobs_.front().self = jobs_.begin();
  submit(jobs_.front());
}

void SeededScheduler::run_loop(Loop&) {
  throw std::system_error{std::make_error_code(std::errc::operation_not_supported),
                          "a simulated scheduler has no threads"};
}

bool SeededScheduler::Job::run(Turn&) {
  const std::function<void()> function = std::move(job);
  all.erase(self);  // this object too: it may be stopped, and destroyed, by what it calls
  function();
  return false;
}

}  // namespace grove
