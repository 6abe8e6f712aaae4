// SPDX-License-Identifier: Apache-2.0
//
// DynamicSupervisor: any number of children, started one by one while it runs.
//
//   const DynamicSpec spec{.max_children = 100};
//   co_await start_dynamic_supervisor(context, spec, named("workers"));
//   const StartResult worker = co_await start_child(context, "workers", child<Worker>("w", 42));
//
// start_child(), which_children() and count_children() of supervisor.hpp work on it, too. Its
// strategy is one_for_one; a child is known by its pid, so ids may repeat: they only say what it
// is. A child that needs a restart is started anew, with a new pid. When that fails it is tried
// again, each time after what is in the mailbox, until `intensity` is exceeded: then the supervisor
// ends its children and itself, `shutdown`. A restart that comes to `ignore` drops the child. When
// it ends, all its children are told to at once; each has its own `shutdown` time.
//
// Source: Elixir DynamicSupervisor; OTP supervisor, simple_one_for_one; semantics.md DYN-*.
#pragma once

#include "grove/node/supervisor.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace grove {

struct DynamicSpec {
  std::optional<std::size_t> max_children = {};  // running or restarting; none: any number
  RestartIntensity intensity = {};
};

/// Starts a dynamic supervisor without children, linked to the caller.
[[nodiscard]] Task<StartResult> start_dynamic_supervisor(Context& context, DynamicSpec spec = {},
                                                         ServerOptions options = {});

/// A dynamic supervisor as somebody's child.
[[nodiscard]] ChildSpec dynamic_supervisor(std::string id, DynamicSpec spec = {});

/// Ends a child by its pid, or the one it had before a restart that is being tried; it is
/// forgotten. Errors: not_found (never was a child, or has ended). Cost: O(1) in the number of
/// children.
[[nodiscard]] Task<Result<void>> terminate_child(Context& context, ServerRef supervisor, Pid child);

}  // namespace grove
