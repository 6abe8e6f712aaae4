// SPDX-License-Identifier: Apache-2.0
//
// async_stream(): one task per item, only so many at a time.
//
//   auto pages = async_stream(context, urls, fetch, {.max_concurrency = 4});
//   while (auto page = co_await pages.next()) {
//     if (page->ok()) use(page->value());
//   }
//
// Items may be any range, an infinite one, too: the next is taken when a task has room. Tasks run
// while somebody waits in next(), and go on meanwhile; those that are left when the stream is
// destroyed are killed. They are linked to the caller: the failure of one is its own, unless it
// traps exits; then it is the outcome of that item. Those of async_stream_nolink() never are.
//
// Source: Elixir Task.async_stream; semantics.md TSK-12 to 15.
#pragma once

#include "grove/node/task_supervisor.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <iterator>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace grove {

enum class OnTimeout : std::uint8_t {
  exit,       // next() throws ProcessExit(timeout), and the tasks are killed
  kill_task,  // the item's outcome is the reason `timeout`
};

struct StreamOptions {
  std::size_t max_concurrency = 0;  // tasks at a time; 0: one per core
  bool ordered = true;              // outcomes in the items' order; else in that of their ends
  Timeout timeout = std::chrono::seconds{5};  // of each task; looked at in next()
  OnTimeout on_timeout = OnTimeout::exit;
};

namespace detail {

/// The number of cores, at least 1.
[[nodiscard]] std::size_t cores() noexcept;
/// Kills a task that nobody is to hear of.
void discard_task(Context& context, const Pid& pid, const Ref& ref);
/// No exit signal of this task, which has ended, is for its owner.
void forget_exit(Context& context, const Pid& pid);

/// The tasks of a stream, in the order of their items, and their outcomes that nobody has had yet.
/// Thread-safety: confined to the owner.
template <class R>
class StreamTasks {
 public:
  using Outcome = TaskOutcome<R>;
  StreamTasks(Context& context, const StreamOptions& options)
      : context_{context}, options_{options} {
    if (options_.max_concurrency == 0) options_.max_concurrency = cores();
  }
  StreamTasks(const StreamTasks&) = delete;
  StreamTasks& operator=(const StreamTasks&) = delete;
  ~StreamTasks() { discard(); }

  [[nodiscard]] bool room() const noexcept { return running_ < options_.max_concurrency; }
  [[nodiscard]] bool idle() const noexcept { return running_ == 0; }
  void add(const AsyncTask<R>& task) {
    Clock::TimePoint deadline = Clock::TimePoint::max();
    if (options_.timeout) deadline = context_.node().clock().deadline_after(*options_.timeout);
    slots_.push_back({task.pid(), task.ref(), deadline});
    ++running_;
  }
  /// The next one to deliver.
  std::optional<Outcome> take_ready() {
    std::optional<Outcome> ready;
    if (!ready_.empty()) {
      ready = std::move(ready_.front());
      ready_.pop_front();
    } else if (!slots_.empty() && slots_.front().outcome) {
      ready = std::move(slots_.front().outcome);
      slots_.pop_front();
    }
    return ready;
  }
  /// How long to wait: the first slot's task runs, and has the earliest deadline.
  [[nodiscard]] Timeout wait() const {
    if (!options_.timeout) return std::nullopt;
    return context_.node().clock().until(slots_.front().deadline);
  }
  /// Whether a message is about one of the tasks that run.
  [[nodiscard]] bool knows(const Ref& ref) const { return find(slots_, ref) != slots_.end(); }
  void receive(Envelope& message) {
    const auto slot = find(slots_, task_of<R>(message));
    Outcome outcome = std::move(*outcome_of<R>(message));
    if (outcome.ok()) {  // its end follows
      slot->value = std::move(outcome);
      return;
    }
    if (context_.traps_exit()) forget_exit(context_, slot->pid);
    finish(slot, slot->value ? std::move(*slot->value) : std::move(outcome));
  }
  /// The first slot's time is over. Throws ProcessExit(timeout) when that is the end of all. One
  /// that has said what it came to, and is still about to end, was in time.
  void time_out() {
    std::optional<Outcome> said = std::move(slots_.front().value);
    if (!said && options_.on_timeout == OnTimeout::exit) {
      discard();
      throw ProcessExit{ExitReason::symbol("timeout")};
    }
    discard_task(context_, slots_.front().pid, slots_.front().ref);
    let_go<R>(context_, slots_.front().ref);
    if (!said) said = Outcome::exit(ExitReason::symbol("timeout"));
    finish(slots_.begin(), *std::move(said));
  }
  void discard() {
    if (context_.doomed()) return;  // then the links see to it
    for (const Slot& slot : slots_) {
      if (slot.outcome) continue;
      discard_task(context_, slot.pid, slot.ref);
      let_go<R>(context_, slot.ref);
    }
    slots_.clear();
    running_ = 0;
  }

