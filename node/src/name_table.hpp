// SPDX-License-Identifier: Apache-2.0
//
// NameTable: local names. A name goes before anybody hears of its process's end, so who sees a
// DOWN may register the name at once.
//
// Thread-safety: all members.
#pragma once

#include "grove/core/result.hpp"

#include "process_table.hpp"

#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace grove::detail {

class NameTable {
 public:
  Result<void> add(const std::string& name, const Pid& pid, ProcessTable& table) {
    const std::unique_lock lock{mutex_};
    Process* process = table.find(pid.index);
    if (process == nullptr) return Error{Errc::noproc, "no such process"};
    if (pids_.contains(name)) return Error{Errc::name_taken, to_string(pids_.at(name))};
    if (names_.contains(pid)) {
      return Error{Errc::already_started, "the process has the name " + names_.at(pid)};
    }
    // A death changes its generation first and looks at its marks then; we the other way round: one
    // of us sees the other, so no name outlives its process.
    process->marks_.fetch_or(Process::k_named, std::memory_order_seq_cst);
    if (process->generation_.load(std::memory_order_seq_cst) != pid.generation ||
        pid.generation % 2 == 0) {
      return Error{Errc::noproc, "the process has ended"};
    }
    const auto place = pids_.emplace(name, pid).first;
    try {
      names_.emplace(pid, name);
    } catch (...) {
      pids_.erase(place);
      throw;
    }
    return {};
  }
  bool remove(const std::string& name) {
    const std::unique_lock lock{mutex_};
    const auto place = pids_.find(name);
    if (place == pids_.end()) return false;
    names_.erase(place->second);
    pids_.erase(place);
    return true;
  }
  void release(const Pid& pid) {
    const std::unique_lock lock{mutex_};
    const auto place = names_.find(pid);
    if (place == names_.end()) return;
    pids_.erase(place->second);
    names_.erase(place);
  }
  [[nodiscard]] std::optional<Pid> find(std::string_view name) const {
    const std::shared_lock lock{mutex_};
    const auto place = pids_.find(std::string{name});
    return place == pids_.end() ? std::nullopt : std::optional{place->second};
  }
  [[nodiscard]] std::string name_of(const Pid& pid) const {
    const std::shared_lock lock{mutex_};
    const auto place = names_.find(pid);
    return place == names_.end() ? std::string{} : place->second;
  }

 private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, Pid> pids_;
  std::unordered_map<Pid, std::string> names_;
};

}  // namespace grove::detail
