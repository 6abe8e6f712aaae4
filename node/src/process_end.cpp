// SPDX-License-Identifier: Apache-2.0
//
// The end of a process. First its own code: frames and body, whose destructors may still send. Then
// what others see: names go, the pid is dead, and only now links and monitors hear of it.
// When something outside still points into the frames (an Operation), the order is turned round:
// the process is dead to the others at once, and its frames go when that has completed.
#include "name_table.hpp"
#include "process.hpp"
#include "process_table.hpp"
#include "timers.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <thread>
#include <typeinfo>
#include <utility>

namespace grove::detail {
namespace {

constexpr std::size_t k_shown_state_bytes_max = 1000;  // of a line of the log

}  // namespace

void Process::die() {
  report_crash(Look::inside);
  if (!outside()) destroy_frames();
  if (alive_) depart(true);  // else stuck() has, because a destructor did not return
  answer_rest();
}

/// Whether an operation may still point into the frames. Of a process that has ended it is
/// cancelled, once.
bool Process::outside() {
  if (extras_ == nullptr || !extras_->pending()) return false;
  if (!std::exchange(extras_->operation_cancelled, true)) extras_->operation->cancel();
  return true;
}

void Process::report_crash(Look look) {
  if (!crashed_ || extras_ == nullptr || extras_->exit_reason.is_clean()) return;
  crashed_ = false;
  node_->metrics().add(Metric::processes_crashed);
  if (!node_->log().writes(LogLevel::error)) return;
  const Body* const body = code_.body();
  const MessageType* const last = body == nullptr ? nullptr : body->last_message();
  node_->log().error("process " + who(look) + " terminated: " + to_string(extras_->exit_reason) +
                     (last == nullptr ? "" : ", last message " + std::string{last->name}) +
                     (look == Look::inside ? shown_state() : ""));
}

std::string Process::shown_state() const {
  if (code_.body() == nullptr) return {};
  try {
    std::optional<Value> state;
    {
      const UserCode user{current_turn()};
      state = code_.body()->shown_state();
    }
    if (!state) return {};
    std::string text = to_string(*state);
    if (text.size() > k_shown_state_bytes_max) {
      const std::string size = std::to_string(text.size());
      std::size_t end = k_shown_state_bytes_max;
      while (end > 0 && (text[end] & 0xc0) == 0x80) --end;  // inside a character
      text = text.substr(0, end) + "... (" + size + " bytes)";
    }
    return ", state " + text;
  } catch (...) {
    return ", its state throws " + to_string(exit_reason_of(std::current_exception()));
  }
}

/// For the log: its pid, and its name and label if it has them.
std::string Process::who(Look look) const {
  std::string names = node_->names_->name_of(pid());
  if (names.empty() && look == Look::inside && code_.body() != nullptr) {
    names = code_.body()->name_elsewhere();
  }
  if (extras_ != nullptr && !extras_->label.empty()) {
    if (!names.empty()) names += ", ";
    names += extras_->label;
  }
  return to_string(pid()) + (names.empty() ? "" : " (" + names + ")");
}

void Process::stuck(Clock::Duration duration, const void* handling) noexcept {
  if (!alive_) {
    take_inbox();
  } else {
    const auto* type = static_cast<const MessageType*>(handling);
    report_stuck(duration, type);
    Extras& own = *extras_;
    // The message that its coroutine handles is told, rather than an answer that let it go on.
    const bool in_handler = own.handling != nullptr;
    if (!in_handler) {
      own.handling = type;
      own.handling_from = node_->clock().now() - duration;
    }
    own.stuck = true;
    take_inbox();
    own.stuck = false;
    if (!in_handler) own.handling = nullptr;
    if (!mailbox_.empty() && mailbox_.head()->generation == 0) stamp_leftovers();
    if (doomed_) {
      report_crash(Look::from_elsewhere);
      depart(false);
      answer_rest();
    }
  }
  no_turn().flush();  // what this thread owes, in whose name this was done
}

/// Once for each piece of code: while it is stuck the duration grows, with the next it begins anew.
void Process::report_stuck(Clock::Duration duration, const MessageType* handling) {
  const Clock::Duration before = std::exchange(extras().stuck_for, duration);
  if (before != Clock::Duration{} && duration > before) return;
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  node_->log().warning("process " + who(Look::from_elsewhere) + " has been inside " +
                       (handling == nullptr ? std::string{"its code"}
                                            : "its handler of " + std::string{handling->name}) +
                       " for " + std::to_string(millis) + " ms");
}

/// A destructor that throws ends here: what it belongs to is gone all the same.
void Process::end_coroutine() noexcept {
  const Code::Handle ended = code_.release_coroutine();
  const UserCode user{current_turn()};
  try {
    if (ended) ended.destroy();
  } catch (...) {
    node_->log().error("process " + to_string(pid()) + ": a destructor threw: " +
                       to_string(exit_reason_of(std::current_exception())));
  }
}

void Process::destroy_frames() noexcept {
  waiter_ = nullptr;
  end_coroutine();
  const UserCode user{current_turn()};
  code_.clear();
}

/// From here on it is dead to everybody. Elsewhere than on its own thread nothing may block.
void Process::depart(bool on_own_thread) {
  const Pid self = pid();
  const ExitReason reason = extras_ == nullptr ? ExitReason::normal() : extras_->exit_reason;
  alive_ = false;
  generation_.store(self.generation + 1, std::memory_order_seq_cst);
  const std::uint8_t marks = marks_.load(std::memory_order_seq_cst);
  if (marks != 0) marks_.store(0, std::memory_order_relaxed);
  const bool named = (marks & k_named) != 0;
  if (named) node_->names_->release(self);
  if ((marks & k_timed) != 0) node_->timers_->drop_all(*this);
  end_owned();
  if (on_own_thread) clear_owned();
  if (traced_) trace_exit(self, reason);
  bool owes = (marks & k_grouped) != 0 && node_->groups_->ended(self);
  if ((named || abroad_) && node_->router_ != nullptr) {
    owes |= node_->router_->process_ended(self, named);
  }
  if (owes) goes_abroad();
  if (extras_ != nullptr) tell_relations(self, reason);
}

void Process::drop_messages() {
  while (Envelope* message = mailbox_.pop()) {
    message->flags = 0;  // its room went with the life
    end_message(message);
  }
}

bool Process::own(std::shared_ptr<Owned> thing) {
  if (alive_) extras().owned.push_front(std::move(thing));
  return alive_;
}

void Process::disown(const Owned& thing) noexcept {
  if (extras_ == nullptr) return;
  extras_->owned.remove_if([&](const auto& owned) { return owned.get() == &thing; });
}

void Process::end_owned() noexcept {
  if (extras_ == nullptr) return;
  for (const auto& thing : extras_->owned) thing->owner_ended();
}

void Process::clear_owned() noexcept {
  if (extras_ == nullptr) return;
  for (const auto& thing : std::exchange(extras_->owned, {})) {
    const UserCode user{current_turn()};
    thing->clear();
  }
}

void Process::tell_relations(const Pid& self, const ExitReason& reason) {
  Extras& own = *extras_;
  for (const auto& [pid, link] : own.relations.links()) {
    if (link.unlink_id != 0) continue;
    emit(self, pid, SignalKind::exit, 0, Message::make<ExitSignal>(reason, true));
  }
  for (const auto& [watcher, session] : own.relations.watchers()) {
    emit(self, watcher.pid, SignalKind::down, watcher.serial, Message::make<DownSignal>(reason));
  }
  for (const auto& [serial, watch] : own.relations.watches()) {
    stop_watching(self, serial, watch);
    if ((watch.spawn & Watch::k_link) != 0 && node_->router_ != nullptr) {
      node_->router_->spawner_ended(watch.target.node, {node_->id(), index_, serial}, reason);
    }
  }
  for (const Pid& sender : own.waiting_senders) emit(self, sender, SignalKind::room, 0, {});
  own.relations = {};
  own.waiting_senders = {};
}

void Process::abandon() noexcept {
  alive_ = occupied_ = false;
  marks_.store(0, std::memory_order_relaxed);
  destroy_frames();
  delete std::exchange(extras_, nullptr);
}

bool Process::bury() {
  if (outside()) return false;
  destroy_frames();
  drop_messages();
  clear_owned();
  drop_messages();  // what came meanwhile
  delete std::exchange(extras_, nullptr);
  occupied_ = false;
  return true;
}

void Process::await_operation() {
  if (!outside()) return;
  alive_ = false;  // so that nothing acts on this process any more
  while (extras_->pending()) {
    if (!inbox_.idle()) take_inbox();
    std::this_thread::yield();
  }
}

void Process::discard() {
  doomed_ = true;
  alive_ = false;
  destroy_frames();
  end_owned();
  clear_owned();
  if (extras_ == nullptr) return;
  for (Envelope* next = extras_->after_doom; next != nullptr;) {
    inbox_.free(std::exchange(next, next->next));
  }
  delete std::exchange(extras_, nullptr);
}

void Process::discard_messages() {
  drop_messages();
  if (inbox_.idle()) return;
  for (Envelope* next = inbox_.take(); next != nullptr;) {
    inbox_.free(std::exchange(next, next->next));
  }
  inbox_.park();
}

}  // namespace grove::detail

namespace grove {
namespace {

std::string readable_type(const std::exception& error) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name{
      abi::__cxa_demangle(typeid(error).name(), nullptr, nullptr, &status), std::free};
  return status == 0 ? name.get() : typeid(error).name();
}

}  // namespace

ExitReason exit_reason_of(const std::exception_ptr& failure) {
  return *detail::failure_of([&failure] { std::rethrow_exception(failure); });
}

ExitReason exit_reason_of(const std::exception& error) {
  const char* what = error.what();
  return ExitReason::error(readable_type(error), what == nullptr ? "" : what);
}

ExitReason detail::reason_of_unknown_exception() {
  return ExitReason::error("unknown", "an exception that is no std::exception");
}

}  // namespace grove
