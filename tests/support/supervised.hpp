// SPDX-License-Identifier: Apache-2.0
//
// Children for tests of supervisors: what they do is written down, in order.
#pragma once

#include "grove/node/supervisor.hpp"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace grove::testkit {

/// `+a` a starts, `!a` it does not, `-a shutdown` it ends and its terminate() runs.
struct Story {
  std::vector<std::string> lines;
  std::map<std::string, Pid> pids;  // of the latest start
  std::map<std::string, int> starts;
  std::set<std::string> failing;  // ids that cannot start

  /// What was written since the last take.
  std::string take() {
    std::string text;
    for (const std::string& line : std::exchange(lines, {})) {
      text += (text.empty() ? "" : ", ") + line;
    }
    return text;
  }
};

/// Traps exits, so that its terminate() tells how it ends.
class Supervised : public GenServer {
 public:
  /// `story` outlives it.
  Supervised(Story* story, std::string id) : story_{*story}, id_{std::move(id)} {
    context().trap_exit(true);
    ++story_.starts[id_];
    const bool fails = story_.failing.contains(id_);
    story_.lines.push_back((fails ? "!" : "+") + id_);
    if (fails) context().exit(ExitReason::symbol("init_failed"));
    story_.pids[id_] = self();
  }
  void terminate(const ExitReason& reason) {
    story_.lines.push_back("-" + id_ + ' ' + to_string(reason));
  }

 private:
  Story& story_;
  std::string id_;
};

[[nodiscard]] inline ChildSpec supervised(Story& story, const std::string& id) {
  return child<Supervised>(id, &story, id);
}

/// Ends the latest child of this id as if by a crash of its own.
inline Task<> crash(Context& context, Story& story, std::string id) {
  co_await stop_server(context, story.pids.at(id), ExitReason::symbol("boom"));
}

/// Until nobody has anything to do.
inline Task<> settle(Context& context) { co_await context.sleep_for(std::chrono::milliseconds{1}); }

}  // namespace grove::testkit
