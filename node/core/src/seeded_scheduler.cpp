// SPDX-License-Identifier: Apache-2.0
#include "grove/core/scheduler.hpp"

#include <utility>

namespace grove {

void SeededScheduler::submit(Runnable& work) { ready_.push_back(&work); }

bool SeededScheduler::step() {
  if (idle()) return false;
  if (random_ != nullptr) {
    std::swap(ready_[head_], ready_[head_ + random_->below(ready_.size() - head_)]);
  }
  Runnable& work = *ready_[head_++];
  if (head_ == ready_.size()) {
    ready_.clear();
    head_ = 0;
  }
  if (work.run()) submit(work);
  return true;
}

std::uint64_t SeededScheduler::run_until_idle() {
  std::uint64_t turns = 0;
  while (step()) ++turns;
  return turns;
}

}  // namespace grove
