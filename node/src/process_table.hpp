// SPDX-License-Identifier: Apache-2.0
//
// ProcessTable: the places of a node's processes. Index to place is two loads; places never move
// and are never freed while the node stands.
//
// Each worker has a stock of free places and counts of its own, so that a spawn on one core shares
// nothing with one on another; stocks are evened out through a common one, in batches.
//
// Thread-safety: all members. `worker` is the caller's, of this node's scheduler, or k_no_worker.
#pragma once

#include "grove/core/scheduler.hpp"
#include "grove/core/spin_lock.hpp"

#include "mailbox_bounds.hpp"
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

  ProcessTable(Node& node, unsigned workers) : node_{node}, stocks_(workers) {
    for (Stock& stock : stocks_) stock.free.reserve(k_stock);
  }
  ~ProcessTable() {
    for (Chunk& chunk : chunks_) {
      delete[] chunk.places.load(std::memory_order_relaxed);
      delete[] chunk.bounds.load(std::memory_order_relaxed);
      delete[] chunk.timers.load(std::memory_order_relaxed);
    }
  }

  /// The place of `index`, or null when there was never a process there. Index 0 is nobody's.
  [[nodiscard]] Process* find(std::uint32_t index) const noexcept {
    if (index == 0 || index >= used_.load(std::memory_order_acquire)) return nullptr;
    return place(index);
  }
  [[nodiscard]] Process* find(const Pid& pid) const noexcept {
    Process* process = find(pid.index);
    return process != nullptr &&
                   process->generation_.load(std::memory_order_seq_cst) == pid.generation
               ? process
               : nullptr;
  }
  /// A free place, claimed for a new life. Null when the table is full. Errors: std::bad_alloc.
  Process* claim(unsigned worker);
  /// The life is over and everything of it is gone.
  void release(Process& process, unsigned worker) noexcept;
  /// Processes spawned, and those of them that are gone. The first is read last: never less.
  [[nodiscard]] std::uint64_t spawned() const noexcept { return sum(&Stock::claimed); }
  [[nodiscard]] std::uint64_t gone() const noexcept { return sum(&Stock::released); }

  template <class F>
  void for_each(F&& visit) const {
    const std::uint32_t used = used_.load(std::memory_order_seq_cst);
    for (std::uint32_t index = 1; index < used; ++index) visit(*place(index));
  }

  /// The bound of a place's mailbox; null when no place around it ever had one.
  [[nodiscard]] MailboxBound* bound(std::uint32_t index) const noexcept {
    MailboxBound* bounds = chunks_[index / k_chunk].bounds.load(std::memory_order_acquire);
    return bounds == nullptr ? nullptr : &bounds[index % k_chunk];
  }
  MailboxBound& make_bound(std::uint32_t index);
  /// A place's word for its timers; see Timers.
  [[nodiscard]] std::uint32_t& first_timer(std::uint32_t index);

 private:
  static constexpr std::uint32_t k_batch = 64;  // places that move between stocks at a time
  static constexpr std::uint32_t k_stock = 4 * k_batch;  // of a worker, when it gives some away

  struct Chunk {
    std::atomic<Process*> places{nullptr};
    // Of all places of the chunk, made with the first that needs one.
    std::atomic<MailboxBound*> bounds{nullptr};
    std::atomic<std::uint32_t*> timers{nullptr};
  };
  struct alignas(64) Stock {
    // Last in, first out: warm places first. Has room for what may be released into it.
    std::vector<std::uint32_t> free;
    // Written by whoever may touch `free`, read by anybody.
    std::atomic<std::uint64_t> claimed{0};
    std::atomic<std::uint64_t> released{0};
  };

  [[nodiscard]] Process* place(std::uint32_t index) const noexcept {
    return &chunks_[index / k_chunk].places.load(std::memory_order_acquire)[index % k_chunk];
  }
  static void count(std::atomic<std::uint64_t>& counter) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  [[nodiscard]] std::uint64_t sum(std::atomic<std::uint64_t> Stock::*counter) const noexcept {
    std::uint64_t total = (common_.*counter).load(std::memory_order_acquire);
    for (const Stock& stock : stocks_) total += (stock.*counter).load(std::memory_order_acquire);
    return total;
  }
  Process* claim_from(Stock& stock);
  template <class T>
  T& beside(std::atomic<T*> Chunk::*column, std::uint32_t index);
  void refill(Stock& stock);
  void give_some(Stock& stock) noexcept;
  void grow();

  Node& node_;
  std::array<Chunk, k_chunks> chunks_{};
  std::atomic<std::uint32_t> used_{1};
  std::vector<Stock> stocks_;  // a worker's is touched by that worker alone
  SpinLock lock_;              // guards common_ and growth
  Stock common_;
};

}  // namespace grove::detail
