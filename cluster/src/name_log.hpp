// SPDX-License-Identifier: Apache-2.0
//
// NameLog: cluster-wide names, eventual mode. Decides only; Cluster sends and locks.
//
// Each node is the only writer of the names of its own processes: one origin per node life, a
// version and a map. What others tell of an origin is a snapshot at a version, or the change from
// one version to the next; anything older is ignored, so a name that was removed never comes back.
// A dead node's names go with its origin. Where two origins hold one name, all nodes pick the same
// holder by a total order, and the loser's own node takes its entry back.
#pragma once

#include "grove/core/ids.hpp"
#include "grove/core/result.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace grove::cluster {

struct NameEntry {
  std::string name;
  Pid pid;
  std::uint64_t at = 0;  // hybrid time of the registration, microseconds
};

/// From `version - 1` to `version` of the sender's own names.
struct NamesDelta {
  std::uint64_t version = 0;
  std::vector<NameEntry> added;
  std::vector<std::string> removed;
};

/// All of the sender's own names.
struct NamesSnapshot {
  std::uint64_t version = 0;
  std::vector<NameEntry> names;
};

class NameLog {
 public:
  explicit NameLog(NodeId self) : self_{self} {}

  /// Errors: name_taken (detail: the holder).
  Result<NamesDelta> add(const std::string& name, const Pid& pid, std::uint64_t wall_micros);
  /// Nothing when the name is not one of ours.
  std::optional<NamesDelta> remove(const std::string& name);
  /// All names of a process of ours. Nothing when it has none.
  std::optional<NamesDelta> remove_all(const Pid& pid);
  [[nodiscard]] NamesSnapshot snapshot() const;

  /// A name of ours that another origin holds with the better claim.
  struct Lost {
    std::string name;
    Pid loser;
    Pid winner;
  };
  struct Applied {
    bool gap = false;  // a version is missing: ask for a snapshot
    std::vector<Lost> lost;
  };
  Applied apply(NodeId origin, const NamesSnapshot& snapshot);
  Applied apply(NodeId origin, const NamesDelta& delta);
  void drop(NodeId origin);

  [[nodiscard]] std::optional<Pid> find(const std::string& name) const;
  [[nodiscard]] std::vector<NameEntry> all() const;  // the holders, by name

 private:
  struct Claim {
    NodeId origin;
    Pid pid;
    std::uint64_t at = 0;
  };
  struct Origin {
    std::uint64_t version = 0;
    std::map<std::string, Pid> names;
  };

  static bool better(const Claim& a, const Claim& b);
  const Claim* holder(const std::string& name) const;
  void insert(NodeId origin, const NameEntry& entry);
  void erase(NodeId origin, const std::string& name);
  std::vector<Lost> lost(const std::vector<NameEntry>& added) const;

  NodeId self_;
  std::uint64_t hybrid_time_ = 0;
  std::map<NodeId, Origin> origins_;
  std::unordered_map<std::string, std::vector<Claim>> claims_;  // the holder's first
};

}  // namespace grove::cluster
