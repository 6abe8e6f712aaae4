// SPDX-License-Identifier: Apache-2.0
//
// Reminders: what the runtime's own servers tell themselves, at once or in a while, or each other.
// A plain message would be lost in a full mailbox, when that is bounded, and with it what was to
// follow.
//
// Threads: the process's own, as all of Context. Once it is dead they do nothing.
#pragma once

#include "grove/core/clock.hpp"
#include "grove/core/message.hpp"
#include "grove/node/context.hpp"
#include "grove/node/timer.hpp"

#include <utility>

namespace grove::detail {

/// handle_info(message) of a process of this node, behind all that is in its mailbox.
void tell(Context& self, const Pid& to, Message message);
/// The same of the process itself.
void remind(Context& self, Message message);
/// The same at `when`, or after `delay`.
TimerId remind_at(Context& self, Clock::TimePoint when, Message message);
TimerId remind_after(Context& self, Clock::Duration delay, Message message);

}  // namespace grove::detail