 private:
  struct Slot {
    Pid pid;
    Ref ref;
    Clock::TimePoint deadline;
    std::optional<Outcome> value = {};    // it has said so, and not ended yet
    std::optional<Outcome> outcome = {};  // it has ended
  };

  /// References of one process grow.
  template <class Slots>
  static auto find(Slots& slots, const Ref& ref) {
    const auto place = std::lower_bound(
        slots.begin(), slots.end(), ref.serial,
        [](const Slot& slot, std::uint64_t serial) { return slot.ref.serial < serial; });
    return place == slots.end() || place->ref != ref ? slots.end() : place;
  }
  void finish(typename std::deque<Slot>::iterator slot, Outcome outcome) {
    --running_;
    if (options_.ordered) {
      slot->outcome = std::move(outcome);
    } else {
      ready_.push_back(std::move(outcome));
      slots_.erase(slot);
    }
  }

  Context& context_;
  StreamOptions options_;
  std::deque<Slot> slots_;
  std::deque<Outcome> ready_;  // of tasks whose slots are gone
  std::size_t running_ = 0;
};

template <class R>
class StreamWaiter final : public Waiter {
 public:
  StreamWaiter(Context& context, const StreamTasks<R>& tasks)
      : Waiter{context, tasks.wait()}, tasks_{tasks} {}
  /// Null after a timeout.
  Envelope* await_resume() { return taken(); }

 private:
  bool matches(Envelope& envelope) override {
    const Ref ref = task_of<R>(envelope);
    return ref && tasks_.knows(ref);
  }
  const StreamTasks<R>& tasks_;
};

}  // namespace detail

/// Made by async_stream(). Thread-safety: confined to its owner, in whose coroutine it lives.
template <class Items, class F>
class AsyncStream {
 public:
  using Item = std::ranges::range_value_t<Items>;
  using R = detail::AsyncResult<F, Item>;
  using Outcome = TaskOutcome<R>;

  AsyncStream(Context& context, std::optional<ServerRef> supervisor, Items items, F function,
              const StreamOptions& options)
      : context_{context},
        supervisor_{std::move(supervisor)},
        items_{std::move(items)},
        function_{std::move(function)},
        tasks_{context, options},
        next_{std::ranges::begin(items_)} {}
  AsyncStream(const AsyncStream&) = delete;
  AsyncStream& operator=(const AsyncStream&) = delete;

  /// Waits for the next outcome; nothing when that was the last. Throws ProcessExit(timeout).
  [[nodiscard]] Task<std::optional<Outcome>> next() & {
    for (;;) {
      while (tasks_.room() && next_ != std::ranges::end(items_)) {
        Item item = *next_;
        ++next_;
        if (supervisor_) {
          auto starting = detail::async_under<F, Item>(
              context_, *supervisor_, false, AliasMode::demonitor, function_, std::move(item));
          tasks_.add(co_await starting);
        } else {
          tasks_.add(detail::start_async<F, Item>(context_, AliasMode::demonitor, function_,
                                                  std::move(item)));
        }
      }
      std::optional<Outcome> ready = tasks_.take_ready();
      if (ready || tasks_.idle()) co_return ready;
      detail::StreamWaiter<R> waiter{context_, tasks_};
      Envelope* const message = co_await waiter;
      if (message != nullptr) {
        tasks_.receive(*message);
      } else {
        tasks_.time_out();
      }
    }
  }
  /// All that are left.
  [[nodiscard]] Task<std::vector<Outcome>> collect() & {
    std::vector<Outcome> outcomes;
    for (;;) {
      std::optional<Outcome> outcome = co_await next();
      if (!outcome) co_return outcomes;
      outcomes.push_back(std::move(*outcome));
    }
  }

 private:
  Context& context_;
  std::optional<ServerRef> supervisor_;
  Items items_;
  F function_;
  detail::StreamTasks<R> tasks_;
  std::ranges::iterator_t<Items> next_;
};

/// One task `function(item)`, or `function(context, item)`, per item; see AsyncStream.
template <std::ranges::input_range Items, class F>
[[nodiscard]] AsyncStream<Items, F> async_stream(Context& context, Items items, F function,
                                                 StreamOptions options = {}) {
  return {context, std::nullopt, std::move(items), std::move(function), options};
}

/// The same under a task supervisor, without links to the caller.
/// next() throws, too, what async_nolink() throws.
template <std::ranges::input_range Items, class F>
[[nodiscard]] AsyncStream<Items, F> async_stream_nolink(Context& context, ServerRef supervisor,
                                                        Items items, F function,
                                                        StreamOptions options = {}) {
  return {context, std::move(supervisor), std::move(items), std::move(function), options};
}

}  // namespace grove
