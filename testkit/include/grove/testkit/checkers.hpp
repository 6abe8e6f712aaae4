// SPDX-License-Identifier: Apache-2.0
//
// Checkers: the rules of docs/semantics.md, each asked of a history. They know the rules and
// nothing of the code that should keep them. A history may lack what a rule is not about.
//
// Each returns what is wrong, in words; empty: nothing. To be asked at the end of a run: when what
// was to heal has healed, and nothing is on its way any more.
#pragma once

#include "grove/testkit/history.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace grove::testkit {

using Violations = std::vector<std::string>;

/// I1. Each monitor of whoever has ended gives one DOWN, to its maker; none comes after a demonitor
/// that flushed. It ends with its maker.
[[nodiscard]] Violations check_monitors(const History& history);
/// I2. A link has two ends or none; who traps exits has one EXIT for a link whose other end ended.
[[nodiscard]] Violations check_links(const History& history);
/// I3. From one process to another messages arrive in their order, each at most once; what is
/// missing is what was sent last before a connection was lost.
[[nodiscard]] Violations check_order(const History& history);
/// I4. Nothing reaches anybody but the life that it is for, nothing of a former life of a node
/// comes after what its next one said, and no name means a process of a former life.
[[nodiscard]] Violations check_lives(const History& history);
/// I5. Each call ends, once, by its deadline, unless its caller ended or was paused.
[[nodiscard]] Violations check_calls(const History& history);
/// I6. All nodes know the same names; each means a living process; who has lost a name was told,
/// and once; who has not, has it. Of an order that may choose neither this is not true.
[[nodiscard]] Violations check_names(const History& history);
/// I6. All nodes that run hold each other for members, in their present lives.
[[nodiscard]] Violations check_members(const History& history);
/// I8. No supervisor restarts more often than its intensity allows; it ends its children in reverse
/// order, and none of them twice.
[[nodiscard]] Violations check_restarts(const History& history);
/// I9. Nobody outlives whom it was tied to, and where all should be gone, all are.
[[nodiscard]] Violations check_orphans(const History& history);
/// I10. Nobody keeps more than `budget` bytes for a peer.
[[nodiscard]] Violations check_memory(const History& history, std::size_t budget);
/// I11. A member that runs undisturbed, for `grace` by now, is dead to nobody, whoever was paused.
[[nodiscard]] Violations check_removals(const History& history,
                                        Clock::Duration grace = std::chrono::seconds{20});
/// I12. When a node ends, each monitor of its processes says so in time, if nothing disturbs
/// whoever made it.
struct DetectionBounds {
  Clock::Duration killed = std::chrono::milliseconds{200};
  Clock::Duration silent = std::chrono::seconds{5};
};
[[nodiscard]] Violations check_detection(const History& history,
                                         const DetectionBounds& bounds = {});
/// I13. What was wanted was done in time.
[[nodiscard]] Violations check_liveness(const History& history);

/// All of them that need no figure of the program's own, each violation with its number.
[[nodiscard]] Violations check_all(const History& history);

}  // namespace grove::testkit
