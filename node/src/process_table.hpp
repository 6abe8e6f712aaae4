// SPDX-License-Identifier: Apache-2.0
//
// ProcessTable: the places of a node's processes. Index to place is two loads; places never move
// and are never freed while the node stands.
//
// Thread-safety: all members.
#pragma once

#include "grove/core/check.hpp"
#include "grove/core/spin_lock.hpp"

#include "process.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace grove::detail {

class ProcessTable {
 public:
  static constexpr std::uint32_t k_chunk = 1024;
  static constexpr std::uint32_t k_chunks = 16384;  // 16.7 million processes at once

  explicit ProcessTable(Node& node) : node_{node} {}

  /// The place of `index`, or null when there was never a process there. Index 0 is nobody's.
  [[nodiscard]] Process* find(std::uint32_t index) const noexcept {
    if (index == 0 || index >= used_.load(std::memory_order_acquire)) return nullptr;
    return &chunks_[index / k_chunk].load(std::memory_order_acquire)[index % k_chunk];
  }
  [[nodiscard]] Process* find(const Pid& pid) const noexcept {
    Process* process = find(pid.index);
    return process != nullptr &&
                   process->generation_.load(std::memory_order_seq_cst) == pid.generation
               ? process
               : nullptr;
  }
  /// A free place, claimed for a new life. Null when the table is full.
  Process* claim() {
    const std::lock_guard lock{lock_};
    for (std::size_t tries = free_.size(); tries > 0; --tries) {
      Process& process = *find(free_.back());
      if (process.claim()) {
        free_.pop_back();
        return &process;
      }
      // A late signal has scheduled it: it answers that one first. Look at another.
      std::swap(free_.back(), free_[tries - 1]);
    }
    return grow();
  }
  void release(std::uint32_t index) {
    // A place whose generations run out is left alone for good: a pid must never come back.
    if (find(index)->generation_.load(std::memory_order_relaxed) >= UINT32_MAX - 2) return;
    const std::lock_guard lock{lock_};
    free_.push_back(index);
  }
  template <class F>
  void for_each(F&& visit) const {
    const std::uint32_t used = used_.load(std::memory_order_seq_cst);
    for (std::uint32_t index = 1; index < used; ++index) visit(*find(index));
  }
  ~ProcessTable() {
    for (auto& chunk : chunks_) delete[] chunk.load(std::memory_order_relaxed);
  }

 private:
  Process* grow() {
    const std::uint32_t index = used_.load(std::memory_order_relaxed);
    if (index >= k_chunk * k_chunks) return nullptr;
    std::atomic<Process*>& chunk = chunks_[index / k_chunk];
    if (chunk.load(std::memory_order_relaxed) == nullptr) {
      chunk.store(new Process[k_chunk], std::memory_order_release);
    }
    Process& process = chunk.load(std::memory_order_relaxed)[index % k_chunk];
    process.node_ = &node_;
    process.index_ = index;
    GROVE_CHECK(process.claim());
    used_.store(index + 1, std::memory_order_seq_cst);
    return &process;
  }

  Node& node_;
  std::array<std::atomic<Process*>, k_chunks> chunks_{};
  std::atomic<std::uint32_t> used_{1};
  SpinLock lock_;                    // guards free_ and growth
  std::vector<std::uint32_t> free_;  // last in, first out: warm places first
};

}  // namespace grove::detail
