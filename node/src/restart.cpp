// SPDX-License-Identifier: Apache-2.0
#include "grove/node/restart.hpp"

#include <algorithm>

namespace grove {

bool needs_restart(Restart kind, const ExitReason& reason) {
  switch (kind) {
    case Restart::permanent: return true;
    case Restart::transient: return !reason.is_clean();
    case Restart::temporary: return false;
  }
  return false;
}

bool counts_as_restart(const ExitReason& reason) {
  const Value::Items* const items = reason.term().as_tuple();
  const std::string* const what =
      items == nullptr || items->size() != 3 ? nullptr : items->front().as_symbol();
  return what == nullptr || *what != "name_conflict";
}

// A period that no clock can count to is as good as for ever.
RestartWindow::RestartWindow(RestartIntensity intensity) : intensity_{intensity} {
  intensity_.period = std::min<std::chrono::seconds>(intensity_.period, std::chrono::years{100});
}

bool RestartWindow::allow(Clock::TimePoint now) {
  while (!times_.empty() && now - times_.front() > intensity_.period) times_.pop_front();
  times_.push_back(now);
  return times_.size() <= intensity_.restarts;
}

}  // namespace grove
