// SPDX-License-Identifier: Apache-2.0
//
// SubmitTogether: workers are woken for several of the runnables that one thread submits.
#pragma once

namespace grove {

/// For its scope, what this thread submits to a ThreadScheduler whose worker it is not is handed
/// over in lots of 32, the last one at the end; what is urgent is handed over at once.
///
/// A worker that is woken for one process alone has often run it before the next one is submitted,
/// and sleeps again; to fall asleep and be woken costs ten times as much as many a turn.
/// Bounds: for code that takes no longer than some turns, and waits for no process. One in another
/// has no effect.
class SubmitTogether {
 public:
  SubmitTogether() noexcept;
  ~SubmitTogether();
  SubmitTogether(const SubmitTogether&) = delete;
  SubmitTogether& operator=(const SubmitTogether&) = delete;

  /// What the thread of a loop may have kept to run it itself, after its round, goes to a worker
  /// now: something else comes first. So it does when the next one begins.
  static void let_go() noexcept;

 private:
  const bool outer_;
};

}  // namespace grove
