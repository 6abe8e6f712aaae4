// SPDX-License-Identifier: Apache-2.0
//
// The end of a process. First its own code: frames and body, whose destructors may still send. Then
// what others see: names go, the pid is dead, and only now links and monitors hear of it.
// When something outside still points into the frames (an Operation), the order is turned round:
// the process is dead to the others at once, and its frames go when that has completed.
#include "name_table.hpp"
#include "process.hpp"
#include "process_table.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <typeinfo>
#include <utility>

namespace grove::detail {

void Process::die() {
  const ExitReason reason = extras_ == nullptr ? ExitReason::normal() : extras_->exit_reason;
  if (crashed_ && !reason.is_clean()) {
    const std::string label = extras_->label.empty() ? "" : " (" + extras_->label + ")";
    node_->metrics().add(Metric::processes_crashed);
    node_->log().error("process " + to_string(pid()) + label + " terminated: " + to_string(reason));
  }
  if (extras_ != nullptr && extras_->operation != nullptr) {
    extras_->operation->cancel();
    waiter_ = nullptr;
  } else {
    destroy_frames();
  }
  depart(reason);
}

/// A destructor that throws ends here: what it belongs to is gone all the same.
void Process::end_coroutine() noexcept {
  const UserCode user{current_turn()};
  try {
    code_.end_coroutine();
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

/// From here on it is dead to everybody.
void Process::depart(const ExitReason& reason) {
  const Pid self = pid();
  alive_ = false;
  generation_.store(self.generation + 1, std::memory_order_seq_cst);
  const std::uint8_t marks = marks_.load(std::memory_order_seq_cst);
  if (marks != 0) marks_.store(0, std::memory_order_relaxed);
  const bool named = (marks & k_named) != 0;
  if (named) node_->names_->release(self);
  end_owned();
  if ((named || abroad_) && node_->router_ != nullptr) node_->router_->process_ended(self);
  if (extras_ != nullptr) {
    tell_relations(self, reason);
    if (extras_->tick_at != Clock::TimePoint::max()) node_->clock().cancel(extras_->tick);
  }
  while (Envelope* message = mailbox_.pop()) inbox_.free(message);
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
  for (const auto& thing : std::exchange(extras_->owned, {})) thing->owner_ended();
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
  for (const auto& [serial, watch] : own.relations.watches()) stop_watching(self, serial, watch);
  for (const Pid& sender : own.waiting_senders) emit(self, sender, SignalKind::room, 0, {});
  own.relations = {};
  own.waiting_senders = {};
}

bool Process::bury() {
  if (extras_ != nullptr && extras_->operation != nullptr) return false;
  destroy_frames();
  delete std::exchange(extras_, nullptr);
  occupied_ = false;
  return true;
}

void Process::discard() {
  doomed_ = true;
  alive_ = false;
  destroy_frames();
  end_owned();
  delete std::exchange(extras_, nullptr);
}

void Process::discard_messages() {
  while (Envelope* message = mailbox_.pop()) inbox_.free(message);
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
  try {
    std::rethrow_exception(failure);
  } catch (const ProcessExit& exit) {
    return exit.reason();
  } catch (const std::exception& error) {
    const char* what = error.what();
    return ExitReason::error(readable_type(error), what == nullptr ? "" : what);
  } catch (...) {
    return ExitReason::error("unknown", "an exception that is no std::exception");
  }
}

}  // namespace grove
