// SPDX-License-Identifier: Apache-2.0
//
// Owned: what a process has and that goes with it, before anybody hears of its end.
#pragma once

#include <memory>

namespace grove {

class Context;

namespace detail {

class Owned {
 public:
  virtual ~Owned() = default;
  /// The process that owned this has ended; its DOWNs and EXITs are not sent yet. Called once.
  /// Blocks: must not. Threads: the one that runs the owner, or the watchdog for one that is stuck.
  virtual void owner_ended() noexcept = 0;
  /// After that, once the owner's code has returned: for what may take its time.
  virtual void clear() noexcept {}
};

/// Ties `thing` to the life of this process. Returns: false when that is over already.
[[nodiscard]] bool own(Context& context, std::shared_ptr<Owned> thing);
/// Unties it, without a call of owner_ended().
void disown(Context& context, const Owned& thing) noexcept;

}  // namespace detail
}  // namespace grove
