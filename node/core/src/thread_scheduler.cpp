// SPDX-License-Identifier: Apache-2.0
//
// Worker threads, each with a LIFO slot and a queue that the others steal from.
//
// What a running process wakes goes into its worker's slot, so that a request and its reply stay on
// one core; what that displaces goes to the queue's new end (depth first), what has spent its
// budget to the old end. A thief takes half from the old end. At most one worker searches at a
// time, and a sleeper is woken only when a queue has something to steal.
//
// Invariants: a runnable is in at most one slot or queue. `slot` belongs to its worker alone.
#include "grove/core/check.hpp"
#include "grove/core/scheduler.hpp"
#include "grove/core/spin_lock.hpp"

#include "blocking_pool.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace grove {
namespace {

constexpr unsigned k_queue_turn = 64;     // every so many picks the queue's old end goes first
constexpr unsigned k_inject_turn = 16;    // and what came from outside
constexpr unsigned k_search_rounds = 50;  // looks at everybody's queue before a worker sleeps

class RunQueue {
 public:
  void push_new(Runnable& work) {
    const std::lock_guard lock{lock_};
    items_.push_front(&work);
    publish_size();
  }
  void push_old(Runnable& work) {
    const std::lock_guard lock{lock_};
    items_.push_back(&work);
    publish_size();
  }
  Runnable* pop_new() {
    if (empty()) return nullptr;
    const std::lock_guard lock{lock_};
    if (items_.empty()) return nullptr;
    Runnable* work = items_.front();
    items_.pop_front();
    publish_size();
    return work;
  }
  Runnable* pop_old() {
    if (empty()) return nullptr;
    const std::lock_guard lock{lock_};
    if (items_.empty()) return nullptr;
    Runnable* work = items_.back();
    items_.pop_back();
    publish_size();
    return work;
  }
  /// Moves the old half (at least one) to `thief`. Returns: one of them to run, or null.
  Runnable* steal_half(RunQueue& thief) {
    if (empty()) return nullptr;
    std::deque<Runnable*> taken;
    {
      const std::lock_guard lock{lock_};
      for (std::size_t left = (items_.size() + 1) / 2; left > 0; --left) {
        taken.push_front(items_.back());
        items_.pop_back();
      }
      publish_size();
    }
    if (taken.empty()) return nullptr;
    Runnable* first = taken.front();
    taken.pop_front();
    if (!taken.empty()) {
      const std::lock_guard lock{thief.lock_};
      thief.items_.insert(thief.items_.begin(), taken.begin(), taken.end());
      thief.publish_size();
    }
    return first;
  }
  bool empty() const noexcept { return size_.load(std::memory_order_seq_cst) == 0; }

 private:
  // Sequentially consistent, as is `sleepers_`: a submitter stores the size and then looks for
  // sleepers, a worker counts itself a sleeper and then looks at the sizes; one sees the other.
  void publish_size() { size_.store(items_.size(), std::memory_order_seq_cst); }

  SpinLock lock_;
  std::deque<Runnable*> items_;  // front: new end
  std::atomic<std::size_t> size_{0};
};

class ThreadScheduler final : public Scheduler {
 public:
  ThreadScheduler(unsigned count, unsigned blocking) : blocking_{blocking} {
    for (unsigned i = 0; i < count; ++i) workers_.emplace_back(*this);
    for (Worker& worker : workers_) worker.thread = std::thread{[&worker] { worker.loop(); }};
  }
  ~ThreadScheduler() override { stop(); }

  void submit(Runnable& work) override {
    Worker* worker = t_worker;
    if (worker == nullptr || &worker->scheduler != this) {
      injected_.push_new(work);
      wake_one();
      return;
    }
    Runnable* displaced = std::exchange(worker->slot, &work);
    if (displaced == nullptr) return;
    worker->queue.push_new(*displaced);
    wake_one();
  }

  bool running() const noexcept override { return !stopping_.load(); }

  void stop() override {
    {
      const std::lock_guard lock{mutex_};
      if (stopping_.exchange(true)) return;
    }
    wake_.notify_all();
    for (Worker& worker : workers_) worker.thread.join();
    blocking_.stop();
  }

