// SPDX-License-Identifier: Apache-2.0
//
// Reminders: what the runtime's own servers tell themselves, at once or in a while. A plain message
// of theirs would be lost in a full mailbox, when that is bounded, and with it what was to follow.
#pragma once

#include "grove/core/clock.hpp"
#include "grove/core/message.hpp"
#include "grove/node/context.hpp"
#include "grove/node/timer.hpp"

#include <utility>

namespace grove::detail {

/// Behind all that is in the mailbox: handle_info(message).
void remind(Context& self, Message message);
/// The same at `when`, or after `delay`.
TimerId remind_at(Context& self, Clock::TimePoint when, Message message);
TimerId remind_after(Context& self, Clock::Duration delay, Message message);

}  // namespace grove::detail
