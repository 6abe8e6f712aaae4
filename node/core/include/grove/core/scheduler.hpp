// SPDX-License-Identifier: Apache-2.0
//
// Scheduler: the seam for who runs next. Real: ThreadScheduler, workers that steal from each other
// and a watchdog over them. Simulated: SeededScheduler, one thread that picks in order or by a
// seed.
#pragma once

#include "grove/core/clock.hpp"
#include "grove/core/priority.hpp"
#include "grove/core/random.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <utility>
#include <vector>

namespace grove {

namespace detail {
class RunList;
class WorkerThread;
}  // namespace detail

inline constexpr unsigned k_no_worker = ~0U;

/// Where turns put what is better handed over once for several of them. See Turn::owe().
class Flushable {
 public:
  /// Hands over what this thread has put there.
  virtual void flush() = 0;
  /// The same for all threads. Threads: any, while others put more there.
  virtual void flush_all() = 0;
  /// Whether a worker has yet to flush it. Threads: any.
  [[nodiscard]] bool is_owed() const noexcept {
    return owing_.load(std::memory_order_acquire) != 0;
  }

 protected:
  ~Flushable() = default;

 private:
  friend class Turn;
  std::atomic<std::uint32_t> owing_{0};  // how many workers
};

/// One thread's permission to run processes. Brackets user code, so that the watchdog can tell code
/// that does not return, and take over the thread's place while it is inside.
///
/// A lock that its thread holds all the time outside user code, and takes without a locked
/// instruction: the watchdog pays for both (membarrier). One that is made by itself is nobody's:
/// it keeps count and the watchdog does not know it.
/// Threads: its own only. Source: ADR 7.
class Turn {
 public:
  Turn() = default;
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  /// User code begins, a new piece of it: the watchdog counts its time from here.
  void enter_user_code() noexcept { enter(word() + k_step + k_inside); }
  /// It has ended. Blocks: rarely, while the watchdog acts in the process's place.
  void leave_user_code() noexcept { leave(word()); }
  [[nodiscard]] bool in_user_code() const noexcept { return (word() & k_inside) != 0; }
  /// The worker that this thread is: 0 to workers() - 1. k_no_worker when its place was given away
  /// until run() returns, and on a Turn that is nobody's. Not to be asked inside user code.
  [[nodiscard]] unsigned worker() const noexcept { return worker_; }

  // What a turn sends is cheaper to hand over together with what the next ones send; but it must
  // not wait for a turn that takes long. So it is flushed
  // - by the scheduler, before the worker looks for work elsewhere, sleeps, or gives its place up;
  // - by begin(), when others have had their turns, but too many, or for too long;
  // - by the watchdog, while the code of one of them does not return.

  /// This turn has put something into `sink`, which this worker will flush.
  void owe(Flushable& sink, const Clock& clock) {
    if (owed_ != &sink) owe_first(sink, clock);
  }
  /// A turn of one more begins on this worker.
  void begin(const Clock& clock) {
    if (owed_ != nullptr) begin_owing(clock);
  }
  /// Flushes what is owed.
  void flush() {
    if (owed_ != nullptr) flush_owed();
  }
  /// Its thread has something else to do: after k_brief_time, a worker goes on with what runs.
  [[nodiscard]] bool is_brief() const noexcept { return brief_; }
  static constexpr Clock::Duration k_brief_time = std::chrono::microseconds{200};
  /// Nobody is to be flushed any more; who is owed may be gone.
  void forget_owed() noexcept { owed_ = nullptr; }

 private:
  friend class UserCode;
  friend class RuntimeSection;
  friend class detail::WorkerThread;
  static constexpr std::uint64_t k_inside = 1;
  static constexpr std::uint64_t k_step = 2;  // the rest of the word counts enter_user_code()
  static constexpr std::uint8_t k_claimed = 1;
  static constexpr std::uint8_t k_no_membarrier = 2;  // this thread has to make the fence itself
  static constexpr unsigned k_owing_turns_max = 32;
  // A few flushes: less is not worth it, and nobody on the way to another node notices as much.
  static constexpr Clock::Duration k_owing_time_max = std::chrono::microseconds{50};

