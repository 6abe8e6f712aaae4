// SPDX-License-Identifier: Apache-2.0
//
// What the tests of tasks share: functions to run, and a look at what is left in the mailbox.
#pragma once

#include "grove/node/async.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace grove::testkit {

inline Task<int> later(Context& context, Clock::Duration time, int value) {
  co_await context.sleep_for(time);
  co_return value;
}
inline Task<int> fails(Context&, std::string reason) {
  throw ProcessExit{ExitReason::symbol(reason)};
  co_return 0;
}
/// The messages that are left, in words.
inline Task<std::vector<std::string>> mailbox(Context& context) {
  std::vector<std::string> words;
  for (;;) {
    const EnvelopePtr next = co_await context.receive_any(Clock::Duration::zero());
    if (next == nullptr) co_return words;
    if (const auto* down = next->message.get<Down>()) {
      words.push_back("down " + to_string(down->reason));
    } else if (const auto* exit = next->message.get<Exit>()) {
      words.push_back("exit " + to_string(exit->reason));
    } else if (const auto* reply = next->message.get<TaskReply<int>>()) {
      words.push_back("reply " + std::to_string(reply->value));
    } else {
      words.push_back("other");
    }
  }
}
inline Task<bool> has_nothing(Context& context) {
  const std::vector<std::string> words = co_await mailbox(context);
  for (const std::string& word : words) ADD_FAILURE() << word;
  co_return words.empty();
}

/// The reason that the awaited throws.
template <class Awaited>
Task<std::string> failure_of(Awaited awaited) {
  try {
    co_await awaited();
  } catch (const ProcessExit& failed) {
    co_return to_string(failed.reason());
  }
  co_return "none";
}

}  // namespace grove::testkit