  void run_blocking(std::function<void()> job) override { blocking_.run(std::move(job)); }
  unsigned workers() const noexcept override { return static_cast<unsigned>(workers_.size()); }

 private:
  struct alignas(64) Worker {
    explicit Worker(ThreadScheduler& owner) : scheduler{owner} {}
    ThreadScheduler& scheduler;
    Runnable* slot = nullptr;
    RunQueue queue;
    unsigned picks = 0;
    std::thread thread;

    void loop() {
      t_worker = this;
      Turn turn;
      while (!scheduler.stopping_.load(std::memory_order_relaxed)) {
        if (Runnable* work = pick()) {
          if (work->run(turn)) put_back(*work);
        } else if (Runnable* found = scheduler.search(*this)) {
          if (found->run(turn)) put_back(*found);
        } else {
          scheduler.sleep();
        }
      }
      t_worker = nullptr;
    }

    /// Its budget is spent. With something else to do here, that is work for a sleeper.
    void put_back(Runnable& work) {
      const bool busy = slot != nullptr || !queue.empty();
      queue.push_old(work);
      if (busy) scheduler.wake_one();
    }

    Runnable* pick() {
      // By turns, so that neither the queue nor what comes from outside can starve the other.
      if (++picks % k_queue_turn == 0) {
        if (Runnable* work = queue.pop_old()) return before_slot(*work);
      } else if (picks % k_inject_turn == k_inject_turn / 2) {
        if (Runnable* work = scheduler.injected_.steal_half(queue)) return before_slot(*work);
      }
      if (slot != nullptr) return std::exchange(slot, nullptr);
      if (Runnable* work = queue.pop_new()) return work;
      return scheduler.injected_.pop_old();
    }

    /// Lays the slot open to thieves: `work` may block, and nobody else can empty the slot.
    Runnable* before_slot(Runnable& work) {
      if (Runnable* displaced = std::exchange(slot, nullptr)) {
        queue.push_new(*displaced);
        scheduler.wake_one();
      }
      return &work;
    }
  };

  Runnable* search(Worker& thief) {
    if (searching_.exchange(true)) return nullptr;
    Runnable* found = nullptr;
    for (unsigned round = 0; round < k_search_rounds && found == nullptr; ++round) {
      found = injected_.pop_old();
      for (Worker& victim : workers_) {
        if (found != nullptr) break;
        if (&victim != &thief) found = victim.queue.steal_half(thief.queue);
      }
    }
    searching_.store(false);
    // Enough for one more? Who submitted during the search has left the waking to us.
    if (found != nullptr && anything_queued()) wake_one();
    return found;
  }

  void sleep() {
    std::unique_lock lock{mutex_};
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    wake_.wait(lock, [this] { return stopping_ || wakeups_ > 0 || anything_queued(); });
    if (wakeups_ > 0) --wakeups_;
    sleepers_.fetch_sub(1, std::memory_order_seq_cst);
  }

  bool anything_queued() const {
    if (!injected_.empty()) return true;
    for (const Worker& worker : workers_) {
      if (!worker.queue.empty()) return true;
    }
    return false;
  }

  void wake_one() {
    if (sleepers_.load(std::memory_order_seq_cst) == 0 || searching_.load()) return;
    {
      const std::lock_guard lock{mutex_};
      if (wakeups_ >= sleepers_.load()) return;  // all of them are on their way
      ++wakeups_;
    }
    wake_.notify_one();
  }

  static thread_local Worker* t_worker;

  std::deque<Worker> workers_;  // stays in place; only the elements change
  RunQueue injected_;           // from threads that are not workers
  std::atomic<bool> stopping_{false};
  std::atomic<bool> searching_{false};
  std::atomic<unsigned> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  unsigned wakeups_ = 0;  // guarded by mutex_
  detail::BlockingPool blocking_;
};

thread_local ThreadScheduler::Worker* ThreadScheduler::t_worker = nullptr;

}  // namespace

void Turn::attend() noexcept {}  // nobody claims yet

std::unique_ptr<Scheduler> make_thread_scheduler(ThreadSchedulerOptions options) {
  if (options.workers == 0) options.workers = std::max(1U, std::thread::hardware_concurrency());
  return std::make_unique<ThreadScheduler>(options.workers, options.blocking_threads_max);
}

}  // namespace grove