  [[nodiscard]] std::uint64_t word() const noexcept {
    return word_.load(std::memory_order_relaxed);
  }
  void enter(std::uint64_t inside) noexcept { word_.store(inside, std::memory_order_release); }
  void leave(std::uint64_t inside) noexcept {
    word_.store(inside - k_inside, std::memory_order_release);
    // The watchdog's barrier falls before this line, and the load sees its claim; or after it, and
    // the watchdog sees the store.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (attention_.load(std::memory_order_relaxed) != 0) attend();
  }
  void attend() noexcept;
  void owe_first(Flushable& sink, const Clock& clock);
  void begin_owing(const Clock& clock);
  void flush_owed();

  std::atomic<std::uint64_t> word_{0};  // written by its thread alone
  std::atomic<std::uint8_t> attention_{0};
  const void* subject_ = nullptr;  // as worker_
  unsigned worker_ = k_no_worker;  // its thread's outside user code; inside, the claimant's
  bool brief_ = false;
  Flushable* owed_ = nullptr;  // as worker_
  unsigned owing_turns_ = 0;   // begun since
  Clock::TimePoint owing_from_{};
};

// Each remembers the word that it found or wrote: nobody else changes it, and those inside its
// scope put it back.

/// Marks its scope as user code. An exception that leaves it is out of user code when it is caught.
class UserCode {
 public:
  /// `subject`: what it is about, for Runnable::stuck().
  explicit UserCode(Turn& turn, const void* subject = nullptr) noexcept
      : turn_{turn}, word_{turn.word() + Turn::k_step + Turn::k_inside} {
    turn_.subject_ = subject;
    turn_.enter(word_);
  }
  ~UserCode() { turn_.leave(word_); }
  UserCode(const UserCode&) = delete;
  UserCode& operator=(const UserCode&) = delete;

 private:
  Turn& turn_;
  const std::uint64_t word_;
};

/// Runtime code that user code may have called: outside user code for its scope.
class RuntimeSection {
 public:
  explicit RuntimeSection(Turn& turn) noexcept : turn_{turn}, word_{turn.word()} {
    if ((word_ & Turn::k_inside) != 0) turn_.leave(word_);
  }
  ~RuntimeSection() {
    if ((word_ & Turn::k_inside) != 0) turn_.enter(word_);
  }
  RuntimeSection(const RuntimeSection&) = delete;
  RuntimeSection& operator=(const RuntimeSection&) = delete;

 private:
  Turn& turn_;
  const std::uint64_t word_;
};

/// Something that a worker can run for a while.
class Runnable {
 public:
  /// Runs until it has nothing to do or its budget is spent.
  /// Returns: true when it wants to run again; it must then not have been submitted meanwhile.
  virtual bool run(Turn& turn) = 0;
  /// The user code that run() entered, about `subject`, has not returned for (at least) `duration`.
  /// Called again in each of the watchdog's periods, with growing durations, until it does.
  /// Blocks: must not. Threads: the watchdog's; run()'s thread is inside user code for as long as
  /// this takes, and waits in leave_user_code() if it comes back.
  virtual void stuck([[maybe_unused]] Clock::Duration duration,
                     [[maybe_unused]] const void* subject) noexcept {}

  /// Which queue it goes to. To be asked, and set, by its submitter or while it runs.
  [[nodiscard]] Priority run_priority() const noexcept { return priority_; }
  void set_run_priority(Priority priority) noexcept { priority_ = priority; }

 protected:
  ~Runnable() = default;

 private:
  friend class detail::RunList;
  Runnable* next_ = nullptr;  // of the run queue that it is in
  Runnable* previous_ = nullptr;
  Priority priority_ = Priority::normal;
};

/// What waits for the world outside, again and again, and submits what it finds there. One of the
/// scheduler's threads is inside it, or none; not always the same one, but each goes on from where
/// the one before it was.
class Loop {
 public:
  enum class Next : std::uint8_t {
    hand_over,  // workers run what this round has submitted
    run_here,   // so does this thread, if it is one runnable alone, and all workers sleep
    stop,       // there is no next round
  };
  /// One round. Blocks: as it likes, but not for what it has submitted.
  virtual Next round() = 0;
  /// Has the round that is under way return soon, or the next one. Threads: any.
  virtual void interrupt() noexcept = 0;
  /// No round follows, and the scheduler forgets the loop: it may be gone after this.
  virtual void ended() noexcept = 0;

