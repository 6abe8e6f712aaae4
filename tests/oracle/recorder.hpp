// SPDX-License-Identifier: Apache-2.0
//
// Recorder: who is called what, and what has happened in this step, in the order it was reported.
//
// Thread-safety: all members.
#pragma once

#include "grove/core/exit_reason.hpp"
#include "grove/core/message.hpp"
#include "grove/core/value.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace grove::oracle {

struct Event {
  enum class Kind : std::uint8_t {
    result,    // of the op of `step`
    gone,      // an actor, with its node
    own,       // of an actor's own making
    received,  // from `source`
    death,     // a received exit or down; those of one source have no order among themselves
    died,
    life,       // a supervised process has started, or has not
    terminate,  // of a supervised process: its terminate() runs
    down,       // a supervised process has ended
  };
  Kind kind = Kind::result;
  int step = 0;
  Pid pid = {};
  std::string source = {};
  std::string text = {};
};

class Recorder {
 public:
  /// Names are for ever, so that what comes from the dead can still be printed.
  void name(const Pid& pid, const std::string& name);
  [[nodiscard]] std::optional<Pid> find(const std::string& name) const;
  /// Empty when it has none.
  [[nodiscard]] std::string name_of(const Pid& pid) const;
  /// All that have one.
  [[nodiscard]] std::vector<std::pair<Pid, std::string>> names() const;

  /// Names the latest start of a supervised process: `path#n`. Returns: n.
  int born(const std::string& path, const Pid& pid);
  /// The latest start of `path` has come to nothing, as `text` says; its end is not told.
  void not_started(const std::string& path, const std::string& text);
  /// A supervised process is dead, and nobody knows yet: whatever comes of it comes after this.
  void ended(const Pid& pid);
  /// ... and for what reason; or why any other process ended.
  void died(const Pid& pid, const ExitReason& reason);
  /// Whether something was started below this name.
  [[nodiscard]] bool is_supervisor(const std::string& name) const;

  /// From now on the ends of what is started below `path` have no order.
  void loosen(const std::string& path);
  [[nodiscard]] bool is_loose(const std::string& name) const;

  /// Canonical text. SPEC.md, section 4, "Values".
  [[nodiscard]] std::string text_of(const Value& value) const;
  [[nodiscard]] std::string text_of(const ExitReason& reason) const {
    return text_of(reason.term());
  }
  [[nodiscard]] std::string text_of(const Pid& pid) const;

  void add(Event event);
  /// What has happened since the last take.
  [[nodiscard]] std::vector<Event> take();

 private:
  mutable std::mutex mutex_;
  std::unordered_map<Pid, std::string> names_;
  std::map<std::string, Pid> pids_;
  std::map<std::string, int> births_;  // by path
  std::unordered_set<Pid> supervised_;
  std::vector<std::string> loose_;
  std::unordered_set<Pid> not_started_;
  std::vector<Event> events_;
};

}  // namespace grove::oracle

GROVE_MESSAGE(grove::oracle::Event, "oracle.event", kind, step, pid, source, text)
