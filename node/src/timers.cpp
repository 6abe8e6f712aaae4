// SPDX-License-Identifier: Apache-2.0
#include "timers.hpp"

#include "grove/node/node.hpp"

#include "process.hpp"
#include "process_table.hpp"

#include <algorithm>
#include <exception>
#include <functional>
#include <thread>
#include <utility>

namespace grove::detail {
namespace {

// A TimerId: generation (32 bits), shard (4), index (28).
constexpr unsigned k_shard_bit = 28;
constexpr unsigned k_generation_bit = 32;
constexpr std::uint32_t k_drops_at_once = 1024;  // while the shard is locked

std::uint64_t ticks(Clock::TimePoint when) {
  return static_cast<std::uint64_t>(
      std::max(when.time_since_epoch(), Clock::Duration::zero()).count());
}
Clock::TimePoint time_point(std::uint64_t ticks) {
  return Clock::TimePoint{Clock::Duration{static_cast<Clock::Duration::rep>(ticks)}};
}

}  // namespace

struct Timers::Lifeline {
  std::mutex mutex;
  Timers* timers;  // null when they are closed
};

Timers::Timers(Node& node, ProcessTable& processes)
    : node_{node}, processes_{processes}, lifeline_{std::make_shared<Lifeline>()} {
  lifeline_->timers = this;
}

Timers::~Timers() { close(); }

void Timers::close() {
  const std::lock_guard lock{lifeline_->mutex};
  if (std::exchange(lifeline_->timers, nullptr) == nullptr) return;
  for (Shard& shard : shards_) {
    const std::lock_guard alarm_lock{shard.alarm_mutex};
    if (shard.alarm_set != Wheel::k_never) node_.clock().cancel(shard.alarm);
  }
}

// -- setting and cancelling -----------------------------------------------------------------

TimerId Timers::arm(Clock::TimePoint when, const TimerTarget& target, EnvelopePtr envelope,
                    const TimerExtras& extras) {
  Process* process = nullptr;
  Wheel::Index* first = nullptr;  // of those aimed at it
  std::unique_ptr<Extra> extra;
  std::size_t number = target.pid.index;
  if (target.pid) {
    process = processes_.find(target.pid.index);
    if (process != nullptr) first = &first_timer(*process);
    envelope->generation = target.pid.generation;
  } else {
    number = std::hash<std::string_view>{}(target.name);
  }
  if (!target.pid || extras.copy != nullptr) {
    extra = std::make_unique<Extra>(Extra{std::string{target.name}, extras.period, extras.copy});
  }
  number %= k_shards;
  Shard& shard = shards_[number];
  const Wheel::Time deadline = ticks(when);
  bool earliest = false;
  TimerId id;
  {
    const std::lock_guard lock{shard.lock};
    const Wheel::Index index = shard.wheel.arm(deadline);
    id.value = std::uint64_t{shard.wheel.id_of(index).generation} << k_generation_bit |
               number << k_shard_bit | index;
    if (target.pid && !add_to_target(shard, index, process, first, target.pid.generation)) {
      shard.wheel.erase(index);
      return id;  // the message is destroyed after the lock is released
    }
    if (extras.own_id != nullptr) *extras.own_id = id;
    Timer& timer = shard.wheel[index];
    timer.envelope = std::move(envelope);
    timer.extra = std::move(extra);
    if (deadline < shard.alarm_at) {
      shard.alarm_at = deadline;
      earliest = true;
    }
  }
  if (earliest) set_alarm(shard);
  return id;
}

/// Returns: false when that life is over.
bool Timers::add_to_target(Shard& shard, Wheel::Index index, Process* target, Wheel::Index* first,
                           std::uint32_t generation) {
  if (target == nullptr) return false;
  // A death changes its generation first and looks at its marks then; we the other way round: one
  // of us sees the other, so no timer outlives its target. Once the mark is set, the lock alone
  // decides: the death has yet to come here and finds this timer too.
  if ((target->marks_.load(std::memory_order_relaxed) & Process::k_timed) == 0) {
    target->marks_.fetch_or(Process::k_timed, std::memory_order_seq_cst);
  }
  if (target->generation_.load(std::memory_order_seq_cst) != generation || generation % 2 == 0) {
    return false;
  }
  Timer& timer = shard.wheel[index];
  timer.target = target;
  timer.before = Wheel::k_none;
  timer.next = std::exchange(*first, index);
  if (timer.next != Wheel::k_none) shard.wheel[timer.next].before = index;
  return true;
}

void Timers::remove(Shard& shard, Wheel::Index index) {
  Timer& timer = shard.wheel[index];
  if (timer.target != nullptr) {
    (timer.before == Wheel::k_none ? first_timer(*timer.target) : shard.wheel[timer.before].next) =
        timer.next;
    if (timer.next != Wheel::k_none) shard.wheel[timer.next].before = timer.before;
    timer.target = nullptr;
  }
  shard.wheel.erase(index);
}

Timers::Shard& Timers::shard_of(TimerId timer) noexcept {
  return shards_[(timer.value >> k_shard_bit) % k_shards];
}

std::optional<Timers::Wheel::Index> Timers::find(const Shard& shard, TimerId timer) {
  return shard.wheel.find({static_cast<std::uint32_t>(timer.value) % Wheel::k_max_entries,
                           static_cast<std::uint32_t>(timer.value >> k_generation_bit)});
}

/// With the shard locked; what is taken is destroyed after that.
inline Timers::Taken Timers::take(Shard& shard, TimerId timer) {
  Taken taken;
  if (const auto index = find(shard, timer)) {
    taken.due = time_point(shard.wheel.deadline(*index));
    taken.message = std::move(shard.wheel[*index].envelope);
    taken.extra = std::move(shard.wheel[*index].extra);
    remove(shard, *index);
  }
  // One that has fired may have its message in the batch under way, and so may an interval.
  if (taken.message == nullptr || taken.extra != nullptr) {
    taken.batch = shard.batches.load(std::memory_order_acquire);
  }
  return taken;
}

std::optional<Clock::TimePoint> Timers::cancel(TimerId timer) {
  Shard& shard = shard_of(timer);
  const Taken taken = [&] {
    const std::lock_guard lock{shard.lock};
    return take(shard, timer);
  }();
  if (taken.batch % 2 == 1) {
    while (shard.batches.load(std::memory_order_acquire) == taken.batch) std::this_thread::yield();
  }
  return taken.due;
}

void Timers::cancel_async(TimerId timer, EnvelopePtr answer) {
  Shard& shard = shard_of(timer);
  const Taken taken = [&] {
    const std::lock_guard lock{shard.lock};
    Taken found = take(shard, timer);
    if (answer != nullptr) {
      if (found.due) answer->message.get<TimerCancelled>()->left = node_.clock().until(*found.due);
      if (found.batch % 2 == 1) shard.answers.push_back(std::move(answer));
    }
    return found;
  }();
  if (answer != nullptr) tell(std::move(answer));
}

void Timers::tell(EnvelopePtr answer) {
  const Pid to = answer->from;
  node_.deliver(to, std::move(answer));
}

std::optional<Clock::TimePoint> Timers::deadline(TimerId timer) {
  Shard& shard = shard_of(timer);
  const std::lock_guard lock{shard.lock};
  const auto index = find(shard, timer);
  if (!index) return std::nullopt;
  return time_point(shard.wheel.deadline(*index));
}

void Timers::drop_all(Process& target) {
  Shard& shard = shards_[target.index_ % k_shards];
  Wheel::Index& first = first_timer(target);
  for (bool more = true; more;) {
    const std::lock_guard lock{shard.lock};
    for (std::uint32_t i = 0; first != Wheel::k_none && i < k_drops_at_once; ++i) {
      Timer& timer = shard.wheel[first];
      // Null: an interval whose message is being copied.
      if (timer.envelope != nullptr) target.mailbox_.append(timer.envelope.release());
      timer.extra.reset();
      remove(shard, first);
    }
    more = first != Wheel::k_none;
  }
}

Timers::Wheel::Index& Timers::first_timer(const Process& target) {
  return processes_.first_timer(target.index_);
}

std::size_t Timers::armed() {
  std::size_t count = 0;
  for (Shard& shard : shards_) {
    const std::lock_guard lock{shard.lock};
    count += shard.wheel.armed();
  }
  return count;
}

// -- firing ---------------------------------------------------------------------------------

/// Whoever changes alarm_at calls this afterwards: the last of them sets what holds. When memory is
/// too short for an alarm the program ends, see ADR 16: others' timers count on this one.
void Timers::set_alarm(Shard& shard) noexcept {
  const std::lock_guard alarm_lock{shard.alarm_mutex};
  Wheel::Time when = 0;
  {
    const std::lock_guard lock{shard.lock};
    when = shard.alarm_at;
  }
  if (when == shard.alarm_set) return;
  if (shard.alarm_set != Wheel::k_never) node_.clock().cancel(shard.alarm);
  shard.alarm_set = when;
  if (when == Wheel::k_never) return;
  shard.alarm = node_.clock().call_at(time_point(when), [lifeline = lifeline_, &shard, when] {
    const std::lock_guard lock{lifeline->mutex};
    if (lifeline->timers != nullptr) lifeline->timers->ring(shard, when);
  });
}

void Timers::ring(Shard& shard, Wheel::Time when) {
  {
    const std::lock_guard alarm_lock{shard.alarm_mutex};
    if (shard.alarm_set == when) shard.alarm_set = Wheel::k_never;
  }
  const Wheel::Time now = ticks(node_.clock().now());
  Batch batch;
  std::vector<EnvelopePtr> answers;
  for (bool more = true; more;) {
    std::size_t count = 0;
    {
      const std::lock_guard lock{shard.lock};
      answers.swap(shard.answers);  // of those who came during the batch before
      more = collect(shard, now, batch, count) || count > 0;  // intervals of this batch come again
      if (!more) shard.alarm_at = shard.wheel.next();
      if (count > 0) shard.batches.fetch_add(1, std::memory_order_acq_rel);
    }
    for (EnvelopePtr& answer : answers) tell(std::move(answer));
    answers.clear();
    for (std::size_t i = 0; i < count; ++i) deliver(shard, batch[i]);
    if (count > 0) shard.batches.fetch_add(1, std::memory_order_acq_rel);
    // What found nobody goes only now: its destructor may cancel timers, and would wait for us.
    for (std::size_t i = 0; i < count; ++i) batch[i].envelope.reset();
  }
  set_alarm(shard);
}

/// Returns: whether there is more to do at this instant.
bool Timers::collect(Shard& shard, Wheel::Time now, Batch& batch, std::size_t& count) {
  while (count < batch.size()) {
    const auto [due, index] = shard.wheel.take_due(now);
    if (due != Wheel::Due::one) return due == Wheel::Due::more_work;
    Timer& timer = shard.wheel[index];
    Due& next = batch[count++];
    next.target = timer.target;
    next.envelope = std::move(timer.envelope);
    next.extra = std::move(timer.extra);
    next.repeats = {};
    if (next.extra != nullptr && next.extra->copy != nullptr) {
      next.repeats = shard.wheel.id_of(index);  // its entry stays, for who cancels it meanwhile
    } else {
      remove(shard, index);
    }
  }
  return true;
}

void Timers::deliver(Shard& shard, Due& due) {
  std::optional<Pid> holder;  // asked for now, because repeat() gives the name back
  if (due.target == nullptr) holder = node_.whereis(due.extra->name);
  EnvelopePtr envelope =
      due.repeats.index == Wheel::k_none ? std::move(due.envelope) : repeat(shard, due);
  if (envelope == nullptr) return;
  if (due.target != nullptr &&
      due.target->generation_.load(std::memory_order_seq_cst) == envelope->generation) {
    holder = Pid{node_.id(), due.target->index_, envelope->generation};
  }
  if (holder) node_.deliver(*holder, std::move(envelope));
  due.envelope = std::move(envelope);  // still there if nobody got it
}

/// Sets an interval's next time, counted from the last. Returns: what is due now; null when it was
/// cancelled meanwhile, or its message cannot be copied.
EnvelopePtr Timers::repeat(Shard& shard, Due& due) {
  EnvelopePtr copy = copy_of(*due.envelope, *due.extra);
  const std::lock_guard lock{shard.lock};
  const auto index = shard.wheel.find(due.repeats);
  if (!index) return nullptr;
  if (copy == nullptr) {
    remove(shard, *index);
    return nullptr;
  }
  Timer& timer = shard.wheel[*index];
  const Wheel::Time next =
      shard.wheel.deadline(*index) + static_cast<Wheel::Time>(due.extra->period.count());
  timer.envelope = std::move(due.envelope);
  timer.extra = std::move(due.extra);
  shard.wheel.rearm(*index, std::min(next, ticks(Clock::TimePoint::max())));
  return copy;
}

/// The copy constructor is the program's: it runs outside the lock, and may throw.
EnvelopePtr Timers::copy_of(const Envelope& original, const Extra& extra) {
  try {
    auto copy = std::make_unique<Envelope>(original.kind(), original.from);
    copy->generation = original.generation;
    copy->message = extra.copy(original.message);
    return copy;
  } catch (...) {
    node_.log().error("an interval ends, its message cannot be copied: " +
                      to_string(exit_reason_of(std::current_exception())));
    return nullptr;
  }
}

}  // namespace grove::detail
