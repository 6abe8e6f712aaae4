// SPDX-License-Identifier: Apache-2.0
#include "process_table.hpp"

#include <algorithm>
#include <utility>

namespace grove::detail {

Process* ProcessTable::claim(unsigned worker) {
  if (worker == k_no_worker) {
    const std::lock_guard lock{lock_};
    if (Process* process = claim_from(common_)) return process;
    grow();
    return claim_from(common_);
  }
  Stock& stock = stocks_[worker];
  if (Process* process = claim_from(stock)) return process;
  refill(stock);
  if (Process* process = claim_from(stock)) return process;
  // All of these have late signals to answer first: one that nobody has ever had.
  const std::lock_guard lock{lock_};
  grow();
  return claim_from(common_);
}

Process* ProcessTable::claim_from(Stock& stock) {
  for (std::size_t tries = stock.free.size(); tries > 0; --tries) {
    Process& process = *place(stock.free.back());
    if (process.claim()) {
      stock.free.pop_back();
      count(stock.claimed);
      return &process;
    }
    // A late signal has scheduled it: it answers that one first. Look at another.
    if (tries > 1) std::swap(stock.free.back(), stock.free[tries - 2]);
  }
  return nullptr;
}

void ProcessTable::release(Process& process, unsigned worker) noexcept {
  // A place whose generations run out is left alone for good: a pid must never come back.
  const bool spent = process.generation_.load(std::memory_order_relaxed) >= UINT32_MAX - 2;
  if (worker == k_no_worker) {
    const std::lock_guard lock{lock_};
    if (!spent) common_.free.push_back(process.index_);
    count(common_.released);
    return;
  }
  Stock& stock = stocks_[worker];
  if (stock.free.size() >= k_stock) {
    const std::lock_guard lock{lock_};
    give_some(stock);
  }
  if (!spent) stock.free.push_back(process.index_);
  count(stock.released);
}

void ProcessTable::refill(Stock& stock) {
  const std::lock_guard lock{lock_};
  if (common_.free.size() < k_batch) grow();
  std::vector<std::uint32_t>& all = common_.free;
  const auto some = static_cast<std::ptrdiff_t>(std::min<std::size_t>(k_batch, all.size()));
  stock.free.insert(stock.free.begin(), all.end() - some, all.end());
  all.resize(all.size() - static_cast<std::size_t>(some));
}

/// The oldest ones of `stock`: those that were free longest are not about to be claimed there. To
/// and from the end of the common stock, which may be of any length.
void ProcessTable::give_some(Stock& stock) noexcept {
  const auto end = stock.free.begin() + k_batch;
  common_.free.insert(common_.free.end(), stock.free.begin(), end);
  stock.free.erase(stock.free.begin(), end);
}

void ProcessTable::grow() {
  const std::uint32_t first = used_.load(std::memory_order_relaxed);
  if (first >= k_chunk * k_chunks) return;
  std::atomic<Process*>& places = chunks_[first / k_chunk].places;
  if (places.load(std::memory_order_relaxed) == nullptr) {
    auto* made = new Process[k_chunk];
    for (std::uint32_t i = 0; i < k_chunk; ++i) {
      made[i].node_ = &node_;
      made[i].index_ = first / k_chunk * k_chunk + i;
    }
    places.store(made, std::memory_order_release);
  }
  // Up to the next batch's boundary: index 0 is left out, and a batch lies in one chunk.
  const std::uint32_t end = (first / k_batch + 1) * k_batch;
  std::vector<std::uint32_t>& free = common_.free;
  if (free.capacity() < end) free.reserve(std::max<std::size_t>(end, 2 * free.capacity()));
  for (std::uint32_t index = end; index > first; --index) free.push_back(index - 1);
  used_.store(end, std::memory_order_seq_cst);
}

template <class T>
T& ProcessTable::beside(std::atomic<T*> Chunk::*column, std::uint32_t index) {
  std::atomic<T*>& items = chunks_[index / k_chunk].*column;
  if (items.load(std::memory_order_acquire) == nullptr) {
    const std::lock_guard lock{lock_};
    if (items.load(std::memory_order_relaxed) == nullptr) {
      items.store(new T[k_chunk]{}, std::memory_order_release);
    }
  }
  return items.load(std::memory_order_relaxed)[index % k_chunk];
}

MailboxBound& ProcessTable::make_bound(std::uint32_t index) {
  return beside(&Chunk::bounds, index);
}
std::uint32_t& ProcessTable::first_timer(std::uint32_t index) {
  return beside(&Chunk::timers, index);
}

}  // namespace grove::detail
