// SPDX-License-Identifier: Apache-2.0
#include "grove/node/restart.hpp"

namespace grove {

bool needs_restart(Restart kind, const ExitReason& reason) {
  switch (kind) {
    case Restart::permanent: return true;
    case Restart::transient: return !reason.is_clean();
    case Restart::temporary: return false;
  }
  return false;
}

bool RestartWindow::allow(Clock::TimePoint now) {
  while (!times_.empty() && now - times_.front() > intensity_.period) times_.pop_front();
  times_.push_back(now);
  return times_.size() <= intensity_.restarts;
}

}  // namespace grove