 protected:
  ~Loop() = default;
};

class Scheduler {
 public:
  virtual ~Scheduler() = default;
  /// Makes `work` run soon. It must not be queued already, nor running. It cannot fail: when memory
  /// is too short, which only a simulated one asks for, the program ends. Threads: any.
  virtual void submit(Runnable& work) noexcept = 0;
  /// Whether threads of its own run what was submitted, so that only they can finish it.
  [[nodiscard]] virtual bool running() const noexcept = 0;
  /// Stops the workers and waits for them: for a handler or a blocking job that has begun, as long
  /// as it takes. Jobs that have not begun are dropped. Idempotent.
  virtual void stop() = 0;
  /// Runs `job` once, where it may block: on a thread of the blocking pool. Simulated: as a turn of
  /// its own. Bounds: it must not throw. After stop() it is dropped. Threads: any.
  virtual void run_blocking(std::function<void()> job) = 0;
  /// Runs `loop`, on a thread beside the workers, until it stops or the scheduler is stopped;
  /// ended() is called once. A round whose thread is held up by a process that it runs goes on on
  /// another. Throws: std::system_error when there is no thread to be had, or no scheduler that has
  /// any.
  virtual void run_loop(Loop& loop) = 0;
  [[nodiscard]] virtual unsigned workers() const noexcept = 0;
};

struct ThreadSchedulerOptions {
  unsigned workers = 0;  // 0: one per core
  /// User code that has not returned for so long loses its thread's place, and is told: stuck().
  /// Twenty turns of an Erlang scheduler: long for a handler, not yet noticed by a person; a
  /// hand-over (some 30 us) for nothing costs 0.2 % of it. Above 100 ms, the threads of loops run
  /// no processes. Bounds: > 0.
  Clock::Duration stuck_after = std::chrono::milliseconds{20};
  /// Threads, beside the workers, for places that were handed over. When all of them are stuck
  /// too, what a stuck worker has queued still goes to the others.
  unsigned spare_threads_max = 256;
  unsigned blocking_threads_max = 64;  // jobs of run_blocking() at once; more wait their turn
  bool use_membarrier = true;  // false: as on a kernel without it, with a fence in every Turn
};

/// Workers and watchdog are started at once.
[[nodiscard]] std::unique_ptr<Scheduler> make_thread_scheduler(ThreadSchedulerOptions options);
[[nodiscard]] inline std::unique_ptr<Scheduler> make_thread_scheduler(unsigned workers = 0) {
  return make_thread_scheduler(ThreadSchedulerOptions{.workers = workers});
}

/// One thread, driven by its owner: in order of submission, or in a seeded random order; in both,
/// priorities are kept. What turns owe is flushed at the latest when nothing is ready.
class SeededScheduler final : public Scheduler {
 public:
  /// With a null `random`, first come first served.
  explicit SeededScheduler(Random* random) : random_{random} {}
  void submit(Runnable& work) noexcept override;
  [[nodiscard]] bool running() const noexcept override { return false; }
  void stop() override;
  void run_blocking(std::function<void()> job) override;
  void run_loop(Loop& loop) override;
  [[nodiscard]] unsigned workers() const noexcept override { return 1; }
  /// Runs one runnable for one turn. Returns: false when none was ready.
  bool step();
  /// Steps until nothing is ready. Returns: the number of turns.
  std::uint64_t run_until_idle();
  [[nodiscard]] bool idle() const noexcept;

 private:
  struct Job final : Runnable {
    Job(std::list<Job>& jobs, std::function<void()> function)
        : all{jobs}, job{std::move(function)} {}
    bool run(Turn& turn) override;
    std::list<Job>& all;
    std::function<void()> job;
    std::list<Job>::iterator self;
  };
  /// First in, first out; [head, items.size()) is queued.
  struct Ready {
    [[nodiscard]] bool empty() const noexcept { return items.size() == head; }
    [[nodiscard]] std::size_t size() const noexcept { return items.size() - head; }
    Runnable& take(std::size_t offset);
    std::vector<Runnable*> items;
    std::size_t head = 0;
  };
  Ready* next_class();

  Random* random_;
  std::array<Ready, k_priorities> ready_;
  unsigned normal_turns_ = 0;  // since the last of priority low
  Turn turn_;
  std::list<Job> jobs_;
};

}  // namespace grove
